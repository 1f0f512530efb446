"""The hours to run in, on paper: the ways side by side, and what may and may not be said of them."""

import datetime as dt
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.console import RenderableType

from steelyard.formatting.figures import ENERGY, MASS, POWER, TIME, UNKNOWN, amount, dollars
from steelyard.report.page import blank, bullets, heading, paragraph, table

KWH_J: Final = 3.6e6
SHOWN: Final = 8
"""Stretches of a paused run that are listed; the rest is in `--json`."""

Way = Mapping[str, Any]
SIGNALS: Final = {
    "marginal": "marginal intensity, hour by hour",
    "location_gross": "average intensity, hour by hour",
    "": "nothing: no hourly intensity is known",
}


def when(found: Mapping[str, Any]) -> list[RenderableType]:
    """Return the page, given as the mapping that `--json` prints."""
    ways = found["ways"]
    parts: list[RenderableType] = [
        heading(f"{found['configuration']} at {found['site'] or 'a place unknown'}"),
        blank(),
        table(["|", *(str(way["name"]) for way in ways)], rows(ways)),
        blank(),
        paragraph(
            f"{amount(found['run_s'], TIME)} of work in a window of {amount(found['window_s'], TIME)}; times are UTC. "
            f"Chosen by: {SIGNALS[found['chosen_by']]}. Resuming takes {amount(found['restart_s'], TIME)} (checkpoint, "
            f"reschedule, reload); the devices idle at {amount(found['held_w'], POWER)} at the facility's meter."
        ),
    ]
    longest = ways[-1]["stretches"]
    if len(longest) > 1:
        more = len(longest) - SHOWN
        lines = [f"{_hour(first)} to {_hour(last)}" for first, last in longest[:SHOWN]]
        parts += [blank(), heading("Stretches of the paused run"), bullets(lines + [f"{more} more"] * (more > 0))]
    return [*parts, blank(), heading("Notes"), bullets(found["notes"])]


def rows(ways: list[Way]) -> list[list[str]]:
    """Return the rows of the table; a row of which nothing is known is left out.

    >>> rows([{"name": "start now", "pauses": 0, "cost_usd": 12.5}])[0:2]
    [['pauses', '0'], ['money', '$12']]
    """
    made = [[name, *(say(way) for way in ways)] for name, say in LINES.items()]
    return [row for row in made if any(row[1:])]


def unknown(value: float | None) -> bool:
    """Return whether nothing is known of a value.

    >>> unknown(None), unknown(float("nan")), unknown(0.0)
    (True, True, False)
    """
    return value is None or math.isnan(value)


def _mass(way: Way, key: str) -> str:
    value = way.get(key)
    return "" if unknown(value) else amount(value, MASS)


def _avoided(way: Way) -> str:
    value = way.get("co2e_avoided_kg")
    if way["name"] == "start now":
        return ""
    return UNKNOWN if unknown(value) else amount(value, MASS)


def _energy(way: Way, key: str) -> str:
    value = way.get(key)
    return amount(value * KWH_J, ENERGY) if value else ""


def _hour(moment: dt.datetime | None) -> str:
    return f"{moment:%a %Y-%m-%d %H:%M}" if moment else ""


LINES: Final[Mapping[str, Callable[[Way], str]]] = {
    "starts": lambda way: _hour(way.get("start")),
    "ends": lambda way: _hour(way.get("end")),
    "pauses": lambda way: f"{way['pauses']}",
    "money": lambda way: dollars(way.get("cost_usd")),
    "energy": lambda way: _energy(way, "energy_facility_kwh"),
    "of it idling": lambda way: _energy(way, "energy_idle_kwh"),
    "of it restarting": lambda way: _energy(way, "energy_restart_kwh"),
    "CO2e, year's mean": lambda way: _mass(way, "co2e_year_mean_kg"),
    "CO2e, these hours": lambda way: _mass(way, "co2e_location_gross_kg"),
    "CO2e, marginal": lambda way: _mass(way, "co2e_marginal_kg"),
    "avoided": _avoided,
}
"""What is said of a way, in this order."""
