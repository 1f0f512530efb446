"""Where to run: one configuration at every place that sells its machines, and what a cleaner place costs.

Four kinds of CO2e stand side by side and are never mixed: location-based (gross, and net of hourly carbon-free energy),
market-based, marginal. What a place has less of than another in location-based terms is a difference between two
inventories; only marginal intensity says what moving changes on the grids.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steelyard import catalog as facts
from steelyard.errors import BadInput
from steelyard.job import JobSpec, job_table
from steelyard.market.build import market_of
from steelyard.market.options import Deal, Market, SiteOption
from steelyard.market.sites import GROSS
from steelyard.planner.answer import Point
from steelyard.planner.premium import Premium
from steelyard.search.engine import Engine
from steelyard.search.rows import job_of_layout
from steelyard.tables import Prediction, join, take
from steelyard.units import Array
from steelyard.vocabulary import CO2E_KINDS, LOCATION_GROSS


@dataclass(frozen=True, slots=True)
class Stand:
    """The configuration at one place, bought in the cheapest way there."""

    site: str  # empty: not known which
    location: str
    country: str
    possible_sites: int  # places that it may be, where it is not known which; else 0
    offer: str
    purchase: str
    time_s: float
    cost_usd: float
    energy_j: float  # at the facility's meter
    co2e_kg: Mapping[str, float]  # by kind; NaN: unknown
    gross_low_kg: float  # location gross over rival sources, or over the places that it may be
    gross_high_kg: float
    water_m3: float
    pue: float
    misses: tuple[str, ...] = ()  # limits of the job that it does not keep
    premium: Premium | None = None  # against the cheapest place within the limits; None: it is that place
    efficient: bool = False  # within the limits, and no such place is both cheaper and cleaner


@dataclass(frozen=True, slots=True)
class Where:
    """The places, those within the limits before the others, the cheapest first; compared by one kind of CO2e."""

    stands: tuple[Stand, ...]
    carbon: str
    notes: tuple[str, ...]

    @property
    def cheapest(self) -> Stand:
        """The place where the run costs least."""
        return self.stands[0]

    @property
    def cleanest(self) -> Stand | None:
        """The place where it emits least, the cheaper of equals; None where nothing is known."""
        kept = [one for one in self.stands if not one.misses] or self.stands
        known = [one for one in kept if not math.isnan(one.co2e_kg[self.carbon])]
        return min(known, key=lambda one: (one.co2e_kg[self.carbon], one.cost_usd), default=None)


def where(point: Point, spec: JobSpec, engine: Engine, catalog: facts.Catalog, carbon: str = LOCATION_GROSS) -> Where:
    """Return a point's layout on its accelerator at every place that the job allows, the cheapest offer of each.

    Machines with another fast domain are left out: there the layout would be another one.
    """
    whole = market_of(replace(spec, accelerators=((point.hardware.accelerator, None),)), catalog)
    deals = [deal for deal in whole.deals if _sells(deal, point, whole)]
    if not deals:
        raise BadInput(f"nobody sells {point.devices} × {point.hardware.accelerator} in the places that the job allows")
    found = _predicted(point, spec, engine, whole, deals)
    stands = [_stand(found, row, deal, whole.sites[deal.site_index], catalog) for row, deal in enumerate(deals)]
    best: dict[tuple[str, str], Stand] = {}
    for one in sorted(stands, key=lambda one: (one.cost_usd, one.offer)):
        if not math.isnan(one.cost_usd + one.time_s):
            best.setdefault((one.site, "" if one.site else one.offer.partition("/")[0]), one)
    if not best:
        raise BadInput("every price of what the job allows is unknown; see: steelyard catalog offers")
    judged = [replace(one, misses=_misses(one, spec, carbon)) for one in best.values()]
    return Where(tuple(_compared(sorted(judged, key=lambda one: bool(one.misses)), carbon)), carbon, _notes(carbon))


def _sells(deal: Deal, point: Point, whole: Market) -> bool:
    chip = whole.hardware[deal.hardware]
    return (
        chip.accelerator == point.hardware.accelerator
        and chip.machine.domain_devices == point.hardware.machine.domain_devices
        and point.devices % deal.unit == 0
        and point.devices <= deal.most
    )


def _predicted(point: Point, spec: JobSpec, engine: Engine, whole: Market, deals: Sequence[Deal]) -> Prediction:
    """Return the full prediction of the point's layout under each deal."""
    index = np.arange(len(deals))
    chips = [whole.hardware[deal.hardware] for deal in deals]
    return engine.predict(
        job_of_layout(job_table(spec), point.layout),
        point.layout,
        take(join([one.machine for one in chips]), index),
        take(join([one.kernels for one in chips]), index),
        point.stack.stack,
        join([whole.policies[deal.policy] for deal in deals]),
        join([whole.sites[deal.site_index].site for deal in deals]),
        join([deal.price for deal in deals]),
    )


