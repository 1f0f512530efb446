"""How far a predicted step may be off: the spread of its logarithm, by what is known of it and of what it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from steelyard.catalog.schema import Fitted
from steelyard.errors import BadCatalog
from steelyard.tables import Job
from steelyard.units import Array, Share

FACTOR = "time_scale"
"""The residual factor of a stack, or of a chip, on a step."""

STACK_EVIDENCE = "stack_log_sd"
"""Posterior log sd of the residual factor of one stack, in the table of spreads."""


PAIR_RUNS, UNPAIRED = "pair_runs", "unpaired"
"""Runs of a stack on a family of chips, and what having none leaves open of a step, in the table of pairs."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a step's spread depends on; flags are 0 or 1, an entry a prediction."""

    evidence: Array | float = 0.0  # posterior log sd of the residual factors of its stack and of its chip together
    waiting: Array | Share = (
        0.0  # share of the step in which the device waits: launches, exposed traffic, bubble, update
    )
    moe: Share = 0.0
    untuned: Share = 0.0  # the run is not of its chip vendor's own table
    adapters: Share = 0.0
    narrow: Share = 0.0  # products in fp8 or fp4 outside Transformer Engine
    guessed: Share = 0.0  # layout, batch or shape is assumed


def job_traits(job: Job) -> dict[str, Array]:
    """Return which of the traits of a step follow from its job, 0 or 1: experts, adapters, products below 16 bits.

    >>> from steelyard.job import job_table, read_job
    >>> made = job_traits(job_table(read_job("mixtral-8x7b", tokens="1B", task="lora")))
    >>> {name: float(one) for name, one in made.items()}
    {'moe': 1.0, 'adapters': 1.0, 'narrow': 0.0}
    """
    flags = {
        "moe": np.greater(job.workload.copies, 0),
        "adapters": np.less(job.trainable_share, 1),
        "narrow": np.less(job.gemm_bytes, job.element_bytes),
    }
    return {name: np.asarray(flag, dtype=float) for name, flag in flags.items()}


@dataclass(frozen=True, slots=True)
class StepSpread:
    """The parts of a step's spread: standard deviations of its logarithm, but for `evidence`, a factor of one."""

    base: float
    evidence: float
    waiting: float  # of a step that is waiting alone
    moe: float
    untuned: float
    adapters: float
    narrow: float
    guessed: float

    def log_sd(self, traits: Traits) -> Array:
        r"""Return the standard deviation of the logarithm of steps with some traits.

        .. math:: \sigma^2 = \sigma_0^2 + \sum_i (\sigma_i x_i)^2

        Source: parts fitted to left-out runs, as docs/validation.md says.

        >>> spread = StepSpread(0.06, 0.0, 0.45, 0.37, 0.08, 0.2, 0.28, 0.12)
        >>> float(spread.log_sd(Traits(0.1, untuned=1.0)).round(3))
        0.1
        """
        return np.hypot(self.base, self.beyond(traits))

    def beyond(self, traits: Traits) -> Array:
        """Return the same without the part that all steps have."""
        parts = ((getattr(self, one.name) * getattr(traits, one.name)) ** 2 for one in fields(Traits))
        return np.asarray(np.sqrt(sum(parts, np.float64(0))))

    @classmethod
    def of_rows(cls, rows: Mapping[str, Fitted]) -> Self:
        """Return the parts from the rows of a catalog by quantity; BadCatalog names one that is missing."""
        names = [one.name for one in fields(cls)]
        if missing := [name for name in names if name not in rows]:
            raise BadCatalog(f"step_spread.csv has no {', '.join(missing)}: python -m fit.stacks --write")
        return cls(**{name: rows[name].value for name in names})
