"""The Python face: every verb is there, typed, imported on first use, and its answers show and keep themselves."""

import inspect
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import steelyard
from steelyard.cli.app import VERBS
from steelyard.formatting.answer import Answer, Shown

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples/python.ipynb"
VERB_FUNCTIONS = [name for name in VERBS if name != "catalog"]


@pytest.mark.parametrize("name", steelyard.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(steelyard, name)


def test_the_face_stays_small() -> None:
    assert len(steelyard.__all__) <= 32


@pytest.mark.parametrize("name", VERB_FUNCTIONS)
def test_every_verb_of_the_command_line_is_a_typed_function_that_says_what_it_takes(name: str) -> None:
    verb = getattr(steelyard, name)
    assert inspect.getdoc(verb)
    hints = get_type_hints(verb)
    assert set(inspect.signature(verb).parameters) <= set(hints)
    assert issubclass(hints["return"], Shown)
    assert hints["return"].__name__ in steelyard.__all__


def test_the_catalog_is_at_hand() -> None:
    assert steelyard.catalog.load().accelerator("H100").id == "H100-80GB-SXM"


def test_a_shell_completes_names_before_they_are_imported() -> None:
    code = "import steelyard; print(sorted(set(steelyard.__all__) - set(dir(steelyard)))); steelyard.catalog; "
    done = subprocess.run(
        [sys.executable, "-c", code + "print(callable(steelyard.plan))"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["[]", "True"]


def test_a_shell_completes_the_face_and_nothing_else() -> None:
    assert dir(steelyard) == sorted(steelyard.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="plam"):
        _ = steelyard.plam


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Return a file of a few measured runs."""
    published = ROOT / "src/steelyard/evidence/runs/published/vtrain.csv"
    file = tmp_path / "some runs.csv"
    file.write_text("".join(published.read_text("utf-8").splitlines(keepends=True)[:12]), encoding="utf-8")
    return file


def results(runs: Path) -> dict[str, Any]:
    return {
        "audit": steelyard.audit("strubell-nas"),
        "claim": steelyard.audit({"model": "llama-2-7b", "tokens": "2T", "hardware": "128x A100"}),
        "disclose": steelyard.disclose("patterson-t5"),
        "calibrate": steelyard.calibrate(runs),
        "validate": steelyard.validate(runs),
    }


def test_results_show_themselves_and_can_be_kept(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steelyard.evidence.score.validation.check_fingerprints", lambda _: None)
    for name, found in results(runs).items():
        assert "\n" not in repr(found), name
        assert len(repr(found)) < 300, name
        assert found._repr_html_().count("<tr>") == len(found.table()), name
        json.dumps(found.to_dict(), allow_nan=False)
        assert pickle.loads(pickle.dumps(found)).to_dict() == found.to_dict(), name  # noqa: S301  # its own
        if isinstance(found, Answer):
            assert type(found).from_dict(json.loads(json.dumps(found.to_dict()))) == found, name


def test_a_calibration_of_nothing_is_refused_and_one_is_written_where_it_belongs(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "catalog"
    monkeypatch.setenv("STEELYARD_CATALOG", str(folder))
    with pytest.raises(steelyard.BadInput, match="no letter or digit"):
        steelyard.calibrate(runs, "--")
    made = steelyard.calibrate(runs, "ours", write=True)
    assert [path.name for path in folder.glob("*.csv")] == ["ours.csv"]
    assert made.label == "ours"


def cells() -> list[str]:
    found = json.loads(NOTEBOOK.read_text("utf-8"))
    return ["".join(cell["source"]) for cell in found["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_runs_cell_by_cell_and_keeps_no_output(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for source in cells():
        *body, last = source.splitlines() or [""]
        try:
            shown = compile(last, "cell", "eval")
        except SyntaxError:
            exec(compile(source, "cell", "exec"), names)  # noqa: S102  # its own example
            continue
        exec(compile("\n".join(body), "cell", "exec"), names)  # noqa: S102
        value = eval(shown, names)  # noqa: S307
        assert repr(value)
        if isinstance(value, Shown):
            assert "<table>" in value._repr_html_()
    assert names["again"] == names["found"]
    assert "% of time" in capsys.readouterr().out
    assert all(not cell.get("outputs") for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"])
