"""Own beside rent, and spot without checkpoints refused: what a plan says of how machines are paid for."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from steelyard.errors import BadInput
from steelyard.formatting.figures import TIME, amount, dollars, percent
from steelyard.job import JobSpec
from steelyard.market.options import Deal, Market
from steelyard.money import break_even_share
from steelyard.planner.answers import Ownership
from steelyard.planner.points import Configuration, interruption_costs, unsaved_loss_s
from steelyard.search.candidates import bounds_of, within_limits
from steelyard.search.engine import Engine, Limits
from steelyard.search.explore import Exploration
from steelyard.search.rows import job_of_layout, single_layout
from steelyard.tables import Job, Money, Prediction
from steelyard.units import HOUR_S
from steelyard.vocabulary import SPOT

BUDGET = 1
"""Column of money among the objectives."""

Explore = Callable[[Market, Limits], Exploration]


@dataclass(frozen=True, slots=True)
class CheapestWay:
    """The cheapest way to run a job under some deals, whatever the budget."""

    deal: Deal
    devices: int
    time_s: float
    spent: Money

    @property
    def device_s(self) -> float:
        """Device-seconds held."""
        return self.devices * self.time_s


def owned_against_rent(
    spec: JobSpec, job: Job, market: Market, limits: Limits, engine: Engine, explore: Explore
) -> tuple[Ownership, ...]:
    """Return each machine of one's own beside the cheapest rent, both free of the budget."""
    mine = [deal for deal in market.deals if deal.purchase == "own"]
    if not mine:
        return ()
    rents = tuple(deal for deal in market.deals if deal.purchase != "own")
    free = replace(limits, budget_usd=None)

    def cheapest(deals: tuple[Deal, ...]) -> CheapestWay | None:
        some = replace(market, deals=deals)
        return _cheapest(job, some, free, engine, explore(some, free)) if deals else None

    rent = cheapest(rents)
    return tuple(_beside(spec, market, deal, cheapest((deal,)), rent, rents) for deal in mine)


def _beside(
    spec: JobSpec,
    market: Market,
    deal: Deal,
    owned: CheapestWay | None,
    rent: CheapestWay | None,
    rents: tuple[Deal, ...],
) -> Ownership:
    used = next(
        float(one.used_share) for one in spec.own if (f"own/{one.system}", one.devices) == (deal.offer, deal.most)
    )
    nan = math.nan
    full = deal.usd_per_device_s * used
    power = float(owned.spent.energy_usd) / owned.device_s if owned else nan
    same = [one for one in rents if one.hardware == deal.hardware or _chip(market, one) == _chip(market, deal)]
    near = min((one for one in same if one.term_s == 0), key=lambda one: one.usd_per_device_s, default=None)
    worth = nan
    if owned and rent:
        kept = rent.spent.total_usd - owned.spent.storage_usd - owned.spent.moving_usd
        worth = float(break_even_share(full, float(kept) / owned.device_s, power))
    made = Ownership(
        own=deal.offer,
        devices=owned.devices if owned else 0,
        used_share=used,
        own_usd=float(owned.spent.total_usd) if owned else nan,
        own_time_s=owned.time_s if owned else nan,
        own_usd_per_device_h=(deal.usd_per_device_s + power) * HOUR_S,
        rent=f"{rent.devices} × {_chip(market, rent.deal)} ({rent.deal.offer}, {rent.deal.purchase})" if rent else "",
        rent_usd=float(rent.spent.total_usd) if rent else nan,
        rent_time_s=rent.time_s if rent else nan,
        break_even_share=worth,
        same_rent=near.offer if near else "",
        same_usd_per_device_h=near.usd_per_device_s * HOUR_S if near else nan,
        same_break_even_share=float(break_even_share(full, near.usd_per_device_s, power)) if near and owned else nan,
    )
    return replace(made, text=ownership_text(made))


