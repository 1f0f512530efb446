"""A job and a measured row that leave the same open take the same: one row a stack, turned into options of a job."""

from typing import Any

import pytest

import steelyard
from steelyard.catalog import load
from steelyard.evidence.frames.frame import RunFrame, run_frame
from steelyard.evidence.frames.predicted import peak_bytes, predict_step, step_seconds
from steelyard.evidence.runs.reader import blank_run
from steelyard.planner.answers import Estimate
from steelyard.planner.points import layout_of
from steelyard.report.estimate_page import short_estimate_page
from steelyard.report.page import render
from steelyard.tables import take

MODEL, SEQUENCE, BATCH = "llama-3.2-1b", 2048, 64
CASES = (
    ("unsloth", "qlora", "H100"),
    ("HF Trainer", "lora", "H100"),
    ("axolotl", "lora", "H100"),
    ("torchtune", "full_ft", "H100"),
    ("LitGPT", "full_ft", "H100"),
    ("plain PyTorch", "lora", "H100"),
    ("eager", "lora", "H100"),
    ("torchtitan", "pretrain", "H100"),
    ("deepspeed", "full_ft", "A100-80GB-SXM"),
    ("llm-foundry", "pretrain", "H100"),
    ("NeMo 25.04", "pretrain", "H100"),
    ("Megatron-Core", "pretrain", "H100"),
    ("Primus", "pretrain", "MI300X"),
    ("GPT-NeoX", "pretrain", "A100-80GB-SXM"),
    ("InternEvo", "pretrain", "A100-80GB-SXM"),
    ("nanotron", "pretrain", "H100"),
    ("nanoGPT", "pretrain", "H100"),
    ("MaxText", "pretrain", "TPU-v5p"),
    ("Pax", "pretrain", "H100"),
    ("MindSpeed", "pretrain", "Ascend-910B"),
    ("optimum-habana", "full_ft", "Gaudi2"),
)


def row_of(stack: str, task: str, chip: str, **more: Any) -> RunFrame:
    """Return a row that says what is trained on what, and leaves the rest open."""
    row = blank_run(
        id="row", model=MODEL, accelerator=chip, devices=8.0, sequence_tokens=float(SEQUENCE), precision="bf16",
        stack=stack, batch_samples=float(BATCH), task=task, optimizer="adamw", step_time_s=20.0, tp=1.0, pp=1.0, **more,
    )  # fmt: skip
    return run_frame([row], load(), predict_step)


def job_of_row(stack: str, task: str, chip: str, layout: str = "tp=1,pp=1") -> Estimate:
    job = {"model": MODEL, "tokens": "20M", "sequence": SEQUENCE, "global_batch": BATCH, "stack": stack, "task": task}
    return steelyard.estimate({**job, "layout": layout}, f"{chip}:8")


@pytest.mark.parametrize(("stack", "task", "chip"), CASES)
def test_what_both_leave_open_is_the_same(stack: str, task: str, chip: str) -> None:
    found, row = job_of_row(stack, task, chip), row_of(stack, task, chip)
    mine, theirs = layout_of(found.layout), take(row.layout, 0)
    for name in ("recompute", "micro_batch", "zero", "offload", "flash", "sp", "vpp", "dp", "partition"):
        assert float(getattr(mine, name)) == float(getattr(theirs, name)), name
    assert float(found.time.total_s) == pytest.approx(float(step_seconds(row)[0]), rel=1e-3)
    few = (
        0.02 if task == "qlora" else 1e-3
    )  # scales of QLoRA are quantised as its paper has it, in rows as bitsandbytes
    assert float(found.memory.device_bytes) == pytest.approx(float(peak_bytes(row)["device"][0]), rel=few)


@pytest.mark.parametrize(
    ("said", "column"),
    [
        ("recompute=none", {"recompute": "none"}),
        ("mbs=2", {"micro_batch": 2.0}),
        ("zero=2", {"sharding": "2"}),
        ("offload=1", {"offload": "optimizer"}),
    ],
)
def test_what_both_state_is_kept_and_the_rest_still_usual(said: str, column: dict[str, Any]) -> None:
    found, row = job_of_row("torchtune", "full_ft", "H100", f"tp=1,pp=1,{said}"), row_of(*CASES[3], **column)
    assert float(found.time.total_s) == pytest.approx(float(step_seconds(row)[0]), rel=1e-3)
    assert float(found.memory.device_bytes) == pytest.approx(float(peak_bytes(row)["device"][0]), rel=1e-3)
    assert found.layout_text != job_of_row(*CASES[3]).layout_text


