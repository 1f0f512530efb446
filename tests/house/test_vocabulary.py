"""One list of words once: what `vocabulary` defines is spelt out nowhere else, and agrees with tables and data."""

import ast
import csv
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import steelyard
from steelyard import tables, vocabulary
from steelyard.catalog.load import DATA
from steelyard.vocabulary import CO2E_KINDS, OWNED, PRECISIONS, PURCHASES, RENTED, hyphenated

PACKAGE = Path(steelyard.__file__).parent
FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if file != Path(vocabulary.__file__)]
LISTS = {
    "ways to buy": frozenset(RENTED),
    "kinds of CO2e": frozenset(CO2E_KINDS),
    "kinds of CO2e, typed": frozenset(map(hyphenated, CO2E_KINDS)),
}
MOST = 2
"""So many words of one list may stand together: a choice between two is a rule, three are the list again."""


def literals(tree: ast.AST) -> Iterator[set[str]]:
    """Yield the texts of each tuple, list, set and mapping that is written out, and of its keys."""
    for node in ast.walk(tree):
        parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else []
        parts = [key for key in node.keys if key] if isinstance(node, ast.Dict) else parts
        yield {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_list_of_the_vocabulary_is_written_out_again(file: Path) -> None:
    spelt = list(literals(ast.parse(file.read_text("utf-8"))))
    assert [name for name, words in LISTS.items() if any(len(words & found) > MOST for found in spelt)] == []


def test_kinds_of_co2e_are_the_fields_of_the_tables() -> None:
    carbon = {field.name for field in fields(tables.Carbon)}
    site = {field.name for field in fields(tables.Site)}
    assert {f"{kind}_kgco2e" for kind in CO2E_KINDS} == carbon - {"embodied_kgco2e", "water_m3"}
    assert {f"{kind}_kg_per_j" for kind in CO2E_KINDS} == {name for name in site if name.endswith("_kg_per_j")}


def test_ways_to_buy_are_the_columns_of_offers_and_rows_of_policy() -> None:
    with (DATA / "offers.csv").open(encoding="utf-8", newline="") as lines:
        columns = next(csv.reader(lines))
    priced = [name.removesuffix("_usd").replace("_", "-") for name in columns if name.endswith("_usd")]
    assert tuple(priced) == RENTED
    with (DATA / "policy.csv").open(encoding="utf-8", newline="") as lines:
        operated = {row["entity"] for row in csv.DictReader(lines)} - {"any"}
    assert operated <= set(PURCHASES)
    assert OWNED not in RENTED


def test_precisions_are_the_peaks_of_the_catalog() -> None:
    with (DATA / "accelerators.csv").open(encoding="utf-8", newline="") as lines:
        peaks = {row["quantity"].removeprefix("peak_") for row in csv.DictReader(lines) if "peak_" in row["quantity"]}
    assert set(PRECISIONS) <= peaks
