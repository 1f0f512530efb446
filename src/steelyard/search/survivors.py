r"""From all candidates to the few per chip, count and stack that any offer and any site could prefer.

**Why this is exact.** Fix the chip, the number of devices :math:`N` and how the run is operated. A layout enters the
rest of the pipeline through two numbers of its step: its seconds :math:`t` and the joules :math:`e` that one
accelerator draws while it trains. Wall time is :math:`T = a\,t + b`; IT energy is :math:`E = N\,(k\,e + T\,w_h + c\,t)
+ d`; with :math:`a, b, c, d, k, w_h \ge 0` that depend on operation (failures, reclaims, checkpoints) and on the chip,
not on the layout. Facility energy is :math:`F = E\,\mathrm{PUE}`, CO2e that times an intensity :math:`I`. Money is
:math:`N\,p\,\max(T, \min(D, u\,T)) + s\,T + r\,F + m`: devices at a price :math:`p` under a commitment of :math:`D`
seconds of which each used one pays for :math:`u` (none: :math:`D = 0`), storage :math:`s`, an electricity tariff
:math:`r`, and what moving data costs, :math:`m`, all non-negative and none a matter of the layout. So every objective
is non-decreasing in :math:`(t, e)`, whatever the offer, the site and the purchase. A layout that another one beats in
both can therefore be dropped before offers and sites are looked at, and no point of the frontier over (time, money,
energy, CO2e) is lost: the survivors of each (chip, count, stack) contain a layout at least as good in all four
objectives for each dropped one. Stacks are kept apart only to say how much each would cost.

**Bounds.** A frame's bound is what its steps take without the traffic of data parallelism and without the update, with
no more recomputation than the least that fits: `Engine.floor`. Sharding and offload change nothing else of a step, and
recomputing adds to it, so no row of the frame takes less, neither seconds nor joules. A frame whose bound is beaten in
both by a row already predicted, of the same chip, count and stack, holds only dominated rows: it goes unpredicted, and
the survivors are the same. `SLACK` keeps rounding from deciding.

Deals are cut the same way: of deals for the same chip, units and operation, one that another beats in every figure of
its bill (the tariff times PUE), in PUE and in PUE x intensity cannot appear on the frontier with any layout. An unknown
figure counts as infinite here as there.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from steelyard.layout import size
from steelyard.market.options import Market
from steelyard.search.family import BLOCK, Family, Indices, Search
from steelyard.search.fitting import Pairs, Tally, fitting
from steelyard.search.pareto import Points, Rows, beaten, frontier, group_frontier
from steelyard.tables import Draw, Layout, Offer, Site, each, join, take

NOWHERE = Site(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""A site that leaves energy as it is: survivors are chosen before there is a site."""

FREE = Offer.rent(0.0)

SLACK = 1 - 1e-9
"""Bounds are lowered by this much: two sums of the same parts in another order differ by less."""

FIRST_SHARE = 4
"""Frames of each chip and count that are predicted first, by either bound."""

GROWTH = 8
"""So many times as many in each later round: few rounds keep blocks full."""


@dataclass(frozen=True, slots=True)
class Survivors:
    """Candidates that some offer at some site could prefer."""

    layouts: Layout
    hardware: NDArray[np.intp]
    stack: NDArray[np.intp]


def reduce(search: Search, family: Family) -> tuple[Survivors, Tally]:
    """Return what of a family no other layout of its chip and count beats in seconds and joules, and the tally.

    Round by round, the most promising frames of each chip and count are predicted in full; then frames go whose bound
    is not below what was found.
    """
    pairs, tally = fitting(search, family)
    judge = _Judge(search, family, pairs)
    bound = judge.bounds()
    orders = [np.lexsort((column, judge.group)) for column in bound.T]
    best, alive, share = BestRows.none(), np.ones(pairs.count, dtype=bool), FIRST_SHARE
    while alive.any():
        chosen = np.zeros(pairs.count, dtype=bool)
        for order in orders:
            chosen[first_of_groups(judge.group, order[alive[order]], share)] = True
        best = judge.better(best, np.flatnonzero(chosen))
        alive &= ~chosen
        left = np.flatnonzero(alive)
        rivals = (best.group, best.seconds, best.joules)
        alive[left[beaten(judge.group[left], bound[left, 0], bound[left, 1], *rivals)]] = False
        share *= GROWTH
    tally.predicted = judge.predicted
    tally.bounded = tally.considered - tally.out_of_memory - tally.dominated - tally.predicted
    layouts = each(family.layouts(best.row), lambda value: np.broadcast_to(value, best.row.size))
    return Survivors(layouts, best.hardware, np.full(best.row.size, family.stack)), tally


def first_of_groups(group: Indices, order: Indices, share: int) -> Indices:
    """Return so many of each group, of rows in the order of their groups.

    >>> first_of_groups(np.array([1, 0, 0, 0]), np.array([3, 1, 2, 0]), 2)
    array([3, 1, 0])
    """
    ordered = group[order]
    place = np.arange(order.size)
    start = np.maximum.accumulate(np.where(np.r_[True, ordered[1:] != ordered[:-1]], place, 0))
    return order[place - start < share]