def test_unsloth_is_called_so_and_has_its_own_checkpointing() -> None:
    """Its default was no recomputation in an estimate, full in a row: 44 and 9 GiB."""
    job = {"model": "llama-3.1-8b", "tokens": "20M", "task": "qlora", "stack": "unsloth"}
    found = steelyard.estimate(job, "H100:1")
    assert found.layout["recompute"] == "full"
    assert found.memory_bytes.value < 14 * 2**30
    assert "unsloth, as hf-trainer" in render(short_estimate_page(found))
    assert steelyard.explain(found).stack_written == "unsloth"


def test_a_pinned_layout_leaves_the_rest_to_the_stack() -> None:
    job = {"model": MODEL, "tokens": "20M", "sequence": SEQUENCE, "global_batch": BATCH, "stack": "hf-trainer"}
    found = steelyard.estimate({**job, "task": "lora"}, "H100:8", layout="mbs=2")
    assert (found.layout["recompute"], found.layout["micro_batch"], found.layout["zero"]) == ("full", 2, 0)


def test_what_does_not_fit_as_usual_is_laid_out_so_that_it_does() -> None:
    job = {"model": "llama-3.1-8b", "tokens": "20M", "task": "full_ft", "stack": "hf-trainer", "precision": "bf16"}
    found = steelyard.estimate(job, "H100:8")
    assert found.fits_shown
    assert found.layout["zero"] > 0
    alone = steelyard.estimate({**job, "model": "llama-3.1-70b"}, "H100:1", layout="offload=0")
    assert alone.fits is False
    assert alone.layout["recompute"] == "full"
    silent = steelyard.estimate({**job, "model": "llama-3.1-70b"}, "DGX-H100:1")
    assert (silent.fits, silent.layout["recompute"], silent.layout["offload"]) == (False, "full", 0)
    away = steelyard.estimate({**job, "model": "llama-3.1-70b"}, "DGX-H100:1", layout="offload=1")
    assert "host memory unknown" in away.binds  # of so many parameters


def test_what_cannot_fit_is_shown_as_it_comes_nearest_and_said_first() -> None:
    """405B parameters of 18 bytes are 6.6 TiB, which eight devices share: a layout that does not is no answer."""
    found = steelyard.estimate("llama-3.1-405b", tokens="1B", on="p5.48xlarge:8")
    assert not found.fits
    assert found.memory_bytes.value < 1.1 * 405.9e9 * 18 / 8
    assert render(short_estimate_page(found)).startswith("llama-3.1-405b on 1.0B tokens: does not fit")


@pytest.mark.parametrize(
    ("model", "on", "asked"),
    [
        ("llama-3.1-70b", "H100:8", {"task": "full_ft", "sequence": 2048, "global_batch": 8}),
        ("mixtral-8x7b", "L40S:64", {"task": "lora", "sequence": 2048, "global_batch": 64}),
        (
            "llama-2-13b",
            "A100-40GB:8",
            {"task": "full_ft", "sequence": 2048, "global_batch": 64, "stack": "hf-trainer", "precision": "bf16-pure"},
        ),
        ("qwen2.5-14b", "RTX-4090:8", {"task": "qlora", "sequence": 1024, "global_batch": 32}),
    ],
)
def test_to_state_one_setting_leaves_what_fits_fitting(model: str, on: str, asked: dict[str, Any]) -> None:
    """What is taken of one setting, stated, took away all that was taken of the others: 66 GiB became 1,267."""
    blank = steelyard.estimate(model, tokens="1B", on=on, **asked)
    assert blank.fits_shown is not False
    for part in (*blank.layout_text.split(","), "flash=1"):
        told = steelyard.estimate(model, tokens="1B", on=on, layout=part, **asked)
        assert told.fits_shown is blank.fits_shown, part
        assert part == "flash=1" or part in told.layout_text
    whole = steelyard.estimate(model, tokens="1B", on=on, layout=blank.layout_text, **{**asked, "stack": blank.stack})
    assert whole.layout_text == blank.layout_text
    assert whole.memory_bytes.value == pytest.approx(blank.memory_bytes.value)
    assert whole.time_s.value == pytest.approx(blank.time_s.value)
