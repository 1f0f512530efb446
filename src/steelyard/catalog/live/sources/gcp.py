"""Google Cloud: the billing catalog, with the user's key. An instance's price is the sum of its parts' prices.

Format: Cloud Billing, "Cloud Billing Catalog API", method services.skus.list: a price is whole `units` of dollars and
`nanos`, of one GPU-hour, one vCPU-hour or one GiB-hour. Vcpus and memory of a machine type are those of Google's page
"Accelerator-optimized machine family" (data/gcp_shapes.csv). A4 and A3 Ultra are left out (sold by reservation only),
TPUs too (the catalog's TPU prices can be those of a commitment).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from steelyard.catalog.live.fetch import Unreachable
from steelyard.catalog.live.source import Ask, LiveSource, instance_shapes, live_price
from steelyard.catalog.local.store import LiveRows
from steelyard.catalog.schema import Source

_URL = "https://cloudbilling.googleapis.com/v1/services/6F81-5844-456A/skus"
_MOST_PAGES = 100
USAGES = {"OnDemand": "on-demand", "Preemptible": "spot"}
NOT_OURS = ("Sole Tenancy", "Reserved", "Commitment", "Premium", "Custom", "suspended", "DWS", "Calendar", "Flex")
"""Words of a description that mark another way of buying: a price of theirs is not the list price."""

ACCELERATORS = {
    "nvidia tesla a100": "A100-40GB-SXM",
    "nvidia tesla a100 80gb": "A100-80GB-SXM",
    "nvidia h100 80gb": "H100-80GB-SXM",
    "nvidia h100 80gb mega": "H100-80GB-SXM/mega",
    "nvidia h100 80gb plus": "H100-80GB-SXM/mega",
    "nvidia l4": "L4",
}
HOSTS = {"a2 instance": "a2", "a3 instance": "a3", "a3plus instance": "a3-mega", "g2 instance": "g2"}
PART = re.compile(r"^(?:spot preemptible )?(.+?) (gpu|core|ram)(?: running in .*| attached .*)?$", re.IGNORECASE)


class MachinePart(NamedTuple):
    """What a price is of: a GPU, a core or a gibibyte of one family, bought in one way in one region."""

    kind: str
    family: str
    purchase: str
    region: str


class Parts(NamedTuple):
    """What an instance is made of."""

    host: str
    accelerator: str
    accelerators: float
    vcpus: float
    memory_gib: float


def _collect(ask: Ask) -> LiveRows:
    """Return the prices of the machine types whose parts are all listed in a region."""
    found, prices = LiveRows(), _prices(ask)
    known = instance_shapes(ask.catalog, "gcp")
    regions = sorted({part.region for part in prices if ask.wants("gcp", part.region)})
    for instance, parts in machine_parts(ask).items():
        for region in regions if instance in known else ():
            for purchase in USAGES.values():
                usd = price_of(parts, prices, purchase, region)
                if usd is not None:
                    row = (instance, known[instance], purchase, round(usd, 6), ask.today, "sum of GPU, core and RAM")
                    found.prices.append(live_price(ask, "gcp", region, *row))
    return found


def price_of(parts: Parts, prices: Mapping[MachinePart, float], purchase: str, region: str) -> float | None:
    """Return dollars an hour of an instance; None where a part of it is not sold so.

    >>> prices = {MachinePart("gpu", "L4", "spot", "x"): 0.2, MachinePart("core", "g2", "spot", "x"): 0.01}
    >>> prices[MachinePart("ram", "g2", "spot", "x")] = 0.001
    >>> small = Parts("g2", "L4", 1, 4, 16)
    >>> price_of(small, prices, "spot", "x"), price_of(small, {}, "spot", "x")
    (0.256, None)
    """
    needed = (
        (MachinePart("gpu", parts.accelerator, purchase, region), parts.accelerators),
        (MachinePart("core", parts.host, purchase, region), parts.vcpus),
        (MachinePart("ram", parts.host, purchase, region), parts.memory_gib),
    )
    if any(part not in prices for part, _ in needed):
        return None
    return sum(prices[part] * count for part, count in needed)


def machine_parts(ask: Ask) -> dict[str, Parts]:
    """Return what each machine type is made of."""
    rows = ask.catalog.gcp_shapes
    return {
        row["instance"]: Parts(
            row["host"], row["gpu"], float(row["gpus"]), float(row["vcpus"]), float(row["memory_gib"])
        )
        for row in rows
    }


def part_of(sku: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return kind, family and purchase of what a SKU prices; None where it is none of ours.

    >>> core = "Spot Preemptible A3 Instance Core running in Iowa"
    >>> part_of({"description": core, "category": {"usageType": "Preemptible"}})
    ('core', 'a3', 'spot')
    """
    text, usage = str(sku["description"]), str(sku["category"].get("usageType", ""))
    found = PART.match(text)
    if found is None or usage not in USAGES or any(word in text for word in NOT_OURS):
        return None
    family, kind = found[1].lower(), found[2].lower()
    name = (ACCELERATORS if kind == "gpu" else HOSTS).get(family)
    return (kind, name, USAGES[usage]) if name else None


def _prices(ask: Ask) -> dict[MachinePart, float]:
    """Return the price of every part; two SKUs of one part that disagree leave it out."""
    seen: dict[MachinePart, set[float]] = {}
    for sku in _skus(ask):
        part = part_of(sku)
        rate = _rate(sku)
        if part is None or rate is None:
            continue
        for region in sku.get("serviceRegions", ()):
            seen.setdefault(MachinePart(*part, region), set()).add(rate)
    return {part: rates.pop() for part, rates in seen.items() if len(rates) == 1}


def _rate(sku: Mapping[str, Any]) -> float | None:
    """Return the dollars of one unit; None where it is sold in tiers or for nothing."""
    rates = sku["pricingInfo"][0]["pricingExpression"]["tieredRates"] if sku.get("pricingInfo") else []
    if len(rates) != 1:
        return None
    price = rates[0]["unitPrice"]
    usd = int(price.get("units") or 0) + int(price.get("nanos") or 0) / 1e9
    return usd if usd > 0 and price.get("currencyCode", "USD") == "USD" else None


def _skus(ask: Ask) -> Iterator[Mapping[str, Any]]:
    query, headers = {"currencyCode": "USD", "pageSize": "5000"}, {"X-Goog-Api-Key": ask.token}
    for _ in range(_MOST_PAGES):
        page = ask.fetch.json(_URL, query, headers)
        if not isinstance(page, Mapping) or "skus" not in page:
            raise Unreachable("the billing catalog of Google Cloud has another form: no skus")
        yield from page["skus"]
        if not page.get("nextPageToken"):
            return
        query = query | {"pageToken": str(page["nextPageToken"])}
    raise Unreachable(f"the billing catalog of Google Cloud has more than {_MOST_PAGES} pages")


GCP = LiveSource(
    name="gcp",
    what="Google Cloud billing catalog: GPU machine types on demand and spot",
    source=Source(
        "live-gcp",
        "Google Cloud prices on demand and spot, by region: sums of GPU, core and RAM prices",
        "Cloud Billing Catalog API, Compute Engine (6F81-5844-456A)",
        "v1",
        "Google APIs terms; read by the user for the user",
        "Google",
        "",
        20,
    ),
    collect=_collect,
    variable="GCP_API_KEY",
)
