"""A decision to be explained: the job, what there was to choose from, the limits, and every candidate's figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from steelyard.market.options import Market
from steelyard.reasons.draws import drawn_objectives
from steelyard.reasons.summaries import setting_of
from steelyard.search.candidates import Candidates, bounds_of, columns_of, within_limits
from steelyard.search.engine import Engine, Limits
from steelyard.search.pareto import Rows
from steelyard.tables import Job
from steelyard.units import Array


@dataclass(slots=True)
class Decision:
    """Everything that an explanation asks about; rows are those of the candidates."""

    job: Job
    market: Market
    limits: Limits
    engine: Engine
    candidates: Candidates
    front: Rows
    samples: dict[int, Array] = field(default_factory=dict)  # of a row: draws x objectives
    work: str = "tokens"  # what the job is counted in: tokens, samples

    @property
    def able(self) -> NDArray[np.bool_]:
        """Which rows respect every limit."""
        return within_limits(self.candidates.points, bounds_of(self.limits))

    @property
    def axes(self) -> tuple[int, ...]:
        """The columns that the frontier weighs."""
        return columns_of(self.limits)

    def accelerator(self, row: int) -> str:
        """Return the accelerator of a row."""
        return self.market.hardware[int(self.candidates.hardware[row])].accelerator

    def devices(self, row: int) -> int:
        """Return how many devices a row takes."""
        return int(np.asarray(self.candidates.layouts.devices)[row])

    def kind(self, row: int) -> tuple[str, int, int]:
        """Return what makes a row another choice than the next: accelerator, stack, devices."""
        return self.accelerator(row), int(self.candidates.stack[row]), self.devices(row)

    def sample(self, rows: Sequence[int]) -> None:
        """Draw the objectives of rows that were not drawn yet, all at once."""
        new = sorted({int(row) for row in rows} - self.samples.keys())
        if new:
            settings = [setting_of(self.job, self.market, self.candidates, row) for row in new]
            found = drawn_objectives(settings, self.engine, self.limits.carbon)
            self.samples.update({row: found[:, place] for place, row in enumerate(new)})

    def better(self, one: int, other: int, column: int) -> float:
        """Return the share of shared draws in which one row comes to less of an objective than another."""
        self.sample([one, other])
        return share_less(self.samples[one][:, column], self.samples[other][:, column])


def share_less(one: Array, other: Array) -> float:
    """Return how often a draw of one is less than the same draw of the other; equal draws count half.

    >>> share_less(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 2.0, 9.0, 1.0]))
    0.625
    """
    first, second = (np.where(np.isnan(values), np.inf, values) for values in (one, other))
    return float(np.mean(first < second) + np.mean(first == second) / 2)
