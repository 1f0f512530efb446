"""Which blocks lie on which stage: DeepSeek-V3's 61 blocks, three of them leading, cut into 1, 2 and 16 stages."""

import numpy as np
import pytest
from tests.shapes import gpt, layout, pretraining
from tests.step.neutral import L, V, alone, kernels, peak, stack, step

from steelyard.step import stage_job
from steelyard.step.divisors import Divisors
from steelyard.step.schedule import in_flight
from steelyard.step.stages import busiest_stages, head_params, stages
from steelyard.step.states import RankParams, held_params, rank_params
from steelyard.strategies.partition import given_partition
from steelyard.tables import Layout, Part, Repeat, join

SPARSE = {"moe_layers": 58.0, "moe_ffn": 64.0, "experts": 8.0, "top_k": 2.0}
DEEPSEEK = pretraining(gpt(61, 256, 4, **SPARSE), 64, 64)  # 3 leading blocks without experts
DENSE = pretraining(gpt(61, 256, 4), 64, 64)
TURNS = pretraining(gpt(8, 256, 4, **(SPARSE | {"moe_layers": 4.0})), 64, 64)  # every second block: none leads


def cut(job, pp: float, *sizes: int, **changes: float) -> Layout:
    partition = float(given_partition(sizes)) if sizes else 0.0
    return layout(job, **({"pp": pp, "partition": partition, "micro_batches": 32.0} | changes))


def blocks(found: tuple[Repeat, ...]) -> tuple[float, ...]:
    return tuple(float(one.count) for one in found)


@pytest.mark.parametrize(
    ("job", "pp", "sizes", "expected"),
    [
        (DEEPSEEK, 1.0, (), [(3, 58)]),
        (DEEPSEEK, 2.0, (), [(3, 28), (0, 30)]),
        (DEEPSEEK, 16.0, (), [(3, 1), (0, 4)]),
        (DEEPSEEK, 32.0, (), [(2, 0), (0, 2)]),
        (DEEPSEEK, 3.0, (2, 30, 29), [(2, 0), (1, 29)]),
        (DENSE, 4.0, (), [(16,)]),
        (DENSE, 4.0, (14, 17, 16, 14), [(17,)]),
        (TURNS, 4.0, (), [(1, 1)]),
    ],
)
def test_stages_that_can_be_the_slowest(job, pp, sizes, expected):
    assert [blocks(found.blocks) for found in busiest_stages(stages(job.workload, cut(job, pp, *sizes)))] == expected


def test_in_a_column_a_lone_stage_has_all_blocks():
    both = join([cut(DEEPSEEK, 1.0), cut(DEEPSEEK, 16.0)])
    first, later = (found.blocks for found in busiest_stages(stages(DEEPSEEK.workload, both)))
    assert [list(one.count) for one in first] == [[3, 3], [58, 1]]
    assert [list(np.broadcast_to(one.count, 2)) for one in later] == [[0, 0], [0, 4]]


