"""gpuhunt: dstack's public catalog of many providers, a zip of one CSV a provider, made daily.

Format: github dstackai/gpuhunt, README and src/gpuhunt/_internal: `version` names the newest `<version>/catalog.zip`;
the columns are instance_name, location (a region, or for Google a zone), price, gpu_count, gpu_name, spot and others.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterator

from steelyard.catalog.live.fetch import Unreachable
from steelyard.catalog.live.source import Ask, LiveSource, instance_shapes, live_price
from steelyard.catalog.local.store import LiveRows, PriceRow
from steelyard.catalog.schema import Source

ROOT = "https://dstack-gpu-pricing.s3.eu-west-1.amazonaws.com/v1"
_PROVIDERS = {"lambdalabs": "lambda", "cudo": "cudocompute"}
"""Providers that the catalog calls otherwise."""

_NEEDED = {"instance_name", "location", "price", "spot"}
_MOST_BYTES = 256 * 2**20


def _collect(ask: Ask) -> LiveRows:
    """Return the prices of instances that the catalog knows; of several zones of a region the cheapest."""
    version = ask.fetch.bytes(f"{ROOT}/version").decode("ascii", "replace").strip()
    if not re.fullmatch(r"[\w.-]{1,40}", version):
        raise Unreachable(f"gpuhunt names no version: {version[:40]!r}")
    best: dict[tuple[str, str, str, str], PriceRow] = {}
    strangers = 0
    for provider, row in _rows(ask.fetch.bytes(f"{ROOT}/{version}/catalog.zip")):
        shape = instance_shapes(ask.catalog, provider).get(row["instance_name"])
        region = re.sub(r"-[a-z]$", "", row["location"]) if provider == "gcp" else row["location"]
        if shape is None or not ask.wants(provider, region):
            strangers += shape is None
            continue
        purchase = "spot" if row["spot"].lower() == "true" else "on-demand"
        made = (row["instance_name"], shape, purchase, float(row["price"]), day_of(version) or ask.today)
        price = live_price(ask, provider, region, *made, f"gpuhunt {version}")
        key = (provider, region, price.instance, purchase)
        if price.usd > 0 and (key not in best or price.usd < best[key].usd):
            best[key] = price
    notes = [f"{strangers:,} rows of instances that the catalog does not describe"] if strangers else []
    return LiveRows(prices=list(best.values()), notes=notes)


def day_of(version: str) -> str:
    """Return the day that a version is named after; empty where it is not.

    >>> day_of("20240508"), day_of("20240508-123"), day_of("latest")
    ('2024-05-08', '2024-05-08', '')
    """
    found = re.match(r"(20\d\d)(0[1-9]|1[0-2])([0-2]\d|3[01])(?!\d)", version)
    return "-".join(found.groups()) if found else ""


def _rows(body: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            if sum(one.file_size for one in archive.infolist()) > _MOST_BYTES:
                raise Unreachable("gpuhunt's catalog unpacks to more than it should")
            for name in archive.namelist():
                stem = name.rpartition("/")[2].removesuffix(".csv")
                with archive.open(name) as lines:
                    rows = csv.DictReader(io.TextIOWrapper(lines, "utf-8", newline=""))
                    if set(rows.fieldnames or ()) >= _NEEDED:
                        yield from ((_PROVIDERS.get(stem, stem), row) for row in rows)
    except (zipfile.BadZipFile, UnicodeDecodeError, csv.Error) as error:
        raise Unreachable(f"gpuhunt's catalog cannot be read: {error}") from error


GPUHUNT = LiveSource(
    name="gpuhunt",
    what="gpuhunt's public catalog: many providers, on demand and spot",
    source=Source(
        "live-gpuhunt",
        "prices of many providers, on demand and spot, by region",
        "github dstackai/gpuhunt, public catalog",
        "daily",
        "MPL-2.0 (the program); prices are facts, read by the user for the user",
        "dstack",
        "",
        40,
    ),
    collect=_collect,
)
