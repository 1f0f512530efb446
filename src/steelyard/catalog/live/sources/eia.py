"""The United States' grids: hourly generation by fuel from the EIA, with the user's key (free), public domain.

Format: EIA open data, API version 2, `electricity/rto/fuel-type-data`: `response` with `total` and `data`, objects with
`period` (UTC hour, `2026-11-20T05`), `fueltype` and `value` (MWh). An hour's intensity is what its fuels emit over what
they generate, at the national factors of the EIA's FAQ "How much carbon dioxide is produced per kilowatthour" (2023:
emissions over net generation). Storage and fuels not named are left out of both; so are imports.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from steelyard.catalog.live.fetch import Unreachable
from steelyard.catalog.live.hours import Hours, usual_rows
from steelyard.catalog.live.source import Ask, LiveSource
from steelyard.catalog.local.store import LiveRows
from steelyard.catalog.schema import Source

_URL = "https://api.eia.gov/v2/electricity/rto/fuel-type-data/data/"
_KIND = "em-zone"
_YEAR = dt.timedelta(days=365)
PAGE = 5000
_MOST_PAGES = 60
FACTORS: Mapping[str, float] = {
    "COL": 709e9 / 675_115e6,
    "NG": 790e9 / 1_806_063e6,
    "OIL": 18e9 / 16_233e6,
    "NUC": 0.0,
    "WAT": 0.0,
    "SUN": 0.0,
    "WND": 0.0,
    "GEO": 0.0,
}
"""Kilograms of CO2 a kilowatt-hour, by fuel: emissions over generation of 2023; direct, so 0 where nothing burns."""


def _collect(ask: Ask) -> LiveRows:
    """Return the usual day of each month of the last year, of the balancing areas that the regions asked for lie in."""
    places = [place for place in ask.places(_KIND) if place.startswith(f"{_KIND}/US-")]
    if not places:
        raise Unreachable("none of the regions lies in a balancing area of the United States that the catalog knows")
    found = LiveRows()
    for place in places:
        hours = intensities(_rows(ask, place.rpartition("-")[2]))
        found.profiles += usual_rows(hours, place, "location_gross", EIA.source.id, ask.today)
        if not hours:
            found.notes.append(f"{place}: nothing listed")
    return found


def intensities(rows: Iterator[Mapping[str, Any]]) -> Hours:
    """Return the intensity of each hour; one without any generation by a named fuel is left out.

    >>> hour = {"period": "2026-11-20T05"}
    >>> found = intensities(iter([hour | {"fueltype": "NG", "value": "500"}, hour | {"fueltype": "SUN", "value": 500}]))
    >>> [round(value, 4) for value in found.values()]
    [0.2187]
    """
    sums: dict[str, list[float]] = {}
    for row in rows:
        factor, value = FACTORS.get(str(row["fueltype"])), row.get("value")
        if factor is not None and value is not None:
            generated = max(float(value), 0.0)  # below zero a plant draws for itself
            both = sums.setdefault(str(row["period"]), [0.0, 0.0])
            both[0] += generated * factor
            both[1] += generated
    return {
        dt.datetime.fromisoformat(f"{period}:00+00:00"): emitted / generated
        for period, (emitted, generated) in sums.items()
        if generated > 0
    }


def _rows(ask: Ask, area: str) -> Iterator[Mapping[str, Any]]:
    """Yield a year of hours of one balancing area, page after page."""
    query = {
        "api_key": ask.token,
        "frequency": "hourly",
        "data[0]": "value",
        "facets[respondent][]": area,
        "start": f"{ask.now - _YEAR:%Y-%m-%dT%H}",
        "end": f"{ask.now:%Y-%m-%dT%H}",
        "sort[0][column]": "period",
        "sort[0][direction]": "asc",
        "length": str(PAGE),
    }
    for page in range(_MOST_PAGES):
        reply = ask.fetch.json(_URL, query | {"offset": str(page * PAGE)})
        found = reply.get("response") if isinstance(reply, Mapping) else None
        if not isinstance(found, Mapping) or not isinstance(found.get("data"), list):
            raise Unreachable("the EIA answered in another form: no response.data")
        yield from found["data"]
        if (page + 1) * PAGE >= int(found["total"]):
            return
    raise Unreachable(f"the EIA has more than {_MOST_PAGES} pages of {area}")


EIA = LiveSource(
    name="eia",
    what="United States: hourly intensity of the regions' balancing areas, the last year",
    source=Source(
        "live-eia",
        "hourly carbon intensity of generation in a balancing area, direct, from generation by fuel",
        "EIA open data API v2, electricity/rto/fuel-type-data; factors of eia.gov/tools/faqs/faq.php?id=74 (2023)",
        "v2",
        "public domain",
        "U.S. Energy Information Administration",
        "",
        30,
    ),
    collect=_collect,
    variable="EIA_API_KEY",
    narrow="a balancing area's year is some twenty replies",
)
