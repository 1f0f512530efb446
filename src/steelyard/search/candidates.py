"""Every layout that fits, for each chip and stack: enumerated once for a fast domain, then cut by memory.

Two cuts, both exact:

1. A candidate whose memory, at the upper end of its interval, exceeds the device's is gone. Memory is judged once for
   each layout and stack: `step.memory` does not depend on which machine of a kind it is.
2. Recomputing more never makes a step shorter nor its devices idler (`tests/search/test_ladder.py` holds the pipeline
   to it). So of candidates that differ in nothing else, only the one that recomputes least and fits stays. Dropped rows
   are dominated in time and energy, hence in money and CO2e.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.layout import BOUNDS, Bounds, size, space
from steelyard.search.world import Chip, Engine, Limits, Tool, World
from steelyard.tables import Job, Layout, take

Z90 = 1.6448536269514722
"""Standard normal quantile at 95%: a 90% interval reaches so many standard deviations to each side."""

BLOCK = 32768
"""Rows that are judged at once: the arrays of one block stay in the cache."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """All layouts of one stack on one size of fast domain, with the bytes each needs."""

    layouts: Layout
    high_bytes: NDArray[np.float64]  # upper end of the interval
    steps: tuple[int, int]  # recompute modes and offload modes: the two innermost axes of the rows


@dataclass(slots=True)
class Tally:
    """How many candidates went where."""

    considered: int = 0
    out_of_memory: int = 0
    dominated: int = 0  # needlessly recomputing
    predicted: int = 0
    nearest_fit: float = math.inf  # least memory needed over memory there is, of all candidates
    nearest_text: str = ""

    def add(self, considered: int, fitting: int, kept: int) -> None:
        """Count one chip and stack."""
        self.considered += considered
        self.out_of_memory += considered - fitting
        self.dominated += fitting - kept
        self.predicted += kept


@dataclass(frozen=True, slots=True)
class Batch:
    """Candidates of one chip and one stack, ready to be predicted."""

    chip: int
    tool: int
    layouts: Layout


@dataclass(slots=True)
class Candidates:
    """All candidates of a job in a world, sheet by sheet."""

    job: Job
    world: World
    limits: Limits
    engine: Engine
    bounds: Bounds = BOUNDS
    tally: Tally = field(default_factory=Tally)
    sheets: dict[tuple[int, int, tuple[int, ...]], Sheet] = field(default_factory=dict)

    def batches(self) -> Iterator[Batch]:
        """Yield what is worth predicting, a chip and a stack at a time, in blocks."""
        counts = counts_of(self.world, self.limits)
        union = self._union(counts)
        for chip, numbers in enumerate(self.world.chips):
            for tool in self.world.tools_of.get(numbers.vendor, ()):
                if counts[chip]:
                    yield from self._of(chip, tool, counts[chip], union[_domain(numbers)])

    def _union(self, counts: Sequence[Sequence[int]]) -> Mapping[int, tuple[int, ...]]:
        found: dict[int, set[int]] = {}
        for chip, wanted in zip(self.world.chips, counts, strict=True):
            found.setdefault(_domain(chip), set()).update(wanted)
        return {domain: tuple(sorted(wanted)) for domain, wanted in found.items()}

    def _of(self, chip: int, tool: int, counts: Sequence[int], union: tuple[int, ...]) -> Iterator[Batch]:
        machine = self.world.chips[chip].machine
        sheet = self._sheet(_domain(self.world.chips[chip]), tool, union)
        asked = np.isin(sheet.layouts.devices, counts)
        fits = asked & (sheet.high_bytes <= machine.memory_bytes)
        rows = np.flatnonzero(lightest(fits, sheet.steps))
        self._count(sheet, asked, fits, rows.size, self.world.chips[chip])
        for start in range(0, rows.size, BLOCK):
            yield Batch(chip, tool, take(sheet.layouts, rows[start : start + BLOCK]))

    def _sheet(self, domain: int, tool: int, counts: tuple[int, ...]) -> Sheet:
        key = (domain, tool, counts)
        if key not in self.sheets:
            self.sheets[key] = sheet(self.job, self.world.tools[tool], domain, counts, self)
        return self.sheets[key]

    def _count(self, sheet: Sheet, asked: Any, fits: Any, kept: int, chip: Chip) -> None:
        self.tally.add(int(asked.sum()), int(fits.sum()), kept)
        if not asked.any() or fits.any():
            self.tally.nearest_fit = 0.0 if fits.any() else self.tally.nearest_fit
            return
        row = int(np.argmin(np.where(asked, sheet.high_bytes, np.inf)))
        ratio = float(sheet.high_bytes[row] / chip.machine.memory_bytes)
        if ratio < self.tally.nearest_fit:
            self.tally.nearest_fit = ratio
            need, has = sheet.high_bytes[row] / 2**30, chip.machine.memory_bytes / 2**30
            self.tally.nearest_text = (
                f"{take(sheet.layouts, row).devices:.0f} × {chip.accelerator} comes closest: {need:.0f} GiB a device "
                f"(upper end) where there are {has:.0f}"
            )


def sheet(job: Job, tool: Tool, domain: int, counts: Sequence[int], candidates: Candidates) -> Sheet:
    """Return all layouts of a stack on one size of fast domain with the memory each needs."""
    layouts = space(job, counts, domain, tool.capability, candidates.bounds)
    steps = (len(tool.capability.recompute), 2 if tool.capability.offload else 1)
    allowed = np.ones(size(layouts), dtype=bool)
    for name, values in candidates.limits.layout.items():
        allowed &= np.isin(getattr(layouts, name), values)
    keep = np.flatnonzero(allowed.reshape(-1, steps[0] * steps[1]).any(axis=1).repeat(steps[0] * steps[1]))
    layouts = take(layouts, keep)
    high = np.empty(keep.size)
    machine = candidates.world.chips[0].machine
    for start in range(0, keep.size, BLOCK):
        part = slice(start, start + BLOCK)
        found = candidates.engine.memory(job, take(layouts, part), machine, tool.stack).device_bytes
        high[part] = found
    high *= math.exp(Z90 * tool.memory_log_sd)
    return Sheet(layouts, np.where(allowed[keep], high, np.inf), steps)


def lightest(fits: NDArray[np.bool_], steps: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which fitting rows could not recompute less and still fit.

    Rows run over recompute modes and, innermost, offload modes, both in rising order.

    >>> lightest(np.array([False, True, True, True, False, True]), (3, 2))
    array([False,  True,  True, False, False, False])
    """
    table = fits.reshape(-1, *steps)
    lower = np.logical_or.accumulate(table, axis=1)
    first = table.copy()
    first[:, 1:, :] &= ~lower[:, :-1, :]
    return first.reshape(-1)


