"""A job and a measured run of the same words are one job: adapters, and stacks as people write them."""

import numpy as np
import pytest

import steelyard
from steelyard.catalog import load
from steelyard.evidence.frames.frame import RunFrame, run_frame
from steelyard.evidence.frames.predicted import step_seconds
from steelyard.evidence.runs.reader import blank_run
from steelyard.job import job_table, read_job
from steelyard.job.models.adapters import USUAL_RANK, USUAL_TARGETS
from steelyard.planner.answers import Estimate

JOB = {"model": "llama-3-8b", "tokens": "20M", "sequence": 2048, "global_batch": 64}
LAYOUT = "mbs=2,recompute=full,zero=0,offload=0"
STACKS = ("hf-trainer", "unsloth", "axolotl", "LLaMA-Factory + Liger", "torchtune", "fsdp2", "litgpt", "deepspeed")


def estimated(stack: str, task: str) -> Estimate:
    return steelyard.estimate({**JOB, "stack": stack, "task": task}, "H100:1", layout=LAYOUT)


def measured(stack: str, task: str) -> RunFrame:
    """Return the same job as a row of a file of runs."""
    row = blank_run(
        id="row", model="llama-3-8b", accelerator="H100", devices=1.0, sequence_tokens=2048.0, precision="bf16",
        stack=stack, tp=1.0, pp=1.0, dp=1.0, micro_batch=2.0, batch_samples=64.0, recompute="full", task=task,
        sharding="0", optimizer="adamw", flash_attention="yes", step_time_s=20.0,
    )  # fmt: skip
    return run_frame([row], load())


@pytest.mark.parametrize("task", ["lora", "qlora", "full_ft"])
@pytest.mark.parametrize("stack", STACKS)
def test_estimate_and_validate_predict_one_time(stack: str, task: str) -> None:
    """They were 1.6 times apart on adapters, and more where a stack's name says how its kernels are."""
    found = estimated(stack, task)
    assert float(found.time.total_s) == pytest.approx(float(step_seconds(measured(stack, task))[0]), rel=0.01)


@pytest.mark.parametrize("stack", STACKS)
def test_adapters_are_the_same_in_a_job_and_in_a_row(stack: str) -> None:
    job, row = job_table(read_job({**JOB, "stack": stack, "task": "lora"})), measured(stack, "lora").job
    assert float(job.trainable_share) == pytest.approx(float(row.trainable_share[0]))
    assert float(job.adapted_inputs) == float(row.adapted_inputs[0])
    for name in ("logit_bytes", "norm_copies", "rotary_copies", "saved_on_host"):
        said, read = float(getattr(job.recipe, name)), float(getattr(row.recipe, name)[0])
        assert np.isnan(said) or said == read, name


def test_what_is_taken_of_adapters_is_said_and_what_is_given_is_kept() -> None:
    job = read_job({**JOB, "task": "lora"})
    assert (job.lora_rank, job.lora_targets) == (USUAL_RANK, USUAL_TARGETS["attention"]) == (8, ("q", "v"))
    assert [text.split(":")[0] for text in job.assumptions if "lora" in text] == ["lora rank 8", "lora targets q, v"]
    for lora, said in (({"rank": 64}, ["lora targets q, v"]), ({"targets": "mlp"}, ["lora rank 8"])):
        told = read_job({**JOB, "task": "lora", "lora": lora})
        assert [text.split(":")[0] for text in told.assumptions if "lora" in text] == said
        assert (told.lora_rank, len(told.lora_targets)) == ((64, 2) if "rank" in lora else (8, 3))
    unsloth = read_job({**JOB, "task": "lora", "stack": "unsloth"})
    assert unsloth.lora_targets == USUAL_TARGETS["all"]
    assert any("all linear matrices: as the recipes of unsloth" in text for text in unsloth.assumptions)
    assert read_job(JOB).lora_targets == ()


@pytest.mark.parametrize(
    ("stack", "base"), [("unsloth", "hf-trainer"), ("axolotl", "hf-trainer"), ("NeMo", "megatron-core")]
)
def test_whose_constants_stand_in_is_assumed(stack: str, base: str) -> None:
    said = read_job({**JOB, "stack": stack}).assumptions
    assert [text for text in said if text.startswith(f"constants of {base} stand in for {stack}: ")] != []
    assert not any("stand in" in text for text in read_job({**JOB, "stack": base}).assumptions)


def test_unsloth_is_what_its_recipe_says() -> None:
    """github.com/unslothai/unsloth: fused norms, no whole logits, inputs of blocks on the host."""
    plain, fused = estimated("hf-trainer", "qlora"), estimated("unsloth", "qlora")
    assert fused.stack == plain.stack == "hf-trainer"
    assert fused.time.total_s < 0.9 * plain.time.total_s
    assert fused.memory.logits_bytes == 0 < plain.memory.logits_bytes
    assert fused.memory.activations_bytes < plain.memory.activations_bytes


def test_a_saved_estimate_of_a_written_stack_is_answered_again() -> None:
    saved = estimated("unsloth", "qlora")
    again = steelyard.explain(saved)
    assert again.time.total_s == saved.time.total_s
    told = steelyard.estimate({**JOB, "stack": "unsloth", "task": "qlora", "step_time": 20}, "H100:1", layout=LAYOUT)
    assert told.measured_step
    assert told.measured_step.predicted_s == pytest.approx(float(saved.time.total_s))
