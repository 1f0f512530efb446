"""The sites to run at, on paper: kinds of CO2e side by side, and what a cleaner site costs."""

import math
from collections.abc import Sequence
from typing import Final

from rich.console import RenderableType

from steelyard.formatting.figures import MASS, TIME, VOLUME, amount, dollars, number
from steelyard.planner.sites import SiteResult, Where
from steelyard.report.page import blank, bullets, heading, paragraph, table
from steelyard.report.plan_page import known_amount
from steelyard.units import HOUR_S
from steelyard.vocabulary import CO2E_KINDS

_SHOWN: Final = 12
"""Sites that are listed beside those that are worth their money; `--all` lists all."""


def where_page(found: Where, every: bool = False) -> list[RenderableType]:
    """Return the page of the sites to run at."""
    sites = found.sites
    shown = [one for rank, one in enumerate(sites) if every or one.efficient or rank < _SHOWN]
    columns = ["site", ">money", ">time", ">gross", ">net", ">market", ">marginal", ">PUE", ">water"]
    kind = found.carbon_kind.replace("_", " ")
    parts: list[RenderableType] = [
        heading(found.configuration),
        blank(),
        table(columns, [site_row(one) for one in shown]),
        blank(),
        paragraph(
            f"{len(shown)} of {len(sites)} sites, the cheapest first; * nothing within the limits is both cheaper "
            f"and cleaner ({kind}); ! misses a limit. "
            "CO2e: location-based gross and net, market-based, marginal: alternatives, never added, never put in each "
            "other's place. Blank: unknown."
        ),
        blank(),
        heading("What a cleaner site costs"),
        bullets(premium_lines(sites, kind)),
    ]
    return [*parts, blank(), heading("Notes"), bullets([*unknown_site_lines(shown), *found.notes])]


def site_row(one: SiteResult) -> list[str]:
    """Return one site of the table."""
    return [
        f"{site_name(one)}{' *' if one.efficient else ' !' if one.misses else ''}",
        dollars(one.cost_usd),
        amount(one.time_s, TIME),
        *(known_amount(one.co2e_kg(kind), MASS) for kind in CO2E_KINDS),
        number(one.pue, 3),
        known_amount(one.water_m3, VOLUME),
    ]


def site_name(one: SiteResult) -> str:
    """Return the name of a site.

    >>> site_name(SiteResult(offer="lambda/*/gpu_8x_h100_sxm5")), site_name(SiteResult(site="gcp/europe-north1"))
    ('lambda, site unknown', 'gcp/europe-north1')
    """
    return one.site or f"{one.offer.partition('/')[0]}, site unknown"


def premium_lines(sites: Sequence[SiteResult], kind: str) -> list[str]:
    """Return what each site that is worth its money costs over the cheapest."""
    lines = [
        f"{site_name(one)}: {one.premium_usd:+,.0f} USD and {one.premium_s / HOUR_S:+,.1f} h for "
        f"{amount(one.less_co2e_kg, MASS)} CO2e less, {kind} ({_rate(one)})"
        for one in sites
        if one.efficient and one.less_co2e_kg > 0
    ]
    if not any(one.efficient for one in sites):
        return ["unknown: no site within the limits has a figure of this kind"]
    return lines or ["nothing: the cheapest site is the cleanest, too"]


def unknown_site_lines(sites: Sequence[SiteResult]) -> list[str]:
    """Return what there is to know of sites that nobody publishes."""
    return [
        f"{site_name(one)}: one of {one.site_candidates} regions; location gross from "
        f"{amount(one.co2e_location_gross_kg.low, MASS)} to {amount(one.co2e_location_gross_kg.high, MASS)}"
        for one in sites
        if one.site_candidates
    ]


def _rate(one: SiteResult) -> str:
    rate = one.premium_usd_per_t
    return "no dearer" if math.isnan(rate) or rate <= 0 else f"{rate:,.0f} USD a tonne"