def counts_of(world: World, limits: Limits) -> list[tuple[int, ...]]:
    """Return the numbers of devices to try on each chip: 1, 2, 3, 4, 6, 8, 12 … units of what its deals sell."""
    found: list[set[int]] = [set() for _ in world.chips]
    for deal in {(deal.chip, deal.unit, deal.most) for deal in world.deals}:
        chip, unit, most = deal
        found[chip].update(steps_of(unit, min(most, limits.max_devices)))
    asked = [limits.counts.get(chip.accelerator, limits.devices) for chip in world.chips]
    exact = {(chip, count) for chip, count in enumerate(asked) if count is not None}
    for chip, count in exact:
        sold = any(deal.chip == chip and count % deal.unit == 0 and count <= deal.most for deal in world.deals)
        found[chip] = {count} if sold else set()
    return [tuple(sorted(counts)) for counts in found]


def steps_of(unit: int, most: int) -> list[int]:
    """Return a unit's multiples by powers of two, and by three times them, up to a bound.

    >>> steps_of(8, 100)
    [8, 16, 24, 32, 48, 64, 96]
    """
    powers = [unit << exponent for exponent in range(max(most // unit, 0).bit_length())]
    return sorted(count for count in {*powers, *(3 * power for power in powers)} if count <= most)


def _domain(chip: Chip) -> int:
    return int(chip.machine.domain_devices)
