"""Rank correlation against scipy, and regret on made-up sweeps."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from steelyard.catalog import load
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.score.ranking import job_sets, rankings, ranks, spearman

FEW = st.integers(0, 4).map(float)


def sweep(degrees=((1, 1), (2, 1), (4, 1), (2, 2)), **given):
    return [
        blank_run(
            **{
                "id": f"{tp}x{pp}",
                "group": "sweep",
                "source": "sweep@1",
                "model": "llama-3-8b",
                "accelerator": "H100-80GB",
                "devices": 8.0,
                "node_devices": 8.0,
                "sequence_tokens": 8192.0,
                "precision": "bf16",
                "stack": "Megatron-LM",
                "date": "2025-01",
                "tp": float(tp),
                "pp": float(pp),
                "dp": 8.0 / (tp * pp),
                "micro_batch": 1.0,
                "batch_samples": 64.0,
                "recompute": "none",
                "step_time_s": 1.0,
            }
            | given
        )
        for tp, pp in degrees
    ]


def sets(runs, measured, predicted):
    found = run_frame(runs, load())
    assert len(found) == len(runs)
    return job_sets(found, found.labels.group, np.array(measured, dtype=float), np.array(predicted, dtype=float))


@given(st.data(), st.integers(3, 9))
def test_rank_correlation_is_that_of_scipy(data, size):
    one, other = (data.draw(arrays(float, size, elements=FEW)) for _ in range(2))
    if np.ptp(one) and np.ptp(other):
        assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic)
    else:
        assert math.isnan(spearman(one, other))


@given(arrays(float, 7, elements=FEW))
def test_ranks_are_those_of_the_sorted_values(values):
    assert ranks(values).sum() == pytest.approx(21)
    assert np.all((ranks(values)[:, None] < ranks(values)) == (values[:, None] < values))


def test_regret_is_what_the_choice_costs():
    (one,) = sets(sweep(), [1.0, 1.2, 1.5, 2.0], [5.0, 4.0, 6.0, 7.0])
    assert (one.chosen, one.best, one.layouts) == ("2x1", "1x1", 4)
    assert one.regret == pytest.approx(0.2)
    assert one.chance_regret == pytest.approx((1.0 + 1.2 + 1.5 + 2.0) / 4 - 1)
    assert one.spearman == pytest.approx(0.8)


def test_the_spread_of_a_set_leaves_out_what_its_layouts_share():
    (one,) = sets(sweep(), [1.0, 1.2, 1.5, 2.0], [3.0, 3.6, 4.5, 6.0])
    assert one.log_sd == pytest.approx(0, abs=1e-12)
    (one,) = sets(sweep(), [1.0] * 4, [1.0, math.e, 1.0, math.e])
    assert one.log_sd == pytest.approx(math.sqrt(1 / 3))


def test_a_layout_that_was_run_twice_counts_once():
    runs = [replace(run, id=str(i)) for i, run in enumerate(sweep(((1, 1), (1, 1), (2, 1), (4, 1))))]
    (one,) = sets(runs, [1.0, 4.0, 2.5, 3.0], [1.0, 1.0, 2.0, 3.0])
    assert one.layouts == 3
    assert one.regret == 0  # the geometric mean of 1 and 4 is 2


@pytest.mark.parametrize(
    "other",
    [{"batch_samples": 128.0}, {"model": "llama-2-7b"}, {"sequence_tokens": 4096.0}, {"accelerator": "H200-141GB"},
     {"precision": "fp8"}, {"stack": "Megatron-LM r0.9"}, {"group": "other"}],
)  # fmt: skip
def test_another_job_is_another_set(other):
    half = [*sweep(((1, 1), (2, 1))), *sweep(((4, 1), (2, 2)), **other)]
    assert sets(half, [1.0] * 4, [1.0, 2.0, 3.0, 4.0]) == ()


def test_imputed_degrees_and_unknown_times_belong_to_no_set():
    hidden = [replace(run, tp=math.nan, pp=math.nan, dp=math.nan) for run in sweep()]
    assert sets(hidden, [1.0, 1.2, 1.5, 2.0], [1.0, 2.0, 3.0, 4.0]) == ()
    assert sets(sweep(), [1.0, math.nan, math.nan, 2.0], [1.0, 2.0, 3.0, 4.0]) == ()


def test_a_group_is_the_mean_of_its_sets():
    runs = [*sweep(), *(replace(run, id=f"{run.id}-b", batch_samples=128.0) for run in sweep())]
    (one,) = rankings(sets(runs, [1.0, 1.2, 1.5, 2.0] * 2, [1.0, 2.0, 3.0, 4.0, 4.0, 3.0, 2.0, 1.0]))
    assert (one.sets, one.layouts) == (2, 8)
    assert one.mean_regret == one.median_regret == pytest.approx(0.5)
    assert one.worst_regret == pytest.approx(1.0)
    first, second = sets(runs, [1.0, 1.2, 1.5, 2.0] * 2, [1.0, 2.0, 3.0, 4.0, 4.0, 3.0, 2.0, 1.0])
    assert one.log_sd == pytest.approx(math.sqrt((first.log_sd**2 + second.log_sd**2) / 2))
    assert one.spearman == pytest.approx(0)
