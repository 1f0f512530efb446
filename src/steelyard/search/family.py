"""Families of layouts: frames of one stack, each with every way to shard, recompute and offload.

A *frame* is a layout without these three: its degrees and its batches. The rows of a family run over its frames, over
the ways to shard each, over recompute modes and, innermost, offload modes, all in rising order. Only frames and ways
to shard are held; rows are written out when they are asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from steelyard.layout import BOUNDS, Shardings, frames, offloads, shardings
from steelyard.market.options import HardwareOption, Market
from steelyard.search.engine import Engine, Limits
from steelyard.tables import Job, Kernels, Layout, Machine, join, take

Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

BLOCK = 16384
"""Rows that are judged at once: the arrays of one block stay in the cache."""

UNIT = 1 << 17
"""Rows of a family, about: enough to be judged in full blocks, few enough for a dozen megabytes."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched, by what it is judged, and the numbers of devices to try on each chip."""

    job: Job
    market: Market
    limits: Limits
    engine: Engine
    counts: tuple[tuple[int, ...], ...]

    machines: Machine  # of all chips
    kernels: Kernels

    @staticmethod
    def of(job: Job, market: Market, limits: Limits, engine: Engine) -> "Search":
        """Return the search of a job in a market."""
        machines, kernels = (
            join([hardware.machine for hardware in market.hardware]),
            join([hardware.kernels for hardware in market.hardware]),
        )
        return Search(job, market, limits, engine, counts_of(market, limits), machines, kernels)

    def numbers_of(self, hardware: Indices) -> tuple[Machine, Kernels]:
        """Return the machine and the kernels of each of some chips."""
        return take(self.machines, hardware), take(self.kernels, hardware)

    def hardware_of_stack(self, tool: int) -> Indices:
        """Return the chips that a stack runs on."""
        named = self.market.stacks[tool]
        able = [
            tool in self.market.stacks_of_vendor.get(hardware.vendor, ()) and named.runs_on(hardware.accelerator)
            for hardware in self.market.hardware
        ]
        return np.flatnonzero(able)


@dataclass(frozen=True, slots=True)
class Family:
    """Frames of one stack on some sizes of fast domain, in the order of these and of their devices."""

    stack: int
    frames: Layout
    domain: NDArray[np.int64]  # of each frame: devices joined by fast links
    ways: Shardings
    recompute: tuple[int, ...]  # modes; of a sharding the rows are recompute x offload
    offload: tuple[int, ...]
    allowed: Mask  # recompute x offload: what the job allows of these

    @property
    def modes(self) -> int:
        """How many rows one way to shard has."""
        return self.allowed.size

    def rows(self) -> NDArray[np.intp]:
        """Return how many rows each frame has that the job allows."""
        every = np.bincount(self.ways.frame, minlength=self.domain.size) * np.count_nonzero(self.allowed)
        for some, out in ((self.ways.away_alone, 0), (self.ways.never_away, 1)):
            left = np.bincount(self.ways.frame[some], minlength=self.domain.size)
            every = every - left * np.count_nonzero(self.allowed[:, np.equal(self.offload, out)])
        return every

    def layouts(self, rows: Indices) -> Layout:
        """Return some rows as layouts."""
        way, mode = np.divmod(rows, self.modes)
        modes = np.array([(again, out) for again in self.recompute for out in self.offload], dtype=float)
        return replace(
            take(self.frames, self.ways.frame[way]),
            zero=self.ways.zero[way],
            shard_devices=self.ways.shard_devices[way],
            recompute=modes[mode, 0],
            offload=modes[mode, 1],
        )

    def grid(self, start: int, stop: int) -> Layout:
        """Return the rows of some ways to shard as layouts over three axes: recompute, offload, way (the longest)."""
        part = slice(start, stop)
        return replace(
            take(self.frames, self.ways.frame[part]),
            zero=self.ways.zero[part],
            shard_devices=self.ways.shard_devices[part],
            recompute=np.array(self.recompute, dtype=float)[:, None, None],
            offload=np.array(self.offload, dtype=float)[:, None],
        )

    def part(self, start: int, stop: int) -> "Family":
        """Return some of the frames, as views."""
        low, high = np.searchsorted(self.ways.frame, [start, stop])
        ways = self.ways.pick(slice(low, high))
        ways = replace(ways, frame=ways.frame - start)
        return replace(self, frames=take(self.frames, slice(start, stop)), domain=self.domain[start:stop], ways=ways)


def families(search: Search) -> list[Family]:
    """Return all layouts of a job in a market, in families of a size that is quick to judge and small to hold."""
    made: list[Family] = []
    for tool in range(len(search.market.stacks)):
        wanted: dict[int, set[int]] = {}
        for hardware in search.hardware_of_stack(tool):
            wanted.setdefault(domain_of(search.market.hardware[hardware]), set()).update(search.counts[hardware])
        some = [_whole(search, tool, domain, wanted[domain]) for domain in sorted(wanted) if wanted[domain]]
        if some:
            made += _parts(_joined(some))
    return made


def considered(search: Search, family: Family) -> int:
    """Return how many candidates a family holds over all chips."""
    rows, asked = family.rows(), asked_of(search, family)
    return sum(int(rows[asked[int(hardware)]].sum()) for hardware in search.hardware_of_stack(family.stack))


def asked_of(search: Search, family: Family) -> Mapping[int, Mask]:
    """Return which frames of a family each chip asks for: those of its fast domain and of its numbers of devices."""
    masks: dict[tuple[int, tuple[int, ...]], Mask] = {}
    devices = np.asarray(family.frames.devices).astype(np.int64)
    found = {}
    for index in search.hardware_of_stack(family.stack):
        key = (domain_of(search.market.hardware[index]), search.counts[index])
        if key not in masks:
            masks[key] = (family.domain == key[0]) & np.isin(devices, key[1])
        found[int(index)] = masks[key]
    return found


