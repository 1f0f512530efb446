"""Ember: yearly carbon intensity of countries, with the user's key (free), CC BY 4.0.

Format: Ember API documentation, `carbon-intensity/yearly`: `data`, objects with `entity_code` (ISO 3166-1 alpha-3),
`date` (the year) and `emissions_intensity_gco2_per_kwh` (lifecycle, production mix).
"""

from collections.abc import Mapping

from steelyard.catalog.live.fetch import Unreachable
from steelyard.catalog.live.source import Ask, LiveSource
from steelyard.catalog.local.store import LiveRows
from steelyard.catalog.schema import Source

_URL = "https://api.ember-energy.org/v1/carbon-intensity/yearly"
YEARS_BACK = 3
_CONDITIONS = "lifecycle, production mix, annual average"


def _collect(ask: Ask) -> LiveRows:
    """Return the newest year of every country that the catalog knows."""
    query = {"is_aggregate_entity": "false", "start_date": str(ask.now.year - YEARS_BACK), "api_key": ask.token}
    reply = ask.fetch.json(_URL, query)
    if not isinstance(reply, Mapping) or not isinstance(reply.get("data"), list):
        raise Unreachable("Ember answered in another form: no data")
    codes = ask.catalog.countries
    newest: dict[str, tuple[int, float]] = {}
    strangers: set[str] = set()
    for row in reply["data"]:
        place = f"country/{codes.get(str(row.get('entity_code')), '')}"
        value = row.get("emissions_intensity_gco2_per_kwh")
        if place not in ask.catalog.sites:
            strangers.add(str(row.get("entity")))
        elif value is not None and int(row["date"]) > newest.get(place, (0, 0.0))[0]:
            newest[place] = (int(row["date"]), float(value) / 1e3)
    wanted = ask.places("country") if ask.regions else sorted(newest)
    made = [_row(place, *newest[place], ask.today) for place in wanted if place in newest]
    notes = [f"not in the catalog: {', '.join(sorted(strangers))}"] if strangers else []
    return LiveRows(intensity=list(made), notes=notes)


def _row(place: str, year: int, kg_per_kwh: float, today: str) -> Mapping[str, str]:
    return {
        "place": place,
        "quantity": "location_gross",
        "value": f"{kg_per_kwh:.6g}",
        "unit": "kg/kWh",
        "conditions": _CONDITIONS,
        "year": str(year),
        "source": EMBER.source.id,
        "checked": today,
        "note": "",
    }


EMBER = LiveSource(
    name="ember",
    what="Ember: yearly intensity of countries",
    source=Source(
        "live-ember",
        "carbon intensity of electricity by country, lifecycle, production mix",
        "Ember API, api.ember-energy.org, carbon-intensity/yearly",
        "v1",
        "CC BY 4.0",
        "Ember",
        "",
        19,  # before the shipped table of the same source
    ),
    collect=_collect,
    variable="EMBER_API_KEY",
)
