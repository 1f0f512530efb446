"""One name a thing: what the glossary names exists, and nothing in the package has a name that says nothing."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import steelyard
from steelyard import tables, units, workload

PACKAGE = Path(steelyard.__file__).parent
GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.md"

BANNED = frozenset(
    re.findall(
        r"\w+",
        """again beside chip chips contrast expect gauss glance gpu gpus missing moves oneline own reply said say shared
        shelf stated told whole words""",
    )
)
"""Words that no name of a module, function or type has for a part."""


def rows() -> Iterator[list[str]]:
    for line in GLOSSARY.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 5 and cells[1] != "name":
            yield cells


def parts(name: str) -> set[str]:
    """Return the words of a name in lower case, of snake_case and CamelCase alike."""
    return {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def named(file: Path) -> Iterator[str]:
    """Yield the public names that a module brings: its own, its types', its functions'."""
    yield file.stem if file.stem != "__init__" else file.parent.name
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def exists(code: str) -> bool:
    """Return whether a table, a table's field, an alias of a unit or a file of the catalog is there."""
    if code.endswith(".csv"):
        return (PACKAGE / "catalog" / "data" / code).is_file()
    table, _, field = code.partition(".")
    found = getattr(tables, table, None) or getattr(units, table, None) or getattr(workload, table, None)
    if not field:
        return found is not None
    return dataclasses.is_dataclass(found) and any(fnmatchcase(one.name, field) for one in dataclasses.fields(found))


def test_every_quantity_of_the_glossary_exists() -> None:
    codes = [code for cells in rows() for code in re.findall(r"`([^`]+)`", cells[4])]
    assert len(codes) > 60
    assert [code for code in codes if not exists(code)] == []


def test_every_field_of_the_tables_is_in_the_glossary() -> None:
    codes = [code for cells in rows() for code in re.findall(r"`([^`]+)`", cells[4])]
    held = [table for table in vars(tables).values() if dataclasses.is_dataclass(table)]
    every = [f"{table.__name__}.{field.name}" for table in held for field in dataclasses.fields(table)]
    assert len(every) > 200
    assert [name for name in every if not any(fnmatchcase(name, code) for code in codes)] == []


def test_one_name_stands_for_one_thing() -> None:
    names = [cells[1] for cells in rows()]
    assert len(names) >= 60
    assert sorted(set(names)) == sorted(names)


def test_one_symbol_stands_for_one_thing() -> None:
    symbols = [cells[2] for cells in rows() if cells[2]]
    assert sorted(set(symbols)) == sorted(symbols)


def test_no_name_is_of_the_words_that_say_nothing() -> None:
    found = {name for file in PACKAGE.rglob("*.py") for name in named(file) if parts(name) & BANNED}
    assert found == set()
