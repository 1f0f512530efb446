"""Where to run: one configuration at every site that sells its machines, and what a cleaner site costs.

Four kinds of CO2e stand side by side and are never mixed: location-based (gross, and net of hourly carbon-free energy),
market-based, marginal. What a site has less of than another in location-based terms is a difference between two
inventories; only marginal intensity says what moving changes on the grids.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from steelyard import catalog as facts
from steelyard.errors import BadInput
from steelyard.formatting.answer import Answer
from steelyard.formatting.figures import MASS, TIME, amount, dollars
from steelyard.formatting.interval import Interval
from steelyard.job import JobSpec
from steelyard.market.build import market_of
from steelyard.market.options import Deal, Market, SiteOption
from steelyard.market.sites import GROSS
from steelyard.planner.answers import UNKNOWN_INTERVAL
from steelyard.planner.points import Configuration
from steelyard.planner.premium import Premium
from steelyard.search.engine import Engine
from steelyard.search.rows import job_of_layout
from steelyard.tables import Prediction, join, take
from steelyard.units import KWH_J, Array
from steelyard.vocabulary import LOCATION_GROSS


@dataclass(frozen=True, slots=True)
class SiteResult:
    """The configuration at one site, bought in the cheapest way there."""

    site: str = ""  # empty: not known which
    location: str = ""
    country: str = ""
    site_candidates: int = 0  # sites that it may be, where it is not known which
    offer: str = ""
    purchase: str = ""
    time_s: float = math.nan
    cost_usd: float = math.nan
    energy_facility_kwh: float = math.nan
    pue: float = math.nan
    water_m3: float = math.nan
    co2e_location_gross_kg: Interval = UNKNOWN_INTERVAL  # over rival sources, or over the sites that it may be
    co2e_location_net_kg: float = math.nan
    co2e_market_kg: float = math.nan
    co2e_marginal_kg: float = math.nan
    premium_usd: float = 0.0  # against the cheapest site within the limits
    premium_s: float = 0.0
    less_co2e_kg: float = 0.0
    premium_usd_per_t: float = math.nan
    efficient: bool = False  # within the limits, and no such site is both cheaper and cleaner
    misses: tuple[str, ...] = ()  # limits of the job that it does not keep

    def co2e_kg(self, kind: str) -> float:
        """Return CO2e of one kind; NaN: unknown."""
        found = getattr(self, f"co2e_{kind}_kg")
        return float(found.value if isinstance(found, Interval) else found)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Where(Answer):
    """The sites, those within the limits before the others, the cheapest first; compared by one kind of CO2e."""

    configuration: str
    carbon_kind: str
    cheapest: SiteResult
    cleanest: SiteResult | None  # the cheaper of equals; None where nothing is known
    sites: tuple[SiteResult, ...]
    notes: tuple[str, ...] = ()

    def headline(self) -> str:
        """Return the configuration and the cheapest site."""
        return f"{self.configuration}: {len(self.sites)} sites, the cheapest {self.cheapest.site or 'unknown'}"

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return the sites, a row each."""
        rows = [
            (one.site or one.offer, dollars(one.cost_usd), amount(one.time_s, TIME),
             amount(one.co2e_kg(self.carbon_kind), MASS))
            for one in self.sites
        ]  # fmt: skip
        return (("site", "money", "time", "CO2e"), *rows)


def compare_sites(
    made: Configuration, spec: JobSpec, engine: Engine, catalog: facts.Catalog, carbon: str = LOCATION_GROSS
) -> Where:
    """Return a configuration's layout on its accelerator at every site that the job allows, at its cheapest.

    Machines with another fast domain are left out where the job spans domains: there the layout would be another one.
    """
    market = market_of(replace(spec, accelerators=((made.setting.hardware.accelerator, None),)), catalog)
    deals = [deal for deal in market.deals if _sells(deal, made, market)]
    if not deals:
        raise BadInput(
            f"nobody sells {made.devices} × {made.setting.hardware.accelerator} in the sites that the job allows"
        )
    found = _predicted(made, spec, engine, market, deals)
    results = [_result(found, row, deal, market.sites[deal.site_index], catalog) for row, deal in enumerate(deals)]
    best: dict[tuple[str, str], SiteResult] = {}
    for one in sorted(results, key=lambda one: (one.cost_usd, one.offer)):
        if not math.isnan(one.cost_usd + one.time_s):
            best.setdefault((one.site, "" if one.site else one.offer.partition("/")[0]), one)
    if not best:
        raise BadInput("every price of what the job allows is unknown; see: steelyard catalog offers")
    judged = [replace(one, misses=_misses(one, spec, carbon)) for one in best.values()]
    results = _compared(sorted(judged, key=lambda one: bool(one.misses)), carbon)
    return Where(made.text, carbon, results[0], _cleanest(results, carbon), tuple(results), _notes(carbon))


