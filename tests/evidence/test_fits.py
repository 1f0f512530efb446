"""What users' runs say of the allocator: what a process holds on one card, and which runs fit on it."""

import numpy as np
import pytest

from steelyard.catalog import load
from steelyard.evidence.frames.frame import RunFrame, run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.frames.predicted import peak_bytes, predict_step
from steelyard.evidence.runs.reader import user_runs
from steelyard.evidence.score.feasibility import feasibility
from steelyard.evidence.score.intervals import device_interval, memory_log_sd
from steelyard.evidence.score.lock import locked
from steelyard.evidence.score.outcomes import BoundedPredictions


@pytest.fixture(scope="module")
def found() -> RunFrame:
    return run_frame([run for run in user_runs() if not locked(run)], load(), predict_step)


def test_process_bytes_of_adapters_on_a_t4(found: RunFrame) -> None:
    """Anassbzdd/fitcheck data/measurements/t4-qlora-2026-09-01.json: 37 runs, fused and unfused attention."""
    rows = np.array([run.group == "fitcheck-t4-process" for run in found.runs])
    error = np.abs(peak_bytes(found)["device"] / measured(found).memory_bytes - 1)[rows]
    assert len(error) == 37
    assert np.median(error) < 0.06
    assert np.quantile(error, 0.9) < 0.13


def test_no_run_that_ran_out_is_called_fitting_and_few_are_left_open(found: RunFrame) -> None:
    """fms-acceleration's benchmarks mark runs out of memory; of those that ran the peak is known."""
    device = peak_bytes(found)["device"]
    low, high = device_interval(found, load())
    held_out = np.zeros(len(found), dtype=bool)
    made = feasibility(found, BoundedPredictions(device, low, high, held_out, device))
    assert (made.ran_out, made.ran_out_fits) == (100, 0.0)
    assert made.ran_does_not <= 0.03
    left_open = made.ran_out * made.ran_out_may_not + made.ran * made.ran_may_not
    assert left_open / (made.ran_out + made.ran) < 0.12


def test_a_kind_of_peak_that_is_none_has_no_spread(found: RunFrame) -> None:
    kinds = np.full(len(found), "allocated")
    kinds[0] = ""
    spreads = memory_log_sd(found, kinds, load())
    assert np.isnan(spreads[0])
    assert np.all(spreads[1:] > 0)
