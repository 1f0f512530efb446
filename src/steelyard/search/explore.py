"""The search: candidates, cuts, offers and sites, frontier."""

from contextlib import closing
from dataclasses import dataclass

import numpy as np

from steelyard.market.world import World
from steelyard.search.candidates import Market, best, market, pooled
from steelyard.search.engine import Engine, Limits, Progress
from steelyard.search.family import Search, considered, families
from steelyard.search.fitting import Tally
from steelyard.search.forked import cores, shared
from steelyard.search.pareto import Rows
from steelyard.search.survivors import Survivors, best_deals, reduce
from steelyard.tables import Job, Layout

WORTH_HELP = 200_000
"""Candidates from which on a forked helper saves more time than it takes to start (some milliseconds)."""


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

    Exact over the space that `layout.space` states, the counts of `family.counts_of` and the deals of the world;
    `reduce` gives the argument for what is dropped on the way. Every candidate kept fits the device's memory at the
    upper end of its interval.

    A keyboard interrupt ends the search early: what was found until then is returned, with the number of candidates
    unseen.
    """
    search = Search.of(job, world, limits, engine)
    some = sorted(families(search), key=lambda family: -family.ways.frame.size)  # the long ones first: all end even
    total, tally = sum(considered(search, family) for family in some), Tally()
    kept: dict[int, Survivors] = {}
    helped = workers or (cores() if total > WORTH_HELP else 1)
    try:
        with closing(shared(lambda family: reduce(search, family), some, helped)) as done:
            for place, (part, counted) in done:
                kept[place] = part
                tally.add(counted)
                if progress is not None:
                    progress(tally.considered, total)
    except KeyboardInterrupt:
        pass  # `unseen` says so
    unseen = total - tally.considered
    alive = [kept[place] for place in sorted(kept)]
    if not alive:
        return Found(empty(), np.empty(0, dtype=np.intp), tally, unseen)
    found = market(job, world, engine, limits, pooled(alive), best_deals(world, limits.carbon))
    return Found(found, best(found, limits), tally, unseen)


def empty() -> Market:
    """Return a market without candidates."""
    none = np.empty(0, dtype=np.intp)
    return Market(Layout(*[np.empty(0)] * len(Layout.__slots__)), none, none, none, np.empty((0, 4)))
