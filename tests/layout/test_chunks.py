"""Stages of several chunks: shared out as a stack can where blocks do not divide, and open where nobody says."""

import pytest

import steelyard
from steelyard.catalog import load
from steelyard.errors import BadLayout
from steelyard.strategies.interleaving import ENDS, EVEN, chunk_partition, usual_chunks

LLAMA = {"model": "llama-3.1-405b", "tokens": "1T", "sequence": 8192, "global_batch": 2048}
LAID = "tp=8,pp=16,dp=128"


@pytest.mark.parametrize("chunks", [2, 4, 8])
@pytest.mark.parametrize("stack", ["megatron-core", "fsdp2"])
def test_llama_3_is_interleaved_with_its_ends_counted(stack: str, chunks: int) -> None:
    """126 blocks, an embedding and an output projection on 16 stages (arXiv 2407.21783, section 3.3.2)."""
    found = steelyard.estimate({**LLAMA, "stack": stack}, "H100:16384", layout=f"{LAID},vpp={chunks}")
    assert f"vpp={chunks},partition=ends" in found.layout_text
    whole = steelyard.estimate({**LLAMA, "stack": stack}, "H100:16384", layout=f"{LAID},vpp=1,partition=ends")
    assert found.time.bubble_s == pytest.approx(whole.time.bubble_s / chunks, rel=0.02)
    assert found.time.total_s < whole.time.total_s


def test_a_stated_partition_is_kept_and_a_stack_without_such_ends_is_refused_with_the_way_out() -> None:
    job, hand = {**LLAMA, "stack": "megatron-core"}, "7-8*14-7"
    assert f"partition={hand}" in steelyard.estimate(job, "H100:16384", layout=f"{LAID},partition={hand}").layout_text
    with pytest.raises(BadLayout, match="or a partition, as partition=ends"):
        steelyard.estimate({**LLAMA, "stack": "megatron-lm"}, "H100:16384", layout=f"{LAID},vpp=8")


def test_ends_count_only_where_that_comes_out_even_and_blocks_do_not() -> None:
    able = ("even", "ends")
    assert [chunk_partition(able, 126, 16, chunks) for chunks in (1, 2, 4, 8, 3)] == [EVEN, ENDS, ENDS, ENDS, EVEN]
    assert chunk_partition(able, 128, 16, 8) == chunk_partition(("even",), 126, 16, 8) == EVEN


def test_an_interleaved_recipe_has_chunks_of_two_blocks_or_the_nearest_that_come_out() -> None:
    able = ("even", "ends")
    assert [usual_chunks(able, blocks, stages) for blocks, stages in ((126, 16), (96, 8), (80, 8), (61, 16))] == [
        *(4, 6, 5, 1)
    ]


def test_interleaving_is_open_where_the_bubble_is_large_and_a_stack_interleaves() -> None:
    def told(stack: str, batch: int) -> str:
        job = {**LLAMA, "stack": stack, "global_batch": batch}
        found = steelyard.estimate(job, "H100:16384", layout=f"{LAID},mbs=1,recompute=full")
        assert "vpp" not in found.layout_text
        return next((text for text in found.assumptions if text.startswith("intervals are over")), "")

    assert "4 chunks a stage 0.6" in told("megatron-core", 2048)  # 15 of 31 ticks are waited for, then 15/4 of 19.75
    assert "chunks a stage" not in told("megatron-core", 2048 * 16)
    assert "chunks a stage" not in told("nanotron", 2048)
    assert not load().capability("nanotron").vpp