@pytest.mark.parametrize(
    ("job", "pp", "sizes", "expected"),
    [  # blocks of each kind, micro-batches held, and whether it exists, embeds, projects
        (DEEPSEEK, 1.0, (), [((3, 58), 1, 1, 1, 1)]),
        (DEEPSEEK, 2.0, (), [((3, 28), 2, 1, 1, 0), ((0, 30), 1, 1, 0, 1)]),
        (DEEPSEEK, 16.0, (), [((3, 1), 16, 1, 1, 0), ((0, 3), 1, 1, 0, 1), ((0, 4), 15, 1, 0, 0)]),
        (DEEPSEEK, 32.0, (), [((2, 0), 32, 1, 1, 0), ((0, 1), 1, 1, 0, 1), ((0, 2), 30, 1, 0, 0)]),
        (DEEPSEEK, 3.0, (30, 30, 1), [((3, 27), 3, 1, 1, 0), ((0, 1), 1, 1, 0, 1), ((0, 30), 2, 1, 0, 0)]),
        (DEEPSEEK, 4.0, (2, 2, 28, 29), [((2, 0), 4, 1, 1, 0), ((0, 29), 1, 1, 0, 1),
                                         ((1, 1), 3, 1, 0, 0), ((0, 28), 2, 1, 0, 0)]),
        (DENSE, 4.0, (), [((16,), 4, 1, 1, 0), ((15,), 1, 1, 0, 1)]),
        (DENSE, 4.0, (20, 20, 20, 1), [((20,), 4, 1, 1, 0), ((1,), 1, 1, 0, 1)]),
        (DENSE, 5.0, (10, 13, 12, 14, 12), [((10,), 5, 1, 1, 0), ((12,), 1, 1, 0, 1), ((13,), 4, 1, 0, 0),
                                            ((14,), 2, 1, 0, 0)]),
        (TURNS, 4.0, (), [((1, 1), 4, 1, 1, 0), ((1, 1), 1, 1, 0, 1)]),
    ],
)  # fmt: skip
def test_stages_that_can_be_the_heaviest(job, pp, sizes, expected):
    laid = cut(job, pp, *sizes)
    told = [
        (blocks(one.blocks), *map(float, (in_flight(laid, one.rank), one.exists, one.first, one.last)))
        for one in stages(job.workload, laid)
    ]
    assert told == expected


@pytest.mark.parametrize("column", [False, True])
def test_leading_blocks_that_reach_second_chunks_leave_the_second_stage_to_be_weighed(column: bool) -> None:
    """Twelve chunks of a block, the first five leading: the first of four stages has two of them, the others one.

    Of those, which have two blocks with experts each, the second holds the most micro-batches.
    """
    job = pretraining(gpt(12, 256, 4, **(SPARSE | {"moe_layers": 7.0})), 64, 64)
    laid = layout(job, pp=4.0, vpp=3.0, micro_batches=32.0)
    found = stages(job.workload, join([laid, laid]) if column else laid)
    held = [tuple(float(np.ravel(number)[0]) for number in (one.rank, *(kind.count for kind in one.blocks)))
            for one in found]  # fmt: skip
    assert held[:2] == [(0, 2, 1), (3, 1, 2)]
    assert (1, 1, 2) in held[2:]


def test_a_stage_of_both_kinds_can_be_the_heaviest_with_the_most_of_neither() -> None:
    """Two chunks a stage, nine leading blocks in the first ones: 4+1, 1+4, 3+3 and 1+2 blocks."""
    job = pretraining(gpt(19, 256, 4, **(SPARSE | {"moe_layers": 10.0})), 64, 64)
    found = stages(job.workload, cut(job, 4.0, 4, 1, 3, 1, 1, 4, 3, 2, vpp=2.0))
    assert sorted((float(one.rank), *blocks(one.blocks)) for one in found) == [
        (0, 4, 1), (1, 1, 4), (2, 3, 3), (3, 1, 2),
    ]  # fmt: skip


def test_the_first_stage_without_leading_blocks_is_found_on_each_layout_of_a_column():
    """61 blocks, 3 leading: on the third stage of 32, on the second of 16 and of 3, which is the last but one."""
    for pp, counts in ((3.0, [21, 20, 20]), (16.0, [4, 3, 4]), (32.0, [2, 1, 2])):
        found = stages(DEEPSEEK.workload, cut(DEEPSEEK, pp))
        assert [sum(blocks(one.blocks)) for one in found] == counts
    *_, between = stages(DEEPSEEK.workload, join([cut(DEEPSEEK, pp) for pp in (3.0, 16.0, 32.0)]))
    assert list(between.rank) == [1, 1, 2]
    assert [list(np.broadcast_to(one.count, 3)) for one in between.blocks] == [[0, 0, 0], [20, 4, 2]]


