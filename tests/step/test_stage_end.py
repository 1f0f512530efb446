"""What each stage exchanges and updates once a step: its own blocks and ends, and the step waits for the slowest."""

from itertools import pairwise

import numpy as np
import pytest
from tests.shapes import gpt, layout, pretraining
from tests.step.neutral import MEMORY, NETWORK, PEAK, stack, step

from steelyard.job import job_table, read_job
from steelyard.step import stage_job
from steelyard.step.divisors import divisors
from steelyard.step.network.placement import expert_replicas
from steelyard.strategies.partition import given_partition
from steelyard.tables import Job, Layout, join

H, V, S, B = 64, 5000.0, 16, 64
TABLE = V * H
BLOCK = 12 * H**2
ROUTED = 8 * 2 * H * 512.0
SPARSE = {"moe_layers": 6.0, "moe_ffn": 512.0, "experts": 8.0, "top_k": 2.0, "routed_params": ROUTED}
SHAPES: dict[str, dict[str, float]] = {
    "tied": {"head_params": 0.0, "embedding_params": TABLE, "total_params": 8 * BLOCK + TABLE},
    "apart": {"head_params": TABLE, "embedding_params": TABLE, "total_params": 8 * BLOCK + 2 * TABLE},
    "sparse": {"head_params": TABLE, "embedding_params": TABLE} | SPARSE,
}


def job(name: str, **changes: float) -> Job:
    return pretraining(gpt(8, H, 4, V, **SHAPES[name]), S, B, **changes)


def cut(made: Job, *sizes: int, **changes: float) -> Layout:
    return layout(made, pp=float(len(sizes)), partition=float(given_partition(sizes)), **changes)


@pytest.mark.parametrize("sizes", [(5, 3), (3, 5)])
def test_the_stage_with_more_experts_reduces_them_all(sizes: tuple[int, int]) -> None:
    """All eight blocks have experts; five of them lie on one of two stages. Of 4 ranks 2 hold the same part."""
    shape = {"head_params": TABLE, "embedding_params": TABLE} | SPARSE | {"moe_layers": 8.0}
    made = pretraining(gpt(8, H, 4, V, **shape), S, B)
    laid = cut(made, *sizes, dp=4.0, ep=2.0, micro_batch=2.0)
    held = stage_job(made, laid).params.stages
    assert max(float(one.routed) for one in held) == 5 * ROUTED / 2
    dense = max(float(one.dense) for one in held)
    wanted = 2 * 2 * (3 / 4 * dense + 1 / 2 * 5 * ROUTED / 2) / NETWORK
    assert step(made, laid, nic_bytes_per_s=NETWORK).dp_s == pytest.approx(wanted)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("pp", [1, 2, 4, 8])
def test_all_stages_together_hold_the_model_once_and_a_shared_table_twice(name: str, pp: int) -> None:
    """One layout a stage: what it holds by hand, with all others beside it, is the model."""
    made = job(name)
    each = 8 // pp
    laid = cut(made, *(each,) * pp) if pp > 1 else layout(made)
    found = stage_job(made, laid).params.stages
    first, *others = (float(one.dense + one.routed) for one in found)
    last, between = [*others, 0.0][0], max(others[1:] or [0.0])
    inside = float(made.workload.params) - (TABLE if name == "tied" else 2 * TABLE)
    ends = TABLE if name == "tied" and pp == 1 else 2 * TABLE
    if name == "sparse":  # two leading blocks without experts, on the first stages
        assert first + last + (pp > 2) * (pp - 2) * between >= inside
    elif pp > 1:
        assert (first, last) == pytest.approx((inside / pp + TABLE, inside / pp + TABLE))
        assert first + last + (pp - 2) * inside / pp == pytest.approx(inside + ends)
    else:
        assert first == pytest.approx(inside + ends)


