"""AWS: the price list's file of each region, a CSV of all EC2 prices, streamed.

Format: AWS Price List user guide, "Reading the service price list file" (CSV): five lines of metadata, a header, and a
row a price. Taken are Linux, shared tenancy, used capacity, no pre-installed software, dollars an hour: on demand, and
reserved (standard, no upfront) for one and three years. Spot prices need an account and are not read.
"""

import csv
import itertools
from collections.abc import Iterator, Mapping

from steelyard.catalog.live.fetch import Unreachable
from steelyard.catalog.live.source import Ask, LiveSource, instance_shapes, live_price
from steelyard.catalog.local.store import LiveRows
from steelyard.catalog.schema import Source

_URL = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonEC2/current/{region}/index.csv"
METADATA = 5
_WANTED = {
    "Tenancy": {"Shared"},
    "Operating System": {"Linux"},
    "CapacityStatus": {"Used"},
    "Unit": {"Hrs"},
    "Currency": {"USD"},
    "Pre Installed S/W": {"", "NA"},
}
_TERMS = {"1yr": "reserved-1y", "3yr": "reserved-3y"}


def _collect(ask: Ask) -> LiveRows:
    """Return the prices of the regions asked for."""
    known, found = instance_shapes(ask.catalog, "aws"), LiveRows()
    regions = [site.region for site in ask.catalog.sites.values() if site.provider == "aws"]
    for region in (region for region in regions if ask.wants("aws", region)):
        published, rows = _rows(ask, region)
        for row in rows:
            purchase = _purchase(row)
            shape = known.get(row["Instance Type"])
            if purchase and shape and float(row["PricePerUnit"]) > 0:
                note = f"price list of {published}"
                made = (row["Instance Type"], shape, purchase, float(row["PricePerUnit"]), ask.today, note)
                found.prices.append(live_price(ask, "aws", region, *made))
        found.covered.append(f"aws/{region}")
    return found


def _purchase(row: Mapping[str, str]) -> str:
    """Return how a row of the list is bought, empty where it is none of ours.

    >>> plain = {name: next(iter(sorted(allowed))) for name, allowed in _WANTED.items()} | {"MarketOption": "OnDemand"}
    >>> _purchase(plain | {"TermType": "OnDemand"}), _purchase(plain | {"TermType": "OnDemand", "Tenancy": "Host"})
    ('on-demand', '')
    """
    if any(row.get(name) not in allowed for name, allowed in _WANTED.items()):
        return ""
    if row["TermType"] == "OnDemand":
        return "on-demand" if row.get("MarketOption", "OnDemand") == "OnDemand" else ""
    hourly = row.get("PurchaseOption") == "No Upfront" and row.get("OfferingClass") == "standard"
    return _TERMS.get(row.get("LeaseContractLength", ""), "") if row["TermType"] == "Reserved" and hourly else ""


def _rows(ask: Ask, region: str) -> tuple[str, Iterator[dict[str, str]]]:
    """Return the day of a region's list and its rows, as they arrive."""
    lines = ask.fetch.lines(_URL.format(region=region))
    head = dict(row[:2] for row in csv.reader(itertools.islice(lines, METADATA)) if len(row) >= 2)
    rows = csv.DictReader(lines)
    needed = {"Instance Type", "PricePerUnit", "TermType", *_WANTED}
    if missing := needed - set(rows.fieldnames or ()):
        raise Unreachable(f"the price list of aws/{region} has another form: no column {', '.join(sorted(missing))}")
    return head.get("Publication Date", "")[:10], rows


AWS = LiveSource(
    name="aws",
    what="AWS price list: on demand, reserved (no upfront)",
    source=Source(
        "live-aws",
        "AWS prices on demand and reserved (standard, no upfront), by region",
        "AWS Price List bulk files, AmazonEC2",
        "current",
        "AWS service terms; read by the user for the user",
        "Amazon Web Services",
        "",
        20,
    ),
    collect=_collect,
    narrow="its price file of one region is hundreds of megabytes",
)
