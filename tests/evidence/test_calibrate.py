"""Calibration: what runs move, how sure it leaves the constants, and what becomes of runs that are wrong."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.catalog import Catalog, load, open_log_sds, stack_rows, stacks
from steelyard.catalog.load import DATA
from steelyard.catalog.local.layer import CALIBRATED_TABLES
from steelyard.catalog.local.slips import unit_slip
from steelyard.catalog.local.step_shift import (
    ANYWHERE,
    PUBLISHER_LOG_SD,
    STEP_SHIFT,
    shifts_of,
)
from steelyard.errors import BadInput
from steelyard.evidence.calibration import Calibration, calibrate_constants
from steelyard.evidence.calibration.constants import ALLOCATOR, constants
from steelyard.evidence.calibration.fitting import Fitting
from steelyard.evidence.calibration.posterior import Evidence, posterior_of
from steelyard.evidence.calibration.sample import sample_of, shifted_predictions
from steelyard.evidence.calibration.shift import pairs_of
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.predicted import measured_alike, predict_step, row_text, step_seconds
from steelyard.evidence.runs.impossible import card_bytes
from steelyard.evidence.runs.reader import blank_run, published_runs
from steelyard.evidence.runs.run import Run
from steelyard.report.calibration_page import calibration_page
from steelyard.report.page import render
from steelyard.step import memory, stage_job

TODAY = "2026-11-21"
H100 = "H100-80GB-SXM"
LAYOUTS = ((1, 64), (2, 32), (4, 16), (8, 8))


def runs(scale: float, stack: str = "Megatron-Core 0.12", **given: object) -> list[Run]:
    """Return runs of one job in several layouts that take `scale` times what the shipped fit says."""
    bare = [
        blank_run(
            id=f"run-{tp}", group="mine", model="llama-3-8b", accelerator="H100", devices=64.0, precision="bf16",
            stack=stack, date="2026-01", sequence_tokens=8192.0, batch_samples=256.0, micro_batch=1.0, tp=float(tp),
            pp=1.0, dp=float(dp), recompute="full", sharding="1",
        )
        for tp, dp in LAYOUTS
    ]  # fmt: skip
    found = run_frame(bare, load(), predict_step)
    seconds, _ = predict_step(found.job, found.layout, found.machine, found.kernels, found.stack)
    return [replace(one, step_time_s=float(s) * scale, **given) for one, s in zip(found.runs, seconds, strict=True)]


def seconds(cases: list[Run], catalog: Catalog) -> np.ndarray:
    found = run_frame(cases, catalog, predict_step)
    return step_seconds(found) * measured_alike(found, catalog).scale


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.3])
def test_predictions_move_towards_the_runs_and_not_past_them(scale: float) -> None:
    cases = runs(scale)
    made = calibrate_constants(cases, load(), "mine", "runs.csv", TODAY)
    after = seconds(cases, Catalog(DATA, made.layer)) / seconds(cases, load())
    assert np.all(np.abs(np.log(after / scale)) <= 0.35 * abs(math.log(scale)) + 1e-3)
    assert np.all(np.log(after) * math.log(scale) >= -1e-9)
    for run in made.runs:
        assert abs(run.after) <= abs(run.before) + 1e-3


def test_what_is_predicted_afterwards_is_what_was_shown() -> None:
    cases = runs(1.25)
    made = calibrate_constants(cases, load(), "mine", "runs.csv", TODAY)
    shown = np.array([run.after for run in made.runs])
    found = seconds(cases, Catalog(DATA, made.layer)) / [case.step_time_s for case in cases] - 1
    assert found == pytest.approx(shown, abs=0.01)  # a constant that moved by less than 0.5 % is not written


def test_more_runs_of_a_kind_leave_less_doubt_and_none_leaves_more() -> None:
    shipped = stack_rows("megatron-core", load())["time_scale"].log_sd
    once = runs(1.2)
    again = [replace(case, id=f"{case.id}-again") for case in once]

    def doubt(some: list[Run]) -> float:
        made = calibrate_constants(some, load(), "mine", "runs.csv", TODAY)
        return stack_rows("megatron-core", load().over(made.layer), accelerator=H100)["time_scale"].log_sd

    assert doubt([*once, *again]) < doubt(once) < shipped
    assert doubt([once[0], again[0]]) < doubt(once[:1]) < shipped


def test_an_unknown_stack_gets_a_name_of_its_own() -> None:
    made = calibrate_constants(runs(1.2, "Weaver 3"), load(), "mine", "runs.csv", TODAY)
    assert made.new_stacks == ("weaver-3",)
    catalog = Catalog(DATA, made.layer)
    assert "weaver-3" in stacks(catalog)
    assert stack_rows("weaver-3", catalog)["time_scale"].value > stack_rows("any", load())["time_scale"].value
    assert made.layer.stacks["weaver-3", "any", "time_scale"].value == stack_rows("any", load())["time_scale"].value
    nameless = calibrate_constants(runs(1.2, ""), load(), "mine", "runs.csv", TODAY)
    assert nameless.new_stacks == ("mine",)


def test_other_stacks_and_chips_move_by_what_all_of_a_publisher_share() -> None:
    made = calibrate_constants(runs(1.3), load(), "mine", "runs.csv", TODAY)
    mine, rest = (
        made.layer.steps[f"megatron-core on {H100}", "any", STEP_SHIFT],
        made.layer.steps[ANYWHERE, "any", STEP_SHIFT],
    )
    assert 1 < rest.value < mine.value < 1.3
    assert mine.log_sd < rest.log_sd < PUBLISHER_LOG_SD
    assert (mine.rows, rest.rows) == (4, 4)
    assert {row.entity for row in made.layer.stacks.values()} <= {"megatron-core"}
    assert {(row.entity, row.precision) for row in made.layer.kernels.values()} <= {(H100, "bf16")}


@pytest.mark.parametrize("scale", [0.8, 1.25])
def test_one_run_sets_the_shift_and_nothing_else(scale: float) -> None:
    made = calibrate_constants(runs(scale)[:1], load(), "mine", "runs.csv", TODAY)
    assert not made.layer.stacks
    assert not made.layer.kernels
    pair = f"megatron-core on {H100}"
    law = shifts_of([math.log(scale)], [pair], open_log_sds=open_log_sds([pair], load()))
    for name, one in law.items():
        row = made.layer.steps[name, "any", STEP_SHIFT]
        assert math.log(row.value) == pytest.approx(one.log)
        assert row.log_sd == pytest.approx(one.log_sd, abs=1e-4)
    (run,) = made.runs
    assert run.after == pytest.approx(0.0)  # exactly what was measured
    assert math.isnan(run.unseen)


def test_constants_that_move_cost_left_out_runs_little_beside_the_shift_alone() -> None:
    """Runs that are all slower by one factor leave little to constants; runs that slow down with tp do."""
    level = calibrate_constants(runs(1.3), load(), "mine", "runs.csv", TODAY)
    steep = [replace(one, step_time_s=one.step_time_s * (1 + 0.12 * place)) for place, one in enumerate(runs(1.0))]
    bent = calibrate_constants(steep, load(), "mine", "runs.csv", TODAY)
    for made in (level, bent):
        frame = run_frame(steep if made is bent else runs(1.3), load(), predict_step)
        of = sample_of(frame)
        names = np.array(["megatron-core"] * 4)
        parts = constants(frame, names, load(), np.zeros(4, dtype=bool))
        shipped = shifted_predictions(of, parts, np.zeros(len(parts)))
        pairs = pairs_of(of, names)
        texts = tuple(row_text(frame, row, "megatron-core", load()) for row in range(4))
        fitting = Fitting(of, parts, pairs, texts, shipped, open_log_sds(sorted(set(pairs.tolist())), load()))
        misses = {others: np.mean(np.abs(np.log1p(fitting._left_out(10, others=others)))) for others in (True, False)}
        assert misses[True] < misses[False] * 1.15
    assert bent.layer.stacks


def test_runs_of_two_chips_get_a_shift_each() -> None:
    cases = [*runs(1.2)[:2], *(replace(one, id=f"{one.id}-a", accelerator="A100") for one in runs(2.4)[:2])]
    made = calibrate_constants(cases, load(), "mine", "runs.csv", TODAY)
    pairs = {name for name, _, quantity in made.layer.steps if quantity == STEP_SHIFT}
    assert pairs == {f"megatron-core on {H100}", "megatron-core on A100-80GB-SXM", ANYWHERE}
    after = seconds(cases, Catalog(DATA, made.layer)) / [case.step_time_s for case in cases] - 1
    assert after == pytest.approx([run.after for run in made.runs], abs=0.01)


def test_memory_moves_what_was_measured() -> None:
    found = run_frame(runs(1.0), load(), predict_step)
    held = memory(stage_job(found.job, found.layout), found.machine, found.stack).reserved_bytes * 1.2
    cases = [
        replace(case, peak_memory_bytes=float(peak), memory_metric="reserved")
        for case, peak in zip(found.runs, held, strict=True)
    ]
    made = calibrate_constants(cases, load(), "mine", "runs.csv", TODAY)
    kinds = {run.metric for run in made.runs}
    assert kinds == {"step_time_s", "peak_memory_reserved_bytes"}
    assert "reserved_scale" in {shift.quantity for shift in made.shifts}
    for run in made.runs:
        assert abs(run.after) < 0.1
    assert all(one.after == pytest.approx(one.before) for one in made.shifts if one.table == "kernels")
    assert made.layer.steps[ANYWHERE, "any", STEP_SHIFT].value == pytest.approx(1.0)


def peaks(metric: str, scale: float) -> list[Run]:
    """Return runs without a step time whose peak of one kind is `scale` times what the shipped fit says, if it fits."""
    found = run_frame(runs(1.0), load(), predict_step)
    held = getattr(memory(stage_job(found.job, found.layout), found.machine, found.stack), f"{metric}_bytes")
    return [
        replace(run, peak_memory_bytes=float(peak) * scale, memory_metric=metric, step_time_s=math.nan)
        for run, peak in zip(found.runs, held, strict=True)
        if peak * scale < card_bytes(load().accelerator(H100))
    ]


@pytest.mark.parametrize("metric", ["allocated", "reserved", "device"])
@pytest.mark.parametrize("scale", [1 / 1.22, 1.25])
def test_every_kind_of_peak_moves_the_memory_that_is_predicted(metric: str, scale: float) -> None:
    cases = peaks(metric, scale)
    made = calibrate_constants(cases, load(), "mine", "runs.csv", TODAY)
    found = run_frame(cases, Catalog(DATA, made.layer), predict_step)
    held = memory(stage_job(found.job, found.layout), found.machine, found.stack)
    after = getattr(held, f"{metric}_bytes") / [case.peak_memory_bytes for case in cases] - 1
    assert after == pytest.approx([run.after for run in made.runs], abs=0.01)
    for run in made.runs:
        assert run.before == pytest.approx(1 / scale - 1)
        assert abs(math.log1p(run.after)) < 0.6 * abs(math.log1p(run.before))
        assert run.after * run.before >= -1e-3
    moved = {shift.quantity for shift in made.shifts}
    assert moved <= set(ALLOCATOR) if metric == "allocated" else moved == {"reserved_scale"}


def test_what_no_fit_made_of_an_allocated_peak_stays() -> None:
    """Weights and moments are arithmetic, and the allocator's surplus is not told by an allocated peak."""
    made = calibrate_constants(peaks("allocated", 1.25), load(), "mine", "runs.csv", TODAY)
    rows = made.layer.stacks
    assert all(row.log_sd == 0 for row in rows.values())
    assert not {"weight_bytes", "grad_bytes", "context_bytes", "reserved_scale"} & {name for _, _, name in rows}