@pytest.mark.parametrize("name", SHAPES)
def test_stages_of_every_cut_add_up_to_the_model(name: str) -> None:
    """Two stages, wherever the cut is: both are known, and together they are all blocks and both ends."""
    made = job(name)
    ends = 2 * TABLE
    inside = float(made.workload.params) - (TABLE if name == "tied" else ends)
    for before in range(1, 8):
        laid = cut(made, before, 8 - before)
        found = stage_job(made, laid).params.stages
        assert len(found) == 2
        assert sum(float(one.dense + one.routed) for one in found) == pytest.approx(inside + ends)
        if name == "sparse":
            assert [float(one.routed) for one in found] == [max(before - 2, 0) * ROUTED, min(8 - before, 6) * ROUTED]


def traffic(made: Job, laid: Layout) -> float:
    free = stack(tp_exposed=0.0, ep_exposed=0.0, pp_exposed=0.0)
    return float(step(made, laid, free, nic_bytes_per_s=NETWORK).dp_s)


@pytest.mark.parametrize(
    ("name", "sizes", "most"),
    [
        ("tied", (4, 4), 4 * BLOCK + TABLE),
        ("tied", (1, 6, 1), max(6 * BLOCK, BLOCK + TABLE)),
        ("tied", (2, 6), 6 * BLOCK + TABLE),  # the table on the last stage
        ("apart", (6, 2), 6 * BLOCK + TABLE),
    ],
)
def test_gradients_take_what_the_largest_stage_has(name: str, sizes: tuple[int, ...], most: float) -> None:
    """A ring of 4 moves 2 x 3/4 of 2 bytes a gradient."""
    made = job(name)
    for tp in (1.0, 2.0):
        assert traffic(made, cut(made, *sizes, dp=4.0, tp=tp)) == pytest.approx(2 * 3 / 4 * 2 * most / tp / NETWORK)


def rings_s(dense: float, routed: float, laid: Layout) -> float:
    alike = float(expert_replicas(laid.tp, laid.dp, divisors(laid).expert_ranks))
    moved = (laid.dp - 1) / laid.dp * dense + (alike - 1) / alike * routed / laid.ep
    return float(2 * 2 * moved / NETWORK)


@pytest.mark.parametrize(("sizes", "slowest"), [((3, 3, 2), {1.0: 1, 4.0: 0}), ((2, 5, 1), {1.0: 1, 4.0: 1})])
def test_of_three_stages_that_have_more_of_this_or_of_that_the_slowest_counts(
    sizes: tuple[int, ...], slowest: dict[float, int]
) -> None:
    """Leading blocks and the embedding first, experts between, the head last: each alone by its own two rings."""
    made = job("sparse")
    dense_block, sparse_block = BLOCK, 4 * H**2
    starts = np.cumsum((0, *sizes))
    for ep, which in slowest.items():
        laid = cut(made, *sizes, dp=8.0, ep=ep)
        taken = []
        for place, (start, end) in enumerate(pairwise(starts)):
            leading = max(min(end, 2) - start, 0)
            sparse = end - start - leading
            ends = (place == 0) * TABLE + (place == len(sizes) - 1) * TABLE
            router = float(made.workload.params) - 2 * TABLE - 2 * BLOCK - 6 * (sparse_block + ROUTED)
            dense = leading * dense_block + sparse * (sparse_block + router / 6) + ends
            taken.append(rings_s(dense, sparse * ROUTED, laid))
        assert int(np.argmax(taken)) == which
        assert traffic(made, laid) == pytest.approx(max(taken))


def test_a_first_stage_with_a_large_table_is_the_slowest_where_experts_are_few() -> None:
    """16 ranks divide the experts of 64 tables: the stage with more dense parameters reduces longer."""
    made = pretraining(gpt(8, H, 4, V * 64, **(SHAPES["sparse"] | {"embedding_params": 64 * TABLE})), S, B)
    laid = cut(made, 4, 4, dp=8.0, ep=8.0)
    held = stage_job(made, laid).params.stages
    assert held[0].dense > held[1].dense
    assert held[0].routed < held[1].routed
    assert traffic(made, laid) == pytest.approx(rings_s(float(held[0].dense), 8 * float(held[0].routed), laid))


