"""The plan: candidates, cuts, frontier, named points; or what to relax where nothing is feasible."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from steelyard.search.answer import Counts, Plan, Relaxation, Rival
from steelyard.search.candidates import Tally
from steelyard.search.explain import binds, rivals
from steelyard.search.family import Family, Search, considered, families
from steelyard.search.market import Market, best, bounds_of, columns_of, market, pooled, within
from steelyard.search.pareto import Rows
from steelyard.search.points import dots, named, point
from steelyard.search.reduce import Survivors, best_deals, reduce
from steelyard.search.relax import relaxations, why
from steelyard.search.world import Engine, Limits, Progress, World
from steelyard.tables import Job, Layout


@dataclass(frozen=True, slots=True)
class Found:
    """What a search leaves: the market of survivors, its frontier, and the count of everything."""

    market: Market
    front: Rows
    tally: Tally

    @property
    def feasible(self) -> bool:
        """Whether any candidate respects every limit."""
        return self.front.size > 0


def explore(
    job: Job, world: World, limits: Limits, engine: Engine, progress: Progress | None = None, workers: int = 0
) -> Found:
    """Return the exact frontier of a job over time, money, facility energy and CO2e.

    Exact over the space that `layout.space` states, the counts of `candidates.counts_of` and the deals of the world;
    `reduce` gives the argument for what is dropped on the way. Every candidate kept fits the device's memory at the
    upper end of its interval.
    """
    search = Search.of(job, world, limits, engine)
    some = families(search)
    total, tally, alive = sum(considered(search, family) for family in some), Tally(), []
    for part, counted in judged(search, some, workers or cores()):
        alive.append(part)
        tally.add(counted)
        if progress is not None:
            progress(tally.considered, total)
    if not alive:
        return Found(empty(), np.empty(0, dtype=np.intp), tally)
    found = market(job, world, engine, limits, pooled(alive), best_deals(world, limits.carbon))
    return Found(found, best(found, limits), tally)


def judged(search: Search, some: Sequence[Family], workers: int) -> Iterator[tuple[Survivors, Tally]]:
    """Yield what is left of each family, in order; families are judged on so many threads."""

    def left(family: Family) -> tuple[Survivors, Tally]:
        return reduce(search, family)

    if workers <= 1:
        yield from map(left, some)
        return
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(left, some)


def answer(
    job: Job, world: World, limits: Limits, engine: Engine, found: Found, said: "Said", today: date | None = None
) -> Plan:
    """Return the plan that a search found, in full: intervals, what binds, why rivals lost, or relaxations."""
    counts = count(found, limits)
    if not found.feasible:
        return Plan(
            said.summary, (), (), (), reason(found, limits), relaxed(found, limits), counts, limits.carbon,
            said.assumptions, said.notes,
        )  # fmt: skip
    day = today or datetime.now(UTC).date()
    rows = named(found.market.points, found.front, columns_of(limits))
    points, lost = [], list[Rival]()
    for label, row in rows.items():
        made = point(job, world, engine, limits.carbon, found.market, row, label, day)
        points.append(made.named(label, binds(made, found.market, row, limits, world)))
        lost += rivals(label, found.market, row, limits, world)
    return Plan(
        summary=said.summary,
        points=tuple(points),
        frontier=dots(world, found.market, found.front),
        rivals=tuple(lost),
        reason="",
        relaxations=(),
        counts=counts,
        carbon=limits.carbon,
        assumptions=said.assumptions,
        notes=said.notes,
    )


@dataclass(frozen=True, slots=True)
class Said:
    """Words of a plan that do not come from the numbers."""

    summary: str
    assumptions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def reason(found: Found, limits: Limits) -> str:
    """Return why nothing is feasible."""
    tally = found.tally
    if found.market.count:
        return why(found.market, limits)
    if not tally.considered:
        return "no number of devices on offer has a valid layout of this model and batch"
    if tally.nearest_text:
        return f"no layout fits in memory; {tally.nearest_text}"
    return "every candidate that fits in memory has an unknown time or price"


def relaxed(found: Found, limits: Limits) -> tuple[Relaxation, ...]:
    """Return the smallest relaxations of the limits; none where no limit is to blame."""
    return relaxations(found.market, limits) if found.market.count else ()


def count(found: Found, limits: Limits) -> Counts:
    """Return how many candidates went where."""
    tally = found.tally
    return Counts(
        considered=tally.considered,
        out_of_memory=tally.out_of_memory,
        dominated=tally.dominated,
        bounded=tally.bounded,
        predicted=tally.predicted,
        offered=found.market.count,
        within_limits=int(within(found.market.points, bounds_of(limits)).sum()),
        frontier=int(found.front.size),
    )


def empty() -> Market:
    """Return a market without candidates."""
    none = np.empty(0, dtype=np.intp)
    return Market(Layout(*[np.empty(0)] * len(Layout.__slots__)), none, none, none, np.empty((0, 4)))


def cores() -> int:
    """Return how many threads help: NumPy runs outside the interpreter's lock, but not all of the work is NumPy."""
    return max(1, min(2, os.cpu_count() or 1))