def test_a_page_says_as_predicted_only_of_runs_that_are() -> None:
    exact = calibrate_constants(peaks("allocated", 1.0), load(), "mine", "runs.csv", TODAY)
    assert not exact.shifts
    assert "as the shipped fit predicts" in render(calibration_page(exact, None))
    off = replace(exact, runs=tuple(replace(run, before=0.222, after=0.222) for run in exact.runs))
    page = render(calibration_page(off, None))
    assert "as the shipped fit predicts" not in page
    assert "+22.2 % off" in page


def test_a_run_that_went_wrong_does_not_carry_the_rest() -> None:
    good = runs(1.0)
    bad = [*good[:3], replace(good[3], step_time_s=good[3].step_time_s * 4)]
    made = calibrate_constants(bad, load(), "mine", "runs.csv", TODAY)
    assert all(abs(run.after) < 0.25 for run in made.runs[:3])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tp": 3.0}, "3"),
        ({"accelerator": "H9000"}, "unknown accelerator"),
        ({"step_time_s": math.nan}, "no step time"),
        ({"use": "context"}, "background"),
    ],
)
def test_runs_of_no_use_are_named_with_the_reason(change: dict[str, object], said: str) -> None:
    cases = runs(1.0)
    with pytest.raises(BadInput, match="no usable run") as error:
        calibrate_constants([replace(cases[0], **change)], load(), "mine", "runs.csv", TODAY)
    assert "run-1" in str(error.value)
    assert said in str(error.value)
    made = calibrate_constants([replace(cases[0], **change), cases[1]], load(), "mine", "runs.csv", TODAY)
    assert [name for name, _ in made.refused] == ["run-1"]


