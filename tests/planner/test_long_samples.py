"""Few devices and a sample longer than they hold: what comes nearest is shown and said not to fit, nothing false."""

import pytest

import steelyard
from steelyard.errors import BadInput
from steelyard.report.estimate_page import estimate_page
from steelyard.report.page import render

JOB = {"model": "llama-3.1-8b", "tokens": "1B", "sequence": "1M"}


@pytest.mark.parametrize("on", ["H100:8", "H100:16"])
def test_a_sample_that_devices_may_share_is_laid_out_though_nothing_fits(on: str) -> None:
    found = steelyard.estimate(JOB, on)
    assert found.fits is False
    assert found.layout["dp"] <= 4
    assert found.memory_bytes.value > found.memory_limit_bytes


def test_a_stack_that_shares_no_sample_says_so_of_itself() -> None:
    with pytest.raises(BadInput, match="on deepspeed shares samples among so many"):
        steelyard.estimate({**JOB, "stack": "deepspeed"}, "H100:8")


@pytest.mark.parametrize(
    ("on", "said"),
    [("p5.48xlarge:16", "16 × H100-80GB-SXM, 2 nodes of 8"), ("p5.48xlarge:8", ""),
     ("p5.48xlarge:2", "2 × H100-80GB-SXM, of a node of 8")],
)  # fmt: skip
def test_the_page_says_how_many_nodes_devices_are(on: str, said: str) -> None:
    page = " ".join(render(estimate_page(steelyard.estimate({"model": "llama-3.2-1b", "tokens": "10M"}, on))).split())
    assert said in page
    assert ("nodes of 8" in page or "a node of 8" in page) == bool(said)
