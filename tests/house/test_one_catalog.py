"""One place a fact: tables of the catalog are read by the catalog, and who was handed one asks no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import steelyard
from steelyard.catalog.load import DATA

PACKAGE = Path(steelyard.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
OUTSIDE = [file for file in FILES if file.relative_to(PACKAGE).parts[0] != "catalog"]
TABLES = {path.name for path in DATA.glob("*.csv")}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def identify(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def parameters(function: Function) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def optional() -> dict[str, int]:
    """Return the functions that take the shipped catalog where they are given none, and the place of that argument."""
    found = {}
    for file in FILES:
        for function in functions(ast.parse(file.read_text("utf-8"))):
            names = [one.arg for one in parameters(function)]
            if "catalog" in names and "Catalog | None" in ast.unparse(function.args) and function.name != "__init__":
                found[function.name] = names.index("catalog")
    return found


OPTIONAL = optional()


def has_catalog(function: Function) -> bool:
    """Return whether a function is handed a catalog, or made one: by a parameter or in an attribute."""
    handed = any(one.arg in {"catalog", "shipped"} and "None" not in ast.unparse(one.annotation or ast.Constant(None))
                 for one in parameters(function))  # fmt: skip
    holds = any(isinstance(node, ast.Attribute) and node.attr == "catalog" and not called(node, function)
                for node in ast.walk(function))  # fmt: skip
    return handed or holds


def called(node: ast.Attribute, function: Function) -> bool:
    """Return whether an attribute `catalog` is a module's: `steelyard.catalog`."""
    return isinstance(node.value, ast.Name) and node.value.id == "steelyard"


def instead(function: Function) -> set[ast.AST]:
    """Return the calls that stand in for a catalog that was not given: `catalog or load()`."""
    either = (node for node in ast.walk(function) if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or))
    return {value for node in either for value in node.values}


def asks_another(call: ast.Call) -> bool:
    """Return whether a call reads the shipped catalog: `load()`, or a function that does so unless it is given one."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "load" and not call.args:
        return True
    given = len(call.args) > OPTIONAL.get(name, -1) or any(word.arg in {"catalog", None} for word in call.keywords)
    return name in OPTIONAL and not given


@pytest.mark.parametrize("file", OUTSIDE, ids=identify)
def test_only_the_catalog_opens_its_tables(file: Path) -> None:
    text = re.sub(r'"""[\s\S]*?"""|#.*', "", file.read_text("utf-8"))
    assert not {name for name in TABLES if re.search(rf"[\"'/]{re.escape(name)}[\"']", text)}
    assert "catalog.load import DATA" not in text or identify(file).startswith("cli/")


@pytest.mark.parametrize("file", FILES, ids=identify)
def test_who_was_handed_a_catalog_asks_no_other(file: Path) -> None:
    wrong = [
        f"{function.name}: {ast.unparse(node)}"
        for function in functions(ast.parse(file.read_text("utf-8")))
        if has_catalog(function)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and node not in instead(function) and asks_another(node)
    ]
    assert wrong == []