def test_no_run_at_all_is_said() -> None:
    with pytest.raises(BadInput, match="holds no run"):
        calibrate_constants([], load(), "mine", "runs.csv", TODAY)


@given(
    gap=st.floats(-1, 1),
    noise=st.floats(0.02, 0.5),
    sd=st.floats(0.02, 1),
    count=st.integers(1, 6),
)
def test_one_scale_is_the_shrunken_mean_where_all_runs_agree(gap: float, noise: float, sd: float, count: int) -> None:
    found = posterior_of(
        Evidence(np.full(count, gap), np.full(count, noise), lambda by: np.repeat(by, count, -1), np.array([sd]))
    )
    assert abs(found.shift[0]) <= abs(gap) + 1e-9
    assert found.shift[0] * gap >= -1e-12
    assert 0 < found.sd[0] <= sd * (1 + 1e-9)
    assert found.sd[0] >= 1 / math.sqrt(1 / sd**2 + count / noise**2) - 1e-9


@pytest.mark.parametrize(
    ("scale", "unit"),
    [
        (1000.0, "milliseconds"), (1e6, "microseconds"), (1 / 60, "of the dense peak"), (25.0, None), (0.06, None),
    ],
)  # fmt: skip
def test_steps_in_another_unit_are_refused_with_the_unit(scale: float, unit: str | None) -> None:
    wrong = runs(scale)
    with pytest.raises(BadInput, match="no usable run") as raised:
        calibrate_constants(wrong, load(), "mine", "runs.csv", TODAY)
    if unit != "of the dense peak" and scale > 1:
        assert "its step time is" in str(raised.value)
        assert ("as if" in str(raised.value)) == bool(unit)
    assert unit is None or unit in str(raised.value)
    one = replace(wrong[0], id="wrong")
    made = calibrate_constants([*runs(1.2), one], load(), "mine", "runs.csv", TODAY)
    right = calibrate_constants(runs(1.2), load(), "mine", "runs.csv", TODAY)
    assert [name for name, _ in made.refused] == ["wrong"]
    assert [shift.after for shift in made.shifts] == [shift.after for shift in right.shifts]


