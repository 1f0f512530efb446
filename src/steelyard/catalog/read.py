"""Reading the tables of `data/` into rows, each checked: a known source, a known unit, a number where one is due."""

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from steelyard.catalog.schema import (
    Accelerator,
    Fact,
    Facts,
    Fitted,
    Interruption,
    OfferRow,
    Price,
    SiteRow,
    Source,
    System,
)
from steelyard.errors import BadCatalog
from steelyard.units import GB_BYTES, HOUR_S, KWH_J
from steelyard.vocabulary import RENTED

_Row = Mapping[str, str]
_Made = TypeVar("_Made")
FactsOf = dict[str, dict[str, tuple[Fact, ...]]]

SI = {
    "": 1.0,
    "GB": GB_BYTES,
    "MB": 1e6,
    "MiB": 2.0**20,
    "GB/s": GB_BYTES,
    "TFLOP/s": 1e12,
    "W": 1.0,
    "nm": 1e-9,
    "USD": 1.0,
    "USD/GB": 1 / GB_BYTES,
    "USD/GiB": 2.0**-30,
    "USD/GB-month": 1 / GB_BYTES / (730 * HOUR_S),
    "USD/GiB-month": 2.0**-30 / (730 * HOUR_S),
    "kg": 1.0,
    "kg/kWh": 1 / KWH_J,
    "L/kWh": 1e-3 / KWH_J,
}
"""Units that a row may use, and what one of them is in SI."""


def row_models(folder: Path) -> dict[str, str]:
    """Return the texts of `rows/*.yaml` of a catalog's folder, a model a file, by the file's name; `job` reads them."""
    return {file.stem: file.read_text(encoding="utf-8") for file in sorted((folder / "rows").glob("*.yaml"))}


def cell_number(text: str) -> float:
    """Return the number of a cell; an empty cell is unknown.

    >>> cell_number("4.5"), cell_number("")
    (4.5, nan)
    """
    return float(text) if text else math.nan


def cell_parts(text: str, separator: str = "|") -> tuple[str, ...]:
    """Return the parts of a cell that holds several.

    >>> cell_parts("H100|H100 SXM")
    ('H100', 'H100 SXM')
    """
    return tuple(cell.strip() for cell in text.split(separator) if cell.strip())


def table_rows(folder: Path, name: str) -> Iterator[_Row]:
    """Yield the rows of one table of a catalog folder."""
    path = folder / f"{name}.csv"
    if not path.is_file():
        raise BadCatalog(f"the catalog lacks {name}.csv (looked in {folder.name}/); restore or regenerate the file")
    with path.open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def parsed_rows(folder: Path, name: str, make: Callable[[_Row], _Made]) -> Iterator[_Made]:
    """Yield what `make` returns for each row of a table; name table and line where one cannot be read."""
    for line, row in enumerate(table_rows(folder, name), start=2):
        try:
            yield make(row)
        except (ValueError, KeyError, TypeError) as error:
            raise BadCatalog(f"{name}.csv line {line}: {error!r} in {dict(row)}") from error


def parse_source(row: _Row) -> Source:
    """Return one source."""
    return Source(
        id=row["id"],
        what=row["what"],
        locator=row["locator"],
        version=row["version"],
        licence=row["licence"],
        attribution=row["attribution"],
        checked=row["checked"],
        rank=int(row["rank"]),
    )


def read_facts(folder: Path, name: str, key: str, sources: Mapping[str, Source]) -> FactsOf:
    """Return the facts of a long table by entity and quantity, in the order of the file."""
    return facts_by_entity(parsed_rows(folder, name, lambda row: parse_fact(row, key, sources)))


def parse_fact(row: _Row, key: str, sources: Mapping[str, Source]) -> Fact:
    """Return one fact, of the thing that the key column names."""
    return Fact(
        entity=row[key],
        quantity=row["quantity"],
        value=float(row["value"]),
        unit=row["unit"],
        conditions=row["conditions"],
        source=row["source"],
        checked=row["checked"],
        note=row["note"],
        rank=sources[row["source"]].rank,
        si=float(row["value"]) * SI[row["unit"]],
        year=int(row.get("year") or 0),
    )


def facts_by_entity(rows: Iterable[Fact]) -> FactsOf:
    """Return facts by entity and quantity, in their order."""
    found: dict[str, dict[str, list[Fact]]] = {}
    for row in rows:
        found.setdefault(row.entity, {}).setdefault(row.quantity, []).append(row)
    return {entity: {name: tuple(rows) for name, rows in kinds.items()} for entity, kinds in found.items()}


