"""What memory leaves of a family of layouts, chip by chip.

Two cuts, both exact:

1. A candidate whose needed memory, at the upper end of its interval, exceeds the device's is gone. Memory is judged
   once for each layout and stack: `pipeline.peak` does not depend on which machine of a kind it is.
2. Recomputing more never makes a step shorter nor its devices idler (`tests/search/test_ladder.py` holds the pipeline
   to it). So of candidates that differ in nothing else, only the one that recomputes least and fits stays. Dropped rows
   are dominated in time and energy, hence in money and CO2e.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from steelyard.catalog.peaks import most_needed_bytes, unseen_kind
from steelyard.search.family import BLOCK, Family, Indices, Mask, Search, asked_of
from steelyard.search.pareto import Points
from steelyard.tables import Machine
from steelyard.units import GIB_BYTES


@dataclass(slots=True)
class Tally:
    """How many candidates went where."""

    considered: int = 0
    out_of_memory: int = 0
    dominated: int = 0  # needlessly recomputing
    bounded: int = 0  # in a frame that its bound rules out
    predicted: int = 0
    nearest_fit: float = math.inf  # least memory needed over memory there is; 0: something fits
    nearest_text: str = ""

    def add(self, other: "Tally") -> None:
        """Count what another tally counted."""
        for name in ("considered", "out_of_memory", "dominated", "bounded", "predicted"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.nearest_fit < self.nearest_fit:
            self.nearest_fit, self.nearest_text = other.nearest_fit, other.nearest_text


@dataclass(frozen=True, slots=True)
class Pairs:
    """Chips and frames: the rows of each that fit and recompute no more than they must."""

    rows: Indices  # of the family; those of one pair follow each other
    hardware: Indices  # of each pair
    frame: Indices
    start: Indices  # where its rows begin
    stop: Indices
    recompute: Points  # the least of its rows

    @property
    def count(self) -> int:
        """How many pairs there are."""
        return int(self.hardware.size)

    def expand(self, some: Indices) -> tuple[Indices, Indices]:
        """Return, for every candidate of some pairs, its pair and its row of the family."""
        length = self.stop[some] - self.start[some]
        pair = np.repeat(some, length)
        offset = np.arange(pair.size) - np.repeat(np.cumsum(length) - length, length)
        return pair, self.rows[self.start[pair] + offset]


def fitting(search: Search, family: Family) -> tuple[Pairs, Tally]:
    """Return the pairs of a chip and a frame of which something fits, and the count of what went."""
    high = needs(search, family)
    frames = _Frames(family, high, host_needs(search, family), drive_needs(search, family))
    tally, made, held = Tally(), [], 0
    kinds: dict[_Room, _Fitting] = {}
    for hardware, asked in asked_of(search, family).items():
        machine = search.market.hardware[hardware].machine
        key = _Room.of(machine)
        if key not in kinds:
            kinds[key] = _Fitting(frames, key, held)
            held += kinds[key].rows.size
        made.append(kinds[key].pairs(hardware, asked, tally))
        if asked.any():
            _nearest(search, hardware, frames, asked, tally)
    if not made:
        nowhere = _Fitting(frames, _Room(0, 0.0, 0.0, math.inf, math.inf), 0)
        made = [nowhere.pairs(0, np.zeros(family.domain.size, dtype=bool), tally)]
    rows = [kind.rows for kind in kinds.values()] or [np.empty(0, dtype=np.intp)]
    columns = [np.concatenate(column) for column in zip(*made, strict=True)]
    return Pairs(np.concatenate(rows), *columns), tally


def boundless(machine: Machine) -> Machine:
    """Return a machine whose own memory changes nothing of what a rank needs: no end of it, no context of its own.

    What is needed is computed once for all machines. Where it fits, the end of a device's memory is not reached; a
    device whose context is known has less of it than stacks count with.
    """
    return replace(machine, memory_bytes=math.inf, context_bytes=math.nan)


def needs(search: Search, family: Family) -> Points:
    """Return the bytes that each row of a family needs, at the upper end of its interval; infinite where not allowed.

    Axes: recompute, offload, ways to shard.
    """
    tool, machine = search.market.stacks[family.stack], boundless(search.market.hardware[0].machine)
    ways = family.ways.frame.size
    high = np.empty((*family.allowed.shape, ways))
    step = max(1, BLOCK // family.modes)
    for start in range(0, ways, step):
        stop = min(start + step, ways)
        some = family.grid(start, stop)
        held = search.engine.memory(search.job, some, machine, tool.stack)
        high[..., start:stop] = most_needed_bytes(held, tool.peaks, unseen_kind(some.schedule))
    high[~family.allowed] = np.inf
    away = np.greater(family.offload, 0)[:, None]
    high[..., family.ways.away_alone] = np.where(away, high[..., family.ways.away_alone], np.inf)
    high[..., family.ways.never_away] = np.where(away, np.inf, high[..., family.ways.never_away])
    return high


def host_needs(search: Search, family: Family) -> Points | None:
    """Return the bytes that each row of a family keeps in its host's memory for one device; None: no row any.

    Axes: offload, ways to shard; of the mode that recomputes most, which keeps no less there than another.
    """
    recipe, machine = search.job.recipe, search.market.hardware[0].machine
    always = any(
        np.any(np.greater(one, 0)) for one in (recipe.weights_on_host, recipe.saved_on_host, recipe.kept_on_host)
    )
    if search.engine.host is None or not (any(family.offload) or always):
        return None
    ways = family.ways.frame.size
    found, first = np.zeros((len(family.offload), ways)), 0 if always else len(family.offload) - 1
    for start in range(0, ways, BLOCK):
        stop = min(start + BLOCK, ways)
        some = family.grid(start, stop)
        most = replace(some, recompute=float(np.max(some.recompute)), offload=np.asarray(some.offload)[first:])
        one = replace(machine, node_devices=1.0)
        kept = search.engine.host(search.job, most, one, search.market.stacks[family.stack].stack)
        found[first:, start:stop] = kept.total_bytes
    return found


def drive_needs(search: Search, family: Family) -> Points | None:
    """Return the bytes that each row of a family keeps on its host's NVMe drives for one device; None: no row any.

    Axes: offload, ways to shard.
    """
    recipe, machine = search.job.recipe, search.market.hardware[0].machine
    asked = any(np.any(np.greater(one, 0)) for one in (recipe.weights_on_nvme, recipe.states_on_nvme))
    if search.engine.drives is None or not asked:
        return None
    one, tool = replace(machine, node_devices=1.0), search.market.stacks[family.stack].stack
    found = np.zeros((len(family.offload), family.ways.frame.size))
    for start in range(0, found.shape[1], BLOCK):
        stop = min(start + BLOCK, found.shape[1])
        some = family.grid(start, stop)
        laid = replace(some, recompute=0.0, offload=np.asarray(some.offload))
        found[:, start:stop] = search.engine.drives(search.job, laid, one, tool).total_bytes
    return found


def lightest(fits: Mask) -> Mask:
    """Return which fitting rows could not recompute less and still fit; axes: recompute, offload, way to shard.

    >>> lightest(np.array([[[False, True], [True, True]], [[True, True], [False, True]]])).astype(int)
    array([[[0, 1],
            [1, 1]],
           [[1, 0],
            [0, 0]]])
    """
    first = fits.copy()
    for mode in range(1, fits.shape[0]):
        first[mode] &= ~fits[:mode].any(axis=0)
    return first


class _Frames:
    """A family with the memory it needs, and what is asked of it more than once."""

    def __init__(self, family: Family, high: Points, on_host: Points | None, on_drives: Points | None) -> None:
        self.family, self.high, self.on_host, self.on_drives = family, high, on_host, on_drives
        starts = np.searchsorted(family.ways.frame, np.arange(family.domain.size))
        least = high.min(axis=(0, 1))
        self.least = np.minimum.reduceat(least, starts) if least.size else least  # bytes, of each frame
        self.rows = family.rows()

    def ways(self, domain: int) -> slice:
        """Return the ways to shard on one size of fast domain."""
        low, high = np.searchsorted(self.family.domain, [domain, domain + 1])
        start, stop = np.searchsorted(self.family.ways.frame, [low, high])
        return slice(int(start), int(stop))


@dataclass(frozen=True, slots=True)
class _Room:
    """What fitting asks of a machine."""

    domain: int
    memory_bytes: float
    node_devices: float
    host_bytes: float  # of one host; infinite: unknown, which refuses nothing
    nvme_bytes: float  # of its drives; infinite: unknown

    @classmethod
    def of(cls, machine: Machine) -> "_Room":
        limits = (float(machine.host_memory_bytes), float(machine.nvme_bytes))
        known = (math.inf if math.isnan(one) else one for one in limits)
        return cls(int(machine.domain_devices), float(machine.memory_bytes), float(machine.node_devices), *known)


class _Fitting:
    """What fits into one room: chips that share it share this."""

    def __init__(self, frames: _Frames, room: _Room, held: int) -> None:
        family, part = frames.family, frames.ways(room.domain)
        fits = frames.high[..., part] <= room.memory_bytes
        for held_there, limit in ((frames.on_host, room.host_bytes), (frames.on_drives, room.nvme_bytes)):
            if held_there is not None and math.isfinite(limit):
                devices = np.asarray(family.frames.devices)[family.ways.frame[part]]
                fits &= held_there[..., part] * np.minimum(room.node_devices, devices) <= limit
        light = np.flatnonzero(np.moveaxis(lightest(fits), 2, 0))
        self.held, self.total = held, frames.rows
        self.rows: Indices = light + part.start * family.modes
        frame = family.ways.frame[self.rows // family.modes]
        self.start = np.flatnonzero(np.r_[True, frame[1:] != frame[:-1]]) if frame.size else np.empty(0, dtype=np.intp)
        self.stop = np.append(self.start[1:], frame.size) if frame.size else self.start
        self.frame = frame[self.start]
        again = np.array(family.recompute, dtype=float)[self.rows % family.modes // len(family.offload)]
        self.recompute = np.minimum.reduceat(again, self.start) if frame.size else again
        fit = fits.sum(axis=(0, 1))
        self.fit = np.bincount(family.ways.frame[part], weights=fit, minlength=family.domain.size)

    def pairs(self, hardware: int, asked: Mask, tally: Tally) -> tuple[Indices, Indices, Indices, Indices, Points]:
        """Return the pairs of one chip, and count what it loses."""
        some = np.flatnonzero(asked[self.frame])
        start, stop = self.start[some] + self.held, self.stop[some] + self.held
        considered, fit = int(self.total[asked].sum()), int(self.fit[asked].sum())
        tally.considered += considered
        tally.out_of_memory += considered - fit
        tally.dominated += fit - int((stop - start).sum())
        return np.full(some.size, hardware), self.frame[some], start, stop, self.recompute[some]


def _nearest(search: Search, hardware: int, frames: _Frames, asked: Mask, tally: Tally) -> None:
    """Note the candidate that comes closest to fitting, while nothing fits."""
    least = np.where(asked, frames.least, np.inf)
    frame = int(np.argmin(least))
    named = search.market.hardware[hardware]
    ratio = float(least[frame] / named.machine.memory_bytes)
    if ratio <= 1:
        tally.nearest_fit, tally.nearest_text = 0.0, ""
    elif ratio < tally.nearest_fit:
        devices = float(np.asarray(frames.family.frames.devices)[frame])
        tally.nearest_fit = ratio
        tally.nearest_text = (
            f"{devices:.0f} × {named.accelerator} comes closest: {least[frame] / GIB_BYTES:.0f} GiB a device "
            f"(upper end) where there are {named.machine.memory_bytes / GIB_BYTES:.0f}"
        )