@pytest.mark.parametrize(
    ("metric", "ratio", "devices", "text"),
    [
        ("step_time_s", 1 / 55, 8, "minutes were given as seconds"),
        ("step_time_s", 1 / 3000, 8, "hours were given as seconds"),
        ("tokens_per_s_per_device", 1 / 500, 512, "the rate of all 512 devices"),
        ("samples_per_second", 60, 64, "the rate of one of 64 devices"),
        ("mfu", 0.012, 8, "percent were given as a share"),
        ("memory", 2.0**-30, 8, "GiB were given as bytes"),
        ("memory", 900, 8, "MiB were given as GiB"),
    ],
)
def test_the_suspected_unit_is_named(metric: str, ratio: float, devices: float, text: str) -> None:
    assert f"as if {text}" in unit_slip(metric, ratio, devices)
    assert not unit_slip(metric, 19.0, devices)
    assert not unit_slip(metric, 1 / 19.0, devices)


def test_no_published_run_is_taken_for_one_in_another_unit() -> None:
    found = run_frame(published_runs(), load(), predict_step)
    assert not [reason for _, reason in sample_of(found).refused if "times what is predicted" in reason]


def test_a_calibration_is_read_back_from_its_dict() -> None:
    made = calibrate_constants([*runs(1.2), replace(runs(1000.0)[0], id="wrong")], load(), "mine", "runs.csv", TODAY)
    found = Calibration.from_dict(json.loads(json.dumps(made.to_dict())))
    assert all(getattr(found.layer, name) == getattr(made.layer, name) for name in CALIBRATED_TABLES)
    assert (found.to_dict(), found.refused) == (made.to_dict(), made.refused)


@pytest.mark.parametrize("wrong", [5, "x", None, [1], {}, {"label": "mine"}])
def test_what_is_no_calibration_is_refused(wrong: Any) -> None:
    with pytest.raises(BadInput, match=r"an object is wanted|it is no Calibration: it lacks"):
        Calibration.from_dict(wrong)


@pytest.mark.parametrize(("name", "value"), [("runs", 5), ("layer", [1]), ("layer", {"kernels": 5}), ("shifts", [{}])])
def test_a_broken_part_of_a_calibration_is_refused(name: str, value: Any) -> None:
    made = calibrate_constants(runs(1.2), load(), "mine", "runs.csv", TODAY).to_dict()
    with pytest.raises(BadInput, match=r"wanted|lacks"):
        Calibration.from_dict(made | {name: value})
