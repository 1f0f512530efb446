"""What a pinned configuration is bought as: the cheapest deal that sells so many, or why there is none."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from steelyard import catalog as facts
from steelyard.errors import BadInput, UnknownName
from steelyard.job import JobSpec
from steelyard.market.build import market_of
from steelyard.market.offers import allowed_offers
from steelyard.market.options import Deal, Market
from steelyard.units import Array


def pinned_deal(
    spec: JobSpec,
    system: facts.System,
    count: int,
    site: str,
    catalog: facts.Catalog,
    totals: Callable[[Market, Sequence[Deal]], Array],
) -> tuple[Market, Deal] | str:
    """Return the cheapest deal of a system, or of its accelerator, that sells so many; else why nobody does.

    Args:
        spec: the job, whose filters on offers are kept; a name of nothing among them is `UnknownName`
        system: that is pinned
        count: devices
        site: id of the site that is asked for; empty: any
        catalog: of offers
        totals: what the run costs under each of some deals
    """
    asked = replace(spec, accelerators=((system.accelerator, None),))
    try:
        market = market_of(asked, catalog)
    except UnknownName:
        raise
    except BadInput:
        return _unsold_text(asked, system, catalog)
    exact = [deal for deal in market.deals if deal.system == system.id]
    for some in (exact, market.deals):
        able = [one for one in some if count % one.unit == 0 and count <= one.most and (not site or one.site == site)]
        if able:
            return market, able[int(np.argmin(totals(market, able)))]
    return _too_many_text(system, count, site, exact or market.deals)


def _unsold_text(spec: JobSpec, system: facts.System, catalog: facts.Catalog) -> str:
    """Return why no offer is left of an accelerator."""
    everywhere = catalog.offers_of([system.accelerator], (), "", quarantined=True)
    if not everywhere:
        return f"nobody sells {system.accelerator} in this catalog"
    if not allowed_offers(spec, catalog):
        return f"of the {len(everywhere)} offers of {system.accelerator} none passes the job's filters"
    return f"nobody sells {system.accelerator} as {' or '.join(spec.purchase)} in this catalog at a price to believe"


def _too_many_text(system: facts.System, count: int, site: str, deals: Sequence[Deal]) -> str:
    """Return why deals that there are do not sell so many at the site.

    >>> from steelyard.catalog import load
    >>> deals = [Deal("", "", "", 0, 0, 0, unit=8, most=8000, purchase="", usd_per_device_s=1.0)]
    >>> _too_many_text(load().system("p5.48xlarge"), 12, "", deals)
    'nobody sells 12 × H100-80GB-SXM: 12 is no multiple of 8, the devices of an instance'
    """
    what = f"{count} × {system.accelerator}"
    here = [one for one in deals if not site or one.site == site]
    if not here:
        return f"nobody sells {system.accelerator} at {site} in this catalog"
    units = sorted({one.unit for one in here if count % one.unit})
    most = max((one.most for one in here if count % one.unit == 0), default=0)
    texts = [f"{count} is no multiple of {_listed(units)}, the devices of an instance"] if units else []
    texts += [f"what is sold in other numbers ends at {most}" if units else f"what is sold ends at {most}"] * (most > 0)
    return f"nobody sells {what}{f' at {site}' if site else ''}: {'; '.join(texts)}"


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
