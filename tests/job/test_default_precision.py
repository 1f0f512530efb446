"""What a job that states no precision keeps of a parameter: what its stack's recipes do, and `assumed` says so."""

import math

import pytest

import steelyard
from steelyard.catalog import load
from steelyard.errors import BadInput
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.predicted import step_seconds
from steelyard.evidence.runs.reader import blank_run
from steelyard.job.job_spec import job_table
from steelyard.job.read import read_job


def bytes_a_parameter(**given: str) -> float:
    job = job_table(read_job({"model": "llama-3.1-8b", "tokens": "1B", "task": "full_ft", **given}))
    return float(job.element_bytes + job.moment_bytes + job.master_bytes)


@pytest.mark.parametrize(("stack", "expected"), [("torchtune", 6), ("LitGPT", 6), ("hf-trainer", 14), ("fsdp2", 14)])
def test_a_stack_s_recipes_say_how_wide_states_are(stack: str, expected: float) -> None:
    """torchtune and LitGPT hold weights, gradients and moments in 16 bits: 2 + 4 beside gradients, not 2 + 8 + 4."""
    assert bytes_a_parameter(stack=stack) == expected


def test_a_stated_precision_comes_first() -> None:
    assert bytes_a_parameter(stack="torchtune", precision="bf16-mixed") == 14
    assert bytes_a_parameter(stack="hf-trainer", precision="bf16-pure") == 6


def test_a_bare_bf16_says_what_products_are_in_and_leaves_states_to_the_stack() -> None:
    """As a column of measured runs does: torchtune's recipes keep all in 16 bits, torchtitan's a master copy."""
    assert [bytes_a_parameter(stack=name, precision="bf16") for name in ("torchtune", "torchtitan")] == [6, 14]


def test_adapters_keep_fp32_states_of_what_they_train() -> None:
    given = {"model": "llama-3.1-8b", "tokens": "1B", "task": "lora", "stack": "torchtune"}
    assert read_job(given).precision == "bf16"


@pytest.mark.parametrize(
    ("stack", "says"), [("torchtune", "recipes of torchtune"), ("TRL", "scripts of TRL"), ("", "fp32 master")]
)
def test_what_is_taken_is_said(stack: str, says: str) -> None:
    given = {"model": "llama-3.1-8b", "tokens": "1B"} | ({"stack": stack} if stack else {})
    assert sum(says in text for text in read_job(given).assumptions) == 1


OLD = {"model": "llama-3.2-1b", "tokens": "20M", "sequence": 1024, "global_batch": 16}


@pytest.mark.parametrize("chip", ["T4", "V100", "RTX-2080Ti", "g4dn.12xlarge"])
def test_a_chip_without_bf16_trains_in_fp16_unless_told(chip: str) -> None:
    """`estimate` refused them, though nobody had asked for bf16; a measured row was read so."""
    found = steelyard.estimate({**OLD, "task": "lora"}, f"{chip}:1")
    assert found.job.precision == "fp16"
    (text,) = (text for text in found.assumptions if text.startswith("precision "))
    assert text.startswith("precision fp16: no bf16 on ")
    assert steelyard.explain(found).assumptions == found.assumptions
    with pytest.raises(BadInput, match="no dense bf16 peak"):
        steelyard.estimate({**OLD, "task": "lora", "precision": "bf16"}, f"{chip}:1")
    assert steelyard.estimate({**OLD, "precision": "fp32"}, f"{chip}:1").job.precision == "fp32"


def test_a_plan_on_such_chips_alone_is_in_fp16() -> None:
    made = steelyard.plan({**OLD, "task": "lora", "accelerators": "T4,V100"})
    assert made.feasible
    assert made.job.precision == "fp16"
    assert sum(text.startswith("precision fp16: no bf16 on T4, V100") for text in made.assumptions) == 1
    assert read_job({**OLD, "accelerators": "T4,H100"}).precision == "bf16"
    assert read_job({**OLD, "accelerators": "T4", "precision": "fp32"}).precision == "fp32"


@pytest.mark.parametrize("task", ["lora", "qlora"])
def test_it_is_what_a_measured_row_is_read_as(task: str) -> None:
    row = blank_run(
        id="row", model="llama-3.2-1b", accelerator="T4", devices=1.0, sequence_tokens=1024.0, stack="HF Trainer",
        batch_samples=16.0, micro_batch=4.0, recompute="full", task=task, optimizer="adamw", step_time_s=9.0,
    )  # fmt: skip
    run = run_frame([row], load())
    assert "precision" in run.assumed[0]
    layout = "mbs=4,recompute=full"
    found = steelyard.estimate({**OLD, "task": task, "stack": "HF Trainer"}, "T4:1", layout=layout)
    assert float(found.time.total_s) == pytest.approx(float(step_seconds(run)[0]), rel=1e-3)


def test_a_chip_whose_peak_nobody_publishes_still_tells_what_fits() -> None:
    """Memory asks no speed: the need and the capacity are known, time and what follows from it are not."""
    job, layout = {**OLD, "task": "lora", "stack": "HF Trainer"}, "mbs=4,recompute=full"
    found = steelyard.estimate(job, "L20:1", layout=layout)
    rated = steelyard.estimate(job, "L40:1", layout=layout)
    assert found.job.precision == "bf16"
    assert found.fits_word == "fits"
    assert (found.memory_bytes.value, found.memory_limit_bytes) == (rated.memory_bytes.value, rated.memory_limit_bytes)
    assert math.isnan(found.time_s.value)
    assert math.isnan(found.energy_facility_kwh.value)
    assert any("time unknown: L20 has no dense bf16 peak" in bind.text for bind in found.bound_by)
    assert not any("time unknown" in bind.text for bind in rated.bound_by)


def test_a_chip_too_small_does_not_fit_though_its_peak_is_unknown() -> None:
    found = steelyard.estimate({**OLD, "model": "llama-3.1-8b"}, "L20:1", layout="zero=0,recompute=full,offload=0")
    assert found.fits_word == "does not fit"


@pytest.mark.parametrize("chip", ["K80", "K80-half"])
def test_a_chip_of_32_bits_alone_trains_in_fp32_unless_told(chip: str) -> None:
    found = steelyard.estimate({**OLD, "task": "lora"}, f"{chip}:1")
    assert found.job.precision == "fp32"
    assert sum(text.startswith("precision fp32: K80") for text in found.assumptions) == 1
