"""Traffic of a step: the bytes that each source counts over the rate of the wire, everything else being free."""

import pytest
from tests.shapes import gpt, layout, pretraining
from tests.step.neutral import (
    GPT,
    HIDDEN,
    JOB,
    MEMORY,
    MIXED,
    MIXED_PARAMS,
    NETWORK,
    PARAMS,
    PEAK,
    A,
    B,
    H,
    L,
    S,
    V,
    alone,
    stack,
    step,
)

from steelyard.job.kept.recipes import partial_recipe
from steelyard.strategies.registry import SCHEDULES

PACKED = {"frozen_bytes": 0.625, "recipe": partial_recipe(packed_bytes=0.5)}

# --- Tensor, context and expert parallelism ------------------------------------------------------------------------


@pytest.mark.parametrize(("recompute", "reductions"), [(0.0, 4), (1.0, 4), (1.5, 5), (2.0, 6)])
@pytest.mark.parametrize("tp", [2.0, 8.0])
def test_tensor_parallelism_reduces_four_times_a_block(tp: float, recompute: float, reductions: int) -> None:
    """Shoeybi et al. 2019, arXiv 1909.08053, figure 4: two all-reduces of b s h forward, two backward.

    A ring of t ranks moves 2 (t-1)/t of the bytes. A forward that is repeated repeats its two.
    """
    laid = layout(JOB, tp=tp, recompute=recompute)
    wanted = B * L * reductions * 2 * (tp - 1) / tp * HIDDEN / NETWORK
    assert alone("tp_s", JOB, laid, nic_bytes_per_s=NETWORK) == pytest.approx(wanted)
    assert alone("tp_s", JOB, laid, stack(tp_exposed=0.3), nic_bytes_per_s=NETWORK) == pytest.approx(0.3 * wanted)


@pytest.mark.parametrize(("recompute", "rounds"), [(0.0, 3), (1.5, 3.5), (2.0, 4)])
def test_keys_and_values_go_round_the_ring_forward_and_twice_backward(recompute: float, rounds: float) -> None:
    """Liu et al. 2023, arXiv 2310.01889, section 3: each of c ranks passes its keys and values c - 1 times."""
    job = pretraining(gpt(L, H, A, V, kv_heads=4.0, v_head_dim=32.0), S, B)
    held = S / 4 * 4 * (64 + 32) * 2
    for tp in (1.0, 2.0):
        laid = layout(job, cp=4.0, tp=tp, recompute=recompute)
        taken = step(job, laid, nic_bytes_per_s=NETWORK)
        assert taken.cp_s == pytest.approx(B * L * rounds * 3 * held / tp / NETWORK)


def test_what_attention_takes_hides_the_ring() -> None:
    laid = layout(JOB, cp=2.0)
    free = float(step(JOB, laid, nic_bytes_per_s=NETWORK).cp_s)
    attention_s = float(step(JOB, laid, peak16_flop_per_s=PEAK).attention_s)
    for rate in (PEAK, 1e3 * PEAK):
        taken = step(JOB, laid, nic_bytes_per_s=NETWORK, peak16_flop_per_s=rate).cp_s
        assert taken == pytest.approx(max(free - attention_s * PEAK / rate, 0.0))


@pytest.mark.parametrize("recompute", [0.0, 2.0])
def test_tokens_go_to_their_experts_and_back_forward_and_backward(recompute: float) -> None:
    """Lepikhin et al. 2020, arXiv 2006.16668, section 3.1: two all-to-alls a block forward, two backward.

    Among 4 domains of one rank a token misses one with chance (1 - 1/4)^2, so it crosses to 3 (1 - 9/16) others.
    """
    laid = layout(MIXED, dp=8.0, ep=4.0, recompute=recompute)
    taken = step(MIXED, laid, nic_bytes_per_s=NETWORK)
    exchanges = laid.micro_batches * 2 * (6 if recompute else 4)
    assert taken.ep_s == pytest.approx(exchanges * 3 * (1 - 9 / 16) * HIDDEN / NETWORK)
    half = step(MIXED, laid, stack(ep_exposed=0.5), nic_bytes_per_s=NETWORK)
    assert half.ep_s == pytest.approx(taken.ep_s / 2)


def test_blocks_whose_experts_have_ranks_of_their_own_reduce_attention_alone() -> None:
    """Two dense blocks of four all-reduces and two with experts of two; experts split by tensor ranks reduce four."""
    once = 2 * 1 / 2 * HIDDEN / NETWORK
    for ep, reductions in ((1.0, 16), (4.0, 12)):
        laid = layout(MIXED, tp=2.0, dp=8.0, ep=ep)
        assert step(MIXED, laid, nic_bytes_per_s=NETWORK).tp_s == pytest.approx(laid.micro_batches * reductions * once)


