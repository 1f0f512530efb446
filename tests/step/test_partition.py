"""A partition decides which stage is the slowest and which the heaviest: by hand, by rule, and against every stage."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import gpt, layout, pretraining
from tests.step.neutral import peak, step

from steelyard.step import stages as cutting
from steelyard.step.stages import stages
from steelyard.strategies.partition import PARTITIONS, given_partition
from steelyard.tables import Job, Layout, join

H, S = 1024, 512
BLOCK = 12 * H**2  # parameters
DENSE = pretraining(gpt(64, H, 16, vocab=8.0, dropout=0.0, embedding_params=0.0), S, 64)
SPARSE = {"moe_layers": 58.0, "moe_ffn": 64.0, "experts": 8.0, "top_k": 2.0}
DEEPSEEK = pretraining(gpt(61, 256, 4, **SPARSE), 64, 64)  # 3 leading blocks without experts


def cut(job: Job, *sizes: int, **changes: float) -> Layout:
    stages = {"pp": float(len(sizes)), "partition": float(given_partition(sizes)), "micro_batches": 32.0}
    return layout(job, **(stages | changes))


def ruled(job: Job, name: str, pp: float, **changes: float) -> Layout:
    number = [rule.name for rule in PARTITIONS].index(name)
    return layout(job, **({"pp": pp, "partition": float(number), "micro_batches": 32.0} | changes))


def test_layouts_cut_by_hand_and_evenly_into_chunks_are_what_each_is_alone() -> None:
    led = pretraining(gpt(64, H, 16, vocab=8.0, dropout=0.0, **(SPARSE | {"moe_layers": 60.0})), S, 64)
    each = [
        cut(led, *(15, 17, 17, 15)),
        layout(led, pp=4.0, vpp=2.0, schedule=1.0, micro_batches=32.0),
        cut(led, 8, 9, 8, 7, 8, 9, 8, 7, pp=4.0, vpp=2.0, schedule=1.0),
    ]
    alone = [float(step(led, laid, peak_flop_per_s=1e12).gemm_s) for laid in each]
    assert step(led, join(each), peak_flop_per_s=1e12).gemm_s == pytest.approx(alone)


def test_a_worked_example_by_hand() -> None:
    """64 blocks, embedding and head as heavy as five blocks each, on four stages.

    A tick is 17 blocks where an even one is 16. The heaviest stage is 15 + 5 blocks where an even one is 16 + 5.
    """
    ends = {"embedding_params": 5.0 * BLOCK, "head_params": 5.0 * BLOCK}
    job = pretraining(gpt(64, H, 16, vocab=8.0, dropout=0.0, **ends), S, 64)
    uneven, even = cut(job, 15, 17, 17, 15), cut(job, 16, 16, 16, 16)
    ticks = [step(job, laid, peak_flop_per_s=1e12).gemm_s for laid in (uneven, even)]
    assert ticks[1] == pytest.approx(32 * 16 * 6 * S * BLOCK / 1e12)
    assert ticks[0] == pytest.approx(32 * 17 * 6 * S * BLOCK / 1e12)
    weights = [float(peak(job, laid, weight_bytes=2.0).weights_bytes) for laid in (uneven, even)]
    assert weights == pytest.approx([2 * 20 * BLOCK, 2 * 21 * BLOCK])
    light = pretraining(gpt(64, H, 16, vocab=8.0, dropout=0.0, embedding_params=1.0 * BLOCK), S, 64)
    assert peak(light, uneven, weight_bytes=2.0).weights_bytes == pytest.approx(2 * 17 * BLOCK)


@pytest.mark.parametrize("sizes", [(15, 17, 17, 15), (1, 2, 60, 1), (10, 20, 30, 4), (16, 16, 16, 16)])
def test_time_knows_the_slowest_stage_and_memory_what_each_holds(sizes) -> None:
    """Of p stages the r-th holds p - r micro-batches (2104.04473, section 2.2.1): the same blocks weigh more early."""
    half = pretraining(gpt(32, H, 16, vocab=8.0, dropout=0.0, embedding_params=0.0), S, 64)
    one = float(peak(DENSE, layout(DENSE)).activations_bytes - peak(half, layout(half)).activations_bytes) / 32
    for order in set(itertools.permutations(sizes)):
        laid = cut(DENSE, *order)
        assert step(DENSE, laid, peak_flop_per_s=1e12).gemm_s == pytest.approx(32 * max(sizes) * 6 * S * BLOCK / 1e12)
        held = max((4 - rank) * size * one + size * 14 * BLOCK for rank, size in enumerate(order))  # with states
        assert peak(DENSE, laid).allocated_bytes == pytest.approx(held, rel=5e-3)


@pytest.mark.parametrize(
    ("rule", "pp", "sizes"),
    [
        ("even", 4.0, (16, 16, 16, 16)),
        ("even", 6.0, (11, 11, 11, 11, 10, 10)),
        ("ends", 6.0, (10, 11, 11, 11, 11, 10)),  # 66 by six
        ("ends", 4.0, (16, 17, 16, 15)),  # 66 by four: the first two have one more
        ("ends", 1.0, (64,)),
        ("cost", 4.0, (17, 16, 16, 15)),
    ],
)
def test_a_rule_is_the_partition_that_it_makes(rule, pp, sizes) -> None:
    one, other = ruled(DENSE, rule, pp), cut(DENSE, *sizes)
    costs = {"peak_flop_per_s": 1e12, "memory_bytes_per_s": 1e11, "nic_bytes_per_s": 1e9}
    assert step(DENSE, one, **costs) == step(DENSE, other, **costs)
    assert peak(DENSE, one, weight_bytes=2.0, grad_bytes=4.0) == peak(DENSE, other, weight_bytes=2.0, grad_bytes=4.0)
    both, zero = join([one, other]), 0.0
    for name in ("gemm_s", "dp_s", "bubble_s"):
        assert len(set(np.broadcast_to(getattr(step(DENSE, both, **costs), name), 2).tolist())) == 1
    assert np.ptp(np.broadcast_to(peak(DENSE, both, weight_bytes=2.0).weights_bytes, 2)) == zero


def test_one_block_less_at_both_ends_balances_llama_3() -> None:
    """2407.21783, section 3.3.2: 126 layers on 16 stages, one less on the first and on the last."""
    job = pretraining(gpt(126, H, 16, vocab=8.0, dropout=0.0), S, 64)
    found = stages(job.workload, ruled(job, "ends", 16.0))
    assert [float(one.blocks[0].count) for one in found] == [7, 7, 8]
    assert [float(one.rank) for one in found] == [0, 15, 1]


def test_chunks_of_a_stage_are_its_own() -> None:
    """Megatron-core, Custom Pipeline Model Parallel Layout: `Et*3|(tt|)*29,m|L` is DeepSeek-V3 on 16 stages of two."""
    laid = cut(DEEPSEEK, 3, *[2] * 29, 0, 0, pp=16.0, vpp=2.0)
    found = [(float(one.rank), *(float(kind.count) for kind in one.blocks)) for one in stages(DEEPSEEK.workload, laid)]
    assert found == [(0, 3, 2), (15, 0, 2), (1, 0, 4)]
    dense = pretraining(gpt(62, 256, 4), 64, 64)
    assert [float(one.blocks[0].count) for one in stages(dense.workload, ruled(dense, "ends", 4.0, vpp=4.0))] == [
        15, 15, 16,
    ]  # fmt: skip


def test_leading_blocks_fill_the_first_chunks_of_all_stages_first() -> None:
    """24 blocks, 8 leading, on two stages of three chunks of 4: the second stage has as many leading as the first."""
    job = pretraining(gpt(24, 256, 4, **(SPARSE | {"moe_layers": 16.0})), 64, 64)
    laid = layout(job, pp=2.0, vpp=3.0, micro_batches=32.0)
    assert [tuple(float(kind.count) for kind in one.blocks) for one in stages(job.workload, laid)] == [(4, 8), (4, 8)]
    early = pretraining(gpt(24, 256, 4, **(SPARSE | {"moe_layers": 21.0})), 64, 64)
    assert [tuple(float(kind.count) for kind in one.blocks) for one in stages(early.workload, laid)] == [
        (3, 9), (0, 12),
    ]  # fmt: skip


@st.composite
def uneven(draw: st.DrawFn) -> tuple[Job, Layout]:
    """Draw a model, leading blocks or none, and a partition of its blocks."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=2, max_size=7))
    dense = draw(st.integers(0, sum(sizes)))
    kinds = {"moe_layers": float(sum(sizes) - dense), "moe_ffn": draw(st.sampled_from([64.0, 2048.0]))}
    sparse = kinds | {"experts": 8.0, "top_k": 2.0, "routed_params": 8 * 2 * 256 * kinds["moe_ffn"]}
    job = pretraining(gpt(sum(sizes), 256, 4, 64.0, **(sparse if dense < sum(sizes) else {})), 64, 64)
    return job, cut(job, *sizes, micro_batches=draw(st.sampled_from([1.0, 4.0, 64.0])))


