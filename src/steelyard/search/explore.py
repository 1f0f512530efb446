"""The search: candidates, cuts, offers and sites, frontier."""

from contextlib import closing
from dataclasses import dataclass

import numpy as np

from steelyard.market.options import Market
from steelyard.search.candidates import Candidates, frontier_rows, judged_candidates, pooled
from steelyard.search.engine import Engine, Limits, Progress
from steelyard.search.family import Search, considered, families
from steelyard.search.fitting import Tally
from steelyard.search.forked import cores, on_processes
from steelyard.search.pareto import Rows
from steelyard.search.survivors import Survivors, best_deals, reduce
from steelyard.tables import Job, Layout

WORTH_HELP = 200_000
"""Candidates from which on a forked helper saves more time than it takes to start (some milliseconds)."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """What a search leaves: the candidates of survivors, its frontier, and the count of everything."""

    candidates: Candidates
    front: Rows
    tally: Tally
    unseen: int = 0  # candidates that an interrupted search never looked at

    @property
    def feasible(self) -> bool:
        """Whether any candidate respects every limit."""
        return self.front.size > 0


def explore(
    job: Job, market: Market, limits: Limits, engine: Engine, progress: Progress | None = None, workers: int = 0
) -> Exploration:
    """Return the exact frontier of a job over time, money, facility energy and CO2e.

    Exact over the space that `layout.space` states, the counts of `family.counts_of` and the deals of the market;
    `reduce` gives the argument for what is dropped on the way. Every candidate kept fits the device's memory at the
    upper end of its interval.

    A keyboard interrupt ends the search early: what was found until then is returned, with the number of candidates
    unseen.
    """
    search = Search.of(job, market, limits, engine)
    some = sorted(families(search), key=lambda family: -family.ways.frame.size)  # the long ones first: all end even
    total, tally = sum(considered(search, family) for family in some), Tally()
    kept: dict[int, Survivors] = {}
    helped = workers or (cores() if total > WORTH_HELP else 1)
    try:
        with closing(on_processes(lambda family: reduce(search, family), some, helped)) as done:
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
        return Exploration(no_candidates(), np.empty(0, dtype=np.intp), tally, unseen)
    found = judged_candidates(job, market, engine, limits, pooled(alive), best_deals(market, limits.carbon))
    return Exploration(found, frontier_rows(found, limits), tally, unseen)


def no_candidates() -> Candidates:
    """Return a table of candidates without candidates."""
    none = np.empty(0, dtype=np.intp)
    return Candidates(Layout(*[np.empty(0)] * len(Layout.__slots__)), none, none, none, np.empty((0, 4)))
