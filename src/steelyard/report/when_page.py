"""The hours to run in, on paper: the ways side by side, and what may and may not be said of them."""

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich.console import RenderableType

from steelyard.formatting.figures import ENERGY, MASS, POWER, TIME, amount, dollars
from steelyard.planner.hours import Way, When
from steelyard.report.page import blank, bullets, heading, paragraph, table
from steelyard.report.plan_page import known_amount
from steelyard.units import KWH_J

_SHOWN: Final = 8
"""Stretches of a paused run that are listed; the rest is in `--json`."""

SIGNALS: Final = {
    "marginal": "marginal intensity, hour by hour",
    "location_gross": "average intensity, hour by hour",
    "": "nothing: no hourly intensity is known",
}


def when_page(found: When) -> list[RenderableType]:
    """Return the page of the hours to run in."""
    ways = found.ways
    parts: list[RenderableType] = [
        heading(f"{found.configuration} at {found.site or 'a site unknown'}"),
        blank(),
        table(["|", *(way.name for way in ways)], way_rows(ways)),
        blank(),
        paragraph(
            f"{amount(found.run_s, TIME)} of work in a window of {amount(found.window_s, TIME)}; times are UTC. "
            f"Chosen by: {SIGNALS[found.chosen_by]}. Resuming takes {amount(found.restart_s, TIME)} (checkpoint, "
            f"reschedule, reload); the devices idle at {amount(found.held_w, POWER)} at the facility's meter."
        ),
    ]
    longest = ways[-1].stretches
    if len(longest) > 1:
        more = len(longest) - _SHOWN
        lines = [f"{_hour(first)} to {_hour(last)}" for first, last in longest[:_SHOWN]]
        parts += [blank(), heading("Stretches of the paused run"), bullets(lines + [f"{more} more"] * (more > 0))]
    return [*parts, blank(), heading("Notes"), bullets(found.notes)]


def way_rows(ways: Sequence[Way]) -> list[list[str]]:
    """Return the rows of the table; a row of which nothing is known is left out.

    >>> way_rows([Way("start now", cost_usd=12.5)])[0:2]
    [['pauses', '0'], ['money', '$12']]
    """
    made = [[name, *(text(way) for way in ways)] for name, text in WAY_LINES.items()]
    return [row for row in made if any(row[1:])]


def _avoided(way: Way) -> str:
    return "" if way.name == "start now" else amount(way.co2e_avoided_kg, MASS)


def _energy(kwh: float) -> str:
    return amount(kwh * KWH_J, ENERGY) if kwh and not math.isnan(kwh) else ""


def _hour(moment: dt.datetime | None) -> str:
    return f"{moment:%a %Y-%m-%d %H:%M}" if moment else ""


WAY_LINES: Final[Mapping[str, Callable[[Way], str]]] = {
    "starts": lambda way: _hour(way.start),
    "ends": lambda way: _hour(way.end),
    "pauses": lambda way: f"{way.pauses}",
    "money": lambda way: dollars(way.cost_usd),
    "energy": lambda way: _energy(way.energy_facility_kwh),
    "of it idling": lambda way: _energy(way.energy_idle_kwh),
    "of it restarting": lambda way: _energy(way.energy_restart_kwh),
    "CO2e, year's mean": lambda way: known_amount(way.co2e_year_mean_kg, MASS),
    "CO2e, these hours": lambda way: known_amount(way.co2e_location_gross_kg, MASS),
    "CO2e, marginal": lambda way: known_amount(way.co2e_marginal_kg, MASS),
    "avoided": _avoided,
}
"""What is shown of a way, in this order."""
