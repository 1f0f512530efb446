"""The places to run at, on paper: kinds of CO2e side by side, and what a cleaner place costs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import RenderableType

from steelyard.formatting.figures import MASS, TIME, VOLUME, amount, dollars, number
from steelyard.report.page import blank, bullets, heading, paragraph, table
from steelyard.vocabulary import CO2E_KINDS

SHOWN: Final = 12
"""Places that are listed beside those that are worth their money; `--all` lists all."""

Stand = Mapping[str, Any]


def where(found: Mapping[str, Any], whole: bool = False) -> list[RenderableType]:
    """Return the page, given as the mapping that `--json` prints."""
    stands = found["places"]
    shown = [one for rank, one in enumerate(stands) if whole or one["efficient"] or rank < SHOWN]
    columns = ["place", ">money", ">time", ">gross", ">net", ">market", ">marginal", ">PUE", ">water"]
    kind = str(found["carbon_kind"]).replace("_", " ")
    parts: list[RenderableType] = [
        heading(str(found["configuration"])),
        blank(),
        table(columns, [row(one) for one in shown]),
        blank(),
        paragraph(
            f"{len(shown)} of {len(stands)} places, the cheapest first; * nothing within the limits is both cheaper "
            f"and cleaner ({kind}); ! misses a limit. "
            "CO2e: location-based gross and net, market-based, marginal: alternatives, never added, never put in each "
            "other's place. Blank: unknown."
        ),
        blank(),
        heading("What a cleaner place costs"),
        bullets(premiums(stands, kind)),
    ]
    return [*parts, blank(), heading("Notes"), bullets([*flags(shown), *found["notes"]])]


def row(one: Stand) -> list[str]:
    """Return one place of the table."""
    return [
        f"{named(one)}{' *' if one['efficient'] else ' !' if one['misses'] else ''}",
        dollars(one["cost_usd"]),
        amount(one["time_s"], TIME),
        *(_known(one[f"co2e_{kind}_kg"], MASS) for kind in CO2E_KINDS),
        number(one["pue"], 3),
        _known(one["water_m3"], VOLUME),
    ]


def named(one: Stand) -> str:
    """Return the name of a place.

    >>> named({"site": "", "offer": "lambda/*/gpu_8x_h100_sxm5"}), named({"site": "gcp/europe-north1", "offer": ""})
    ('lambda, place unknown', 'gcp/europe-north1')
    """
    return str(one["site"] or f"{one['offer'].partition('/')[0]}, place unknown")


def premiums(stands: Sequence[Stand], kind: str) -> list[str]:
    """Return what each place that is worth its money costs over the cheapest."""
    lines = [
        f"{named(one)}: {one['premium_usd']:+,.0f} USD and {one['premium_s'] / 3600:+,.1f} h for "
        f"{amount(one['less_co2e_kg'], MASS)} CO2e less, {kind} ({_rate(one)})"
        for one in stands
        if one["efficient"] and one["less_co2e_kg"] > 0
    ]
    if not any(one["efficient"] for one in stands):
        return ["unknown: no place within the limits has a figure of this kind"]
    return lines or ["nothing: the cheapest place is the cleanest, too"]


def flags(stands: Sequence[Stand]) -> list[str]:
    """Return what is to be said of places that are not known."""
    return [
        f"{named(one)}: one of {one['site_candidates']} regions; location gross from "
        f"{amount(one['co2e_location_gross_kg_low'], MASS)} to {amount(one['co2e_location_gross_kg_high'], MASS)}"
        for one in stands
        if one["site_candidates"]
    ]


def _rate(one: Stand) -> str:
    rate = one["premium_usd_per_t"]
    return "no dearer" if math.isnan(rate) or rate <= 0 else f"{rate:,.0f} USD a tonne"


def _known(value: float, ladder: Any) -> str:
    return "" if math.isnan(value) else amount(value, ladder)