@pytest.mark.parametrize("zero", [0.0, 1.0])
def test_an_update_takes_what_the_largest_stage_has(zero: float) -> None:
    """20 bytes a parameter and 8 of gradient and weight, of the embedding and two blocks: the shard of 4 under ZeRO."""
    made = job("tied")
    laid = cut(made, 2, 2, 2, 2, dp=4.0, zero=zero)
    each = 2 * float(made.master_bytes + made.moment_bytes) + 2 + 2
    taken = step(made, laid, memory_bytes_per_s=MEMORY).optimizer_s
    assert taken == pytest.approx((2 * BLOCK + TABLE) / (4 if zero else 1) * each / MEMORY)


def test_orthogonalised_are_matrices_of_blocks_wherever_the_table_is() -> None:
    """The stage with 5 of 8 blocks multiplies longest, the embedding's stage not at all more."""
    made = job("tied", newton_schulz=5.0)
    block = 6 * H**3 + 2 * (4 * H**2 * 4 * H + 2 * H**3) + (4 * H**2 * 3 * H + 2 * H**3)
    taken = step(made, cut(made, 1, 5, 2), peak16_flop_per_s=PEAK).optimizer_s
    assert taken == pytest.approx(5 * 5 * block / PEAK)


def test_traffic_and_update_are_those_of_one_stage() -> None:
    """The step waits for one stage to end both: the largest sum, not the sum of the largest."""
    made = job("tied", newton_schulz=5.0)
    laid = cut(made, 1, 6, 1, dp=4.0)
    block_s = 5 * (6 * H**3 + 2 * (4 * H**2 * 4 * H + 2 * H**3) + (4 * H**2 * 3 * H + 2 * H**3)) / 4
    wire = [2 * 3 / 4 * 2 * params for params in (BLOCK + TABLE, 6 * BLOCK)]
    for share in (0.1, 10.0):  # of the first stage's exchange, the other's products
        rate = 6 * block_s / (share * wire[0] / NETWORK)
        taken = step(
            made, laid, stack(pp_exposed=0.0), nic_bytes_per_s=NETWORK, peak16_flop_per_s=rate, peak_flop_per_s=1e60
        )
        products = [count * block_s / rate for count in (1, 6)]
        sums = [one / NETWORK + other for one, other in zip(wire, products, strict=True)]
        most = int(np.argmax(sums))
        assert (taken.dp_s, taken.optimizer_s) == pytest.approx((wire[most] / NETWORK, products[most]))


def test_llama_3_2_1b_on_8_stages_by_hand() -> None:
    """16 blocks of 60.8 M and one shared table of 262.7 M: the first and last of 8 stages have two blocks and it.

    Llama-3.2-1B's config: hidden 2048, 32 heads of 64, 8 of keys and values, MLP 8192, vocabulary 128,256.
    """
    block = 2 * 2048**2 + 2 * 2048 * 512 + 3 * 2048 * 8192 + 2 * 2048
    table = 128_256 * 2048
    made = job_table(read_job("llama-3.2-1b", tokens="20B", global_batch=64))
    laid = layout(made, pp=8.0, dp=8.0)
    held = stage_job(made, laid).params.stages
    assert [float(one.dense) for one in held] == pytest.approx([2 * block + table] * 2, rel=1e-4)
    assert 2 * block + table == pytest.approx(0.384e9, rel=1e-3)
    assert traffic(made, laid) == pytest.approx(2 * 7 / 8 * 2 * (2 * block + table) / NETWORK, rel=1e-4)


@pytest.mark.parametrize("name", SHAPES)
def test_in_a_column_each_layout_has_its_own_slowest_stage(name: str) -> None:
    made = job(name, newton_schulz=5.0)
    laid = [layout(made), *(cut(made, *sizes, dp=4.0, zero=1.0) for sizes in ((4, 4), (1, 6, 1), (5, 3), (2, 2, 2, 2)))]
    rates = {"nic_bytes_per_s": NETWORK, "memory_bytes_per_s": MEMORY, "peak16_flop_per_s": PEAK}
    together = step(made, join(laid), **rates)
    for field in ("dp_s", "optimizer_s", "total_s"):
        alone = [float(getattr(step(made, one, **rates), field)) for one in laid]
        assert np.broadcast_to(getattr(together, field), len(laid)).tolist() == pytest.approx(alone, rel=1e-12), field
