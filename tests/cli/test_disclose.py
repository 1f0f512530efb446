"""`steelyard disclose` writes every format, to a file and to the terminal, and refuses in one line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.disclosure.runs import estimate

from steelyard.cli.app import app
from steelyard.disclosure.forms import every_form, form_names


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["disclose", *words])


def test_every_file_of_forms_writes_the_form_of_its_name() -> None:
    assert tuple(every_form()) == form_names()
    assert set(form_names()) >= {"hf", "spdx", "eu", "sci", "table", "bibtex", "html"}


def test_no_two_forms_ask_for_one_ending() -> None:
    endings = [ending for form in every_form().values() for ending in form.endings]
    assert sorted(set(endings)) == sorted(endings)


@pytest.mark.parametrize("form", form_names())
def test_a_case_in_every_format(form: str) -> None:
    result = run("patterson-t5", "--format", form)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("\n")


@pytest.mark.parametrize(
    ("name", "begins"), [("a.html", "<!doctype"), ("a.bib", "@misc"), ("a.json", "{"), ("a.md", "---")]
)
def test_the_ending_of_the_file_chooses(tmp_path: Path, name: str, begins: str) -> None:
    result = run("patterson-t5", "-o", str(tmp_path / name))
    assert (result.exit_code, result.stdout) == (0, "")
    assert (tmp_path / name).read_text("utf-8").startswith(begins)


def test_an_estimate_as_json(tmp_path: Path) -> None:
    path = tmp_path / "estimate.json"
    path.write_text(estimate(), "utf-8")
    found = json.loads(run(str(path), "--json").stdout)
    assert found["basis"] == "predicted"
    assert found["lines"][0]["numbers"]["market_kg"]["value"] is None
    assert found["lines"][0]["numbers"]["market_kg"]["why"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("strubell",), "unknown case 'strubell'; nearest: strubell-nas"),
        (("no-such.yaml",), "no-such.yaml"),
        (("patterson-t5", "--format", "pdf"), "pdf"),
        (("patterson-t5", "-o", "x.docx"), "x.docx: no form is written to files that end in .docx; they end in .bib,"),
    ],
)
def test_bad_input_is_one_line(words: tuple[str, ...], message: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
