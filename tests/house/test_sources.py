"""Every figure has a source that sources.csv knows: cells of the catalog, of published runs and of readings."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import steelyard
from steelyard.catalog import load
from steelyard.catalog.citations import cited_ids

PACKAGE = Path(steelyard.__file__).parent
STACKS = sorted((PACKAGE / "catalog" / "data" / "stacks").glob("*.yaml"))
TABLES = [file for file in sorted(PACKAGE.rglob("*.csv")) if file.name != "sources.csv"] + STACKS

STACKS = sorted((PACKAGE / "catalog/data/stacks").glob("*.yaml"))


def values(found: object) -> Iterator[str]:
    """Yield whatever stands under `source` in a nested file."""
    if isinstance(found, dict):
        yield from (str(value) for name, value in found.items() if name == "source")
    for part in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from values(part)


def cells(file: Path) -> Iterator[str]:
    """Yield the texts that say where the rows of a table come from, each once."""
    if file.suffix == ".yaml":
        yield from values(yaml.safe_load(file.read_text("utf-8")))
        return
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    named = [name for name in rows[0] if name in {"source", "sources"} or name.endswith("_source")] if rows else []
    texts = dict.fromkeys(row[name] for row in rows for name in named if name != "shape_source" and row[name])
    for text in texts:
        yield from text.split(";") if "sources" in named else [text]


def statements(file: Path) -> list[str]:
    """Return the sources of what a stack's file says it can run, and of its constants."""
    given = yaml.safe_load(file.read_text("utf-8"))
    can_run = given["can_run"]
    return [can_run["source"], can_run["trains_source"], *(row["source"] for row in given.get("constants", ()))]


@pytest.mark.parametrize("file", STACKS, ids=lambda file: file.name)
def test_every_statement_of_a_stack_cites_sources_csv(file: Path) -> None:
    sources = load().sources
    assert [text for text in statements(file) if not cited_ids(text, sources)] == []


@pytest.mark.parametrize("file", TABLES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_every_source_is_one_of_sources_csv(file: Path) -> None:
    sources = load().sources
    assert [text for text in cells(file) if not cited_ids(text, sources)] == []


def test_no_source_is_cited_by_nothing() -> None:
    sources = load().sources
    texts = [text for file in TABLES for text in cells(file)] + [text for file in STACKS for text in statements(file)]
    cited = {one for text in texts for one in cited_ids(text, sources)}
    assert sorted(set(sources) - cited) == []