def test_experts_cost_the_flops_of_those_visited_and_the_bytes_of_all() -> None:
    """Fedus et al. 2021, arXiv 2101.03961: FLOPs of top-k experts; weights of all that a rank holds are read."""
    dense = 6 * (4 * H**2 * 4 + 8 * H**2 * 2)
    routed = 6 * 2 * 2 * H * 512 * 2  # two blocks, two experts, two matrices
    for ep in (1.0, 4.0):
        laid = layout(MIXED, dp=8.0, ep=ep)
        taken = step(MIXED, laid, peak_flop_per_s=PEAK)
        assert taken.gemm_s == pytest.approx(laid.micro_batches * S * (dense + routed) / PEAK)
    bytes_moved = [
        float(step(MIXED, layout(MIXED, dp=8.0, ep=ep), memory_bytes_per_s=MEMORY).gemm_s) * MEMORY / 8
        for ep in (1.0, 4.0)
    ]
    assert bytes_moved[0] - bytes_moved[1] == pytest.approx(3 * 2 * 2 * (8 - 2) * 2 * H * 512)


def test_experts_are_launched_a_block_and_an_expert_held() -> None:
    """Half of four blocks: 1 ms a block, 2 ms more with experts, 0.1 ms each of the experts of a rank."""
    costs = stack(layer_host_s=1e-3, moe_host_s=2e-3, expert_host_s=1e-4, expert_launches=1.0)
    for ep, held in ((1.0, 8), (4.0, 2)):
        laid = layout(MIXED, dp=8.0, ep=ep)
        assert step(MIXED, laid, costs).host_s == pytest.approx(
            laid.micro_batches * (4 * 1e-3 + 2 * (2e-3 + held * 1e-4))
        )


# --- Data parallelism: Rajbhandari et al. 2020, arXiv 1910.02054, section 7 ----------------------------------------


def wire_s(dp: float, sides: float, parameters: float = PARAMS) -> float:
    """Return the seconds of so many reduce-scatters or all-gathers of 2-byte elements on a ring of the network."""
    return sides * (dp - 1) / dp * 2 * parameters / NETWORK


@pytest.mark.parametrize(("zero", "sides"), [(0.0, 2), (1.0, 2), (2.0, 2), (3.0, 3)])
@pytest.mark.parametrize("dp", [2.0, 8.0])
def test_zero_3_moves_one_and_a_half_times_the_bytes_of_data_parallelism(dp: float, zero: float, sides: float) -> None:
    """Section 7.2: 2 Psi for data parallelism and stages 1 and 2, 3 Psi for stage 3, at one micro-batch a step."""
    laid = layout(JOB, dp=dp, zero=zero, micro_batch=B / dp)
    assert alone("dp_s", JOB, laid, nic_bytes_per_s=NETWORK) == pytest.approx(wire_s(dp, sides))


@pytest.mark.parametrize(("zero", "sides"), [(0.0, 2), (1.0, 2), (2.0, 4 + 1), (3.0, 4 * 3)])
def test_sharded_gradients_are_reduced_and_sharded_weights_gathered_at_every_micro_batch(
    zero: float, sides: float
) -> None:
    laid = layout(JOB, dp=2.0, zero=zero)
    assert laid.micro_batches == 4
    assert alone("dp_s", JOB, laid, nic_bytes_per_s=NETWORK) == pytest.approx(wire_s(2.0, sides))


@pytest.mark.parametrize(("zero", "sides"), [(2.0, 2), (3.0, 1 + 2 * 4)])
def test_in_a_pipeline_gradients_are_reduced_once_and_weights_that_are_not_kept_gathered_each_time(
    zero: float, sides: float
) -> None:
    laid = layout(JOB, dp=2.0, pp=2.0, zero=zero)
    assert laid.micro_batches == 4
    taken = step(JOB, laid, nic_bytes_per_s=NETWORK).dp_s
    assert taken == pytest.approx(wire_s(2.0, sides, (PARAMS + V * H) / 2))  # a table on each stage


def test_context_ranks_share_gradients_and_tensor_ranks_divide_them() -> None:
    for degrees in ({"dp": 2.0, "cp": 2.0}, {"dp": 4.0, "tp": 2.0}):
        laid = layout(JOB, **degrees)
        taken = step(JOB, laid, nic_bytes_per_s=NETWORK).dp_s
        assert taken == pytest.approx(wire_s(4.0, 2, PARAMS / laid.tp))


@pytest.mark.parametrize("dp", [1.0, 2.0, 4.0])
def test_both_devices_that_hold_a_stage_reduce_its_gradients(dp: float) -> None:
    """DeepSeek-V3, arXiv 2412.19437, table 2: two copies of the parameters, so that two devices share each half."""
    laid = layout(JOB, pp=2.0, dp=dp, schedule=float(SCHEDULES["dualpipe"].code))
    found = step(JOB, laid, nic_bytes_per_s=NETWORK)
    assert found.dp_s == pytest.approx(wire_s(2 * dp, 2))  # of two stages a device has both halves, and both ends


