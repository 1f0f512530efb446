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
from steelyard.launchers import launch
from steelyard.planner import Plan, estimate, explain, plan, when, where
from steelyard.planner.choosing import job_of
from steelyard.verbs import audit, disclose

NASTY = (
    -5, 0, 1, 3, 0.5, 10**9, 1e300, -1e300, math.nan, math.inf, "", "x", "resnet-50", "-5", "1e300", None, True, [], {},
    [-1], ["x"],
)  # fmt: skip


@cache
def saved(model: str) -> str:
    """Return a plan as `plan --json` writes it."""
    size = {"samples": "100M"} if model == "resnet-50" else {"tokens": "10B"}
    job = {"model": model, "accelerators": "H100:8", "regions": "aws/us-east-1", "by": "1000d", **size}
    job |= {} if model == "resnet-50" else {"stack": "megatron-core"}  # a stack that has a writer of its launch
    found = plan(job)
    assert isinstance(found, Plan)
    return found.to_json()


@cache
def saved_estimate() -> str:
    """Return an estimate as `estimate --json` writes it."""
    return estimate("gpt2", "H100:8", tokens="10B", by="1000d", stack="megatron-core").to_json()


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
        (("points", 0, "time_s"), -5, "plan.json: time_s is -5, but this version computes"),
        (("points", 0, "energy_facility_kwh"), 1e300, r"energy_facility_kwh is 1e\+300, but this version computes"),
        (("points", 0, "bound_by", 0, "text"), -5, "text: a text is wanted"),
        (("carbon_kind",), "green", "carbon_kind is 'green'; it is one of location_gross"),
    ],
)
def test_an_edit_is_refused_by_what_is_wrong_with_it(way: Any, value: Any, message: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(edited(saved("gpt2"), way, value)), encoding="utf-8")
    with pytest.raises((BadInput, SteelyardError), match=message):
        explain(file)


POINT = ("points", 0)
EVERY_ASK = (explain, where, when, launch, disclose)
COMPUTED = "but this version computes"


def written(folder: Path, *edits: tuple[tuple[Any, ...], Any], estimated: bool = False) -> Path:
    """Return the file of a saved answer with some of its values edited."""
    made = json.loads(saved_estimate() if estimated else saved("gpt2"))
    for way, value in edits:
        made = edited(json.dumps(made), way, value)
    file = folder / "plan.json"
    file.write_text(json.dumps(made), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("way", "value", "message"),
    [
        ((*POINT, "cost_usd"), 7.0, rf"cost_usd is 7, {COMPUTED} \d"),
        ((*POINT, "cost_usd_low"), 1e9, rf"cost_usd_low is 1000000000, {COMPUTED}"),
        ((*POINT, "co2e_kg"), 1.0, rf"co2e_kg of kind location_gross is 1, {COMPUTED} \d"),
        ((*POINT, "co2e_location_gross_kg"), None, rf"co2e_location_gross_kg is unknown, {COMPUTED}"),
        ((*POINT, "price_usd_per_device_h"), 0.1, rf"price_usd_per_device_h is 0.1, {COMPUTED} 6.88"),
        ((*POINT, "price_date"), "2020-01-01", rf"price_date is '2020-01-01', {COMPUTED}"),
        ((*POINT, "goodput"), 0.5, rf"goodput is 0.5, {COMPUTED} 0.9"),
        ((*POINT, "water_m3"), 9.0, rf"water_m3 is 9, {COMPUTED}"),
        ((*POINT, "time_s_low"), 1e9, rf"time_s_low is 1000000000, {COMPUTED}"),
        ((*POINT, "memory_bytes"), -1, rf"memory_bytes is -1, {COMPUTED}"),
        ((*POINT, "memory_limit_bytes"), 5, rf"memory_limit_bytes is 5, {COMPUTED}"),
        ((*POINT, "site"), "mars/mars-1", rf"site is 'mars/mars-1', {COMPUTED} 'aws/us-east-1'"),
        ((*POINT, "layout_text"), "tp=9", rf"layout_text is 'tp=9', {COMPUTED}"),
        ((*POINT, "fits"), False, rf"fits is False, {COMPUTED} True"),
        ((*POINT, "bill", "energy_usd"), 3.0, rf"bill.energy_usd is 3, {COMPUTED} 0"),
        ((*POINT, "accelerator"), "foo", "foo"),
        ((*POINT, "stack"), "foo", "unknown stack 'foo'"),
        ((*POINT, "layout"), {"tp": 1}, "the layout of the saved point lacks cp, devices, .*etp"),
        ((*POINT, "ties"), [], None),
        (("carbon_kind",), "market", rf"co2e_kg of kind market is \d.*, {COMPUTED} unknown"),
        (("job", "tokens"), 1.0, rf"job.tokens is 1, {COMPUTED} 1e\+10"),
        (("job", "model"), "foo", rf"job.model is 'foo', {COMPUTED} 'gpt2'"),
        (("assumptions",), [], rf"assumptions is 0 entries, {COMPUTED}"),
        (("sources", 0, "id"), "x", rf"sources.0.id is 'x', {COMPUTED}"),
    ],
)
@pytest.mark.parametrize("ask_of", EVERY_ASK, ids=lambda one: one.__name__)
def test_every_verb_refuses_what_a_plan_does_not_compute(
    ask_of: Any, way: tuple[Any, ...], value: Any, message: str | None, tmp_path: Path
) -> None:
    file = written(tmp_path, (way, value))
    if message is None:
        ask_of(file)
        return
    with pytest.raises(BadInput, match=message):
        ask_of(file)