def test_the_second_of_three_stages_has_what_the_ends_have_less():
    found = stages(DENSE.workload, layout(DENSE, pp=3.0, partition=1.0, micro_batches=32.0))
    assert [blocks(one.blocks) for one in found] == [(20,), (20,), (21,)]


def test_in_a_column_stages_that_a_layout_lacks_hold_nothing():
    both = join([cut(DEEPSEEK, 1.0), cut(DEEPSEEK, 2.0), cut(DEEPSEEK, 16.0)])
    first, last, second = stages(DEEPSEEK.workload, both)
    assert [list(np.broadcast_to(one, 3)) for one in (first.exists, last.exists, second.exists)] == [
        [1, 1, 1],
        [0, 1, 1],
        [0, 0, 1],
    ]
    assert list(first.last) == [1, 0, 0]
    assert list(last.last) == [0, 1, 1]
    assert [list(np.broadcast_to(one.count, 3)) for one in last.blocks] == [[0, 0, 0], [0, 30, 3]]
    assert [list(np.broadcast_to(one.count, 3)) for one in second.blocks] == [[0, 0, 0], [0, 0, 4]]


@pytest.mark.parametrize(
    ("chunks", "rank", "micro_batches", "held"),
    [(1, 0, 8, 4), (1, 3, 8, 1), (1, 0, 2, 2), (2, 0, 8, 5.5), (2, 3, 8, 2.5), (4, 0, 16, 4.75), (2, 0, 3, 3)],
)
def test_micro_batches_in_flight(chunks, rank, micro_batches, held):
    """2205.05198, section 4.2.3: 1 + (p-1)/(pv) as many on the first of 4 stages: 4 (1 + 3/8) = 5.5 with two chunks."""
    laid = layout(DENSE, pp=4.0, vpp=float(chunks), micro_batches=float(micro_batches))
    assert float(in_flight(laid, rank)) == held


def test_a_step_waits_for_the_stage_whose_blocks_take_longer():
    """Four blocks, one leading: its MLP of 16h takes less than the experts' eight copies of 4h; or more, of two."""
    for copies, slowest in ((8.0, (0, 2)), (2.0, (1, 1))):
        shape = gpt(4, 256, 4, moe_layers=3.0, moe_ffn=1024.0, experts=8.0, top_k=copies, ffn=4096.0)
        job = pretraining(shape, 64, 8)
        taken = step(job, layout(job, pp=2.0), peak_flop_per_s=1e12)
        dense, sparse = 4 * 256**2 + 2 * 256 * 4096, 4 * 256**2 + copies * 2 * 256 * 1024
        assert taken.gemm_s == pytest.approx(6 * 64 * 8 * (slowest[0] * dense + slowest[1] * sparse) / 1e12)


def test_parameters_of_a_rank_are_whole_and_sharded_parts():
    """8 shared by 2 tensor ranks and 4 shards; 32 of experts on 4 ranks, or on 8 shards where they are more."""
    by = Divisors(1.0, 2.0, 2.0, 4.0, 1.0, 4.0, 2.0)
    laid = layout(DENSE, tp=2.0, dp=4.0)
    dense = rank_params(held_params((Part("dense", "tensor", 8.0),), by), laid, by)
    assert (dense.whole, dense.shard) == (4, 1)
    routed = rank_params(
        held_params((Part("dense", "tensor", 8.0), Part("routed", "expert_ranks", 32.0)), by), laid, by
    )
    assert (routed.whole, routed.shard) == (4 + 8, 1 + 4)
    assert isinstance(routed, RankParams)


