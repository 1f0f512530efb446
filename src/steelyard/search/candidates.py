"""Survivors meet offers and sites: every objective of every combination, and which of them respect the limits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from steelyard.market.options import Market
from steelyard.search.engine import Engine, Limits
from steelyard.search.family import BLOCK, Indices
from steelyard.search.pareto import Points, Rows, frontier
from steelyard.search.survivors import Survivors
from steelyard.tables import Job, Layout, Prediction, join, take

OBJECTIVES = ("time", "cost", "energy", "co2e")
"""Columns of `Candidates.points`: seconds, dollars, joules at the facility's meter, kilograms of operational CO2e."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates with a deal each, and what they come to. Rows with an unknown time or price are not here."""

    layouts: Layout
    hardware: Indices
    stack: Indices
    deal: Indices
    points: Points  # one row a candidate, one column an objective; NaN: unknown

    @property
    def count(self) -> int:
        """How many candidates there are."""
        return int(self.hardware.size)

    def pick(self, rows: Rows) -> "Candidates":
        """Return some of the candidates."""
        parts = (self.hardware[rows], self.stack[rows], self.deal[rows], self.points[rows])
        return Candidates(take(self.layouts, rows), *parts)


def pooled(parts: Sequence[Survivors]) -> Survivors:
    """Return the survivors of all batches as one table, the best of each chip, count and stack over its batches."""
    layouts = Layout(**{name: np.concatenate([getattr(p.layouts, name) for p in parts]) for name in Layout.__slots__})
    return Survivors(layouts, np.concatenate([p.hardware for p in parts]), np.concatenate([p.stack for p in parts]))


def judged_candidates(
    job: Job, market: Market, engine: Engine, limits: Limits, alive: Survivors, deals: Rows
) -> Candidates:
    """Return every survivor with every deal that sells so many of its machines, judged in full."""
    devices = np.asarray(alive.layouts.devices)
    rows, deal = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.intp)]
    for index in deals:
        offer = market.deals[index]
        sold = np.flatnonzero(
            (alive.hardware == offer.hardware) & (devices % offer.unit == 0) & (devices <= offer.most)
        )
        rows.append(sold)
        deal.append(np.full(sold.size, index))
    row, bought = np.concatenate(rows), np.concatenate(deal)
    layouts, hardware, tool = take(alive.layouts, row), alive.hardware[row], alive.stack[row]
    points = np.empty((row.size, len(OBJECTIVES)))
    for start in range(0, row.size, BLOCK):
        part = np.arange(start, min(start + BLOCK, row.size))
        judged = predicted_candidates(
            job, market, engine, take(layouts, part), hardware[part], tool[part], bought[part]
        )
        points[part] = objectives(judged, limits.carbon)
    found = Candidates(layouts, hardware, tool, bought, points)
    return found.pick(np.flatnonzero(~np.isnan(points[:, :2]).any(axis=1)))


def predicted_candidates(
    job: Job, market: Market, engine: Engine, layouts: Layout, hardware: Indices, tool: Indices, deal: Indices
) -> Prediction:
    """Return the full prediction of candidates that differ in machine, stack, deal and layout."""
    chosen = [market.deals[index] for index in deal]
    site_index = np.array([one.site_index for one in chosen], dtype=np.intp)
    policy = np.array([one.policy for one in chosen], dtype=np.intp)
    stack = take(join([one.stack for one in market.stacks]), tool)
    if market.measured is not None:
        machines, tools = [market.hardware[one] for one in hardware], [market.stacks[one] for one in tool]
        stack = replace(stack, time_scale=stack.time_scale * market.measured.scales(job, layouts, machines, tools))
    return engine.predict(
        job,
        layouts,
        take(join([one.machine for one in market.hardware]), hardware),
        take(join([one.kernels for one in market.hardware]), hardware),
        stack,
        take(join(market.policies), policy),
        take(join([one.site for one in market.sites]), site_index),
        take(join([one.price for one in market.deals]), deal),
    )


def objectives(found: Prediction, carbon: str) -> Points:
    """Return time, money, facility energy and CO2e of one kind, a column each."""
    kilograms = getattr(found.carbon, f"{carbon}_kgco2e")
    columns = (found.draw.wall_s, found.money.total_usd, found.energy.facility_j, kilograms)
    return np.column_stack(np.broadcast_arrays(*columns)).astype(float)


def bounds_of(limits: Limits) -> Points:
    """Return the limit of each objective, infinite where there is none."""
    given = (limits.deadline_s, limits.budget_usd, limits.energy_max_j, limits.co2e_max_kg)
    return np.array([np.inf if limit is None else limit for limit in given], dtype=float)


def within_limits(points: Points, bounds: Points) -> NDArray[np.bool_]:
    """Return which rows respect every limit; an unknown figure respects none but an absent one.

    >>> within_limits(np.array([[1.0, 5.0], [1.0, np.nan]]), np.array([2.0, 9.0]))
    array([ True, False])
    """
    inside: NDArray[np.bool_] = np.all((points <= bounds) | np.isinf(bounds), axis=1)
    return inside


def columns_of(limits: Limits) -> tuple[int, ...]:
    """Return the columns of `Candidates.points` that the frontier weighs."""
    return tuple(OBJECTIVES.index(axis) for axis in limits.axes)


def frontier_rows(found: Candidates, limits: Limits) -> Rows:
    """Return the rows of the exact frontier over the axes within the limits.

    Of rows that are equal on the axes, the one that is least in what is not weighed, in the order of the objectives.
    """
    rows = np.flatnonzero(within_limits(found.points, bounds_of(limits)))
    axes = columns_of(limits)
    aside = [column for column in range(len(OBJECTIVES)) if column not in axes]
    if aside:
        known = np.where(np.isnan(found.points), np.inf, found.points)
        rows = rows[np.lexsort([known[rows, column] for column in reversed(aside)])]
    return np.sort(rows[frontier(found.points[rows][:, axes])])
