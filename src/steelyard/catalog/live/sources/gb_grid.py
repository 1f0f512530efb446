"""Great Britain's grid: the Carbon Intensity API of its system operator, no token needed, CC BY 4.0.

Format: carbonintensity.org.uk, API definitions v2: `/intensity/{from}/{to}` (fourteen days at most) and
`/intensity/{from}/fw48h`: half hours with `from` and `intensity` (`forecast`, `actual`) in g CO2/kWh.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from steelyard.catalog.live.fetch import Unreachable
from steelyard.catalog.live.hours import Hours, series_rows, usual_rows, year_row
from steelyard.catalog.live.source import Ask, LiveSource
from steelyard.catalog.local.store import LiveRows
from steelyard.catalog.schema import Source

_URL = "https://api.carbonintensity.org.uk/intensity"
PLACE = "country/GB"
_CHUNK = dt.timedelta(days=13)
_YEAR = dt.timedelta(days=365)
_CONDITIONS = "direct (operational), with imports, mean of a year of half hours"


def _collect(ask: Ask) -> LiveRows:
    """Return the usual day of each month of the last year, and the forecast of two days."""
    end = ask.now.replace(minute=0, second=0, microsecond=0)
    start, year = end - _YEAR, Hours()
    while start < end:
        until = min(start + _CHUNK, end)
        year |= _hours(ask.fetch.json(f"{_URL}/{_at(start)}/{_at(until)}"), "actual")
        start = until
    ahead = _hours(ask.fetch.json(f"{_URL}/{_at(end)}/fw48h"), "forecast")
    told = (PLACE, "location_gross")
    signed = (GB_GRID.source.id, ask.today)
    return LiveRows(
        intensity=year_row(year, *told, _CONDITIONS, *signed),
        profiles=[*usual_rows(year, *told, *signed), *series_rows(ahead, *told, *signed)],
    )


def _at(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%MZ}"


def _hours(response: Any, which: str) -> Hours:
    """Return the mean of each hour's halves; the forecast stands in for a half hour that was not measured."""
    if not isinstance(response, Mapping) or not isinstance(response.get("data"), list):
        raise Unreachable("the Carbon Intensity API answered in another form: no data")
    halves: dict[dt.datetime, list[float]] = {}
    for row in response["data"]:
        value = row["intensity"].get(which)
        value = row["intensity"].get("forecast") if value is None else value
        if value is not None:
            moment = dt.datetime.fromisoformat(row["from"])
            halves.setdefault(moment.replace(minute=0), []).append(float(value) / 1e3)
    return {hour: sum(values) / len(values) for hour, values in halves.items()}


GB_GRID = LiveSource(
    name="gb-grid",
    what="Great Britain's grid operator: hourly intensity of the last year and of two days ahead",
    source=Source(
        "live-gb-grid",
        "half-hourly carbon intensity of Great Britain, direct, with imports",
        "Carbon Intensity API, carbonintensity.org.uk",
        "v2",
        "CC BY 4.0",
        "National Energy System Operator, Carbon Intensity API",
        "",
        30,
    ),
    collect=_collect,
)