def test_dense_and_sparse_models_in_one_column_are_those_alone():
    """Launches, starts of exchanges and parameters of experts stay with the model that has them."""
    starts = kernels(nic_hop_s=1e-5)
    costs = stack(layer_host_s=1e-3, moe_host_s=2e-3, expert_host_s=1e-4, expert_launches=0.5)
    jobs = [pretraining(gpt(4, 256, 4), 64, 64), pretraining(gpt(4, 256, 4, **(SPARSE | {"moe_layers": 4.0})), 64, 64)]
    for degrees in ({"dp": 4.0, "zero": 3.0}, {"tp": 2.0, "zero": 0.0}):
        placed = [layout(job, **degrees) for job in jobs]
        for name in ("host_s", "dp_s", "ep_s", "tp_s", "total_s"):
            apart = [float(getattr(step(*one, starts, costs), name)) for one in zip(jobs, placed, strict=True)]
            together = step(join(jobs), join(placed), starts, costs)
            assert list(np.broadcast_to(getattr(together, name), 2)) == pytest.approx(apart), name
    sparse = jobs[1]
    laid = [layout(sparse, dp=8.0, ep=ep) for ep in (1.0, 2.0, 8.0)]
    together = step(sparse, join(laid), starts, costs)
    for index, one in enumerate(laid):
        single = step(sparse, one, starts, costs)
        for name in ("ep_s", "tp_s", "host_s", "dp_s", "gemm_s"):
            assert np.broadcast_to(getattr(together, name), 3)[index] == pytest.approx(float(getattr(single, name))), (
                name
            )


def test_two_expert_ranks_exchange_tokens_and_divide_experts():
    job = pretraining(gpt(L, 256, 4, V, **(SPARSE | {"moe_layers": 4.0}), routed_params=8e6), 64, 64)
    laid = layout(job, dp=8.0, ep=2.0)
    hop = step(job, laid, kernels(nic_hop_s=1e-5))
    assert hop.ep_s == pytest.approx(laid.micro_batches * L * 4 * 1e-5)
    plain = layout(job, dp=8.0)
    assert alone("host_s", job, plain, stack(moe_host_s=1.0)) == pytest.approx(laid.micro_batches * L)
    halves = [float(peak(job, one, weight_bytes=2.0).weights_bytes) for one in (plain, laid)]
    assert halves[0] - halves[1] == pytest.approx(2 * L * 8e6 / 2)
    reduced = [step(job, layout(job, dp=8.0, tp=2.0, ep=ep), nic_bytes_per_s=1e9).tp_s for ep in (1.0, 2.0)]
    assert reduced[0] == pytest.approx(2 * reduced[1])


def test_a_tied_head_is_the_embeddings_table():
    tied, own = (pretraining(gpt(4, 256, 4, V, head_params=params), 64, 64) for params in (0.0, 7.0))
    assert [float(head_params(job.workload)) for job in (tied, own)] == [V * 256, 7]


def test_one_block_of_a_kind_can_be_the_largest():
    """Of four blocks one has experts, whose width and parameters are those of the moment and of the unit."""
    shape = gpt(4, 256, 4, 8.0, dropout=0.0, moe_layers=1.0, moe_ffn=4096.0, experts=2.0, top_k=2.0, routed_params=9e6)
    job = pretraining(shape, 64, 64)
    assert peak(job, layout(job), transients=1.0).buffers_bytes == 2 * 64 * (2 * 256 + 2 * (2 * 256 + 2 * 4096))
    gathered = peak(job, layout(job, dp=8.0, zero=3.0), gathered_units=1.0).buffers_bytes
    assert gathered == pytest.approx((1 + 1) * 2 * (4 * 256**2 + 9e6))


def test_stages_are_cut_anew_for_every_layout() -> None:
    both = join([cut(DEEPSEEK, 2.0), cut(DEEPSEEK, 16.0)])
    assert [blocks(one.blocks) for one in stages(DEEPSEEK.workload, cut(DEEPSEEK, 1.0))] == [(3, 58)]
    assert len(stages(DENSE.workload, both)[0].blocks) == 1
    assert stage_job(DEEPSEEK, both).stages[0].blocks[0].count.tolist() == [3, 3]
