"""What crosses a host's link is said with its bytes and seconds, whether it hides behind the work or not."""

import re

import pytest

import steelyard
from steelyard.planner.answers import Estimate
from steelyard.report.estimate_page import short_estimate_page
from steelyard.report.page import render
from steelyard.units import GIB_BYTES

JOB = {"model": "llama-3-8b", "tokens": "10M", "task": "full_ft", "sequence": 2048, "precision": "bf16-pure"}
LAID = "mbs=2,ga=4,recompute=full,zero=3,offload=0"


def estimated(recipe: str = "", layout: str = LAID, on: str = "H100:8") -> Estimate:
    return steelyard.estimate({**JOB, "stack": "fsdp2", **({"recipe": recipe} if recipe else {})}, on, layout=layout)


def link_text(found: Estimate) -> str:
    return next((one.text for one in found.bound_by if one.what == "host link"), "")


def said_bytes(found: Estimate) -> float:
    return float(re.search(r"link: ([\d.]+) GiB", link_text(found))[1]) * GIB_BYTES


def test_nothing_is_said_where_nothing_crosses() -> None:
    assert link_text(estimated()) == ""


def test_parameters_on_the_host_cross_for_each_pass_of_each_micro_batch() -> None:
    """A shard of an eighth, 2 bytes each, there for the forward and again for the backward pass (2104.07857, 4.1)."""
    found = estimated("weights=host")
    least = 2 * 4 * 2 * 8.03e9 / 8
    assert said_bytes(found) >= 0.98 * least
    assert said_bytes(found) < 2 * least
    assert re.search(r"cross it in [\d.]+ m?s, (hidden behind the work|of which the work hides)", link_text(found))
    assert "host link: " in " ".join(render(short_estimate_page(found)).split())


def test_saved_inputs_cross_there_and_back() -> None:
    """Of 32 blocks an input of 2 x 2048 x 4096 elements of 2 bytes for each of 4 micro-batches."""
    once = 32 * 2 * 2048 * 4096 * 2 * 4
    assert said_bytes(estimated("activations=host")) == pytest.approx(2 * once, rel=0.02)


def test_what_the_work_does_not_hide_is_said() -> None:
    found = estimated("weights=host", "mbs=1,ga=64,recompute=full,zero=3,offload=1", "RTX-4090:1")
    assert found.time is not None
    assert "of which the work hides" in link_text(found)
    assert float(found.time.dp_s) > 0.01 * float(found.time.total_s)
