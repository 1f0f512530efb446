"""How long a chain of imports may be inside one folder: a reader follows no more than so many files to the bottom."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import steelyard

PACKAGE = Path(steelyard.__file__).parent
DEEPEST = 7


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)


MODULES = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py")) if file.name != "__init__.py"}
FOLDERS = sorted({file.parent for file in MODULES.values()})


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the modules of the house that a file imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (name for one in node.names if (name := f"{node.module}.{one.name}") in MODULES)
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


def import_depth(members: dict[str, set[str]]) -> int:
    """Return how many modules the longest chain of imports among some modules has."""

    @cache
    def below(name: str) -> int:
        return 1 + max((below(other) for other in members[name] & members.keys()), default=0)

    return max(map(below, members))


def test_a_chain_is_counted_in_modules() -> None:
    assert import_depth({"a": {"b", "c"}, "b": {"c"}, "c": set(), "alone": {"elsewhere"}}) == 3


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(PACKAGE)))
def test_chains_of_imports_in_a_folder_stay_short(folder: Path) -> None:
    files = {name: file for name, file in MODULES.items() if file.parent == folder}
    links = {name: set(imported(ast.parse(file.read_text("utf-8")))) - {name} for name, file in files.items()}
    assert import_depth(links) <= DEEPEST
