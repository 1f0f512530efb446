"""What a job that states no precision keeps of a parameter: what its stack's recipes do, and `assumed` says so."""

import pytest

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
    assert bytes_a_parameter(stack="torchtune", precision="bf16") == 14
    assert bytes_a_parameter(stack="hf-trainer", precision="bf16-pure") == 6


def test_adapters_keep_fp32_states_of_what_they_train() -> None:
    given = {"model": "llama-3.1-8b", "tokens": "1B", "task": "lora", "stack": "torchtune"}
    assert read_job(given).precision == "bf16"


@pytest.mark.parametrize(
    ("stack", "says"), [("torchtune", "recipes of torchtune"), ("TRL", "scripts of TRL"), ("", "fp32 master")]
)
def test_what_is_taken_is_said(stack: str, says: str) -> None:
    given = {"model": "llama-3.1-8b", "tokens": "1B"} | ({"stack": stack} if stack else {})
    assert sum(says in text for text in read_job(given).assumptions) == 1
