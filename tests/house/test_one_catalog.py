"""One place a fact: tables of the catalog are read by the catalog, and who was handed one asks no other."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import steelyard
from steelyard.catalog import Catalog, load
from steelyard.catalog.load import DATA
from steelyard.evidence.calibration import calibrate_constants
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.runs.reader import published_runs
from steelyard.evidence.score.live import live_predictions
from steelyard.evidence.score.validation import scored_runs
from steelyard.job import job_table, read_job
from steelyard.job.models import presets
from steelyard.market.build import market_of

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


def entries() -> dict[str, Callable[[Catalog], object]]:
    """Return what is handed a catalog from outside, each with a small question."""
    runs = [run for run in published_runs() if run.accelerator.startswith(("H100", "A100"))][:40]
    spec = read_job({"model": "llama-3-8b", "tokens": "20B", "devices": 8})
    return {
        "run_frame": lambda catalog: run_frame(runs, catalog),
        "measured": lambda catalog: measured(run_frame(runs, catalog)),
        "validate_runs": lambda catalog: scored_runs(runs, "group", catalog),
        "live_predictions": live_predictions,
        "calibrate_constants": lambda catalog: calibrate_constants(runs, catalog, "ours", "runs.csv", "2026-11-30"),
        "market_of": lambda catalog: market_of(spec, catalog),
        "job_table": lambda catalog: job_table(spec, catalog),
    }


@pytest.mark.parametrize("name", list(entries()))
def test_no_helper_of_who_was_handed_a_catalog_asks_another(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of models are read once for the whole process, before; nothing else asks for the shipped catalog."""
    ask, catalog, asked = entries()[name], Catalog(DATA), []
    presets.find_model("gpt2")
    for module in list(sys.modules.values()):
        if module.__name__.startswith("steelyard") and getattr(module, "load", None) is load:
            monkeypatch.setattr(module, "load", lambda *_: asked.append(1) or catalog)
    ask(catalog)
    assert asked == []
