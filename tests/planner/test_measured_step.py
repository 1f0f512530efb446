"""A measured step on every verb: one shift, said on the page, kept in the JSON; what no step can be is refused."""

import json
import math
from typing import Any

import pytest

from steelyard.catalog import accelerator_log_sd, load
from steelyard.catalog.local.layer import using_layer
from steelyard.catalog.local.step_shift import (
    ANYWHERE,
    PUBLISHER_LOG_SD,
    REPEAT_LOG_SD,
    RUN_LOG_SD,
    STEP_SHIFT,
    pair_name,
    shifts_of,
)
from steelyard.errors import BadInput
from steelyard.job.measured_step import MeasuredStep
from steelyard.launchers import launch
from steelyard.planner import Estimate, Plan, estimate, explain, plan, what_if, when, where
from steelyard.planner.choosing import job_of
from steelyard.planner.measured.alike import alikeness
from steelyard.planner.measured.answer import StepLayer, using
from steelyard.planner.measured.exact import as_measured, text_of_setting
from steelyard.planner.measured.narrowing import BLANK, layer_of
from steelyard.planner.unstated.configuring import configure
from steelyard.report.estimate_page import estimate_page, short_estimate_page
from steelyard.report.page import render
from steelyard.report.plan_page import plan_page
from steelyard.report.short_plan_page import short_plan_page

JOB: dict[str, Any] = {"tokens": "2B", "stack": "fsdp2", "providers": "aws"}
PIN = ("llama-3-8b", "H100:64")
CHIPS = {name: accelerator_log_sd(load().accelerator(name), "any", load()) for name in ("H100", "A100-80GB-SXM")}
OPEN = PUBLISHER_LOG_SD**2 + CHIPS["H100"] ** 2
WEIGHT = OPEN / (OPEN + RUN_LOG_SD**2)
PAIR = pair_name("fsdp2", "H100-80GB-SXM")


def step_s(found: Estimate) -> float:
    return float(found.prediction.time.total_s)


def law_of(gap: float, shift: float, alike: float) -> float:
    """Return what one run of a gap moves another by: the shift, and of what it leaves as much as is alike."""
    weight = (OPEN + RUN_LOG_SD**2) / (OPEN + RUN_LOG_SD**2 + REPEAT_LOG_SD**2)
    left = min(max(weight * gap - WEIGHT * gap, -3 * RUN_LOG_SD), 3 * RUN_LOG_SD)
    return shift + 0.75 * alike * left


@pytest.fixture(scope="module")
def plain() -> Estimate:
    return estimate(*PIN, **JOB)


@pytest.mark.parametrize("ratio", [0.9, 1.18, 1.6])
def test_an_estimate_moves_by_the_law_of_one_run(plain: Estimate, ratio: float) -> None:
    """And, beyond it, as far as it is like the measured one: half as many devices, twice the micro-batches."""
    found = estimate(*PIN, **JOB, step_time=ratio * step_s(plain))
    own, other = found.measured_step, ("llama-3-8b", "H100:32")
    moved = estimate(*other, **JOB, step_time=f"{ratio * step_s(plain)}@H100:64")
    assert math.log(step_s(moved) / step_s(estimate(*other, **JOB))) == pytest.approx(
        law_of(math.log(ratio), WEIGHT * math.log(ratio), math.exp(-2 * 0.25 / 2))
    )
    assert own is not None
    assert (own.stack, own.accelerator, own.devices) == ("fsdp2", "H100-80GB-SXM", 64)
    assert (own.measured_s, own.ratio) == (pytest.approx(ratio * step_s(plain)), pytest.approx(ratio))
    assert own.within_90 == (own.narrowing.low_before <= ratio <= own.narrowing.high_before)
    assert f"is {ratio:.2f}x our median, {'inside' if own.within_90 else 'outside'} the 90 % interval" in own.text
    assert found.layout_text == plain.layout_text
    assert found.one_step is None


@pytest.mark.parametrize("ratio", [0.7, 1.0, 1.6])
def test_exactly_what_was_measured_is_predicted_as_it_was_measured(plain: Estimate, ratio: float) -> None:
    """2.4 s were measured and 2.10 predicted of the same run, 0.68-1.51 times of it."""
    found = estimate(*PIN, **JOB, step_time=ratio * step_s(plain))
    assert step_s(found) == pytest.approx(ratio * step_s(plain), rel=0.02)
    variance = OPEN + RUN_LOG_SD**2
    weight = variance / (variance + REPEAT_LOG_SD**2)
    assert math.log(step_s(found) / step_s(plain)) == pytest.approx(weight * math.log(ratio))
    assert found.measured_step is not None
    assert found.measured_step.log_sd_here == pytest.approx(math.sqrt(weight) * REPEAT_LOG_SD)
    draws = [one.time_s.high / one.time_s.low for one in (found, plain)]
    assert draws[0] < 1.25
    assert draws[1] > 1.4


