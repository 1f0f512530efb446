"""Every figure has a source that sources.csv knows: in tables, stacks, models by rows, strategies and code."""

import ast
import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

import steelyard
from steelyard.catalog import load
from steelyard.catalog.citations import cited_ids
from steelyard.strategies.losses import LOSSES
from steelyard.strategies.partition import PARTITIONS
from steelyard.strategies.recompute import POLICIES
from steelyard.strategies.registry import SCHEDULES

PACKAGE = Path(steelyard.__file__).parent
STACKS = sorted((PACKAGE / "catalog/data/stacks").glob("*.yaml"))
MODELS = sorted((PACKAGE / "catalog/data/rows").glob("*.yaml"))
TABLES = [*(file for file in sorted(PACKAGE.rglob("*.csv")) if file.name != "sources.csv"), *STACKS, *MODELS]
CODE = sorted(PACKAGE.rglob("*.py"))
STRATEGIES = (*SCHEDULES.values(), *PARTITIONS, *POLICIES, *LOSSES.values())


def values(found: object) -> Iterator[str]:
    """Yield whatever stands under `source`, or a name that ends so, in a nested file."""
    if isinstance(found, dict):
        yield from (str(value) for name, value in found.items() if name == "source" or name.endswith("_source"))
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


def written(file: Path) -> list[str]:
    """Return the texts that a module passes on as `source`."""
    calls = [node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call)]
    given = [one.value for call in calls for one in call.keywords if one.arg == "source"]
    return [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def documented(function: Callable[..., object]) -> str:
    """Return what a docstring has below `Source:`."""
    found = re.search(r"Source:\s+(.*?)(?:\n\s*\n|\Z)", function.__doc__ or "", re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def strategy_sources(strategy: object) -> list[str]:
    """Return the source of a strategy's row, where it has one, and those of its functions."""
    held = [(one.name, getattr(strategy, one.name)) for one in fields(strategy)]  # type: ignore[arg-type]  # a dataclass
    row = [value for name, value in held if name == "source"]
    return row + [documented(value) for _, value in held if callable(value)]


@pytest.mark.parametrize("file", STACKS, ids=lambda file: file.name)
def test_every_statement_of_a_stack_cites_sources_csv(file: Path) -> None:
    sources = load().sources
    assert [text for text in statements(file) if not cited_ids(text, sources)] == []


@pytest.mark.parametrize("file", TABLES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_every_source_is_one_of_sources_csv(file: Path) -> None:
    sources = load().sources
    assert [text for text in cells(file) if not cited_ids(text, sources)] == []


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: f"{type(strategy).__name__}-{strategy.name}")
def test_every_strategy_cites_sources_csv(strategy: object) -> None:
    sources, texts = load().sources, strategy_sources(strategy)
    assert texts
    assert [text for text in texts if not cited_ids(text, sources)] == []


def test_every_source_that_code_passes_on_cites_sources_csv() -> None:
    sources, texts = load().sources, [text for file in CODE for text in written(file)]
    assert len(texts) > 10
    assert [text for text in texts if not cited_ids(text, sources)] == []


def test_no_source_is_cited_by_nothing() -> None:
    sources = load().sources
    texts = [text for file in TABLES for text in cells(file)] + [text for file in STACKS for text in statements(file)]
    texts += [text for file in CODE for text in written(file)]
    texts += [text for strategy in STRATEGIES for text in strategy_sources(strategy)]
    cited = {one for text in texts for one in cited_ids(text, sources)}
    assert sorted(set(sources) - cited) == []
