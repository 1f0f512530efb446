"""The same facts in a row of measured runs and in a job are one training: one step time, one peak, whatever is open."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.planner.alike import Written, estimated, figures, validated, written

import steelyard
from steelyard.cli.app import app
from steelyard.errors import BadInput
from steelyard.evidence.score.open_states import SCRIPTS
from steelyard.planner.answers import Estimate

CLOSE = 1e-9
SEEDS = 160
TOGETHER = 8
"""Trainings of one test, so that a failure names few."""


def settled(found: Estimate) -> bool:
    """Tell whether usual settings fit: where they do not, a job takes what does, and a row ran all the same."""
    return found.fits


def both(made: Written) -> tuple[Estimate | None, tuple[float, float] | str]:
    try:
        found = estimated(made)
    except BadInput:
        found = None
    return found, figures(validated(made.row))


@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
def test_a_row_and_a_job_of_the_same_facts_are_predicted_the_same(first: int) -> None:
    compared = 0
    for seed in range(first, first + TOGETHER):
        made = written(seed)
        job, row = both(made)
        told = f"seed {seed}: {made.row} as {made.job}, {made.pinned} on {made.on}: {row}"
        if job is None or isinstance(row, str):
            assert job is None, told
            assert isinstance(row, str), told
            continue
        if settled(job):
            assert row == pytest.approx((float(job.time.total_s), job.memory_bytes.value), rel=CLOSE), told
            compared += 1
    assert compared >= TOGETHER // 2


def test_the_generator_covers_what_it_is_for() -> None:
    some = [written(seed) for seed in range(SEEDS)]
    assert {one.job["task"] for one in some} == {"pretrain", "full_ft", "lora", "qlora"}
    assert any("stack" not in one.job for one in some), "a stack that nobody names"
    for name in (
        "per_device_train_batch_size",
        "micro_batch_size",
        "gradient_accumulation_steps",
        "attn_implementation",
    ):
        assert any(name in one.row for one in some), name
        assert any(name in one.layout for one in some), name
    assert any("bnb_4bit_use_double_quant" in one.row for one in some)
    assert {"1k", "1K"} <= {one.row[name] for one in some for name in one.row if "seq" in name or "len" in name}
    assert {"bf16", "bf16=True", "bf16-mixed", "bf16-pure"} <= {one.job.get("precision") for one in some}


@pytest.mark.parametrize("seed", range(6))
def test_the_command_line_reads_what_a_job_file_does(seed: int, tmp_path: Path) -> None:
    made = written(seed)
    lora = {f"lora_{name}": value for name, value in made.job.pop("lora", {}).items()}
    (tmp_path / "job.yaml").write_text(json.dumps({**made.job, **lora}))
    args = ["--on", made.on, "--layout", made.pinned, "--json", "--no-calibration"]
    done = CliRunner().invoke(app, ["estimate", str(tmp_path / "job.yaml"), *args])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    row = figures(validated(made.row))
    assert row == pytest.approx((said["time"]["total_s"], said["memory_bytes"]), rel=CLOSE)


HF = {"model": "llama-3.2-1b", "tokens": "1B", "task": "full_ft", "stack": "HF Trainer"}
TRAINER = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 8, "max_seq_length": "2k", "bf16": True}
ROW = {"model": "llama-3.2-1b", "accelerator": "H100", "devices": "8", "task": "full_ft", "stack": "HF Trainer",
       "sharding": "0", "offload": "none"}  # fmt: skip


def test_the_arguments_of_a_trainer_are_a_job_and_a_row() -> None:
    """transformers.TrainingArguments: a step is per device x accumulation x devices."""
    job = steelyard.estimate({**HF, **TRAINER, "gradient_checkpointing": True}, "H100:8", layout="zero=0,offload=0")
    row = ROW | {name: str(value) for name, value in TRAINER.items()} | {"gradient_checkpointing": "True"}
    assert job.request is not None
    assert (job.request.batch_samples, job.request.sequence_tokens) == (128, 2048)
    assert figures(validated(row)) == pytest.approx((float(job.time.total_s), job.memory_bytes.value), rel=CLOSE)


@pytest.mark.parametrize("precision", ["bf16", "bf16=True", ""])
def test_states_that_a_script_decides_are_a_mixture_in_both_and_named(precision: str) -> None:
    told = {"precision": precision} if precision else {}
    layout = "mbs=2,recompute=full,zero=0,offload=0"
    job = steelyard.estimate({**HF, **told, "sequence": 2048, "global_batch": 128}, "H100:8", layout=layout)
    row = ROW | told | {"seq_len": "2048", "batch": "128", "micro_batch": "2", "recompute": "full"}
    (step, peak) = validated(row).cases
    pure, mixed = (
        steelyard.estimate({**HF, "precision": one, "sequence": 2048, "global_batch": 128}, "H100:8", layout=layout)
        for one in ("bf16-pure", "bf16-mixed")
    )
    assert pure.memory_bytes.value < peak.predicted < mixed.memory_bytes.value
    assert peak.low < pure.memory_bytes.value
    assert mixed.memory_bytes.value < peak.high
    assert "states" in step.assumed
    assert any(all(one.name in text for one in SCRIPTS) for text in peak.taken)
    assert any("the script decides" in text for text in job.assumptions)


def test_a_stack_that_nobody_names_is_one_where_people_tune() -> None:
    row = {**ROW, "task": "lora", "seq_len": "2048", "batch": "128", "micro_batch": "2", "precision": "bf16"}
    del row["stack"]
    named, silent = (figures(validated(one)) for one in ({**row, "stack": "hf-trainer"}, row))
    assert named == silent
    (step, *_) = validated(row).cases
    assert "stack" in step.assumed
    assert "stack hf-trainer: or torchtune, megatron-core, deepspeed (--stack)" in step.taken
    split = validated({**row, "tp": "2"}).cases[0]
    assert split.stack == "torchtune", "the Trainer has no tensor parallelism"


@pytest.mark.parametrize(
    ("words", "base"),
    [
        ({"note": "bnb_4bit_use_double_quant=True"}, "nf4-dq"),
        ({"note": "nf4, double quantisation"}, "nf4-dq"),
        ({"bnb_4bit_use_double_quant": "False"}, "nf4"),
        ({"recipe": "quantised=nf4-dq"}, "nf4-dq"),
        ({"stack": "LLaMA-Factory"}, "nf4-dq"),
        ({}, "nf4"),
    ],
)
def test_a_quantised_base_is_the_same_however_it_is_said(words: dict[str, str], base: str) -> None:
    row = {**ROW, "task": "qlora", "seq_len": "2048", "batch": "128", "micro_batch": "2", "precision": "bf16", **words}
    job = {**HF, "task": "qlora", "sequence": 2048, "global_batch": 128, "precision": "bf16", "stack": row["stack"]}
    found = steelyard.estimate(job, "H100:8", layout="mbs=2,zero=0,offload=0", recipe=f"quantised={base}")
    assert figures(validated(row)) == pytest.approx((float(found.time.total_s), found.memory_bytes.value), rel=CLOSE)


def test_a_whole_layout_means_the_same_in_a_column() -> None:
    layout = "tp=1,pp=1,dp=8,mbs=2,ga=8,zero=0"
    job = steelyard.estimate({**HF, "precision": "bf16-mixed", "sequence": 2048, "batch": 128}, "H100:8", layout=layout)
    row = {name: value for name, value in ROW.items() if name not in ("sharding", "offload")}
    row |= {"seq_len": "2048", "batch": "128", "precision": "bf16-mixed", "layout": layout}
    assert job.layout["recompute"] == "none"
    assert figures(validated(row)) == pytest.approx((float(job.time.total_s), job.memory_bytes.value), rel=CLOSE)