@pytest.mark.parametrize(
    ("job", "on", "layout"),
    [
        ({"sequence": 4096}, "H100:64", ""),
        ({"global_batch": 256}, "H100:64", ""),
        ({"precision": "fp8"}, "H100:64", ""),
        ({"optimizer": "sgd"}, "H100:64", ""),
        ({"task": "lora"}, "H100:64", ""),
        ({}, "H100:32", ""),
        ({}, "H100:64", "tp=2"),
    ],
)
def test_what_differs_in_anything_is_not_what_was_measured(
    plain: Estimate, job: dict[str, Any], on: str, layout: str
) -> None:
    """Of a saved answer, only the job that was measured is as measured; others move as far as they are like it."""
    own = estimate(*PIN, **JOB, step_time=1.3 * step_s(plain)).measured_step
    assert own is not None
    setting = configure(job_of("llama-3-8b", **JOB, **job), *on.split(":")[:1], int(on.split(":")[1]), layout).setting
    with using(StepLayer(own)):
        (alike,) = alikeness([text_of_setting(setting)], [own.trained])[0]
        moved, same = as_measured(setting), as_measured(configure(job_of("llama-3-8b", **JOB), "H100", 64).setting)
    left = math.log(own.factor_here / own.factor)
    assert math.log(moved.stack.stack.time_scale / setting.stack.stack.time_scale) == pytest.approx(0.75 * alike * left)
    assert 0 < alike <= 1
    assert moved.stack.spread == setting.stack.spread
    assert same.stack.spread is None


def test_the_interval_narrows_as_was_promised(plain: Estimate) -> None:
    other = ("llama-3-8b", "H100:32")
    found = estimate(*other, **JOB, step_time=f"{step_s(plain)}@H100:64")
    before, after = (one.time_s.high / one.time_s.low for one in (estimate(*other, **JOB), found))
    assert after < before
    promised, own = plain.one_step, found.measured_step
    assert promised is not None
    assert own is not None
    assert (promised.low_after, promised.high_after) == (own.narrowing.low_after, own.narrowing.high_after)
    assert promised.high_after < promised.high_before
    assert f"from {promised.low_before:.2f}-{promised.high_before:.2f}x to" in promised.text
    assert plain.time_s.high / plain.time_s.low == pytest.approx(promised.high_before / promised.low_before)
    narrow = math.log(promised.high_after / promised.low_after)
    assert math.log(after) == pytest.approx(narrow, rel=0.1)


def test_a_rate_is_the_same_step(plain: Estimate) -> None:
    tokens = 8192 * 512 / (64 * 1.2 * step_s(plain))
    by_step = estimate(*PIN, **JOB, step_time=1.2 * step_s(plain))
    for rate in (tokens, f"{tokens} tokens/s", f"{tokens / 8192} samples/s"):
        assert step_s(estimate(*PIN, **JOB, rate=rate)) == pytest.approx(step_s(by_step))


def test_a_step_of_another_place_moves_a_pin_by_what_all_share(plain: Estimate) -> None:
    eight = estimate("llama-3-8b", "A100:8", **JOB)
    found = estimate(*PIN, **JOB, step_time=f"{1.3 * step_s(eight)}@A100:8")
    law = shifts_of([math.log(1.3)], ["x"], open_log_sds={"x": CHIPS["A100-80GB-SXM"]})
    own = found.measured_step
    assert own is not None
    assert math.log(own.factor_elsewhere) == pytest.approx(law[ANYWHERE].log)
    assert 0 <= math.log(step_s(found) / step_s(plain) / own.factor_elsewhere) < 0.005  # eight times the devices
    same_chip = estimate("llama-3-8b", "H100:8", **JOB)
    found = estimate(*PIN, **JOB, step_time=f"{1.3 * step_s(same_chip)}@H100:8")
    own = found.measured_step
    assert own is not None
    assert math.log(own.factor) == pytest.approx(WEIGHT * math.log(1.3))
    assert 0 <= math.log(step_s(found) / step_s(plain) / own.factor) < 0.01