@dataclass(frozen=True, slots=True)
class BestRows:
    """The best rows of a family so far, for each chip and count."""

    row: Indices
    hardware: Indices
    group: Indices
    seconds: Points
    joules: Points

    @staticmethod
    def none() -> "BestRows":
        """Return no rows."""
        rows, values = np.empty(0, dtype=np.intp), np.empty(0)
        return BestRows(rows, rows, rows, values, values)

    def pick(self, some: Indices) -> "BestRows":
        """Return some of the rows."""
        return BestRows(self.row[some], self.hardware[some], self.group[some], self.seconds[some], self.joules[some])


class _Judge:
    """Predicts rows of one family, and bounds its frames."""

    def __init__(self, search: Search, family: Family, pairs: Pairs) -> None:
        self.search, self.family, self.pairs, self.predicted = search, family, pairs, 0
        devices = np.asarray(family.frames.devices)[pairs.frame]
        self.group = pairs.hardware * (int(devices.max(initial=0)) + 1) + devices.astype(np.intp)

    def bounds(self) -> Points:
        """Return what each pair takes at least: seconds and joules of one device."""
        found = np.empty((self.pairs.count, 2))
        search, family = self.search, self.family
        for start in range(0, self.pairs.count, BLOCK):
            part = slice(start, start + BLOCK)
            kinds = replace(take(family.frames, self.pairs.frame[part]), recompute=self.pairs.recompute[part])
            machine, kernels = search.numbers_of(self.pairs.hardware[part])
            stack, policy = search.market.stacks[family.stack].stack, search.market.policies[0]
            found[part] = _costs(search.engine.floor(search.job, kinds, machine, kernels, stack, policy), kinds)
        return np.where(np.isnan(found), 0.0, found * SLACK)  # what is unknown rules nothing out

    def better(self, best: BestRows, some: Indices) -> BestRows:
        """Return the best rows after some more pairs are predicted."""
        pair, row = self.pairs.expand(some)
        self.predicted += row.size
        hardware, group = self.pairs.hardware[pair], self.group[pair]
        found = np.empty((row.size, 2))
        for start in range(0, row.size, BLOCK):
            part = slice(start, start + BLOCK)
            found[part] = self._predict(row[part], hardware[part])
        found[:, 1] = np.where(np.isnan(found[:, 1]), np.inf, found[:, 1])
        new = (row, hardware, group, found[:, 0], found[:, 1])
        old = (best.row, best.hardware, best.group, best.seconds, best.joules)
        one = BestRows(*[np.concatenate(columns) for columns in zip(old, new, strict=True)])
        one = one.pick(np.lexsort((one.row, one.hardware)))
        return one.pick(group_frontier(one.group, one.seconds, one.joules))

    def _predict(self, rows: Indices, hardware: Indices) -> Points:
        search, stack = self.search, self.search.market.stacks[self.family.stack].stack
        layouts, policy = self.family.layouts(rows), search.market.policies[0]
        machine, kernels = search.numbers_of(hardware)
        found = search.engine.predict(search.job, layouts, machine, kernels, stack, policy, NOWHERE, FREE)
        return _costs(found.draw, layouts)


def _costs(draw: Draw, layouts: Layout) -> Points:
    """Return the seconds of a run and the joules of one device while it trains; NaN where unknown.

    On a chip of unknown power joules are infinite: time alone decides.
    """
    joules = draw.compute_s * draw.compute_w + draw.memory_s * draw.memory_w
    joules = joules + draw.communication_s * draw.communication_w + draw.waiting_s * draw.waiting_w
    joules = np.where(np.isnan(draw.compute_w), np.inf, joules)
    return np.stack([np.broadcast_to(column, size(layouts)) for column in (draw.wall_s, joules)], axis=1)


def best_deals(market: Market, carbon: str) -> Rows:
    """Return the deals that no other deal for the same machines beats in every price, PUE and PUE x intensity."""
    figures = deal_figures(market, carbon)
    kept = [rows[frontier(figures[rows])] for rows in deal_groups(market)]
    return np.sort(np.concatenate(kept)) if kept else np.array([], dtype=np.intp)


def deal_figures(market: Market, carbon: str) -> Points:
    """Return what deals are compared by: prices, the tariff times PUE, what is billed beside, PUE, PUE x intensity."""
    pue, intensity = (
        np.array([getattr(market.sites[deal.site_index].site, name) for deal in market.deals])
        for name in ("pue", f"{carbon}_kg_per_j")
    )
    bill = join([deal.price for deal in market.deals])
    price, tariff = np.asarray(bill.usd_per_device_s), np.asarray(bill.usd_per_facility_j)
    power = np.where(tariff == 0, 0.0, tariff * pue)
    beside = (bill.term_s, bill.term_per_use, bill.storage_usd_per_s, bill.moving_usd)
    return np.column_stack([price, power, *beside, pue, pue * intensity])


def deal_groups(market: Market) -> list[Rows]:
    """Return the deals of a known price that sell the same machines to the same operation, group by group."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, deal in enumerate(market.deals):
        if not np.isnan(deal.usd_per_device_s):
            groups.setdefault((deal.hardware, deal.unit, deal.most, deal.policy), []).append(row)
    return [np.array(rows, dtype=np.intp) for rows in groups.values()]
