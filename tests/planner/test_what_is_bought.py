"""What is judged is what is bought: hosts, drives and network of an estimate are those of the offer that is priced."""

import math

import pytest

from steelyard.catalog import load
from steelyard.planner.questions import estimate

JOB = {"model": "llama-3-8b", "tokens": "1B"}


@pytest.mark.parametrize("on", ["H100:8", "H100:64", "A100:16", "MI300X:8", "L4:4"])
def test_an_accelerator_is_judged_in_the_machine_of_its_offer(on: str) -> None:
    found = estimate(JOB, on)
    assert found.system == next(row.system for row in load().offers if row.id == found.offer)


@pytest.mark.parametrize("on", ["H100:8", "A100:16"])
def test_naming_the_offer_that_was_found_changes_nothing(on: str) -> None:
    found = estimate({**JOB, "recipe": "weights=host"}, on, layout="zero=3")
    named = estimate({**JOB, "recipe": "weights=host"}, on, layout="zero=3", offer=found.offer)
    assert (named.system, named.host_bytes) == (found.system, found.host_bytes)
    assert named.time_s.value == found.time_s.value
    assert named.cost_usd.value == found.cost_usd.value
    assert named.host_limit_bytes == found.host_limit_bytes or math.isnan(found.host_limit_bytes)


def test_a_machine_that_nobody_sells_is_judged_itself_and_the_page_says_what_is_priced() -> None:
    found = estimate(JOB, "DGX-H100:8")
    assert found.system == "DGX-H100"
    (text,) = [one.text for one in found.bound_by if one.what == "money"]
    sold = next(row.system for row in load().offers if row.id == found.offer)
    assert sold in text
    assert "DGX-H100" in text


def test_what_is_put_on_a_host_is_bought_where_the_host_holds_it() -> None:
    given = {"model": "llama-3-70b", "tokens": "1B", "layout": "zero=3,offload=1", "stack": "deepspeed"}
    found = estimate(given, "H100:8")
    assert not found.host_bytes > found.host_limit_bytes