def test_a_pin_without_a_stack_keeps_the_one_that_was_measured() -> None:
    job = {"tokens": "2B", "providers": "aws"}
    free = estimate(*PIN, **job)
    found = estimate(*PIN, **job, step_time=step_s(free))
    assert (found.stack, found.layout_text) == (free.stack, free.layout_text)
    assert found.measured_step is not None
    assert found.measured_step.taken == ("stack", "layout")
    assert f"of {', '.join(found.measured_step.stacks)} under which it is likeliest and its layout" in (
        found.measured_step.text
    )
    assert "name them if yours was another" in found.measured_step.text
    assert found.request is not None
    assert found.request.stack is None
    assert Estimate.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize("as_rate", [False, True])
def test_a_step_without_a_stack_is_compared_with_the_one_under_which_it_is_likeliest(as_rate: bool) -> None:
    job = {"tokens": "2B", "providers": "aws"}
    free = estimate(*PIN, **job)
    stacks = (free.stack, *(one.stack for one in free.other_stacks))
    assert len(stacks) > 1
    for name in stacks:
        own = step_s(estimate(*PIN, **job, stack=name))
        said = {"rate": 8192 * 512 / (64 * own)} if as_rate else {"step_time": own}
        found = estimate(*PIN, **job, **said)
        assert found.measured_step is not None
        assert set(found.measured_step.stacks) == set(stacks)
        assert (found.stack, found.measured_step.stack) == (name, name)
        assert found.measured_step.ratio == pytest.approx(1.0)


def test_a_saved_answer_keeps_the_stacks_that_a_measured_step_was_compared_with(tmp_path) -> None:
    found = estimate(*PIN, tokens="2B", providers="aws", step_time=9.0)
    path = tmp_path / "estimate.json"
    path.write_text(found.to_json(), "utf-8")
    assert explain(path).measured_step == found.measured_step


def test_every_verb_has_the_same_shift(plain: Estimate) -> None:
    said = {"step_time": f"{1.3 * step_s(plain)}@H100:64"}
    factor = 1.3**WEIGHT
    job = {**JOB, "accelerators": "H100", "devices": 64, "by": "7d"}
    free, moved = plan("llama-3-8b", **job), plan("llama-3-8b", **job, **said)
    assert moved.measured_step is not None
    assert moved.measured_step.factor == pytest.approx(factor)
    assert moved.points[0].time_s.value / free.points[0].time_s.value == pytest.approx(factor, rel=0.05)
    explained = explain("llama-3-8b", **job, **said)
    assert explained.measured_step == moved.measured_step
    assert explained.time_s == moved.points[0].time_s
    places = where("llama-3-8b", **job, **said)
    assert moved.measured_step.text in places.notes
    assert places.cheapest.time_s == pytest.approx(moved.points[0].time_s.value)
    hours = when("llama-3-8b", **job, **said)
    assert moved.measured_step.text in hours.notes
    assert hours.run_s == pytest.approx(moved.points[0].time_s.value)
    started = launch("llama-3-8b", **{**JOB, "stack": "fsdp2"}, on="H100:64", step_time=1.3 * step_s(plain))
    assert started.stack == "fsdp2"
    asked = what_if(
        "llama-3-8b", "tokens=2B,4B", **{key: value for key, value in job.items() if key != "tokens"}, **said
    )
    assert moved.measured_step.text in asked.notes
    assert asked.rows[0].points[0].time_s.value == pytest.approx(moved.points[0].time_s.value)


def test_what_if_wants_one_place_for_all_values(plain: Estimate) -> None:
    job = {**JOB, "accelerators": "H100"}
    with pytest.raises(BadInput, match="another with each devices; say where it was"):
        what_if("llama-3-8b", "devices=64,128", **job, step_time=1.1 * step_s(plain))


def test_a_saved_answer_is_replayed_with_its_step(plain: Estimate, tmp_path) -> None:
    said = 1.2 * step_s(plain)
    found = estimate(*PIN, **JOB, step_time=said)
    assert Estimate.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    path = tmp_path / "estimate.json"
    path.write_text(found.to_json(), "utf-8")
    assert explain(path).time_s == found.time_s
    made = plan("llama-3-8b", **JOB, accelerators="H100", devices=64, step_time=said)
    assert Plan.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    path = tmp_path / "plan.json"
    path.write_text(made.to_json(), "utf-8")
    assert explain(path).time_s == made.points[0].time_s
    edited = json.loads(made.to_json())
    edited["request"]["measured"]["step_s"] = 2 * said
    path.write_text(json.dumps(edited), "utf-8")
    with pytest.raises(BadInput, match=r"request\.measured"):
        explain(path)