def _stand(found: Prediction, row: int, deal: Deal, place: SiteOption, catalog: facts.Catalog) -> Stand:
    def at(values: float | Array) -> float:
        return float(np.broadcast_to(values, (row + 1,) if np.ndim(values) == 0 else np.shape(values))[row])

    site = catalog.sites.get(deal.site)
    energy_j = at(found.energy.facility_j)
    ends = place.spread.get(GROSS, (math.nan,))
    return Stand(
        site=deal.site,
        location=site.location if site else "",
        country=site.country if site else "",
        possible_sites=place.possible_sites,
        offer=deal.offer,
        purchase=deal.purchase,
        time_s=at(found.draw.wall_s),
        cost_usd=at(found.money.total_usd),
        energy_j=energy_j,
        co2e_kg={kind: at(getattr(found.carbon, f"{kind}_kgco2e")) for kind in CO2E_KINDS},
        gross_low_kg=energy_j * min(ends),
        gross_high_kg=energy_j * max(ends),
        water_m3=at(found.carbon.water_m3),
        pue=float(place.site.pue),
    )


def _compared(stands: list[Stand], carbon: str) -> list[Stand]:
    """Return the places with their premium over the first, those marked that nothing beats in both."""
    first, least, made = stands[0], math.inf, []
    for one in stands:
        kilograms = one.co2e_kg[carbon]
        cleaner = kilograms < least and not one.misses
        least = min(least, kilograms) if not math.isnan(kilograms) else least
        made.append(replace(one, premium=None if one is first else _premium(first, one, carbon), efficient=cleaner))
    return made


def _premium(first: Stand, one: Stand, carbon: str) -> Premium:
    return Premium(
        one.cost_usd - first.cost_usd, one.time_s - first.time_s, first.co2e_kg[carbon] - one.co2e_kg[carbon]
    )


def _misses(one: Stand, spec: JobSpec, carbon: str) -> tuple[str, ...]:
    """Return the limits of the job that a place does not keep; an unknown figure keeps none."""
    limits = {
        "deadline": (one.time_s, spec.deadline_s),
        "budget": (one.cost_usd, spec.budget_usd),
        "energy limit": (one.energy_j, spec.energy_max_j),
        "CO2e limit": (one.co2e_kg[carbon], spec.co2e_max_kg),
    }
    return tuple(name for name, (value, most) in limits.items() if most is not None and not value <= float(most))


def _notes(carbon: str) -> tuple[str, ...]:
    notes = ["market-based figures are those of a buyer without contracts (residual mix), or of your own rows"]
    if carbon == "marginal":
        return (*notes, "less CO2e at marginal intensity is what moving the run changes on the grids")
    what = "an inventory" if carbon == "market" else "the grids' averages"
    return (*notes, f"less CO2e is a difference by {what}: what moving the run changes, only marginal intensity says")
