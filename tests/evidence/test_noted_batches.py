"""Settings of a batch in a note: micro-batch, their number, the global batch; columns go before a note."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.catalog import load
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.columns import run_of_row
from steelyard.evidence.runs.unread import unread_parts

ROW = {"model": "llama-3.2-1b", "accelerator": "H100", "devices": "4", "sequence_tokens": "2048", "step_time_s": "1",
       "stack": "HF Trainer", "task": "full_ft", "precision": "bf16", "optimizer": "adamw"}  # fmt: skip
SIZES = st.sampled_from(["per_device_train_batch_size", "per_device_batch_size", "micro_batch_size", "mbs"])
COUNTS = st.sampled_from(["gradient_accumulation_steps", "grad_accum", "gas", "ga"])
SIGNS = st.sampled_from(["=", ": ", " = ", "': "])
JOINTS = st.sampled_from([", ", "; ", " "])


@given(SIZES, COUNTS, SIGNS, JOINTS, st.integers(1, 8), st.integers(1, 8), st.booleans())
def test_settings_in_a_note_make_the_batch(
    size: str, count: str, sign: str, joint: str, each: int, times: int, before: bool
) -> None:
    parts = [f"{size}{sign}{each}", f"{count}{sign}{times}"]
    run = run_of_row({**ROW, "note": joint.join(parts if before else parts[::-1])}, "row")
    found = run_frame([run], load())
    assert not found.unpredicted
    assert not unread_parts(run)
    assert float(found.layout.micro_batch[0]) == each
    assert float(found.layout.micro_batches[0]) == times
    assert float(found.job.batch_samples[0]) == 4 * each * times


@given(COUNTS, SIGNS, st.integers(1, 4), st.integers(1, 4))
def test_a_global_batch_and_a_number_of_micro_batches_make_their_size(
    count: str, sign: str, each: int, times: int
) -> None:
    total = 4 * each * times
    for row in ({"global_batch": str(total), "note": ""}, {"note": f"global_batch_size{sign}{total}, "}):
        run = run_of_row({**ROW, **row, "note": f"{row['note']}{count}{sign}{times}"}, "row")
        assert float(run_frame([run], load()).layout.micro_batch[0]) == each


@pytest.mark.parametrize("column", [{"micro_batch": "2"}, {"layout": "mbs=2"}])
def test_a_column_goes_before_the_note(column: dict[str, str]) -> None:
    run = run_of_row({**ROW, **column, "global_batch": "16", "note": "per_device_train_batch_size=8"}, "row")
    assert float(run_frame([run], load()).layout.micro_batch[0]) == 2


def test_several_sizes_in_a_note_are_none() -> None:
    (reason,) = (
        text for _, text in run_frame([run_of_row({**ROW, "note": "mbs=2, then mbs=4"}, "r")], load()).unpredicted
    )
    assert "neither the micro-batch nor the global batch is stated" in reason
