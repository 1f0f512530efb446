"""A global batch that the plan may choose: one search a batch, one frontier over all of them.

A layout knows its own batch: replicas x micro-batch x micro-batches. So the rows of several searches lie in one table,
and each row is judged with the job that its layout makes of it (`points.of_layout`).
"""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from steelyard.market.options import Market
from steelyard.search.candidates import Candidates, frontier_rows
from steelyard.search.engine import Engine, Limits, Progress
from steelyard.search.explore import Exploration, explore
from steelyard.search.fitting import Tally
from steelyard.tables import Job, Layout
from steelyard.units import Array


def explore_batches(
    job: Job, batches: Sequence[int], market: Market, limits: Limits, engine: Engine, progress: Progress | None = None
) -> Exploration:
    """Return the exact frontier over every batch allowed; none given: over the job's own.

    Interrupted, batches not begun are left, and counted as about as many candidates unseen as the last had.
    """
    if not batches:
        return explore(job, market, limits, engine, progress)
    parts = []
    for place, batch in enumerate(batches):
        tick = _part(progress, place, len(batches)) if progress else None
        parts.append(explore(replace(job, batch_samples=float(batch)), market, limits, engine, tick))
        if parts[-1].unseen:
            break
    candidates = joined_candidates([part.candidates for part in parts])
    last = parts[-1]
    unseen = last.unseen and last.unseen + (len(batches) - len(parts)) * (last.unseen + last.tally.considered)
    return Exploration(candidates, frontier_rows(candidates, limits), _sum([part.tally for part in parts]), unseen)


def joined_candidates(parts: Sequence[Candidates]) -> Candidates:
    """Return several markets as one."""
    layouts = Layout(**{name: _end_to_end([getattr(p.layouts, name) for p in parts]) for name in Layout.__slots__})
    return Candidates(
        layouts,
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("hardware", "stack", "deal", "points")),
    )


def _end_to_end(columns: Sequence[Array]) -> Array:
    return np.concatenate([np.asarray(column, dtype=float) for column in columns])


def _part(progress: Progress, place: int, parts: int) -> Progress:
    """Return the progress of one of several searches of about equal size."""
    return lambda done, total: progress(done + place * total, parts * total)


def _sum(tallies: Sequence[Tally]) -> Tally:
    nearest = min(tallies, key=lambda tally: tally.nearest_fit)
    made = Tally(nearest_fit=nearest.nearest_fit, nearest_text=nearest.nearest_text)
    for field in fields(Tally):
        if not field.name.startswith("nearest"):
            setattr(made, field.name, sum(getattr(tally, field.name) for tally in tallies))
    return made
