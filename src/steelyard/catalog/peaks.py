"""How far a predicted peak may be off: the spread of its logarithm, by what it is made of and what is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np

from steelyard.catalog.load import Catalog
from steelyard.catalog.read import parse_fitted, parsed_rows
from steelyard.catalog.schema import Fitted
from steelyard.catalog.tabulate import stacks
from steelyard.errors import BadCatalog
from steelyard.strategies.registry import SCHEDULES
from steelyard.tables import StepMemory
from steelyard.units import NORMAL_90, Array, Bytes, Count, Share


@dataclass(frozen=True, slots=True)
class PeakTraits:
    """What a peak's spread depends on, an entry a prediction."""

    activations: Share = 0.0  # of its bytes, what waits for the backward pass: states are counted, these are estimated
    momentary: Share = 0.0  # of its bytes, logits and buffers
    outside: Share = 0.0  # of its bytes, reserve, context and communicators
    guessed: Share = 0.0  # 1: layout, recompute, batch or shape is assumed
    unstated: Share = 0.0  # 1: another setting that memory follows from is the usual one
    unseen: Share = 0.0  # 1: it is of a kind of which no measured peak is in the fit


SEEN_SCHEDULES = ("1f1b", "interleaved")
"""Schedules under which some carried run has a measured peak."""


def unseen_kind(schedule: Count) -> Share:
    """Return 1 where no measured peak is of runs with such a schedule, else 0.

    Args:
        schedule: of a pipeline, by its number.

    >>> from steelyard.strategies.registry import SCHEDULES
    >>> [float(unseen_kind(SCHEDULES[name].code)) for name in ("1f1b", "zb-h1")]
    [0.0, 1.0]
    """
    return np.isin(schedule, [SCHEDULES[name].code for name in SEEN_SCHEDULES], invert=True).astype(float)


