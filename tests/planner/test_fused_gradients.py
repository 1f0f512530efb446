"""Gradients that are gone once they are there are summed over no micro-batches: refused in jobs and in rows alike."""

import numpy as np
import pytest
from tests.planner.alike import figures, validated

import steelyard
from steelyard.catalog import load
from steelyard.errors import BadLayout
from steelyard.job import job_table, read_job
from steelyard.layout import BOUNDS, space

JOB = {"model": "llama-3.2-1b", "tokens": "10M", "task": "full_ft", "sequence": 2048, "recipe": "gradients=fused"}
ROW = {"model": "llama-3.2-1b", "accelerator": "H100", "devices": "1", "task": "full_ft", "seq_len": "2048"}
STACKS = ("torchtune", "hf-trainer", "fsdp2", "pytorch-eager", "any")
OTHERS = ("megatron-core", "megatron-lm", "megatron-deepspeed", "deepspeed", "nanotron")


@pytest.mark.parametrize("stack", STACKS)
def test_a_job_of_several_micro_batches_is_refused_with_the_way_out(stack: str) -> None:
    for layout in ("mbs=2,ga=8", "mbs=1,ga=2"):
        with pytest.raises(BadLayout, match=r"fused gradients; give --global-batch .*gradients=autograd"):
            steelyard.estimate(JOB, "H100:1", stack=stack, layout=layout)
    found = steelyard.estimate(JOB, "H100:1", stack=stack, layout="mbs=2,ga=1")
    assert (found.layout["micro_batches"], found.request.batch_samples) == (1, 2)


@pytest.mark.parametrize("stack", STACKS)
def test_a_row_of_several_micro_batches_is_refused_for_the_same_reason(stack: str) -> None:
    row = {**ROW, "stack": stack, "micro_batch": "2", "sharding": "3" if stack == "fsdp2" else ""}
    for said in ({"recipe": "gradients=fused"}, {"note": "optimizer in backward"}):
        refused = figures(validated({**row, **said, "batch": "16"}))
        assert isinstance(refused, str)
        assert "ga = 8 with fused gradients" in refused
        assert not isinstance(figures(validated({**row, **said, "batch": "2"})), str)


def test_a_row_that_leaves_its_micro_batch_open_has_one_a_step() -> None:
    row = {**ROW, "stack": "torchtune", "batch": "8", "recipe": "gradients=fused", "recompute": "full"}
    assert figures(validated(row)) == figures(validated({**row, "micro_batch": "8"}))


def test_a_batch_that_nobody_chose_is_what_the_devices_hold() -> None:
    found = steelyard.estimate(JOB, "H100:4", stack="torchtune", layout="mbs=2")
    assert (found.layout["micro_batches"], found.request.batch_samples) == (1, 8)
    with pytest.raises(BadLayout, match="fused gradients"):
        steelyard.estimate({**JOB, "global_batch": 64}, "H100:4", stack="torchtune", layout="mbs=2")


def test_the_space_of_such_a_job_has_one_micro_batch() -> None:
    found = space(job_table(read_job(JOB, global_batch=32)), [1, 2, 4], 8, load().capability("torchtune"), BOUNDS)
    assert np.size(found.tp) > 0
    assert set(found.micro_batches) == {1.0}
    plain = job_table(read_job({**JOB, "recipe": "gradients=autograd"}, global_batch=32))
    assert max(space(plain, [4], 8, load().capability("torchtune"), BOUNDS).micro_batches) > 1


@pytest.mark.parametrize("stack", OTHERS)
def test_stacks_that_keep_their_gradients_fuse_none(stack: str) -> None:
    job = {"tokens": "1B", "global_batch": 8, "recipe": "gradients=fused", "stack": stack}
    with pytest.raises(BadLayout, match="keeps its gradients until the update"):
        steelyard.estimate("llama-3.2-1b", on="H100:8", layout="tp=1,pp=1,dp=8,mbs=1,ga=1,zero=1", **job)
    assert not steelyard.plan("llama-3.2-1b", accelerators="H100", devices=8, **job).feasible
    row = {**ROW, "micro_batch": "1", "batch": "1", "recipe": "gradients=fused", "stack": stack}
    refused = figures(validated(row))
    assert isinstance(refused, str)
    assert "keeps its gradients until the update" in refused


def test_a_plan_fuses_gradients_on_stacks_that_can() -> None:
    job = {"tokens": "1B", "recipe": "gradients=fused", "sequence": 2048}
    found = steelyard.plan("llama-3.2-1b", accelerators="H100", devices=8, **job)
    assert {point.stack for point in found.points} <= {"fsdp2", "torchtune", "hf-trainer", "pytorch-eager"}