def _cleanest(results: Sequence[SiteResult], carbon: str) -> SiteResult | None:
    """Return the site where the run emits least, of those within the limits where there are any."""
    kept = [one for one in results if not one.misses] or results
    known = [one for one in kept if not math.isnan(one.co2e_kg(carbon))]
    return min(known, key=lambda one: (one.co2e_kg(carbon), one.cost_usd), default=None)


def _sells(deal: Deal, made: Configuration, market: Market) -> bool:
    chip, own = market.hardware[deal.hardware], made.setting.hardware
    domains = {float(one.machine.domain_devices) for one in (chip, own)}
    return (
        chip.accelerator == own.accelerator
        and (len(domains) == 1 or made.devices <= min(domains))
        and made.devices % deal.unit == 0
        and made.devices <= deal.most
    )


def _predicted(made: Configuration, spec: JobSpec, engine: Engine, market: Market, deals: Sequence[Deal]) -> Prediction:
    """Return the full prediction of the point's layout under each deal."""
    index = np.arange(len(deals))
    chips = [market.hardware[deal.hardware] for deal in deals]
    return engine.predict(
        job_of_layout(made.setting.job, made.setting.layout),
        made.setting.layout,
        take(join([one.machine for one in chips]), index),
        take(join([one.kernels for one in chips]), index),
        made.setting.stack.stack,
        join([market.policies[deal.policy] for deal in deals]),
        join([market.sites[deal.site_index].site for deal in deals]),
        join([deal.price for deal in deals]),
    )


def _result(found: Prediction, row: int, deal: Deal, option: SiteOption, catalog: facts.Catalog) -> SiteResult:
    def at(values: float | Array) -> float:
        return float(np.broadcast_to(values, (row + 1,) if np.ndim(values) == 0 else np.shape(values))[row])

    site = catalog.sites.get(deal.site)
    energy_j = at(found.energy.facility_j)
    ends = option.spread.get(GROSS, (math.nan,))
    carbon = found.carbon
    return SiteResult(
        site=deal.site,
        location=site.location if site else "",
        country=site.country if site else "",
        site_candidates=option.possible_sites,
        offer=deal.offer,
        purchase=deal.purchase,
        time_s=at(found.draw.wall_s),
        cost_usd=at(found.money.total_usd),
        energy_facility_kwh=energy_j / KWH_J,
        pue=float(option.site.pue),
        water_m3=at(carbon.water_m3),
        co2e_location_gross_kg=Interval(at(carbon.location_gross_kgco2e), energy_j * min(ends), energy_j * max(ends)),
        co2e_location_net_kg=at(carbon.location_net_kgco2e),
        co2e_market_kg=at(carbon.market_kgco2e),
        co2e_marginal_kg=at(carbon.marginal_kgco2e),
    )


def _compared(results: list[SiteResult], carbon: str) -> list[SiteResult]:
    """Return the sites with their premium over the first, those marked that nothing beats in both."""
    first, least, made = results[0], math.inf, []
    for one in results:
        kilograms = one.co2e_kg(carbon)
        cleaner = kilograms < least and not one.misses
        least = min(least, kilograms) if not math.isnan(kilograms) else least
        dearer = {} if one is first else _premium(first, one, carbon)
        made.append(replace(one, **dearer, efficient=cleaner))
    return made


def _premium(first: SiteResult, one: SiteResult, carbon: str) -> dict[str, Any]:
    """Return the fields of what a site costs over the first."""
    more = Premium(
        one.cost_usd - first.cost_usd, one.time_s - first.time_s, first.co2e_kg(carbon) - one.co2e_kg(carbon)
    )
    return {
        "premium_usd": more.usd,
        "premium_s": more.seconds,
        "less_co2e_kg": more.less_kg,
        "premium_usd_per_t": more.usd_per_t,
    }


def _misses(one: SiteResult, spec: JobSpec, carbon: str) -> tuple[str, ...]:
    """Return the limits of the job that a site does not keep; an unknown figure keeps none."""
    limits = {
        "deadline": (one.time_s, spec.deadline_s),
        "budget": (one.cost_usd, spec.budget_usd),
        "energy limit": (one.energy_facility_kwh * KWH_J, spec.energy_max_j),
        "CO2e limit": (one.co2e_kg(carbon), spec.co2e_max_kg),
    }
    return tuple(name for name, (value, most) in limits.items() if most is not None and not value <= float(most))


def _notes(carbon: str) -> tuple[str, ...]:
    notes = ["market-based figures are those of a buyer without contracts (residual mix), or of your own rows"]
    if carbon == "marginal":
        return (*notes, "less CO2e at marginal intensity is what moving the run changes on the grids")
    what = "an inventory" if carbon == "market" else "the grids' averages"
    return (*notes, f"less CO2e is a difference by {what}: what moving the run changes, only marginal intensity says")