def peak_traits(
    held: StepMemory, total_bytes: Bytes, guessed: Share = 0.0, unstated: Share = 0.0, unseen: Share = 0.0
) -> PeakTraits:
    """Return the traits of one of the totals of a peak: what is allocated, reserved, needed or shown by the device.

    What the device shows has pages of an optimizer's states in it. No allocator counts them, but they are counted as
    other states are: they do not lie outside of tensors.

    Args:
        held: the peak
        total_bytes: the total of it whose spread is asked for
        guessed: whether layout, recompute, batch or shape is assumed
        unstated: whether another setting that memory follows from is assumed
        unseen: whether no measured peak is of its kind (`unseen_kind`)

    >>> from dataclasses import fields
    >>> parts = {"weights_bytes": 6.0, "activations_bytes": 2.0, "allocated_bytes": 8.0}
    >>> held = StepMemory(**{field.name: parts.get(field.name, 0.0) for field in fields(StepMemory)})
    >>> one = peak_traits(held, 10.0)
    >>> float(one.activations), float(one.momentary), float(one.outside)
    (0.2, 0.0, 0.2)
    >>> float(peak_traits(replace(held, paged_bytes=1.0, device_bytes=10.0), 10.0).outside)
    0.1
    """
    counted = held.allocated_bytes + np.where(np.equal(total_bytes, held.device_bytes), held.paged_bytes, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return PeakTraits(
            np.divide(held.activations_bytes, total_bytes),
            np.divide(held.logits_bytes + held.buffers_bytes, total_bytes),
            1 - np.divide(counted, total_bytes),
            guessed,
            unstated,
            unseen,
        )


@dataclass(frozen=True, slots=True)
class PeakSpread:
    """The parts of a peak's spread: standard deviations of its logarithm, each of a peak of that trait alone."""

    base: float
    activations: float
    momentary: float
    outside: float
    guessed: float
    unstated: float
    unseen: float = 0.0
    unnamed: float = 0.0  # nobody names the stack

    def log_sd(self, traits: PeakTraits) -> Array:
        r"""Return the standard deviation of the logarithm of peaks with some traits.

        .. math:: \sigma^2 = \sigma_0^2 + \sum_i (\sigma_i x_i)^2

        Source: errors of parts that do not depend on each other add up in squares, each by its share of the bytes;
        parts fitted to left-out runs, as docs/validation.md says.

        >>> spread = PeakSpread(0.03, 0.4, 0.1, 1.0, 0.2, 0.0)
        >>> float(spread.log_sd(PeakTraits(activations=0.1)).round(3))
        0.05
        """
        squares = ((getattr(self, one.name) * getattr(traits, one.name)) ** 2 for one in fields(PeakTraits))
        return np.asarray(np.sqrt(sum(squares, np.float64(self.base**2))))

    def of_unnamed(self) -> Self:
        """Return the spread of peaks of a stack that nobody names.

        >>> PeakSpread(0.3, 0.0, 0.0, 0.0, 0.0, 0.0, unnamed=0.4).of_unnamed().base
        0.5
        """
        return replace(self, base=float(np.hypot(self.base, self.unnamed)), unnamed=0.0)

    @classmethod
    def of_rows(cls, rows: Mapping[str, Fitted]) -> Self:
        """Return the parts from the rows of a catalog by quantity; BadCatalog names one that is missing."""
        names = [one.name for one in fields(cls)]
        if missing := [name for name in names if name not in rows]:
            raise BadCatalog(f"peak_spread.csv has no {', '.join(missing)}: python -m fit.memory --write")
        return cls(**{name: rows[name].value for name in names})


@cache
def _shipped(folder: Path) -> PeakSpread:
    return PeakSpread.of_rows({row.quantity: row for row in parsed_rows(folder, "peak_spread", parse_fitted)})


def peak_spread(name: str, catalog: Catalog) -> PeakSpread:
    """Return how far predicted peaks of a stack may be off; one that the user has calibrated has what its runs leave.

    >>> from steelyard.catalog import load
    >>> known, unnamed = (peak_spread(name, load()).base for name in ("fsdp2", "any"))
    >>> 0 < known < 0.2 < unnamed < 1
    True
    """
    known = name if name in stacks(catalog) else "any"
    own = catalog.local.stacks.get((known, "any", "reserved_scale"))
    if own is not None and own.log_sd > 0:
        return PeakSpread(own.log_sd, 0.0, 0.0, 0.0, 0.0, 0.0)
    usual = _shipped(catalog.folder)
    return usual.of_unnamed() if known == "any" else usual


def most_needed_bytes(held: StepMemory, spread: PeakSpread, unseen: Share = 0.0) -> Bytes:
    """Return what a device must have for a peak to fit, at the upper end of its 90 % interval.

    Args:
        held: the peak
        spread: of peaks of its stack
        unseen: whether no measured peak is of its kind

    Source: `StepMemory.needed_bytes`, which leaves out the reserve that an allocator can return.
    """
    return held.needed_bytes * np.exp(NORMAL_90 * spread.log_sd(peak_traits(held, held.needed_bytes, unseen=unseen)))


def device_ends(
    held: StepMemory,
    spread: PeakSpread,
    memory_bytes: Bytes,
    guessed: Share = 0.0,
    unstated: Share = 0.0,
    unseen: Share = 0.0,
) -> tuple[Array, Array]:
    r"""Return low and high end of what the device shows: above its memory only where what is needed may be.

    .. math:: \min\big(D\,e^{z \sigma_D},\; \max(M,\; N\,e^{z \sigma_N})\big)

    Args:
        held: the peak: what the device shows (D), what must fit (N)
        spread: of peaks of its stack (σ, of either total)
        memory_bytes: what a program gets of the device (M)
        guessed: whether layout, recompute, batch or shape is assumed
        unstated: whether another setting that memory follows from is assumed
        unseen: whether no measured peak is of its kind

    Source: PyTorch documentation, notes on CUDA memory management: cached blocks are freed before an allocation fails,
        so that a reserve ends where the device does.

    >>> from dataclasses import fields
    >>> parts = {"weights_bytes": 70.0, "allocated_bytes": 70.0, "needed_bytes": 75.0, "device_bytes": 80.0}
    >>> held = StepMemory(**{field.name: parts.get(field.name, 0.0) for field in fields(StepMemory)})
    >>> sure = PeakSpread(0.1, 0.0, 0.0, 0.0, 0.0, 0.0)
    >>> [round(float(device_ends(held, sure, limit)[1]), 1) for limit in (80.0, 90.0, 100.0)]
    [88.4, 90.0, 94.3]
    """
    shown, needed = (
        peak_traits(held, one, guessed, unstated, unseen) for one in (held.device_bytes, held.needed_bytes)
    )
    most = (held.needed_bytes, spread.log_sd(needed))
    return ends_on_device((held.device_bytes, spread.log_sd(shown)), most, memory_bytes)


def ends_on_device(shown: tuple[Bytes, Array], needed: tuple[Bytes, Array], memory_bytes: Bytes) -> tuple[Array, Array]:
    """Return low and high end of what a device shows, as `device_ends` has them.

    Args:
        shown: what the device shows, and the spread of its logarithm
        needed: what must fit, and the spread of its logarithm
        memory_bytes: what a program gets of the device

    >>> [float(end.round(1)) for end in ends_on_device((80.0, np.float64(0.1)), (75.0, np.float64(0.0)), 90.0)]
    [67.9, 90.0]
    """
    (shown_bytes, log_sd), (needed_bytes, needed_log_sd) = shown, needed
    width, most = np.exp(NORMAL_90 * log_sd), needed_bytes * np.exp(NORMAL_90 * needed_log_sd)
    return np.asarray(shown_bytes / width), np.asarray(np.minimum(shown_bytes * width, np.maximum(memory_bytes, most)))