def counts_of(market: Market, limits: Limits) -> tuple[tuple[int, ...], ...]:
    """Return the numbers of devices to try on each chip: 1, 2, 3, 4, 6, 8, 12 … units of what its deals sell."""
    found: list[set[int]] = [set() for _ in market.hardware]
    sold = {(deal.hardware, deal.unit, deal.most) for deal in market.deals}
    for hardware, unit, most in sold:
        found[hardware].update(steps_of(unit, min(most, limits.max_devices)))
    asked = [limits.counts.get(hardware.accelerator, limits.devices) for hardware in market.hardware]
    for hardware, count in enumerate(asked):
        wanted = limits.layout.get("devices", ()) if count is None else (count,)
        if wanted:
            units = [(unit, most) for one, unit, most in sold if one == hardware]
            found[hardware] = {one for one in wanted if any(one % unit == 0 and one <= most for unit, most in units)}
    return tuple(tuple(sorted(counts)) for counts in found)


def steps_of(unit: int, most: int) -> list[int]:
    """Return a unit's multiples by powers of two, and by three times them, up to a bound.

    >>> steps_of(8, 100)
    [8, 16, 24, 32, 48, 64, 96]
    """
    powers = [unit << exponent for exponent in range(max(most // unit, 0).bit_length())]
    return sorted(count for count in {*powers, *(3 * power for power in powers)} if count <= most)


def emptying_settings(search: Search) -> tuple[str, ...]:
    """Return the settings asked for without which there are layouts: those of which one is enough, else all together.

    None where there are no layouts without any of them either.
    """
    asked = search.limits.layout
    trials = [{name} for name in asked] if len(asked) > 1 else []
    for some in (trials, [set(asked)]):
        left = [{name: asked[name] for name in asked if name not in gone} for gone in some]
        tried = [replace(search.limits, layout=layout) for layout in left]
        found = [
            gone
            for gone, limits in zip(some, tried, strict=True)
            if any(considered(search, one) for one in families(replace(search, limits=limits)))
        ]
        if found:
            return tuple(name for name in asked if any(name in gone for gone in found))
    return ()


def domain_of(hardware: HardwareOption) -> int:
    """Return how many devices a chip's fast links join."""
    return int(hardware.machine.domain_devices)


def _whole(search: Search, tool: int, domain: int, counts: set[int]) -> Family:
    """Return all layouts of a stack on one size of fast domain that the job allows."""
    able, asked = search.market.stacks[tool].capability, search.limits.layout
    kinds = frames(search.job, sorted(counts), domain, able, BOUNDS, asked)
    free = ("zero", "shard_devices", "recompute", "offload")
    keep = np.ones(np.size(kinds.tp), dtype=bool)
    for name in asked.keys() - set(free):
        keep &= np.isin(getattr(kinds, name), asked[name])
    kinds = take(kinds, np.flatnonzero(keep))
    ways = shardings(kinds, domain, able, asked)
    kept = np.ones(ways.frame.size, dtype=bool)
    for name in asked.keys() & {"zero", "shard_devices"}:
        kept &= np.isin(getattr(ways, name), asked[name])
    held = np.zeros(np.size(kinds.tp), dtype=bool)
    held[ways.frame[kept]] = True
    place = np.cumsum(held) - 1
    kinds, ways = take(kinds, held), replace(ways.pick(kept), frame=place[ways.frame[kept]])
    modes = (able.recompute, offloads(able))
    allowed = [np.isin(modes[k], asked.get(name, modes[k])) for k, name in enumerate(free[2:])]
    return Family(tool, kinds, np.full(np.size(kinds.tp), domain), ways, *modes, allowed[0][:, None] & allowed[1])


def _joined(some: Sequence[Family]) -> Family:
    """Return families of one stack as one."""
    sizes = [family.domain.size for family in some]
    starts = np.cumsum([0, *sizes[:-1]])
    columns = {
        field.name: np.concatenate(
            [np.broadcast_to(getattr(family.frames, field.name), n) for family, n in zip(some, sizes, strict=True)]
        )
        for field in fields(Layout)
    }
    ways = Shardings(
        np.concatenate([family.ways.frame + start for family, start in zip(some, starts, strict=True)]),
        np.concatenate([family.ways.zero for family in some]),
        np.concatenate([family.ways.shard_devices for family in some]),
        np.concatenate([family.ways.away_alone for family in some]),
        np.concatenate([family.ways.never_away for family in some]),
    )
    alike = {name: float(columns[name][0]) for name in _ALIKE if len({*columns[name].tolist()}) == 1}
    kinds = replace(Layout(**columns), **alike)
    return replace(some[0], frames=kinds, domain=np.concatenate([family.domain for family in some]), ways=ways)


_ALIKE = ("flash", "offload", "partition")
"""Fields of `Layout` of which a search knows one value, unless a job asks for several."""


def _parts(family: Family) -> Iterator[Family]:
    """Cut a family between numbers of devices, so that each part has about `UNIT` rows, or is one such number."""
    if not family.domain.size:
        return
    devices = np.asarray(family.frames.devices)
    edges = np.flatnonzero((np.diff(devices) != 0) | (np.diff(family.domain) != 0)) + 1
    ends = np.append(edges, devices.size)
    held = np.cumsum(family.rows())[ends - 1]
    start, before = 0, 0
    for k, end in enumerate(ends):
        last = k + 1 == ends.size
        if last or held[k + 1] - before > UNIT:
            yield family.part(start, int(end))
            start, before = int(end), int(held[k])
