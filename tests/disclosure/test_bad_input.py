"""Whatever a plan's JSON or a run's file holds, it is disclosed or refused in one message."""

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.disclosure.runs import RUN, estimate

from steelyard.cli.app import app
from steelyard.disclosure import write_disclosure
from steelyard.disclosure.forms import form_names
from steelyard.disclosure.origins.metered_run import disclosure_of_run
from steelyard.disclosure.origins.planned_point import disclosure_of_plan
from steelyard.errors import SteelyardError

FIELDS = [
    "scope",
    "title",
    "hours",
    "energy",
    "energy_boundary",
    "power",
    "uses",
    "saves",
    "queries",
    "place",
    "hardware",
    "count",
    "co2e",
    "note",
]
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=8),
    st.integers(-5, 5),
    st.floats(allow_nan=True, allow_infinity=True),
    st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(0, 3), max_size=2),
)


@cache
def given_estimate() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(estimate())
    return found


def survives(make: Any) -> None:
    try:
        found = make()
    except SteelyardError as error:
        assert len(str(error)) < 1000  # noqa: PT017  # either outcome is right
        return
    for form in form_names():
        assert write_disclosure(found, form, "2026-11-21")


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(sorted(json.loads(estimate()))), STRANGE)
def test_a_strange_value_in_an_estimate(name: str, value: Any) -> None:
    point = copy.copy(given_estimate()) | {name: value}
    survives(lambda: disclosure_of_plan(point))


@settings(deadline=None, max_examples=80)
@given(st.sampled_from([*sorted(RUN), "pue", "intensity", "note", "date", "flop"]), STRANGE)
def test_a_strange_value_in_a_run(name: str, value: Any) -> None:
    survives(lambda: disclosure_of_run(RUN | {name: value}, "run.yaml"))


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(FIELDS), STRANGE)
def test_a_strange_value_in_a_line(name: str, value: Any) -> None:
    line = RUN["lines"][0] | {name: value}
    survives(lambda: disclosure_of_run(RUN | {"lines": [line, RUN["lines"][2]]}, "run.yaml"))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "meter: [", "meter:\n", '{"points": 3}', '{"points": [3]}', "\x00", "- a"]
)
@pytest.mark.parametrize("name", ["given.json", "given.yaml"])
def test_broken_files_are_one_line(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    result = CliRunner().invoke(app, ["disclose", str(tmp_path / name)])
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b" " * (2**24 + 1)], ids=["binary", "too large"])
def test_what_is_no_text_file_is_one_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "given.json").write_bytes(data)
    result = CliRunner().invoke(app, ["disclose", str(tmp_path / "given.json")])
    assert result.exit_code == 2, result.output
    assert "give a plan, a metered run, a claim or a case's name" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
