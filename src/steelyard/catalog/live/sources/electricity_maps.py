"""Electricity Maps, with the user's token: the usual day of each month of the last year, and a forecast.

Format: Electricity Maps API reference, version 3: `carbon-intensity/past-range` (`data`, ten days of hours at most) and
`carbon-intensity/forecast` (`forecast`): objects with `datetime` (UTC) and `carbonIntensity` in g CO2e/kWh, lifecycle,
flow-traced. What a plan does not include is left out, and said; a plan with neither is an error.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from steelyard.catalog.live.fetch import Unreachable
from steelyard.catalog.live.hours import Hours, series_rows, usual_rows, year_row
from steelyard.catalog.live.source import Ask, LiveSource
from steelyard.catalog.local.store import LiveRows
from steelyard.catalog.schema import Source

_URL = "https://api.electricitymaps.com/v3/carbon-intensity"
_KIND = "em-zone"
_CHUNK = dt.timedelta(days=10)
_YEAR = dt.timedelta(days=365)
_CONDITIONS = "lifecycle, consumption (flow-traced), mean of a year of hours"


def _collect(ask: Ask) -> LiveRows:
    """Return hourly profiles of the zones that the regions asked for lie in, and the mean of the year."""
    places = ask.places(_KIND)
    if not places:
        raise Unreachable("none of the regions lies in a zone of Electricity Maps that the catalog knows")
    found, refused = LiveRows(), list[str]()
    for place in places:
        zone = place.partition("/")[2]
        for what, read in (("a year of hours", _year), ("a forecast", _forecast)):
            try:
                hours = read(ask, zone)
            except Unreachable as error:
                refused.append(f"{zone}, {what}: {error}")
                continue
            _add(found, ask, place, hours, yearly=read is _year)
    if not found.count:
        raise Unreachable("; ".join(refused))
    found.notes += refused
    return found


def _add(found: LiveRows, ask: Ask, place: str, hours: Hours, *, yearly: bool) -> None:
    if yearly:
        found.profiles += usual_rows(hours, place, "location_gross", ELECTRICITY_MAPS.source.id, ask.today)
        found.intensity += year_row(hours, place, "location_gross", _CONDITIONS, ELECTRICITY_MAPS.source.id, ask.today)
    else:
        found.profiles += series_rows(hours, place, "location_gross", ELECTRICITY_MAPS.source.id, ask.today)


def _year(ask: Ask, zone: str) -> Hours:
    """Return the hours of the last year."""
    end = ask.now.replace(minute=0, second=0, microsecond=0)
    found: Hours = {}
    start = end - _YEAR
    while start < end:
        until = min(start + _CHUNK, end)
        query = {"zone": zone, "start": f"{start:%Y-%m-%dT%H:%M:%SZ}", "end": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
        found |= _hours(ask.fetch.json(f"{_URL}/past-range", query, {"auth-token": ask.token}), "data")
        start = until
    return found


def _forecast(ask: Ask, zone: str) -> Hours:
    return _hours(ask.fetch.json(f"{_URL}/forecast", {"zone": zone}, {"auth-token": ask.token}), "forecast")


def _hours(response: Any, key: str) -> Hours:
    if not isinstance(response, Mapping) or not isinstance(response.get(key), list):
        raise Unreachable(f"Electricity Maps answered in another form: no {key}")
    return {
        dt.datetime.fromisoformat(row["datetime"]): float(row["carbonIntensity"]) / 1e3
        for row in response[key]
        if row.get("carbonIntensity") is not None
    }


ELECTRICITY_MAPS = LiveSource(
    name="electricity-maps",
    what="Electricity Maps: hourly intensity of the regions' zones, and its mean of the last year",
    source=Source(
        "live-electricity-maps",
        "hourly carbon intensity of a grid zone, lifecycle, consumption (flow-traced)",
        "Electricity Maps API v3, with the user's token",
        "v3",
        "Electricity Maps terms of the user's plan",
        "Electricity Maps",
        "",
        14,  # before the shipped table of the same source
    ),
    collect=_collect,
    variable="ELECTRICITYMAPS_TOKEN",
    narrow="a token covers zones: those of the regions are asked for",
)
