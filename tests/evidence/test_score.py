"""Scores by a worked example, the baselines on a made-up sweep, and `validate` from end to end."""

import csv
import gzip
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.evidence.published import published_scores

from steelyard.catalog import load
from steelyard.errors import BadInput
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.frames.predicted import predict_step
from steelyard.evidence.runs.exclusions import counted, excluded
from steelyard.evidence.runs.header import COLLECTED
from steelyard.evidence.runs.reader import blank_run, published_runs, read_runs
from steelyard.evidence.score import intervals
from steelyard.evidence.score.baselines import SIX_ND_SHARE, constant_s, six_nd_s
from steelyard.evidence.score.groups import group_scores, score_summary
from steelyard.evidence.score.validation import scored_runs, validate_runs


@pytest.fixture(scope="module")
def report():
    return published_scores()


def runs(group, seconds, chip="H100-80GB", precision="bf16"):
    return [
        blank_run(
            id=f"{group}-{index}",
            group=group,
            source=f"{group}/tables@1:README.md",
            model="llama-3-8b",
            accelerator=chip,
            devices=8.0,
            node_devices=8.0,
            sequence_tokens=8192.0,
            precision=precision,
            stack="torchtitan",
            date="2025-01",
            tp=1.0,
            pp=1.0,
            dp=8.0,
            sharding="fsdp",
            micro_batch=1.0,
            batch_samples=8.0,
            recompute="none",
            flash_attention="yes",
            step_time_s=one,
        )
        for index, one in enumerate(seconds)
    ]


def test_the_arithmetic_of_a_group():
    measured_s = np.array([1.0, 2.0, 4.0, 10.0, 10.0])
    predicted_s = np.array([1.1, 1.8, 4.0, 15.0, np.nan])
    (one,) = group_scores(np.array(["g"] * 5), measured_s, predicted_s, predicted_s / 1.2, predicted_s * 1.2)
    assert one.n == 4
    assert one.median_error == pytest.approx((0.1 + 0.1) / 2)
    assert one.mean_error == pytest.approx((0.1 + 0.1 + 0 + 0.5) / 4)
    assert one.p90_error == pytest.approx(0.1 + 0.7 * 0.4)
    assert one.bias == pytest.approx(math.sqrt(1.1 * 1.0) - 1)
    assert one.coverage == 0.75
    assert math.isnan(one.constant_error)


def test_a_summary_averages_large_groups_and_not_rows():
    groups = np.array(["big"] * 100 + ["small"] * 5 + ["tiny"])
    truth, guess = np.ones(106), np.where(groups == "big", 1.1, 1.3)
    found = score_summary(group_scores(groups, truth, guess, guess, guess))
    assert (found.groups, found.cases) == (2, 105)
    assert found.mean_of_medians == pytest.approx(0.2)


def test_the_constant_is_learnt_from_the_other_groups_only():
    cases = [*runs("a", [1.0, 1.0, 1.0]), *runs("b", [2.0, 2.0, 50.0]), *runs("c", [4.0])]
    found = run_frame(cases, load())
    seconds = constant_s(found, measured(found).step_s)
    shares = {"a": (1 / 2 + 1 / 4) / 2, "b": (1 + 1 / 4) / 2, "c": (1 + 1 / 2) / 2}
    assert seconds == pytest.approx([1 / shares[case.group] for case in found.runs])


def test_the_constant_of_a_chip_alone_in_its_group_falls_back_on_its_family():
    found = run_frame([*runs("a", [1.0]), *runs("b", [2.0], chip="H200-141GB")], load())
    assert constant_s(found, measured(found).step_s) == pytest.approx([2.0, 1.0])


def test_six_nd_is_the_rule_of_thumb():
    found = run_frame(runs("a", [1.0]), load())
    tokens, peak = 8 * 8192, 8 * 989e12
    assert six_nd_s(found) == pytest.approx([6 * 8030261248 * tokens / (SIX_ND_SHARE * peak)])


def test_a_rate_and_a_time_give_the_same_error():
    (timed,) = runs("a", [1.5])
    rate = replace(timed, id="rate", step_time_s=math.nan, tokens_per_s_per_device=8 * 8192 / 8 / 1.5)
    outcomes = {one.id: one for one in validate_runs([timed, rate]).cases}
    assert outcomes["rate"].metric == "tokens_per_s_per_device"
    assert outcomes["rate"].error == pytest.approx(outcomes["a-0"].error)
    assert outcomes["rate"].low < outcomes["rate"].predicted < outcomes["rate"].high