@pytest.mark.parametrize(
    ("way", "value", "message"),
    [
        (("cost_usd",), 7.0, rf"cost_usd is 7, {COMPUTED}"),
        (("draw", "wall_s"), 1.0, rf"draw.wall_s is 1, {COMPUTED}"),
        (("carbon", "water_m3"), 1.0, rf"carbon.water_m3 is 1, {COMPUTED}"),
        (("money", "total_usd"), 0.0, rf"money.total_usd is 0, {COMPUTED}"),
        (("job", "flop"), 1.0, rf"job.flop is 1, {COMPUTED}"),
        (("assumptions", 0), "x", rf"assumptions.0 is 'x', {COMPUTED}"),
    ],
)
@pytest.mark.parametrize("ask_of", EVERY_ASK, ids=lambda one: one.__name__)
def test_every_verb_refuses_what_an_estimate_does_not_compute(
    ask_of: Any, way: tuple[Any, ...], value: Any, message: str, tmp_path: Path
) -> None:
    file = written(tmp_path, (way, value), estimated=True)
    with pytest.raises(BadInput, match=rf"^{file}: {message}.*edited, or prices"):
        ask_of(file)


def test_an_answer_in_memory_is_checked_as_a_file_is() -> None:
    found = Plan.from_dict(edited(saved("gpt2"), (*POINT, "goodput"), 0.5))
    for ask_of in EVERY_ASK:
        with pytest.raises(BadInput, match=rf"^the saved answer: goodput is 0.5, {COMPUTED}"):
            ask_of(found)


def test_of_many_edits_three_are_named_and_the_others_counted(tmp_path: Path) -> None:
    names = ("time_s", "goodput", "water_m3", "interruptions", "lost_usd")
    file = written(tmp_path, *(((*POINT, name), 1e9) for name in names))
    with pytest.raises(BadInput, match=r"time_s is .*; interruptions is .*; goodput is .*; 2 more differ\. It was"):
        explain(file)


@pytest.mark.parametrize("ask_of", [*EVERY_ASK, plan], ids=lambda one: one.__name__)
@pytest.mark.parametrize("estimated", [False, True], ids=["plan", "estimate"])
def test_every_verb_says_that_an_answer_lacks_its_job(ask_of: Any, estimated: bool, tmp_path: Path) -> None:
    file = written(tmp_path, (("request",), None), estimated=estimated)
    with pytest.raises(BadInput, match=f"^{file}: the answer holds no request, which is the job it answers; write it"):
        ask_of(file)


def test_a_prediction_is_no_claim(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a prediction, and no claim to audit; take it apart with steelyard explain"):
        audit(written(tmp_path))


@pytest.mark.parametrize("kind", ["location_gross", "location_net", "market", "marginal"])
def test_a_saved_answer_keeps_its_kind_of_co2e_in_every_verb(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    file.write_text(
        estimate("gpt2", "H100:8", tokens="10B", site="country/FR", carbon=kind).to_json(), encoding="utf-8"
    )
    found = explain(file)
    assert (found.carbon_kind, found.co2e_kg.value) == (
        kind,
        pytest.approx(getattr(found, f"co2e_{kind}_kg"), nan_ok=True),
    )
    assert where(file).carbon_kind == kind
    other = explain(file, carbon="location-gross")
    assert other.carbon_kind == "location_gross"
    assert other.co2e_kg.value == pytest.approx(other.co2e_location_gross_kg, nan_ok=True)


def test_an_explanation_of_a_plan_can_be_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "explained.json"
    file.write_text(explain(written(tmp_path), "fastest").to_json(), encoding="utf-8")
    assert explain(file) == explain(written(tmp_path), "fastest")


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