@given(uneven())
def test_no_stage_that_is_left_out_is_slower_or_heavier(candidate) -> None:
    job, laid = candidate
    costs = {"peak_flop_per_s": 1e12, "memory_bytes_per_s": 1e10}
    keeps = {"weight_bytes": 2.0, "grad_bytes": 4.0, "transients": 1.0, "logit_bytes": 4.0}
    found = step(job, laid, **costs), peak(job, laid, **keeps)
    some = len(stages(job.workload, laid))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cutting, "falling", lambda _: False)  # then every stage is weighed
        anew = replace(laid)  # the stages of the same column would be those already cut
        every = step(job, anew, **costs), peak(job, anew, **keeps)
        assert len(stages(job.workload, anew)) == laid.pp >= some
    assert found[0].total_s == pytest.approx(float(every[0].total_s), rel=1e-12)
    assert found[1].allocated_bytes == pytest.approx(float(every[1].allocated_bytes), rel=1e-12)


@given(st.lists(uneven(), min_size=2, max_size=4))
def test_partitions_in_one_column_are_those_alone(found) -> None:
    jobs, laid = (join(list(column)) for column in zip(*found, strict=True))
    together = peak(jobs, laid, weight_bytes=2.0, transients=1.0)
    alone = [float(peak(*one, weight_bytes=2.0, transients=1.0).allocated_bytes) for one in found]
    assert np.broadcast_to(together.allocated_bytes, len(found)).tolist() == pytest.approx(alone)
    taken = step(jobs, laid, peak_flop_per_s=1e12).total_s
    assert list(taken) == pytest.approx([float(step(*one, peak_flop_per_s=1e12).total_s) for one in found])


def test_parameters_of_the_largest_stage_are_what_data_parallelism_exchanges() -> None:
    """2 (d - 1)/d of the gradients of 17 blocks cross a network of 1 GB/s, of 4 bytes each and divided by nothing."""
    job = pretraining(gpt(64, H, 16, vocab=8.0, embedding_params=0.0, total_params=64.0 * BLOCK), S, 64)
    assert job.workload.params == 64 * BLOCK
    for sizes, most in (((15, 17, 17, 15), 17), ((16, 16, 16, 16), 16), ((1, 61, 1, 1), 61)):
        found = step(job, cut(job, *sizes, dp=4.0), nic_bytes_per_s=1e9)
        assert found.dp_s == pytest.approx(2 * 3 / 4 * most * BLOCK * 2 / 1e9, rel=1e-3)
