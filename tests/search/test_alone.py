"""One rank shares states with nobody: a higher ZeRO stage acts there only on what rests on the host."""

from dataclasses import replace

import numpy as np
import pytest

import steelyard
from steelyard.catalog import load
from steelyard.job import job_table, read_job
from steelyard.layout import BOUNDS, size, space
from steelyard.market import build as inputs
from steelyard.planner.engine import ENGINE
from steelyard.search.engine import Limits
from steelyard.search.explore import explore

JOB = {"model": "llama-3-8b", "task": "full_ft", "tokens": "10M", "sequence": 2048}
OWN = {"system": "node-RTX-4090", "devices": 4, "life": "4y", "used": "60%", "tariff": 0.12, "capex": "12k"}


@pytest.mark.parametrize("stack", ["hf-trainer", "deepspeed", "fsdp2", "torchtune", "megatron-core", "litgpt"])
def test_stages_of_one_rank_are_those_that_let_go_of_what_is_offloaded(stack: str) -> None:
    can = load().capability(stack)
    found = space(job_table(read_job(JOB)), [1, 2], 8, can, BOUNDS)
    alone = found.dp * found.cp == 1
    least = found.zero == can.zero[0]
    assert np.all(least | ((found.zero >= 2) & (found.offload == 1)) | ~alone)
    more = {stage for stage in can.zero[1:] if stage >= 2} if can.offload else set()
    assert set(found.zero[alone & ~least]) == more


def test_a_stage_that_is_asked_for_is_taken_on_one_device() -> None:
    can = load().capability("deepspeed")
    found = space(job_table(read_job(JOB)), [1], 8, can, BOUNDS, {"zero": (3,)})
    assert size(found) > 0
    assert set(found.offload) == {0.0, 1.0}
    many = space(job_table(read_job(JOB)), [8], 8, load().capability("megatron-core"), BOUNDS, {"zero": (1,)})
    assert np.all((many.dp * many.cp > 1) | (many.zero == 0)), "of several devices the axes decide whether one is alone"


def test_the_search_counts_and_finds_what_the_space_has() -> None:
    """ZeRO-3 with offload is what holds 8B parameters on 24 GB: DeepSpeed's own case of one card."""
    spec = read_job(JOB, stack="deepspeed", purchase="own", own=OWN)
    job, market = job_table(spec), inputs.market_of(spec, load())
    market = replace(market, deals=tuple(replace(one, unit=1, most=1) for one in market.deals[:1]))
    found = explore(job, market, Limits(devices=1), ENGINE)
    assert found.tally.considered == size(space(job, [1], 8, market.stacks[0].capability, BOUNDS))
    laid = found.candidates.layouts
    assert found.feasible
    assert set(laid.zero[found.front]) <= {2.0, 3.0}
    assert set(laid.offload[found.front]) == {1.0}


def test_one_card_that_holds_a_model_by_offloading_alone_is_laid_out_so() -> None:
    found = steelyard.estimate({**JOB, "stack": "hf-trainer"}, "RTX-4090:1", layout="offload=1")
    assert found.memory_bytes.value <= found.memory_limit_bytes
    assert "host memory unknown: needs 120 GiB a host" in found.fits_reason
    assert (found.layout["offload"], found.layout["zero"]) == (1, 3)
