"""The search: candidates, cuts, offers and sites, frontier."""

import os
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from steelyard.search.candidates import Tally
from steelyard.search.family import Family, Search, considered, families
from steelyard.search.market import Market, best, market, pooled
from steelyard.search.pareto import Rows
from steelyard.search.reduce import Survivors, best_deals, reduce
from steelyard.search.world import Engine, Limits, Progress, World
from steelyard.tables import Job, Layout


@dataclass(frozen=True, slots=True)
class Found:
    """What a search leaves: the market of survivors, its frontier, and the count of everything."""

    market: Market
    front: Rows
    tally: Tally
    unseen: int = 0  # candidates that an interrupted search never looked at

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

    A keyboard interrupt ends the search early: what was found until then is returned, with the number of candidates
    unseen.
    """
    search = Search.of(job, world, limits, engine)
    some = sorted(families(search), key=lambda family: -family.ways.frame.size)  # the long ones first: threads end even
    total, tally, alive = sum(considered(search, family) for family in some), Tally(), []
    try:
        with closing(judged(search, some, workers or cores())) as left:
            for part, counted in left:
                alive.append(part)
                tally.add(counted)
                if progress is not None:
                    progress(tally.considered, total)
    except KeyboardInterrupt:
        pass  # `unseen` says so
    unseen = total - tally.considered
    if not alive:
        return Found(empty(), np.empty(0, dtype=np.intp), tally, unseen)
    found = market(job, world, engine, limits, pooled(alive), best_deals(world, limits.carbon))
    return Found(found, best(found, limits), tally, unseen)


def judged(search: Search, some: Sequence[Family], workers: int) -> Generator[tuple[Survivors, Tally]]:
    """Yield what is left of each family, in order; families are judged on so many threads."""

    def left(family: Family) -> tuple[Survivors, Tally]:
        return reduce(search, family)

    if workers <= 1:
        yield from map(left, some)
        return
    pool = ThreadPoolExecutor(workers)
    try:
        yield from pool.map(left, some)
    finally:
        pool.shutdown(cancel_futures=True)  # interrupted: families not begun are left


def empty() -> Market:
    """Return a market without candidates."""
    none = np.empty(0, dtype=np.intp)
    return Market(Layout(*[np.empty(0)] * len(Layout.__slots__)), none, none, none, np.empty((0, 4)))


def cores() -> int:
    """Return how many threads help: NumPy runs outside the interpreter's lock, but not all of the work is NumPy."""
    return max(1, min(2, os.cpu_count() or 1))
