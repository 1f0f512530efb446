"""What a pinned configuration is bought as: the cheapest deal that sells so many, or why there is none."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from steelyard import catalog as facts
from steelyard.errors import BadInput, UnknownName
from steelyard.job import JobSpec
from steelyard.market.build import market_of
from steelyard.market.offers import allowed_offers
from steelyard.market.options import Deal, Market
from steelyard.vocabulary import hyphenated


def pinned_deal(
    spec: JobSpec,
    system: facts.System,
    count: int,
    site: str,
    catalog: facts.Catalog,
    order: Callable[[Market, Sequence[Deal]], NDArray[np.intp]],
    named: bool = True,
) -> tuple[Market, Deal] | str:
    """Return the deal to take of those that sell so many of a system or its accelerator; else why nobody does.

    Args:
        spec: the job, whose filters on offers are kept; a name of nothing among them is `UnknownName`
        system: that is pinned
        count: devices
        site: id of the site that is asked for; empty: any
        catalog: of offers
        order: the places of some deals, the one to take first
        named: whether the system is named, so that its own deals go before others of its accelerator
    """
    asked = replace(spec, accelerators=((system.accelerator, None),))
    try:
        market = market_of(asked, catalog)
    except UnknownName:
        raise
    except BadInput:
        return _unsold_text(asked, system, site, catalog)
    exact = [deal for deal in market.deals if deal.system == system.id] if named else []
    for some in (exact, market.deals):
        able = [one for one in some if count % one.unit == 0 and count <= one.most and (not site or one.site == site)]
        if able:
            return market, able[int(order(market, able)[0])]
    here = [one for one in exact or market.deals if not site or one.site == site]
    if not here:
        return _unsold_text(asked, system, site, catalog)
    return unsold_number_text(system.accelerator, count, here, site)


OFFER_FILTERS = ("regions", "providers", "residency", "deny_accelerators", "deny_regions", "deny_providers")
"""Fields of a job that leave offers out."""

UNSOLD_WAY_OUT = "price your own with own: in the job file"
"""The way out where nobody sells what is asked for."""


def _unsold_text(spec: JobSpec, system: facts.System, site: str, catalog: facts.Catalog) -> str:
    """Return why no offer is left of an accelerator, at a site where one is asked for."""

    def sold(free: Sequence[str]) -> int:
        rows = allowed_offers(replace(spec, **dict.fromkeys(free, ())), catalog)  # type: ignore[arg-type]  # filters
        return sum(not site or row.site == site for row in rows)

    where = f" at {site}" if site else ""
    given = [name for name in OFFER_FILTERS if getattr(spec, name)]
    if not (everywhere := sold(given)):
        return f"nobody sells {system.accelerator}{where} in this catalog; {UNSOLD_WAY_OUT}"
    if not sold(()):
        blamed = [name for name in given if sold([name])] or given
        names = " and ".join(f"{hyphenated(name)} {', '.join(getattr(spec, name))}" for name in blamed)
        return f"of the {everywhere} offers of {system.accelerator}{where} none passes the job's filters: drop {names}"
    bought = " or ".join(spec.purchase)
    return f"nobody sells {system.accelerator}{where} as {bought} in this catalog at a price to believe"


def unsold_number_text(accelerator: str, count: int, here: Sequence[Deal], site: str = "") -> str:
    """Return why deals that there are do not sell so many of an accelerator.

    Args:
        accelerator: of the catalog
        count: devices
        here: the deals of it, at the site where one is asked for
        site: id of that site; empty: any

    >>> deals = [Deal("", "", "", 0, 0, 0, unit=8, most=8000, purchase="", usd_per_device_s=1.0)]
    >>> unsold_number_text("B200", 12, deals).partition(";")[0]
    'nobody sells 12 × B200 in this catalog: 12 is no multiple of 8, the devices of an instance'
    """
    units = sorted({one.unit for one in here if count % one.unit})
    most = max((one.most for one in here if count % one.unit == 0), default=0)
    texts = [f"{count} is no multiple of {_listed(units)}, the devices of an instance"] if units else []
    texts += [f"what is sold in other numbers ends at {most}" if units else f"what is sold ends at {most}"] * (most > 0)
    where = f" at {site}" if site else ""
    return f"nobody sells {count} × {accelerator}{where} in this catalog: {'; '.join(texts)}; {UNSOLD_WAY_OUT}"


def _listed(units: Sequence[int]) -> str:
    head = ", ".join(map(str, units[:-1]))
    return f"{head} or {units[-1]}" if head else str(units[-1])


def unknown_price_text(bill: dict[str, float]) -> str:
    """Return which part of a bill makes its sum unknown.

    >>> unknown_price_text({"compute_usd": 5.0, "moving_usd": math.nan})
    'the price of moving is unknown'
    """
    parts = [name.removesuffix("_usd") for name, usd in bill.items() if math.isnan(usd)]
    return f"the price of {' and '.join(parts) or 'the offer'} is unknown"