def test_mfu_is_compared_under_a_convention_that_its_row_or_its_framework_states():
    (timed,) = runs("a", [1.5])
    flop = float(np.asarray(run_frame([timed], load()).job.workload.model_flop).ravel()[0]) * 8
    bare = replace(timed, id="mfu", step_time_s=math.nan, mfu=flop / (1.5 * 8 * 989e12))
    told = replace(bare, flop_convention="6N + causal attention, no recompute")
    (one,) = validate_runs([told]).cases
    assert one.metric == "mfu"
    assert one.error == pytest.approx(validate_runs([timed]).cases[0].error, abs=0.01)
    (silent,) = validate_runs([replace(bare, stack="in-house")]).cases
    assert silent.reason == "FLOP convention not stated (blank)"
    assert not silent.scored


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"tokens_per_s_per_device": 100.0}, "contradict"),
        ({"step_time_s": 0.01}, "no step reaches that"),
        ({"step_time_s": math.nan}, "no step time"),
        ({"model": "unheard-of"}, "unknown model"),
        ({"accelerator": "Cerebras"}, "unknown accelerator"),
        ({"dp": 3.0}, "not the 8 devices"),
        ({"precision": "int7"}, "int7"),
    ],
)
def test_what_cannot_be_compared_says_why_and_counts_nowhere(changed, says):
    found = validate_runs([replace(runs("a", [1.5])[0], **changed)])
    assert len(found.cases) == 1
    assert says in found.cases[0].reason
    assert not found.cases[0].scored
    assert found.time == ()


def test_memory_is_compared_in_the_kind_that_was_measured():
    (timed,) = runs("a", [1.5])
    kinds = ("allocated", "reserved", "device")
    rows = [replace(timed, id=kind, peak_memory_bytes=60e9, memory_metric=kind) for kind in (*kinds, "unknown")]
    found = {one.id: one for one in validate_runs(rows).cases if one.metric.startswith("peak")}
    assert [found[kind].metric for kind in kinds] == [f"peak_memory_{kind}_bytes" for kind in kinds]
    assert found["allocated"].predicted < found["reserved"].predicted < found["device"].predicted
    assert "memory is reserved" in found["unknown"].assumed


def test_context_rows_and_excluded_ones_are_predicted_but_not_scored():
    (timed,) = runs("a", [1.5])
    (one,) = validate_runs([replace(timed, use="context")]).cases
    assert math.isfinite(one.predicted)
    assert not one.scored
    low = replace(timed, group="nanotron-ultrascale-sweep", mfu=0.05)
    assert "8 %" in excluded(low, "time")
    assert not excluded(replace(low, mfu=0.2), "time")
    assert not excluded(low, "memory")
    assert list(counted([low, timed], "time")) == [False, True]


def test_a_held_out_prediction_replaces_that_of_the_shipped_row_alone(monkeypatch):
    own = next(case for case in published_runs() if case.group == "megatron-2104.04473")
    monkeypatch.setattr(
        intervals, "held_out_predictions", lambda: {(own.id, "step_time_s"): intervals.HeldOut(9.0, 8.0, 10.0, 8.5)}
    )
    (one,) = scored_runs([own]).cases
    assert (one.predicted, one.low, one.high, one.held_out) == (9.0, 8.0, 10.0, True)
    (other,) = scored_runs([replace(own, step_time_s=own.step_time_s * 1.5, tokens_per_s_per_device=math.nan)]).cases
    assert not other.held_out


def test_the_shipped_runs_end_predicted_or_with_a_reason(report):
    assert {one.id for one in report.cases} == {run.id for run in published_runs()}
    for one in report.cases:
        assert math.isfinite(one.predicted) or one.reason
        assert one.scored or one.reason
        if math.isfinite(one.predicted):
            assert one.low <= one.predicted <= one.high


def test_the_report_is_json_without_nan(report):
    text = json.dumps(report.to_dict(), allow_nan=False)
    found = json.loads(text)
    assert {"id", "group", "metric", "measured", "predicted", "low", "high", "reason"} <= set(found["cases"][0])
    assert {"group", "n", "median_error", "mean_error", "p90_error", "bias"} <= set(found["groups"][0])


