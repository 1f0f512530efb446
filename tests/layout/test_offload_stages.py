"""States go to the host from the ZeRO stage on from which their stack offloads them; one rank has all of them."""

import numpy as np
import pytest

import steelyard
from steelyard.catalog import load
from steelyard.errors import BadLayout
from steelyard.job import job_table, read_job
from steelyard.layout import space
from steelyard.layout.space import BOUNDS

JOB = {"model": "llama-3.2-1b", "tokens": "10M", "task": "full_ft", "sequence": 2048, "global_batch": 16}
FROM = {"hf-trainer": 1, "deepspeed": 1, "megatron-deepspeed": 1, "megatron-core": 1, "fsdp2": 2, "torchtune": 2}
"""DeepSpeed's documents: offload_optimizer is valid with ZeRO stages 1, 2 and 3; FSDP offloads what it shards."""


@pytest.mark.parametrize("stack", FROM)
def test_no_layout_of_several_ranks_offloads_what_it_does_not_shard(stack: str) -> None:
    able = load().capability(stack)
    assert able.offload_from == FROM[stack]
    found = space(job_table(read_job(JOB, stack=stack)), [1, 8], 8, able, BOUNDS)
    shared = np.asarray(found.dp * found.cp) > 1
    away = np.asarray(found.offload) > 0
    assert min(found.zero[shared & away]) == max(FROM[stack], min(able.zero))
    assert away[~shared].any()


@pytest.mark.parametrize("stack", ["hf-trainer", "megatron-core", "torchtune"])
def test_a_layout_that_asks_for_it_is_refused_with_the_way_out(stack: str) -> None:
    with pytest.raises(BadLayout, match="zero=1, 2 or 3 as it asks for, or offload=0") as error:
        steelyard.estimate(JOB, "H100:8", stack=stack, layout="tp=1,pp=1,dp=8,mbs=2,zero=0,offload=1")
    assert f"which offloads from zero = {FROM[stack]} on" in str(error.value)


def test_a_name_that_says_data_parallelism_keeps_states_on_the_device() -> None:
    """It was offloaded where it did not fit: nothing of DDP does that."""
    job = {**JOB, "model": "llama-2-7b", "precision": "bf16-mixed"}
    found = steelyard.estimate(job, "H100:2", stack="HF Trainer (DDP)")
    assert (found.layout["zero"], found.layout["offload"], found.fits_shown) == (0, 0, False)


def test_what_is_likely_to_fit_is_not_offloaded() -> None:
    """The upper end was a GiB beyond the card, 88 % of the interval on it: it was offloaded, five times as slow."""
    job = {**JOB, "model": "llama-2-7b", "precision": "bf16-mixed", "stack": "hf-trainer"}
    found = steelyard.estimate(job, "H200:1")
    assert found.layout["offload"] == 0
    assert found.memory_bytes.value < found.memory_limit_bytes
    assert found.fits_share > 0.5
    tight = steelyard.estimate({**job, "model": "llama-2-13b"}, "H200:1")
    assert (tight.layout["offload"], tight.fits) == (0, False)
    assert "offload=1" in tight.fits_with
