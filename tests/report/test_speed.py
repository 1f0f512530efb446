"""Model FLOP/s on a page follow the convention that the page names, of adapters as of all parameters."""

import re

import pytest

import steelyard
from steelyard.report.estimate_page import estimate_page, rate_text
from steelyard.report.page import render

JOB = {"model": "llama-3-8b", "tokens": "10M", "sequence": 512, "global_batch": 64, "stack": "hf-trainer"}
LAYOUT = "mbs=2,zero=3,recompute=full"


def per_token(task: str) -> float:
    """Return the FLOPs of a token over twice the parameters that a token meets, as the page's speed has them."""
    found = steelyard.estimate({**JOB, "task": task}, "H100:8", layout=LAYOUT)
    rate = float(re.search(r"training ([\d.]+) TFLOP", rate_text(found))[1]) * 1e12  # type: ignore[index]
    tokens_s = 64 * 512 / float(found.time.total_s) / 8
    return rate / tokens_s / found.job.active_parameters


@pytest.mark.parametrize(("task", "flop"), [("full_ft", 6), ("lora", 4), ("qlora", 4)])
def test_a_token_takes_six_flops_a_parameter_and_four_beside_a_frozen_model(task: str, flop: int) -> None:
    """The embedding is looked up and multiplies nothing (6.5 % of the parameters); short attention adds a little."""
    assert per_token(task) == pytest.approx(flop, rel=0.07)


def test_the_convention_is_named() -> None:
    for task in ("full_ft", "lora"):
        page = " ".join(render(estimate_page(steelyard.estimate({**JOB, "task": task}, "H100:8"))).split())
        assert ("without gradients of frozen weights" in page) == (task == "lora")


@pytest.mark.parametrize("stack", [None, "fsdp2", "megatron-core", "NeMo"])
def test_fp32_is_fp32_whatever_the_stack_and_the_page_says_so(stack: str | None) -> None:
    job = {"model": "llama-3.2-1b", "tokens": "10M", "precision": "fp32", "stack": stack}
    asked = {name: value for name, value in job.items() if value is not None}
    found = steelyard.estimate(asked, "H100:8")
    assert found.job.precision == "fp32"
    assert any(text.startswith("products fp32") and "tf32" in text for text in found.assumptions)
    wide = steelyard.estimate({**asked, "precision": "tf32"}, "H100:8")
    assert found.time_s.value > 1.3 * wide.time_s.value