def ownership_text(found: Ownership) -> str:
    """Return a comparison in one sentence.

    >>> ownership_text(Ownership("own/DGX-H100", own_usd=9407.0, own_time_s=86400.0, used_share=0.6))
    'own/DGX-H100: $9,407 in 1.0 d at 60% use; nothing rented can run this job within its limits'
    """
    if math.isnan(found.own_usd):
        return f"{found.own}: cannot run this job within its limits"
    mine = f"{found.own}: {dollars(found.own_usd)} in {amount(found.own_time_s, TIME)} at {found.used_share:.0%} use"
    if math.isnan(found.rent_usd):
        return f"{mine}; nothing rented can run this job within its limits"
    there = f"{found.rent}, the cheapest rent: {dollars(found.rent_usd)} in {amount(found.rent_time_s, TIME)}"
    text = f"{mine}; {there}; {_pays(found.break_even_share)}"
    if math.isnan(found.same_usd_per_device_h):
        return text
    hour = f"{dollars(found.own_usd_per_device_h)} a device-hour against {dollars(found.same_usd_per_device_h)}"
    return f"{text}; {hour} for the same device from {found.same_rent}: {_pays(found.same_break_even_share)}"


def _cheapest(job: Job, market: Market, limits: Limits, engine: Engine, found: Exploration) -> CheapestWay | None:
    points = found.candidates.points
    rows = np.flatnonzero(within_limits(points, bounds_of(limits)) & ~np.isnan(points[:, BUDGET]))
    if not rows.size:
        return None
    row = int(rows[np.argmin(points[rows, BUDGET])])
    deal, layout = market.deals[found.candidates.deal[row]], single_layout(found.candidates.layouts, row)
    judged = _judged(job_of_layout(job, layout), market, engine, found, row)
    return CheapestWay(deal, int(layout.devices), float(judged.draw.wall_s), judged.money)


def _judged(job: Job, market: Market, engine: Engine, found: Exploration, row: int) -> Prediction:
    candidates = found.candidates
    deal, chip = market.deals[candidates.deal[row]], market.hardware[candidates.hardware[row]]
    stack, policy = market.stacks[candidates.stack[row]].stack, market.policies[deal.policy]
    site = market.sites[deal.site_index].site
    return engine.predict(
        job, single_layout(candidates.layouts, row), chip.machine, chip.kernels, stack, policy, site, deal.price
    )


def check_unsaved(spec: JobSpec, saved: Callable[[JobSpec], Configuration | None]) -> None:
    """Refuse spot without checkpoints, with the loss to expect; `saved` plans the same with checkpoints, on spot."""
    if spec.checkpoints or SPOT not in spec.purchase:
        return
    way = "write checkpoints: 2, or leave spot out of purchase"
    made = saved(replace(spec, checkpoints=2, purchase=(SPOT,), own=()))
    if made is None or made.deal is None:
        raise BadInput(f"spot without checkpoints is refused: one reclaimed node loses the whole run; {way}")
    one, found = made.setting, made.prediction
    machine, wall_s = one.hardware.machine, float(found.draw.wall_s)
    lost_s = unsaved_loss_s(one.layout, machine, one.policy, found)
    mean_s = interruption_costs(one.job, one.layout, machine, one.policy, found)["interruption_mean_s"]
    price, chance = float(found.money.compute_usd) / wall_s, -math.expm1(-wall_s / mean_s)
    raise BadInput(
        f"spot without checkpoints is refused: {made.devices} × {one.hardware.accelerator} ({made.deal.offer}) are "
        f"interrupted every {amount(mean_s, TIME)} on average; the chance that the whole run is lost at least once is "
        f"{percent(chance)}, and the expected loss {dollars(lost_s * price)} and {amount(lost_s, TIME)}, on top of "
        f"{dollars(float(found.money.total_usd))} and {amount(wall_s, TIME)} with checkpoints; {way}"
    )


def _chip(market: Market, deal: Deal) -> str:
    return market.hardware[deal.hardware].accelerator


def _pays(share: float) -> str:
    return f"owning pays from {share:.0%} use" if share <= 1 else "owning never pays"