def test_a_calibrated_pair_is_moved_on_from_where_it_stands(plain: Estimate) -> None:
    first = layer_of(shifts_of([math.log(1.2)], [PAIR]), BLANK)
    with using_layer(first):
        again = estimate("llama-3-8b", "H100:32", **JOB, step_time=f"{1.2 * step_s(plain)}@H100:64")
        assert estimate(*PIN, **JOB).one_step is None
    both = shifts_of([math.log(1.2)] * 2, [PAIR] * 2)[PAIR]
    other = estimate("llama-3-8b", "H100:32", **JOB)
    own = again.measured_step
    assert own is not None
    beyond = 0.75 * math.exp(-2 * 0.25 / 2) * math.log(own.factor_here / own.factor)
    assert math.log(step_s(again) / step_s(other)) == pytest.approx(both.log + beyond)
    assert first.steps[PAIR, "any", STEP_SHIFT].log_sd > both.log_sd
    assert step_s(estimate(*PIN, **JOB)) == step_s(plain)  # nothing stays


def test_pages_say_what_was_set_and_what_would_be(plain: Estimate) -> None:
    moved = estimate(*PIN, **JOB, step_time=1.2 * step_s(plain))
    for page in (short_estimate_page, estimate_page):
        assert "One measured step of fsdp2 on H100-80GB-SXM narrows" in " ".join(render(page(plain)).split())
        text = " ".join(render(page(moved)).split())
        assert "is 1.20x our median, inside the 90 % interval" in text
        assert "One measured step" not in text
    job = {**JOB, "accelerators": "H100", "devices": 64}
    free, shifted = plan("llama-3-8b", **job), plan("llama-3-8b", **job, step_time=1.2 * step_s(plain))
    for show in (short_plan_page, plan_page):
        assert "one measured step" in " ".join(render(show(free)).split())
        text = " ".join(render(show(shifted)).split())
        assert "1.20x our median" in text
        assert "one measured step" not in text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"step_time": 0.01},
            r"PFLOP/s a device, where its dense peak is .* s are predicted; correct it .* or leave it out",
        ),
        ({"step_time": 1000}, r"a step of 1000 s .* is \d+ times what is predicted \(8\.\d+ s\)"),
        ({"step_time": 8500}, r"as if milliseconds were given as seconds"),
        ({"rate": 20}, r"--rate: .* times what is predicted"),
        ({"rate": 1e9}, r"no step is so fast"),
        ({"step_time": 9, "rate": 5000}, "both given"),
        ({"step_time": "9@H9000:8"}, "unknown system"),
        ({"step_time": "9@H100:8,tp=3"}, "tp"),
        ({"step_time": "9 parsecs"}, "no time of a step"),
        ({"step_time": True}, "no measured step"),
        ({"step_time": -3}, "no measured step"),
        ({"rate": "fast"}, "no measured step"),
        ({"rate": "3 apples/s"}, "no rate of a device"),
        ({"step_time": "9@"}, "no measured step"),
    ],
)
def test_a_step_that_cannot_be_is_refused_with_both_values(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        estimate(*PIN, **JOB, **given)


def test_a_plan_must_be_told_where_it_was() -> None:
    with pytest.raises(
        BadInput, match=r"does not say where it was measured; write --rate 5000@H100:8, or with its layout"
    ):
        plan("llama-3-8b", **JOB, rate=5000)
    with pytest.raises(BadInput, match="give global_batch, or rate instead"):
        plan("llama-3-8b", **JOB, step_time="9@H100:64", global_batch_min=256, global_batch_max=1024)


def test_a_job_file_says_it_as_an_option_does() -> None:
    by_file = job_of({"model": "gpt2", "tokens": "1B", "rate": "3.9k tokens/s@H100:8,tp=2"})
    assert by_file.measured == MeasuredStep(
        per_device_s=3900.0, counted="token", accelerator="H100", devices=8, layout="tp=2"
    )
    assert job_of("gpt2", tokens="1B", step_time="1.5 s").measured == MeasuredStep(step_s=1.5)
    over = job_of({"model": "gpt2", "tokens": "1B", "rate": 3900}, step_time=2)
    assert over.measured == MeasuredStep(step_s=2.0)
    with pytest.raises(BadInput, match="no text"):
        estimate("resnet-50", "H100:8", samples="10M", rate="100 tokens/s")


def test_only_the_options_that_do_it_are_promised_to_settle_the_measured_run() -> None:
    """`calibrate` moves a stack part of the way to one step: it is not said to repeat the very run."""
    found = estimate("llama-3-8b", "H100:8", tokens="1B", stack="megatron-core").one_step
    assert found is not None
    before, _, after = found.text.partition("(its own run to ")
    assert before.endswith("--step-time or --rate ")
    assert after.endswith("), or calibrate")
    assert "good" not in found.text
