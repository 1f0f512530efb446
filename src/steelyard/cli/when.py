"""`steelyard when`: the hours to run in."""

import datetime as dt
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from steelyard.cli.explain import LABELS, chosen
from steelyard.cli.local import calibrated
from steelyard.cli.options import CARBON, JOB_OPTIONS, LIMIT_OPTIONS, SPACE_OPTIONS, given_options, job_argument
from steelyard.cli.points import PIN_OPTIONS, pinned
from steelyard.cli.say import json_option, say, tell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.catalog.profile import Profile
    from steelyard.planner import Point
    from steelyard.planner.hours import Way, When


@click.command(short_help="The hours to run in: now, at the best start, or paused and resumed.")
@job_argument
@click.option(
    "--label", type=click.Choice(LABELS), default="cheapest", help="Which point of the plan. Default: cheapest."
)
@click.option(
    "--start", metavar="WHEN", help="Earliest start: 2027-01-13T18:00Z, or so long from now: 6h. Default: now."
)
@click.option(
    "--profile",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Hourly intensity of the site, a CSV: kg_per_kwh with month and hour, or with time; in UTC.",
)
@click.option(
    "--hold/--release",
    "held",
    default=None,
    help="Keep, or give back, the devices while nothing runs. Default: give back what is bought by the hour.",
)
@given_options(PIN_OPTIONS, JOB_OPTIONS, LIMIT_OPTIONS, SPACE_OPTIONS)
@CARBON
@calibrated
@json_option
def when(
    job: str, label: str, start: str | None, file: Path | None, held: bool | None, carbon: str, as_json: bool,
    **given: Any,
) -> None:  # fmt: skip
    """Find the hours before the deadline (--by) in which JOB emits least: now, at the best start, paused and resumed.

    With --on the configuration is the one pinned; else it is the point of the plan that --label names. Hours are chosen
    by marginal intensity where it is known, else by average; only marginal intensity says what is avoided.
    """
    from steelyard.job import job_table
    from steelyard.planner import hours

    now = dt.datetime.now(dt.UTC)
    begin = started(start, now)
    pin = {name: given.pop(name) for name in ("on", "layout", "site", "offer")}
    spec, point = pinned(job, carbon, pin, given) if pin["on"] else chosen(job, label, carbon, given)
    if spec.deadline_s is None:
        raise click.UsageError("give a deadline: --by 7d, --by 2027-03-01; without one no hour is too late")
    left_s = float(spec.deadline_s) - (begin - now).total_seconds()
    found = hours.when(point, job_table(spec), profiles_of(point, file, begin, left_s), begin, left_s, held)
    mapping = told(found, point, now)
    if as_json:
        tell(mapping)
        return
    from steelyard.report.when import when as page

    say(page(mapping))


def started(text: str | None, now: dt.datetime) -> dt.datetime:
    """Return the earliest start."""
    from steelyard.job import literals

    if text is None:
        return now
    plain = text.strip()
    if plain.endswith("Z"):
        plain = f"{plain[:-1]}+00:00"
    return now + dt.timedelta(seconds=float(literals.parse_deadline(plain, now)))


def profiles_of(point: "Point", file: Path | None, start: dt.datetime, window_s: float) -> "Mapping[str, Profile]":
    """Return the hourly profiles of a point's site by kind: of the file, else of the user's own catalog."""
    from steelyard.catalog import load, profile
    from steelyard.errors import BadInput

    catalog = load()
    places = catalog.hourly_places(catalog.sites[point.site.name]) if point.site.name else ()
    if file is None:
        return catalog.profiles_of(places, start, math.ceil(window_s / 3600) + 1)
    found: dict[str, Profile] = {}
    for one in profile.read_profiles(file):
        if not one.place or one.place in places or one.place == point.site.name:
            found.setdefault(one.quantity, one)
    if not found:
        here = ", ".join(places) or "a place that the offer does not name"
        raise BadInput(f"{file}: no hourly profile of {here}; leave out the column place to use it anyway")
    return found


def told(found: "When", point: "Point", asked: dt.datetime) -> dict[str, Any]:
    """Return the answer as the object that `--json` prints."""
    deal = point.deal
    return {
        "asked": asked,
        "configuration": f"{point.devices} × {point.hardware.accelerator}, {point.layout_text}, {point.stack.name}",
        "offer": deal.offer if deal else "",
        "purchase": deal.purchase if deal else "",
        "site": point.site.name,
        "run_s": found.run_s,
        "window_s": found.window_s,
        "slack_s": found.window_s - found.run_s,
        "slot_s": found.slot_s,
        "restart_s": found.restart_s,
        "held_w": found.held_w,
        "held": found.held,
        "chosen_by": found.signal,
        "ways": [
            way_mapping(way) | {"co2e_year_mean_kg": way.energy_j * float(point.site.site.location_gross_kg_per_j)}
            for way in found.ways
        ],
        "notes": list(found.notes),
    }


def way_mapping(way: "Way") -> dict[str, Any]:
    """Return one way, its CO2e by kind."""
    return {
        "name": way.name,
        "start": way.start,
        "end": way.end,
        "pauses": way.pauses,
        "stretches": [list(stretch) for stretch in way.stretches],
        "energy_facility_kwh": way.energy_j / 3.6e6,
        "energy_idle_kwh": way.idle_j / 3.6e6,
        "energy_restart_kwh": way.restart_j / 3.6e6,
        "cost_usd": way.cost_usd,
        "co2e_location_gross_kg": way.co2e_kg.get("location_gross"),
        "co2e_marginal_kg": way.co2e_kg.get("marginal"),
        "co2e_avoided_kg": way.avoided_kg,
    }
