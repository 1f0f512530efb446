"""What no run can have is refused with the reason by every verb that reads runs; the same row without it is not."""

import math
from dataclasses import replace

import pytest

from steelyard.catalog import load
from steelyard.errors import BadInput
from steelyard.evidence.calibration import calibrate_constants
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.impossible import card_bytes
from steelyard.evidence.runs.reader import blank_run, published_runs, user_runs
from steelyard.evidence.score.validation import validate_runs

ROW = blank_run(id="row", group="ours", source="ours", model="llama-3-8b", accelerator="H100-80GB-SXM", devices=8.0,
                sequence_tokens=4096.0, precision="bf16", stack="torchtitan", date="2025-06", batch_samples=64.0,
                micro_batch=1.0, tp=1.0, pp=1.0, recompute="full", flash_attention="yes", task="pretrain",
                optimizer="adamw", sharding="fsdp", step_time_s=6.0, peak_memory_bytes=60e9,
                memory_metric="reserved")  # fmt: skip

IMPOSSIBLE = [
    ({"devices": 0.0}, "devices is 0"),
    ({"batch_samples": 0.0}, "batch_samples is 0"),
    ({"micro_batch": 0.0}, "micro_batch is 0"),
    ({"sequence_tokens": 0.0}, "sequence_tokens is 0"),
    ({"tp": 0.0}, "tp is 0"),
    ({"sequence_tokens": 1e12}, "sequence_tokens is 1e\\+12, which no run has"),
    ({"devices": 1e9}, "devices is 1e\\+09, which no run has"),
    ({"micro_batch": 3.0}, "micro_batch 3 does not divide batch_samples 64"),
    ({"micro_batch": 128.0}, "micro_batch 128 does not divide batch_samples 64"),
    ({"batch_samples": 96.0, "micro_batch": 8.0}, "a global batch of 96 is no multiple of micro-batch 8 x dp 8"),
    ({"peak_memory_bytes": 95 * 2.0**30}, "95 GiB, more than the 79.65 GiB of H100-80GB-SXM"),
    ({"accelerator": "RTX 4090", "peak_memory_bytes": 26e9}, "24.21 GiB, more than the 23.99 GiB of RTX-4090"),
]


@pytest.mark.parametrize(("given", "why"), IMPOSSIBLE)
def test_a_row_that_no_run_can_be_is_refused_by_validate_and_by_calibrate(given: dict[str, float], why: str) -> None:
    row = replace(ROW, id="wrong", **given)
    report = validate_runs([ROW, row])
    cases = [case for case in report.cases if case.id == "wrong"]
    assert cases
    for case in cases:
        assert not case.scored
        with pytest.raises(AssertionError, match=why):
            raise AssertionError(case.reason)
    assert {case.scored for case in report.cases if case.id == "row"} == {True}
    made = calibrate_constants([ROW, row], load(), "ours", "ours", "2026-11-30")
    assert [name for name, _ in made.refused] == ["wrong"]
    with pytest.raises(BadInput, match=why):
        calibrate_constants([row], load(), "ours", "ours", "2026-11-30")


@pytest.mark.parametrize(
    "given",
    [
        {"peak_memory_bytes": 79.0 * 2**30},
        {"peak_memory_bytes": 95.0 * 2**30, "out_of_memory": "yes"},
        {"micro_batch": math.nan, "batch_samples": 64.0},
        {"cp": 0.0, "ep": 0.0, "vpp": 0.0},
        {"accelerator": "GB200", "peak_memory_bytes": 189471 * 2.0**20},
    ],
)
def test_what_a_run_can_be_is_predicted(given: dict[str, float]) -> None:
    """nvidia-smi prints 189471 MiB for a GB200, whose maker writes 186 GB: whole gigabytes may be binary."""
    assert len(run_frame([replace(ROW, **given)], load())) == 1


def test_no_card_shows_less_than_a_program_gets() -> None:
    for chip in load().accelerators.values():
        assert not card_bytes(chip) < chip.memory_bytes


def test_few_carried_rows_are_impossible() -> None:
    found = run_frame([*published_runs(), *user_runs()], load())
    words = ("which no run has", "no run has none", "does not divide", "peak_memory_bytes is")
    assert [run.id for run, why in found.unpredicted if any(word in why for word in words)] == ["R2246"]


def test_a_stack_that_nobody_knows_is_told() -> None:
    found = run_frame([replace(ROW, stack=name) for name in ("Weaver 3", "torchtitan", "")], load())
    assert found.notes == (("stack 'Weaver 3', which no fit has seen: taken as any stack",), (), ())
    assert ["stack" in assumed for assumed in found.assumed] == [True, False, True]


@pytest.mark.parametrize(
    ("slip", "meant"), [("torchtitn", "torchtitan"), ("deepsped", "deepspeed"), ("torchtun", "torchtune")]
)
def test_a_slip_of_a_stack_is_no_stack_in_any_verb(slip: str, meant: str) -> None:
    """Jobs refuse it; a row of it was taken as any stack, and a calibration learnt from it."""
    row = replace(ROW, stack=slip, step_time_s=20.0)
    found = run_frame([row], load())
    ((_, why),) = found.unpredicted
    assert why.startswith(f"unknown stack '{slip}'; nearest: {meant}")
    with pytest.raises(BadInput, match="no usable run"):
        calibrate_constants([row], load(), "mine", "rows.csv", "2026-11-30")
    (left, *_) = validate_runs([row]).cases
    assert not left.scored
    assert left.reason == why


def test_no_carried_row_names_its_stack_or_optimizer_by_a_slip() -> None:
    found = run_frame([*published_runs(), *user_runs()], load())
    assert not [why for _, why in found.unpredicted if "unknown stack" in why or "unknown optimizer" in why]
    strangers = {
        run.stack for run, notes in zip(found.runs, found.notes, strict=True) if "no fit has seen" in str(notes)
    }
    assert strangers == {"Meta in-house", "Meta in-house (xformers)", "ColossalAI", "HAI-LLM"}
