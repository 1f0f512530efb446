"""Stored memory predictions: every scored peak has one, made without its source, and the agreed figures follow."""

import numpy as np
import pytest

from steelyard.catalog import load
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.frames.predicted import predict_step
from steelyard.evidence.frames.stacks import row_constants, stack_rule
from steelyard.evidence.runs.exclusions import counted
from steelyard.evidence.runs.reader import blank_run, published_runs
from steelyard.evidence.score.intervals import held_out_predictions


@pytest.fixture(scope="module")
def found():
    runs = [run for run in published_runs() if run.peak_memory_bytes > 0 or run.out_of_memory == "yes"]
    return run_frame(runs, load(), predict_step)


def test_every_scored_peak_is_predicted_without_its_source(found):
    scored = counted(found.runs, "memory") & np.isfinite(measured(found).memory_bytes)
    assert scored.sum() > 1300
    names = [run.id for run, is_scored in zip(found.runs, scored, strict=True) if is_scored]
    assert [name for name in names if (name, "peak_memory_bytes") not in held_out_predictions()] == []


def test_what_the_device_shows_is_more_than_what_was_allocated(found):
    kept = held_out_predictions()
    seen = measured(found)
    measured_peak = (seen.memory_metric == "allocated") & np.isfinite(seen.memory_bytes)
    allocated = [run.id for run, is_one in zip(found.runs, measured_peak, strict=True) if is_one]
    assert len(allocated) > 1000
    for name in allocated:
        peak, device = kept[name, "peak_memory_bytes"], kept[name, "device_memory_bytes"]
        assert peak.low < peak.predicted < peak.high
        assert device.predicted > peak.predicted


def test_rows_that_ran_out_have_a_prediction_of_the_device(found):
    ran_out = [run.id for run in found.runs if run.out_of_memory == "yes"]
    assert len(ran_out) > 20
    assert all((name, "device_memory_bytes") in held_out_predictions() for name in ran_out)
    assert not any((name, "peak_memory_bytes") in held_out_predictions() for name in ran_out)


@pytest.mark.parametrize(
    ("framework", "note", "expected"),
    [
        ("NeMo/Megatron-Core", "", {"grad_bytes": 2.0}),
        ("Megatron-LM", "", {}),
    ],
)
def test_what_a_row_says_of_its_stack(framework, note, expected):
    run, rule = blank_run(stack=framework, note=note, date="2025-01"), stack_rule(framework, "2025-01", load())
    assert row_constants(run, rule) == expected
