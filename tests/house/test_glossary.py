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
"""Words that no name of a module, function, type, constant, field or parameter has for a part."""

OWN = "the way to buy (`vocabulary.OWNED`), as job files and answers have it"
KEY = "a key of case files, of claims or of an answer in JSON"
SHARED = "experts that every token visits, as configurations name them (arXiv 2401.06066)"
LAID = "the catalog with a user's layer over it, in JSON of `catalog diff`"
WHOLE = "the split that no axis divides, as rows of models write it"
KNOWN = {
    **dict.fromkeys(("own", "own_usd", "own_time_s", "own_usd_per_device_h"), OWN),
    **dict.fromkeys(("own_date", "own_year", "own_usd_per_h", "own_kg_per_kwh"), LAID),
    **dict.fromkeys(("expect", "stated", "beside"), KEY),
    **dict.fromkeys(("shared_experts", "shared_ffn", "shared_params"), SHARED),
    **dict.fromkeys(("WHOLE", "whole", "whole_params"), WHOLE),
}
"""Names that have such a word all the same, each with the reason; one that is gone fails."""

HOUSE = [PACKAGE, *(Path(__file__).parents[2] / folder for folder in ("fit", "mutants", "benchmarks"))]
TESTS = Path(__file__).parents[1]


def rows() -> Iterator[list[str]]:
    for line in GLOSSARY.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 5 and cells[1] != "name":
            yield cells


def parts(name: str) -> set[str]:
    """Return the words of a name in lower case, of snake_case and CamelCase alike."""
    return {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def named(file: Path) -> Iterator[str]:
    """Yield the names that a module brings: its own, those of types, functions, constants, fields and parameters."""
    yield file.stem if file.stem != "__init__" else file.parent.name
    tree = ast.parse(file.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
    types = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for node in [*tree.body, *(part for one in types for part in one.body)]:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        yield from (part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name))


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
    files = [file for folder in HOUSE for file in folder.rglob("*.py")]
    assert len(files) > 300
    assert {name for file in files for name in named(file) if parts(name) & BANNED} == KNOWN.keys()


def test_no_file_of_tests_has_such_a_name() -> None:
    files = [file for file in TESTS.rglob("*.py") if "__pycache__" not in file.parts]
    assert {file.name for file in files if parts(file.stem) & BANNED} == set()


def test_names_of_every_kind_are_found(tmp_path: Path) -> None:
    file = tmp_path / "gpu_words.py"
    file.write_text("CHIPS = 1\nOF, WHOLE = 1, 2\nclass Reply:\n    own: int\ndef said(chip, *gpus, told=0): ...\n")
    assert {name for name in named(file) if parts(name) & BANNED} == {
        "gpu_words", "CHIPS", "WHOLE", "Reply", "own", "said", "chip", "gpus", "told",
    }  # fmt: skip