def test_the_step_model_beats_both_baselines(report):
    found = report.time_summary
    assert found.groups >= 40
    assert found.mean_of_medians < found.constant_mean_of_medians
    assert found.mean_of_medians < found.six_nd_mean_of_medians


@pytest.mark.parametrize("by", ["publisher", "accelerator", "family", "stack", "precision"])
def test_scores_by_any_label(by):
    cases = [run for run in published_runs() if run.group.startswith("megatron")]
    assert sum(one.n for one in scored_runs(cases, by).time) == sum(one.n for one in scored_runs(cases).time)


def test_an_unknown_label_is_named():
    with pytest.raises(BadInput, match="publisher"):
        validate_runs([], "colour")


def test_a_published_run_that_the_fit_has_not_seen_is_said_to_be_new(monkeypatch):
    (added,) = runs("trial", [1.5])
    monkeypatch.setattr(intervals, "_shipped", lambda: {added.id: added})
    assert intervals.seen_by_fit(added, "step_time_s") == "unseen"
    (one,) = scored_runs([added]).time
    assert (one.left_out, one.in_sample) == (0, 0)


def test_nothing_at_all_is_an_empty_report():
    found = validate_runs([])
    assert (found.cases, found.time, found.time_summary.groups) == ((), (), 0)


WORDS = st.sampled_from(
    ["", "?", "nan", "-1", "0", "1", "2", "3", "8", "1e30", "7.5", "fsdp", "full", "none", "H100-80GB", "llama-3-8b",
     "bf16", "fp8", "TPUv5p", "NVL72", "8x200Gb", "GiB reserved", "Megatron-LM", "lora", "x,y", "2025-01", "yes"]
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(st.sampled_from(["mem_unit", "peak_mem_gb", *COLLECTED]), WORDS), max_size=4),
       base=st.booleans())  # fmt: skip
def test_no_content_of_a_file_ends_in_anything_but_an_outcome(tmp_path, rows, base):
    """Any words in any columns: each row is predicted or refused with a reason."""
    good = {"model": "llama-3-8b", "hardware": "H100-80GB", "n_chips": "8", "seq_len": "4096", "step_time_s": "2",
            "tp": "2", "pp": "2", "dp": "2", "micro_batch": "1", "global_batch": "32", "precision": "bf16"}  # fmt: skip
    path = tmp_path / "fuzzed.csv.gz"
    with gzip.open(path, "wt", newline="") as stream:
        out = csv.DictWriter(stream, ["mem_unit", "peak_mem_gb", *COLLECTED])
        out.writeheader()
        out.writerows((good if base else {}) | row for row in rows)
    cases = read_runs(path)
    found = validate_runs(cases)
    assert {one.id for one in found.cases} == {run.id for run in cases}
    assert all(one.reason or math.isfinite(one.predicted) for one in found.cases)
    json.dumps(found.to_dict(), allow_nan=False)


def test_thousands_of_cases_are_one_call():
    found = run_frame(published_runs(), load())
    seconds, held = predict_step(found.job, found.layout, found.machine, found.kernels, found.stack)
    assert seconds.shape == held.shape == (len(found),)
    assert np.all(seconds > 0)


def test_whether_it_fits_is_judged_on_rows_that_say_how_they_ran():
    (timed,) = runs("a", [1.5])
    small = replace(timed, id="small", peak_memory_bytes=40e9, recompute="full")
    huge = replace(timed, id="huge", model="llama-2-70b", sharding="0", out_of_memory="yes", step_time_s=math.nan)
    silent = replace(huge, id="silent", recompute="unknown")
    found = validate_runs([small, huge, silent]).fits
    assert (found.ran_out, found.ran) == (1, 1)
    assert (found.ran_out_does_not, found.ran_fits) == (1, 1)
    assert (found.ran_out_fits, found.ran_out_may_not, found.ran_does_not, found.ran_may_not) == (0, 0, 0, 0)


def test_activations_kept_on_the_host_are_not_on_the_device():
    (timed,) = runs("a", [1.5])
    kept = replace(timed, peak_memory_bytes=20e9, recompute="full")
    peaks = [
        one
        for run in (kept, replace(kept, id="hosted", offload="activations(host)"))
        for one in validate_runs([run]).cases
        if one.metric.startswith("peak")
    ]
    assert [one.scored for one in peaks] == [True, True]
    assert peaks[1].predicted < peaks[0].predicted
