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

Deals are cut the same way: of deals for the same chip, units and operation, one that another beats in every figure of
its bill (the tariff times PUE), in PUE and in PUE x intensity cannot appear on the frontier with any layout. An unknown
figure counts as infinite here as there.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.layout import size
from steelyard.search.candidates import Batch
from steelyard.search.pareto import Rows, frontier, grouped
from steelyard.search.world import Engine, World
from steelyard.tables import Job, Layout, Offer, Site, join, take

NOWHERE = Site(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""A site that leaves energy as it is: survivors are chosen before there is a site."""

FREE = Offer.rent(0.0)


@dataclass(frozen=True, slots=True)
class Survivors:
    """Candidates that some offer at some site could prefer."""

    layouts: Layout
    chip: NDArray[np.intp]
    tool: NDArray[np.intp]


def survivors(job: Job, world: World, engine: Engine, batches: Iterable[Batch], workers: int) -> Iterator[Survivors]:
    """Yield what is left of each batch, in order; batches are predicted on so many threads."""

    def reduced(batch: Batch) -> Survivors:
        return reduce(job, world, engine, batch)

    if workers <= 1:
        yield from map(reduced, batches)
        return
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(reduced, batches)


def reduce(job: Job, world: World, engine: Engine, batch: Batch) -> Survivors:
    """Predict one batch and keep, for each number of devices, what no other layout beats in seconds and joules."""
    chip, tool = world.chips[batch.chip], world.tools[batch.tool]
    policy = world.policies[0]  # any one ranks layouts alike, see the module's argument
    found = engine.predict(job, batch.layouts, chip.machine, chip.kernels, tool.stack, policy, NOWHERE, FREE)
    draw = found.draw
    joules = draw.compute_s * draw.compute_w + draw.memory_s * draw.memory_w
    joules = joules + draw.communication_s * draw.communication_w + draw.waiting_s * draw.waiting_w
    count = size(batch.layouts)
    seconds = np.broadcast_to(np.asarray(draw.wall_s, dtype=float), count)
    joules = np.broadcast_to(np.where(np.isnan(joules), np.inf, joules), count)  # a chip of unknown power: time decides
    rows = grouped(np.asarray(batch.layouts.devices), seconds, joules)
    return Survivors(take(batch.layouts, rows), np.full(rows.size, batch.chip), np.full(rows.size, batch.tool))


def best_deals(world: World, carbon: str) -> Rows:
    """Return the deals that no other deal for the same machines beats in every price, PUE and PUE x intensity."""
    pue, intensity = (
        np.array([getattr(world.places[deal.place].site, name) for deal in world.deals])
        for name in ("pue", f"{carbon}_kg_per_j")
    )
    bill = join([deal.price for deal in world.deals])
    price, tariff = np.asarray(bill.usd_per_device_s), np.asarray(bill.usd_per_facility_j)
    power = np.where(tariff == 0, 0.0, tariff * pue)
    beside = (bill.term_s, bill.term_per_use, bill.storage_usd_per_s, bill.moving_usd)
    figures = np.column_stack([price, power, *beside, pue, pue * intensity])
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, deal in enumerate(world.deals):
        if not np.isnan(price[row]):
            groups.setdefault((deal.chip, deal.unit, deal.most, deal.policy), []).append(row)
    kept = [np.asarray(rows)[frontier(figures[rows])] for rows in groups.values()]
    return np.sort(np.concatenate(kept)) if kept else np.array([], dtype=np.intp)
