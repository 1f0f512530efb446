"""`steelyard where`: the places to run at."""

import math
from typing import TYPE_CHECKING, Any

import click

from steelyard.cli.explain import LABELS, chosen
from steelyard.cli.local import calibrated
from steelyard.cli.options import CARBON, JOB_OPTIONS, LIMIT_OPTIONS, SPACE_OPTIONS, given_options, job_argument
from steelyard.cli.points import PIN_OPTIONS, pinned
from steelyard.cli.say import json_option, say, tell

if TYPE_CHECKING:
    from steelyard.planner import Point
    from steelyard.planner.places import Stand, Where


@click.command(short_help="The places to run at: price, PUE, water, CO2e of every kind, and what a cleaner one costs.")
@job_argument
@click.option(
    "--label", type=click.Choice(LABELS), default="cheapest", help="Which point of the plan. Default: cheapest."
)
@click.option(
    "--all", "whole", is_flag=True, help="List every place, not only the cheapest and those worth their money."
)
@given_options(PIN_OPTIONS, JOB_OPTIONS, LIMIT_OPTIONS, SPACE_OPTIONS)
@CARBON
@calibrated
@json_option
def where(job: str, label: str, whole: bool, carbon: str, as_json: bool, **given: Any) -> None:
    """Compare the places that sell the machines of one configuration of JOB, location- and market-based CO2e apart.

    With --on the configuration is the one pinned; else it is the point of the plan that --label names. Each place
    stands with its cheapest offer, and with its premium over the cheapest place in dollars, hours and CO2e.
    """
    from steelyard.catalog import load
    from steelyard.planner import places
    from steelyard.planner.planning import ENGINE

    pin = {name: given.pop(name) for name in ("on", "layout", "site", "offer")}
    spec, point = pinned(job, carbon, pin, given) if pin["on"] else chosen(job, label, carbon, given)
    found = places.where(point, spec, ENGINE, load(), carbon)
    mapping = told(found, point)
    if as_json:
        tell(mapping)
        return
    from steelyard.report.where import where as page

    say(page(mapping, whole))


def told(found: "Where", point: "Point") -> dict[str, Any]:
    """Return the answer as the object that `--json` prints."""
    cleanest = found.cleanest
    return {
        "configuration": f"{point.devices} × {point.hardware.accelerator}, {point.layout_text}, {point.stack.name}",
        "carbon_kind": found.carbon,
        "cheapest": stand_mapping(found.cheapest, found.carbon),
        "cleanest": None if cleanest is None else stand_mapping(cleanest, found.carbon),
        "places": [stand_mapping(one, found.carbon) for one in found.stands],
        "notes": list(found.notes),
    }


def stand_mapping(one: "Stand", carbon: str) -> dict[str, Any]:
    """Return one place, its CO2e by kind."""
    more = one.premium
    return {
        "site": one.site,
        "location": one.location,
        "country": one.country,
        "site_candidates": one.possible_sites,
        "offer": one.offer,
        "purchase": one.purchase,
        "time_s": one.time_s,
        "cost_usd": one.cost_usd,
        "energy_facility_kwh": one.energy_j / 3.6e6,
        "pue": one.pue,
        "water_m3": one.water_m3,
        **{f"co2e_{kind}_kg": value for kind, value in one.co2e_kg.items()},
        "co2e_location_gross_kg_low": one.gross_low_kg,
        "co2e_location_gross_kg_high": one.gross_high_kg,
        "premium_usd": more.usd if more else 0.0,
        "premium_s": more.seconds if more else 0.0,
        "less_co2e_kg": more.less_kg if more else 0.0,
        "premium_usd_per_t": more.usd_per_t if more else math.nan,
        "efficient": one.efficient,
        "misses": list(one.misses),
    }