@pytest.mark.parametrize(
    ("zero", "given", "gathered"),
    [(0.0, {}, 0.0), (1.0, {}, 0.25), (2.0, {}, 0.25), (3.0, {}, 2 * 1.0), (1.0, PACKED, 0.25),
     (3.0, PACKED, 2 * (0.25 + 0.75 * 0.625))],
)  # fmt: skip
def test_trained_parameters_alone_have_gradients_and_frozen_ones_are_gathered_where_sharded(zero, given, gathered):
    """1910.02054, section 7: what an update changed, at stage 3 all, twice; packed as stored (fsdp_qlora)."""
    tuned = pretraining(GPT, S, B, trainable_share=0.25, **given)
    wide = stack(grad_bytes=4.0, gather_bytes=1.0)
    sides = 0.25 * 4 / 2 * (1 if zero else 2) + gathered / 2
    laid = layout(tuned, dp=8.0, zero=zero)
    assert step(tuned, laid, wide, nic_bytes_per_s=NETWORK).dp_s == pytest.approx(wire_s(8.0, sides))


def test_a_shard_group_gathers_within_itself() -> None:
    """Hybrid sharding: gradients are reduced over all 8 ranks, parameters gathered among 2."""
    laid = layout(JOB, dp=8.0, zero=3.0, shard_devices=2.0)
    taken = step(JOB, laid, nic_bytes_per_s=NETWORK).dp_s
    assert taken == pytest.approx(wire_s(8.0, 1) + wire_s(2.0, 2))


TICK = 72 * S * L * H**2  # FLOPs of a sequence in all blocks, forward and backward


@pytest.mark.parametrize(("share", "hidden"), [(0.1, 0.4), (0.7, 0.7), (0.0, 1.5)])
def test_one_backward_pass_hides_reductions_but_for_the_stacks_share_and_the_embedding(
    share: float, hidden: float
) -> None:
    """Li et al. 2020, arXiv 2006.15704, section 3.2.3: buckets go in reverse order, an embedding's when all is over."""
    laid, wire = layout(JOB, dp=2.0), wire_s(2.0, 2)
    taken = step(JOB, laid, stack(dp_exposed=share), nic_bytes_per_s=NETWORK, peak_flop_per_s=TICK / (hidden * wire))
    assert taken.dp_s == pytest.approx(max(1 - hidden * 2 / 3, share, V * H / PARAMS) * wire)


def test_what_runs_again_hides_reductions_too() -> None:
    laid, wire = layout(JOB, dp=2.0, recompute=2.0), wire_s(2.0, 2)
    taken = step(JOB, laid, stack(dp_exposed=0.0), nic_bytes_per_s=NETWORK, peak_flop_per_s=TICK / (0.3 * wire))
    assert taken.dp_s == pytest.approx((1 - 0.3) * wire)  # three thirds of 0.3, of the four that a tick has then


def test_an_embedding_under_a_frozen_base_has_no_gradients_to_wait_for() -> None:
    tuned = pretraining(GPT, S, B, trainable_share=0.25)
    taken = step(tuned, layout(tuned, dp=2.0), stack(dp_exposed=0.0), nic_bytes_per_s=NETWORK, peak_flop_per_s=1.0)
    assert taken.dp_s == 0


def test_a_forward_pass_hides_what_is_gathered_and_a_backward_pass_what_is_reduced() -> None:
    """Sharded states (ZeRO-1): one side each; two thirds of the tick do not hide what goes beside the other third."""
    laid, side = layout(JOB, dp=2.0, zero=1.0), wire_s(2.0, 1)
    taken = step(JOB, laid, stack(dp_exposed=0.0), nic_bytes_per_s=NETWORK, peak_flop_per_s=TICK / (0.9 * side))
    assert taken.dp_s == pytest.approx((0.7 + max(0.4, V * H / PARAMS)) * side)


def test_each_micro_batch_hides_its_own_traffic_under_zero_3() -> None:
    """Forward a third of the work beside a third of the traffic, backward two thirds beside two."""
    laid, wire = layout(JOB, dp=2.0, zero=3.0), wire_s(2.0, 3)
    taken = step(JOB, laid, stack(dp_exposed=0.1), nic_bytes_per_s=NETWORK, peak_flop_per_s=TICK / (0.4 * wire))
    assert taken.dp_s == pytest.approx(4 * 0.6 * wire)


def test_experts_are_reduced_among_the_ranks_that_hold_the_same() -> None:
    """Four ranks divide the experts of a block, so that two of eight hold the same."""
    routed = 2 * 8 * 2 * H * 512.0
    dense = MIXED_PARAMS - routed
    for zero, sides in ((0.0, 2), (1.0, 2)):
        laid = layout(MIXED, dp=8.0, ep=4.0, zero=zero)
        wanted = wire_s(8.0, sides, dense) + wire_s(2.0, sides, routed / 4)
        taken = step(MIXED, laid, nic_bytes_per_s=NETWORK)
        assert taken.dp_s == pytest.approx(wanted)
