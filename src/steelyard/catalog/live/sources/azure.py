"""Azure: the retail prices interface, no account needed.

Format: Microsoft Learn, "Azure Retail Prices REST API overview": objects under `Items`, pages by `NextPageLink`. A
reservation's price is that of the whole term, whatever its unit of measure says (same page).
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from steelyard.catalog.live.fetch import Unreachable
from steelyard.catalog.live.source import Ask, InstanceShape, LiveSource, instance_shapes, live_price
from steelyard.catalog.local.store import LiveRows
from steelyard.catalog.schema import Source
from steelyard.units import DAY_S, HOUR_S

_URL = "https://prices.azure.com/api/retail/prices"
VERSION = "2023-01-01-preview"
_MOST_PAGES = 200
TERM_HOURS = {"1 Year": 365 * DAY_S / HOUR_S, "3 Years": 3 * 365 * DAY_S / HOUR_S}
_TERMS = {"1 Year": "reserved-1y", "3 Years": "reserved-3y"}


def _collect(ask: Ask) -> LiveRows:
    """Return the prices of every instance that the catalog knows, in the regions asked for."""
    found = LiveRows()
    for instance, shape in instance_shapes(ask.catalog, "azure").items():
        for item in _items(ask, instance):
            _add(found, ask, instance, shape, item)
    sites = [site.region for site in ask.catalog.sites.values() if site.provider == "azure"]
    found.covered += [f"azure/{region}" for region in sites if ask.wants("azure", region)]
    return found


def _add(found: LiveRows, ask: Ask, instance: str, shape: InstanceShape, item: Mapping[str, Any]) -> None:
    region, sold = str(item["armRegionName"]), _purchase(item)
    if not region or sold is None or not ask.wants("azure", region):
        return
    purchase, usd = sold
    if usd > 0:
        note = f"effective {str(item.get('effectiveStartDate', ''))[:10]}"
        found.prices.append(live_price(ask, "azure", region, instance, shape, purchase, usd, ask.today, note))


def _purchase(item: Mapping[str, Any]) -> tuple[str, float] | None:
    """Return how an item is bought and its dollars an hour; None for Windows, low priority, and what is no rent.

    >>> _purchase({"type": "Reservation", "reservationTerm": "1 Year", "unitPrice": 8760.0, "productName": "ND"})
    ('reserved-1y', 1.0)
    """
    if "Windows" in str(item.get("productName", "")) or "Dedicated" in str(item.get("productName", "")):
        return None
    if item.get("type") == "Reservation":
        term = str(item.get("reservationTerm", ""))
        return (_TERMS[term], float(item["unitPrice"]) / TERM_HOURS[term]) if term in _TERMS else None
    meter = f"{item.get('meterName', '')} {item.get('skuName', '')}"
    if item.get("type") != "Consumption" or item.get("unitOfMeasure") != "1 Hour" or "Low Priority" in meter:
        return None
    return ("spot" if "Spot" in meter else "on-demand"), float(item["unitPrice"])


def _items(ask: Ask, instance: str) -> Iterator[Mapping[str, Any]]:
    """Yield what the interface lists of one instance, page after page."""
    asked = f"serviceName eq 'Virtual Machines' and armSkuName eq '{instance}'"
    page = ask.fetch.json(_URL, {"api-version": VERSION, "currencyCode": "USD", "$filter": asked})
    for _ in range(_MOST_PAGES):
        if not isinstance(page, Mapping) or "Items" not in page:
            raise Unreachable("the retail prices of Azure have another form: no Items")
        yield from (item for item in page["Items"] if item.get("isPrimaryMeterRegion", True))
        link = page.get("NextPageLink")
        if not link:
            return
        if urlsplit(link).hostname != urlsplit(_URL).hostname:
            raise Unreachable("the retail prices of Azure go on at another host; not followed")
        page = ask.fetch.json(link)
    raise Unreachable(f"the retail prices of Azure have more than {_MOST_PAGES} pages of {instance}")


AZURE = LiveSource(
    name="azure",
    what="Azure retail prices: on demand, spot, reserved",
    source=Source(
        "live-azure",
        "Azure prices on demand, spot and reserved, by region",
        "Azure Retail Prices REST API, prices.azure.com",
        VERSION,
        "Microsoft API terms; read by the user for the user",
        "Microsoft",
        "",
        20,
    ),
    collect=_collect,
)