def parse_accelerator(row: _Row, known: FactsOf) -> Accelerator:
    """Return one accelerator with its facts."""
    return Accelerator(
        id=row["id"],
        vendor=row["vendor"],
        architecture=row["architecture"],
        family=row["family"],
        form=row["form"],
        year=int(row["year"]),
        aliases=cell_parts(row["aliases"]),
        source=row["source"],
        note=row["note"],
        facts=Facts(known.get(row["id"], {})),
    )


def parse_system(row: _Row, sources: Mapping[str, Source]) -> System:
    """Return one system."""
    names = cell_parts(row["sources"], ";")
    if not names or any(name not in sources for name in names):
        raise ValueError(f"unknown source in {row['sources']!r}")
    return System(
        id=row["id"],
        provider=row["provider"],
        accelerator=row["accelerator"],
        devices=int(row["devices"]),
        node_devices=int(row["node_devices"]),
        domain_devices=int(row["domain_devices"]),
        max_devices=int(row["max_devices"]) if row["max_devices"] else 0,
        topology=row["topology"],
        link_gb_per_s=cell_number(row["link_gb_per_s"]),
        nic_gb_per_s=cell_number(row["nic_gb_per_s"]),
        max_power_w=cell_number(row["max_power_w"]),
        host_w=cell_number(row["host_w"]),
        idle_w=cell_number(row["idle_w"]),
        price_usd=cell_number(row["price_usd"]),
        reference=row["reference"] == "1",
        sources=names,
        checked=row["checked"],
        note=row["note"],
    )


def offer_of_row(row: _Row, prices: dict[str, Price], note: str) -> OfferRow:
    """Return what is sold where, at which prices; none of them is doubted yet."""
    return OfferRow(
        provider=row["provider"],
        instance=row["instance"],
        region=row["region"],
        accelerator=row["accelerator"],
        devices=int(row["devices"]),
        system=row["system"],
        site=row["site"],
        prices=prices,
        quarantine={},
        note=note,
    )


def parse_offer(row: _Row, sources: Mapping[str, Source]) -> OfferRow:
    """Return one offer; its doubtful prices are marked later, when all offers are known."""
    prices = {}
    for purchase in RENTED:
        column = purchase.replace("-", "_")
        if row[f"{column}_usd"]:
            name = sources[row[f"{column}_source"]].id
            date = row[f"{column}_date"]
            prices[purchase] = Price(float(row[f"{column}_usd"]), date.lstrip("<"), name, date.startswith("<"))
    if not prices:
        raise ValueError("no price at all")
    return offer_of_row(row, prices, row["note"])


def parse_second_price(row: _Row, sources: Mapping[str, Source]) -> tuple[tuple[str, str, str, str], Price]:
    """Return what another source says of one cell: (provider, instance, region, purchase) and the price."""
    cell = (row["provider"], row["instance"], row["region"], row["purchase"])
    date = row["date"]
    return cell, Price(float(row["usd"]), date.lstrip("<"), sources[row["source"]].id, date.startswith("<"))


def parse_site(row: _Row, known: FactsOf) -> SiteRow:
    """Return one site with the facts of all places it lies in; a nearer place outranks every source."""
    places = cell_parts(row["places"])
    merged: dict[str, tuple[Fact, ...]] = {}
    for distance, place in enumerate(places):
        for quantity, rows in known.get(place, {}).items():
            ranked = tuple(_with_rank(fact, 1000 * distance + fact.rank) for fact in rows)
            merged[quantity] = merged.get(quantity, ()) + ranked
    return SiteRow(
        id=row["id"],
        provider=row["provider"],
        region=row["region"],
        location=row["location"],
        country=row["country"],
        places=places,
        source=row["source"],
        note=row["note"],
        facts=Facts(merged),
    )


def parse_interruption(row: _Row, sources: Mapping[str, Source]) -> Interruption:
    """Return one published interruption band."""
    return Interruption(
        instance=row["instance"],
        region=row["region"],
        low=float(row["low"]),
        high=float(row["high"]),
        savings=float(row["savings"]),
        date=row["date"],
        source=sources[row["source"]].id,
    )


def parse_fitted(row: _Row) -> Fitted:
    """Return one fitted figure."""
    return Fitted(
        entity=row["entity"],
        precision=row["precision"],
        quantity=row["quantity"],
        value=float(row["value"]),
        unit=row["unit"],
        log_sd=cell_number(row["log_sd"]),
        rows=int(float(row["rows"] or 0)),
        groups=int(float(row["groups"] or 0)),
        source=row["source"],
        command=row["command"],
        checked=row["checked"],
        note=row["note"],
    )


def _with_rank(fact: Fact, rank: int) -> Fact:
    return Fact(
        fact.entity,
        fact.quantity,
        fact.value,
        fact.unit,
        fact.conditions,
        fact.source,
        fact.checked,
        fact.note,
        rank,
        fact.si,
        fact.year,
    )
