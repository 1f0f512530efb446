"""A saved plan that somebody edited: an answer of sober numbers or a message, never a traceback."""

import copy
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.errors import BadInput, SteelyardError
from steelyard.planner import Plan, explain, plan, when, where
from steelyard.planner.questions import job_of
from steelyard.verbs import disclose

NASTY = (
    -5, 0, 1, 3, 0.5, 10**9, 1e300, -1e300, math.nan, math.inf, "", "x", "resnet-50", "-5", "1e300", None, True, [], {},
    [-1], ["x"],
)  # fmt: skip


@cache
def saved(model: str) -> str:
    """Return a plan as `plan --json` writes it."""
    size = {"samples": "100M"} if model == "resnet-50" else {"tokens": "10B"}
    job = {"model": model, "accelerators": "H100:8", "regions": "aws/us-east-1", "by": "1000d", **size}
    found = plan(job)
    assert isinstance(found, Plan)
    return found.to_json()


def leaves(found: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value that may be edited, containers included."""
    pairs = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    return [one for key, value in pairs for one in ((*way, key), *leaves(value, (*way, key)))]


def edited(text: str, way: tuple[Any, ...], value: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(text)
    inside: Any = made
    for key in way[:-1]:
        inside = inside[key]
    inside[way[-1]] = copy.deepcopy(value)
    return made


def sober(*numbers: float) -> bool:
    """Return whether no number is below 0 or beyond every run; unknown is NaN."""
    return all(math.isnan(one) or 0 <= one < 1e16 for one in numbers)


def ask(file: Path) -> None:
    """Ask a saved plan everything that is asked of one."""
    job_of(file)
    told = explain(file)
    assert sober(told.time_s.value, told.time_s.high, told.cost_usd.value, told.cost_usd.high, told.memory_bytes.value)
    found = where(file)
    assert sober(found.cheapest.time_s, found.cheapest.cost_usd, found.cheapest.energy_facility_kwh)
    hours = when(file)
    assert sober(hours.run_s)


@pytest.mark.parametrize("model", ["gpt2", "resnet-50"])
def test_a_plan_as_it_was_saved_is_answered(model: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(saved(model), encoding="utf-8")
    ask(file)


def answered(file: Path) -> str:
    """Return the message that a saved plan ends in, empty where it is answered."""
    try:
        ask(file)
    except SteelyardError as error:
        return str(error)
    return ""


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_random_edits_of_a_saved_plan(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    text = saved(data.draw(st.sampled_from(["gpt2", "resnet-50"])))
    made = json.loads(text)
    some = leaves(made["request"], ("request",)) + leaves(made["points"][0], ("points", 0))
    some += [(name,) for name in made]
    made = edited(text, data.draw(st.sampled_from(some)), data.draw(st.sampled_from(NASTY)))
    file = tmp_path_factory.mktemp("plans") / "plan.json"
    file.write_text(json.dumps(made), encoding="utf-8")
    assert len(answered(file)) < 600


@pytest.mark.parametrize(
    ("way", "value", "message"),
    [
        (("request", "samples"), -5, r"request.samples is -5.0, but what was given makes it 9765625.0; write it anew"),
        (("request", "given", "tokens"), -5, "request.given: tokens: -5 is not a count above zero"),
        (("request", "given", "tokens"), "20B", "request.samples is 9765625.0, but what was given makes it 19531250"),
        (("request", "model", "layers"), 10**9, "no model is that large"),
        (("request", "model", "layers"), -1, "layers is -1; it must be at least 1"),
        (("request", "batch_samples"), 0, "request.batch_samples is 0, but what was given"),
        (("request", "deadline_s"), -1.0, "not a duration"),
        (("request", "tokens"), 10**9, "request: unknown field 'tokens'"),
        (("points", 0, "layout", "tp"), 5, "the saved point cannot be run: layout .*tp × pp × dp = 40"),
        (("points", 0, "layout", "micro_batches"), 10**9, "trains 5.12e.11 sequences a step but the job 512"),
        (("points", 0, "layout", "micro_batch"), math.inf, "micro_batch: a whole number is wanted, not inf"),
        (("points", 0, "devices"), 10**9, "has 1000000000 devices but a layout of 8"),
        (("points", 0, "stack"), "weaver", "unknown stack 'weaver'"),
        (("points", 0, "system"), "p4d.24xlarge", "is on H100.* but in p4d.24xlarge"),
        (("points", 0, "time_s"), -5, "the saved point has time_s -5"),
        (("points", 0, "energy_facility_kwh"), 1e300, r"has energy_facility_kwh 1e\+300, but its configuration has"),
        (("carbon_kind",), "green", "carbon_kind is 'green'; it is one of location_gross"),
    ],
)
def test_an_edit_is_refused_by_what_is_wrong_with_it(way: Any, value: Any, message: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(edited(saved("gpt2"), way, value)), encoding="utf-8")
    with pytest.raises((BadInput, SteelyardError), match=message):
        explain(file)


@pytest.mark.parametrize(
    ("way", "value", "message"),
    [
        (("cost_usd",), -5, "the saved point has cost_usd -5, which no run has"),
        (("cost_usd_low",), 1e9, "has cost_usd .* outside of its own interval"),
        (("time_s_low",), 1e9, r"has time_s_low 1e\+09, but its configuration has"),
        (("memory_bytes",), -1, "has memory_bytes -1, but its configuration has"),
        (("memory_limit_bytes",), 5, "has memory_limit_bytes 5, but"),
        (("site",), "mars/mars-1", "has site 'mars/mars-1', but its configuration has 'aws/us-east-1'"),
        (("layout_text",), "tp=9", "has layout_text 'tp=9', but its configuration has"),
        (("fits",), False, "has fits 'False', but its configuration has True"),
        (("co2e_location_gross_kg",), -1e9, r"has co2e_location_gross_kg -1e\+09, which no run has"),
        (("bill", "energy_usd"), -3, "has bill.energy_usd -3, which no run has"),
        (("accelerator",), "foo", "foo"),
        (("stack",), "foo", "unknown stack 'foo'"),
        (("layout",), {"tp": 1}, "the layout of the saved point lacks cp, devices, .*etp"),
    ],
)
@pytest.mark.parametrize("ask_of", [explain, where, disclose], ids=["explain", "where", "disclose"])
def test_no_edited_figure_of_a_point_is_printed(
    ask_of: Any, way: tuple[Any, ...], value: Any, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(edited(saved("gpt2"), ("points", 0, *way), value)), encoding="utf-8")
    with pytest.raises(BadInput, match=message):
        ask_of(file)


def test_money_and_carbon_are_computed_anew(tmp_path: Path) -> None:
    file, made = tmp_path / "plan.json", json.loads(saved("gpt2"))
    right = disclose(Plan.from_dict(made))
    made["points"][0] |= {"cost_usd": 7.0, "cost_usd_low": 6.0, "cost_usd_high": 8.0, "co2e_location_gross_kg": 3.0}
    made["job"] = {"model": "foo", "flop": 1.0}
    file.write_text(json.dumps(made), encoding="utf-8")
    found = disclose(file)
    assert found.model == "gpt2"
    for name in ("usd", "gross_kg", "flop"):
        assert found.total(name).value == pytest.approx(right.total(name).value)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_random_edits_of_a_saved_plan_that_is_disclosed(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = json.loads(saved("gpt2"))
    some = leaves(made["points"][0], ("points", 0)) + [(name,) for name in made]
    file = tmp_path_factory.mktemp("plans") / "plan.json"
    way, value = data.draw(st.sampled_from(some)), data.draw(st.sampled_from(NASTY))
    file.write_text(json.dumps(edited(saved("gpt2"), way, value)), encoding="utf-8")
    try:
        found = disclose(file)
    except SteelyardError:
        return
    assert all(math.isnan(one.value) or 0 <= one.value < 1e30 for line in found.lines for one in line.numbers.values())


def test_a_plan_without_points_is_said_to_hold_none(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(json.loads(saved("gpt2")) | {"points": []}), encoding="utf-8")
    with pytest.raises(SteelyardError, match="nothing to explain: the plan holds no points; plan the job anew with"):
        explain(file)
