"""Every term of a step by itself: the number that its source's formula gives, everything else being free."""

import pytest
from tests.shapes import gpt, layout, pretraining
from tests.step.neutral import alone, kernels, machine, stack, step

L, H, A, V, S, B = 4, 1024, 16, 50_000, 512, 8  # layers, width, heads, vocabulary, tokens of a sequence, batch
GPT = gpt(L, H, A, V)
JOB = pretraining(GPT, S, B)
PEAK, MEMORY, NETWORK = 1e12, 1e11, 1e9
HIDDEN = S * H * 2.0  # bytes of one sequence's hidden state


# --- Arithmetic: Narayanan et al. 2021, arXiv 2104.04473, appendix ------------------------------------------------


@pytest.mark.parametrize("micro_batch", [1.0, 4.0])
def test_products_take_72_bslh2(micro_batch: float) -> None:
    """Equation 3 without recomputation: 72 B s L h^2 (1 + s/6h + V/12Lh); the first term is products of blocks."""
    taken = step(JOB, layout(JOB, micro_batch=micro_batch), peak_flop_per_s=PEAK)
    assert taken.gemm_s == pytest.approx(72 * B * S * L * H**2 / PEAK)


def test_a_third_of_it_is_forward_and_frozen_weights_have_no_gradient() -> None:
    """Each product has two gradients, of its input and of its weights: 3 forwards where all is trained, else 2."""
    frozen = pretraining(GPT, S, B, trainable_share=0.0)
    taken = step(frozen, layout(frozen), peak_flop_per_s=PEAK)
    assert taken.gemm_s == pytest.approx(48 * B * S * L * H**2 / PEAK)


def test_the_vocabulary_takes_6_bshv() -> None:
    """The last term of equation 3: 72 B s L h^2 V/12Lh, at the rate of 16 bits."""
    taken = step(JOB, layout(JOB), peak16_flop_per_s=PEAK)
    assert taken.vocab_s == pytest.approx(6 * B * S * H * V / PEAK)
    frozen = pretraining(GPT, S, B, trainable_share=0.0)
    assert step(frozen, layout(frozen), peak16_flop_per_s=PEAK).vocab_s == pytest.approx(4 * B * S * H * V / PEAK)


def test_other_stages_wait_for_the_stacks_share_of_the_vocabulary() -> None:
    taken = step(JOB, layout(JOB, pp=2.0), stack(vocab_exposed=0.25), peak16_flop_per_s=PEAK)
    assert taken.vocab_s == pytest.approx(0.25 * 6 * B * S * H * V / PEAK)


def test_unfused_attention_takes_12_bs2lh_of_the_full_square() -> None:
    """The second term of equation 3: 72 B s L h^2 s/6h; scores are computed and masked, both gradients alike."""
    laid = layout(JOB, flash=0.0)
    taken = step(JOB, laid, peak16_flop_per_s=PEAK)
    assert taken.attention_s == pytest.approx(12 * B * S**2 * L * H / PEAK)
    assert step(JOB, laid, kernels(unfused_efficiency=0.5), peak16_flop_per_s=PEAK).attention_s == pytest.approx(
        24 * B * S**2 * L * H / PEAK
    )


def test_fused_attention_takes_half_the_square_and_recomputes_scores_backward() -> None:
    """Dao et al. 2022, benchmark: 4 s^2 d a head forward, halved when causal; backward 2.5 times as much."""
    taken = step(JOB, layout(JOB), peak16_flop_per_s=PEAK)
    assert taken.attention_s == pytest.approx(3.5 * 4 * B * S**2 * H * L / 2 / PEAK)


def test_both_ways_of_seeing_are_the_whole_square() -> None:
    job = pretraining(gpt(L, H, A, V, causal=0.0), S, B)
    taken = step(job, layout(job), peak16_flop_per_s=PEAK)
    assert taken.attention_s == pytest.approx(3.5 * 4 * B * S**2 * H * L / PEAK)


def test_scores_cross_memory_six_and_a_half_times() -> None:
    """Korthikanti et al. 2022, section 4.1: 2as^2b bytes of scores, softmax, dropout, its mask half; 2 + 4.5 passes.

    Backward costs twice as much; each pass is 2 bytes of each of a s^2 scores.
    """
    bare = step(JOB, layout(JOB, flash=0.0), memory_bytes_per_s=MEMORY).attention_s
    assert bare == pytest.approx(3 * 6.5 * 2 * B * A * S**2 * L / MEMORY)


@pytest.mark.parametrize(("tp", "cp"), [(4.0, 1.0), (1.0, 4.0), (2.0, 2.0)])
def test_a_rank_has_its_share_of_products_attention_and_vocabulary(tp: float, cp: float) -> None:
    job = pretraining(GPT, S, B)
    for flash in (0.0, 1.0):
        whole, part = layout(job, flash=flash), layout(job, tp=tp, cp=cp, flash=flash)
        for rate in ("peak_flop_per_s", "peak16_flop_per_s"):
            one, divided = step(job, whole, **{rate: PEAK}), step(job, part, **{rate: PEAK})
            for name in ("gemm_s", "attention_s", "vocab_s"):
                assert getattr(divided, name) == pytest.approx(getattr(one, name) / (tp * cp), rel=1e-9, abs=1e-40), (
                    name
                )


def test_a_stage_has_its_share_of_blocks() -> None:
    one, half = (step(JOB, layout(JOB, pp=pp), peak_flop_per_s=PEAK).gemm_s for pp in (1.0, 2.0))
    assert half == pytest.approx(one / 2)


# --- Recomputation: Korthikanti et al. 2022, arXiv 2205.05198, section 5 -------------------------------------------


@pytest.mark.parametrize(("recompute", "share"), [(0.0, 0.0), (1.0, 0.0), (1.5, 0.5), (2.0, 1.0)])
def test_full_recomputation_is_a_second_forward(recompute: float, share: float) -> None:
    """96 instead of 72 B s L h^2 (2104.04473, equation 3): a third of products, of unfused attention, of the rest."""
    for flash, attention in ((0.0, 1 / 3), (1.0, 1 / 3.5)):
        laid = layout(JOB, recompute=recompute, flash=flash)
        for rate in ("peak_flop_per_s", "memory_bytes_per_s"):
            given = {rate: PEAK}
            taken = step(JOB, laid, stack(pointwise_passes=12.0), **given)
            none = step(JOB, layout(JOB, flash=flash), stack(pointwise_passes=12.0), **given)
            again = none.gemm_s / 3 + attention * none.attention_s + none.pointwise_s / 3
            core = none.attention_s / 3 * (1 - flash)
            cheap = (core + none.pointwise_s / 6) * (recompute == 1)
            assert taken.recompute_s == pytest.approx(share * again + cheap, rel=1e-9, abs=1e-40)


def test_selective_recomputation_repeats_unfused_scores() -> None:
    """Only the attention core runs again: 4 B s^2 L h of the full square."""
    taken = step(JOB, layout(JOB, recompute=1.0, flash=0.0), peak16_flop_per_s=PEAK)
    assert taken.recompute_s == pytest.approx(4 * B * S**2 * L * H / PEAK)


# --- Memory: Williams et al. 2009: bytes over the roof -------------------------------------------------------------


def test_element_wise_work_moves_its_bytes_forward_and_twice_backward() -> None:
    """A stack's 12 passes of h; the MLP's activation reads and writes 4h; queries and keys are read and written."""
    taken = step(JOB, layout(JOB), stack(pointwise_passes=12.0), memory_bytes_per_s=MEMORY)
    assert taken.pointwise_s == pytest.approx(3 * B * L * S * 2 * (12 + 8 + 4) * H / MEMORY)


def test_sequence_parallelism_divides_the_stream_and_tensor_parallelism_the_inside() -> None:
    for sp, stream in ((1.0, 4.0), (0.0, 1.0)):
        laid = layout(JOB, tp=4.0, sp=sp)
        taken = step(JOB, laid, stack(pointwise_passes=12.0), memory_bytes_per_s=MEMORY)
        wanted = 3 * B * L * S * 2 * (12 / stream + (8 + 4) / 4) * H / MEMORY
        assert taken.pointwise_s == pytest.approx(wanted)


def test_a_gated_mlp_reads_two_and_writes_one() -> None:
    job = pretraining(gpt(L, H, A, V, ffn=3000.0, ffn_matrices=3.0, kv_heads=4.0), S, B)
    taken = step(job, layout(job), stack(pointwise_passes=12.0), memory_bytes_per_s=MEMORY)
    inside = 3 * 3000 + 2 * (A + 4) * (H / A)
    assert taken.pointwise_s == pytest.approx(3 * B * L * S * 2 * (12 * H + inside) / MEMORY)


def test_adapters_read_their_inputs_as_often_as_the_stack_says() -> None:
    tuned = pretraining(GPT, S, B, adapted_inputs=2.0 * H, trainable_share=0.01)
    bare, adapted = (
        step(tuned, layout(tuned), stack(adapter_passes=passes), memory_bytes_per_s=MEMORY) for passes in (0.0, 8.0)
    )
    assert adapted.pointwise_s - bare.pointwise_s == pytest.approx(3 * B * L * S * 2 * 8 * 2 * H / MEMORY)


def test_quantising_the_inputs_of_four_products_reads_two_bytes_and_writes_one() -> None:
    plain, eighth = (pretraining(GPT, S, B, gemm_bytes=width) for width in (2.0, 1.0))
    wide, narrow = (
        step(job, layout(job), stack(pointwise_passes=12.0), memory_bytes_per_s=MEMORY) for job in (plain, eighth)
    )
    assert narrow.pointwise_s - wide.pointwise_s == pytest.approx(3 * B * L * S * 4 * H * (2 + 1) / MEMORY)


def test_the_loss_moves_each_logit_as_the_stack_says() -> None:
    """16 bytes a logit on top of the projection, whose bytes no peak hides."""
    bare, loss = (
        step(JOB, layout(JOB, tp=2.0), stack(loss_bytes=moved), memory_bytes_per_s=MEMORY) for moved in (0.0, 16.0)
    )
    assert loss.vocab_s - bare.vocab_s == pytest.approx(B * S * V / 2 * 16 / MEMORY)


# --- Host ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("recompute", "forwards"), [(0.0, 3), (1.0, 3), (1.5, 3.5), (2.0, 4)])
def test_launches_are_a_blocks_and_a_second_forward_is_a_third_more(recompute: float, forwards: float) -> None:
    laid = layout(JOB, pp=2.0, recompute=recompute)
    one = B * (L / 2) * 1e-3 * forwards / 3
    taken = step(JOB, laid, stack(layer_host_s=1e-3))
    assert taken.host_s == pytest.approx(one)
    assert taken.total_s == pytest.approx(one * (1 + 1 / B))  # the other stage waits for one micro-batch


def test_only_launches_longer_than_the_work_are_waited_for() -> None:
    busy = float(step(JOB, layout(JOB), peak_flop_per_s=PEAK).gemm_s)
    for host_s, waited in ((0.5 * busy / (B * L), 0.0), (1.5 * busy / (B * L), 0.5 * busy)):
        taken = step(JOB, layout(JOB), stack(layer_host_s=host_s), peak_flop_per_s=PEAK)
        assert taken.host_s == pytest.approx(waited)


def test_the_fixed_cost_of_a_step_is_paid_once() -> None:
    assert alone("optimizer_s", JOB, layout(JOB), stack(step_host_s=0.02)) == pytest.approx(0.02)


# --- Pipeline: Narayanan et al. 2021, arXiv 2104.04473, section 2.2 ------------------------------------------------


@pytest.mark.parametrize(("pp", "vpp", "micro"), [(2.0, 1.0, 1.0), (4.0, 1.0, 1.0), (4.0, 1.0, 2.0), (2.0, 2.0, 1.0)])
def test_the_bubble_is_p_less_1_over_m_v(pp: float, vpp: float, micro: float) -> None:
    laid = layout(JOB, pp=pp, vpp=vpp, micro_batch=micro)
    taken = step(JOB, laid, peak_flop_per_s=PEAK)
    ideal = taken.total_s - taken.bubble_s
    assert taken.bubble_s / ideal == pytest.approx((pp - 1) / (B / micro * vpp))


@pytest.mark.parametrize(("pp", "vpp"), [(1.0, 1.0), (2.0, 1.0), (4.0, 1.0), (2.0, 2.0)])
def test_stages_send_2_vm_and_the_hops_that_fill_and_drain(pp: float, vpp: float) -> None:
    """A micro-batch of b s h elements crosses once each way at each of a stage's v borders: 2 (v m + p - 1) sends."""
    sends = 2 * (vpp * B + pp - 1) * (pp > 1)
    taken = step(JOB, layout(JOB, pp=pp, vpp=vpp), nic_bytes_per_s=NETWORK).pp_s
    assert taken == pytest.approx(sends * HIDDEN / NETWORK)
    half = step(JOB, layout(JOB, pp=pp, vpp=vpp), stack(pp_exposed=0.5), nic_bytes_per_s=NETWORK)
    assert half.pp_s == pytest.approx(taken / 2)


def test_sequence_parallelism_sends_each_rank_its_piece() -> None:
    for sp, pieces in ((1.0, 4), (0.0, 1)):
        laid = layout(JOB, pp=2.0, tp=4.0, sp=sp)
        assert step(JOB, laid, nic_bytes_per_s=NETWORK).pp_s == pytest.approx(2 * (B + 1) * HIDDEN / pieces / NETWORK)


def test_stages_inside_a_domain_send_over_its_links() -> None:
    roomy = machine(domain_devices=8.0, link_bytes_per_s=2 * NETWORK, nic_bytes_per_s=NETWORK)
    for dp, rate in ((2.0, 2 * NETWORK), (8.0, NETWORK)):
        laid = layout(JOB, pp=2.0, dp=dp)
        assert step(JOB, laid, roomy).pp_s == pytest.approx(2 * (B / dp + 1) * HIDDEN / rate)


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


def moe(**changes: float):
    """Return a mixture of experts: half of the blocks route each token to 2 of 8."""
    given = {"moe_layers": 2.0, "moe_ffn": 512.0, "experts": 8.0, "top_k": 2.0, "shared_ffn": 0.0}
    routed = 8 * 2 * H * 512.0
    params = {"routed_params": routed, "total_params": GPT.total_params - 2 * 8 * H**2 + 2 * routed}
    return pretraining(gpt(L, H, A, V, **(given | params | changes)), S, 64.0)


MOE = moe()
MOE_PARAMS = GPT.total_params - 2 * 8 * H**2 + 2 * 8 * 2 * H * 512.0


@pytest.mark.parametrize("recompute", [0.0, 2.0])
def test_tokens_go_to_their_experts_and_back_forward_and_backward(recompute: float) -> None:
    """Lepikhin et al. 2020, arXiv 2006.16668, section 3.1: two all-to-alls a block forward, two backward.

    Among 4 domains of one rank a token misses one with chance (1 - 1/4)^2, so it crosses to 3 (1 - 9/16) others.
    """
    laid = layout(MOE, dp=8.0, ep=4.0, recompute=recompute)
    taken = step(MOE, laid, nic_bytes_per_s=NETWORK)
    exchanges = laid.micro_batches * 2 * (6 if recompute else 4)
    assert taken.ep_s == pytest.approx(exchanges * 3 * (1 - 9 / 16) * HIDDEN / NETWORK)
    half = step(MOE, laid, stack(ep_exposed=0.5), nic_bytes_per_s=NETWORK)
    assert half.ep_s == pytest.approx(taken.ep_s / 2)


def test_blocks_whose_experts_have_ranks_of_their_own_reduce_attention_alone() -> None:
    """Two dense blocks of four all-reduces and two with experts of two; experts split by tensor ranks reduce four."""
    once = 2 * 1 / 2 * HIDDEN / NETWORK
    for ep, reductions in ((1.0, 16), (4.0, 12)):
        laid = layout(MOE, tp=2.0, dp=8.0, ep=ep)
        assert step(MOE, laid, nic_bytes_per_s=NETWORK).tp_s == pytest.approx(laid.micro_batches * reductions * once)


def test_experts_cost_the_flops_of_those_visited_and_the_bytes_of_all() -> None:
    """Fedus et al. 2021, arXiv 2101.03961: FLOPs of top-k experts; weights of all that a rank holds are read."""
    dense = 6 * (4 * H**2 * 4 + 8 * H**2 * 2)
    routed = 6 * 2 * 2 * H * 512 * 2  # two blocks, two experts, two matrices
    for ep in (1.0, 4.0):
        laid = layout(MOE, dp=8.0, ep=ep)
        taken = step(MOE, laid, peak_flop_per_s=PEAK)
        assert taken.gemm_s == pytest.approx(laid.micro_batches * S * (dense + routed) / PEAK)
    bytes_moved = [
        float(step(MOE, layout(MOE, dp=8.0, ep=ep), memory_bytes_per_s=MEMORY).gemm_s) * MEMORY / 8 for ep in (1.0, 4.0)
    ]
    assert bytes_moved[0] - bytes_moved[1] == pytest.approx(3 * 2 * 2 * (8 - 2) * 2 * H * 512)


def test_experts_are_launched_a_block_and_an_expert_held() -> None:
    """Half of four blocks: 1 ms a block, 2 ms more with experts, 0.1 ms each of the experts of a rank."""
    costs = stack(layer_host_s=1e-3, moe_host_s=2e-3, expert_host_s=1e-4)
    for ep, held in ((1.0, 8), (4.0, 2)):
        laid = layout(MOE, dp=8.0, ep=ep)
        assert step(MOE, laid, costs).host_s == pytest.approx(
            laid.micro_batches * (4 * 1e-3 + 2 * (2e-3 + held * 1e-4))
        )


# --- Data parallelism: Rajbhandari et al. 2020, arXiv 1910.02054, section 7 ----------------------------------------

PARAMS = GPT.total_params


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


@pytest.mark.parametrize(("zero", "sides"), [(2.0, 2), (3.0, 3)])
def test_in_a_pipeline_they_are_once(zero: float, sides: float) -> None:
    laid = layout(JOB, dp=2.0, pp=2.0, zero=zero)
    taken = step(JOB, laid, nic_bytes_per_s=NETWORK).dp_s
    assert taken == pytest.approx(wire_s(2.0, sides, PARAMS / 2))


def test_context_ranks_share_gradients_and_tensor_ranks_divide_them() -> None:
    for degrees in ({"dp": 2.0, "cp": 2.0}, {"dp": 4.0, "tp": 2.0}):
        laid = layout(JOB, **degrees)
        taken = step(JOB, laid, nic_bytes_per_s=NETWORK).dp_s
        assert taken == pytest.approx(wire_s(4.0, 2, PARAMS / laid.tp))


def test_only_trained_parameters_have_gradients_and_all_are_gathered() -> None:
    tuned = pretraining(GPT, S, B, trainable_share=0.25)
    wide = stack(grad_bytes=4.0, gather_bytes=1.0)
    for zero, sides in ((0.0, 2 * 0.25 * 2), (3.0, 0.25 * 2 + 2 * 0.5)):
        laid = layout(tuned, dp=8.0, zero=zero)
        assert step(tuned, laid, wide, nic_bytes_per_s=NETWORK).dp_s == pytest.approx(wire_s(8.0, sides))


def test_a_shard_group_gathers_within_itself() -> None:
    """Hybrid sharding: gradients are reduced over all 8 ranks, parameters gathered among 2."""
    laid = layout(JOB, dp=8.0, zero=3.0, shard_devices=2.0)
    taken = step(JOB, laid, nic_bytes_per_s=NETWORK).dp_s
    assert taken == pytest.approx(wire_s(8.0, 1) + wire_s(2.0, 2))


def test_compute_of_one_micro_batch_hides_traffic_but_for_the_stacks_share() -> None:
    laid = layout(JOB, dp=2.0)
    wire = wire_s(2.0, 2)
    tick = 72 * S * L * H**2
    for share, hidden in ((0.1, 0.4), (0.7, 0.7), (0.0, 1.5)):
        taken = step(
            JOB, laid, stack(dp_exposed=share), nic_bytes_per_s=NETWORK, peak_flop_per_s=tick / (hidden * wire)
        )
        assert taken.dp_s == pytest.approx(max(1 - hidden, share) * wire)


def test_each_micro_batch_hides_its_own_traffic_under_zero_3() -> None:
    laid = layout(JOB, dp=2.0, zero=3.0)
    wire = wire_s(2.0, 3)
    taken = step(
        JOB, laid, stack(dp_exposed=0.1), nic_bytes_per_s=NETWORK, peak_flop_per_s=72 * S * L * H**2 / (0.4 * wire)
    )
    assert taken.dp_s == pytest.approx(4 * 0.6 * wire)


def test_experts_are_reduced_among_the_ranks_that_hold_the_same() -> None:
    """Four ranks divide the experts of a block, so that two of eight hold the same."""
    routed = 2 * 8 * 2 * H * 512.0
    dense = MOE_PARAMS - routed
    for zero, sides in ((0.0, 2), (1.0, 2)):
        laid = layout(MOE, dp=8.0, ep=4.0, zero=zero)
        wanted = wire_s(8.0, sides, dense) + wire_s(2.0, sides, routed / 4)
        taken = step(MOE, laid, nic_bytes_per_s=NETWORK)
        assert taken.dp_s == pytest.approx(wanted)


# --- Update --------------------------------------------------------------------------------------------------------


def test_adam_reads_and_writes_master_and_moments_and_reads_gradients() -> None:
    """4 + 8 bytes of master copy and moments read and written, 2 of a gradient read, 2 of a weight written: 28."""
    taken = step(JOB, layout(JOB), memory_bytes_per_s=MEMORY).optimizer_s
    assert taken == pytest.approx(28 * PARAMS / MEMORY)
    half = step(JOB, layout(JOB), kernels(memory_efficiency=0.5), memory_bytes_per_s=MEMORY).optimizer_s
    assert half == pytest.approx(2 * taken)


@pytest.mark.parametrize(("zero", "ranks"), [(0.0, 1), (1.0, 8), (3.0, 8)])
def test_sharded_states_are_updated_by_shards(zero: float, ranks: float) -> None:
    job = pretraining(GPT, S, B, trainable_share=0.25)
    laid = layout(job, dp=8.0, zero=zero)
    assert step(job, laid, memory_bytes_per_s=MEMORY).optimizer_s == pytest.approx(28 * 0.25 * PARAMS / ranks / MEMORY)


def test_a_rank_updates_its_stage_and_its_slice() -> None:
    laid = layout(JOB, tp=2.0, pp=2.0)
    assert step(JOB, laid, memory_bytes_per_s=MEMORY).optimizer_s == pytest.approx(28 * PARAMS / 4 / MEMORY)
    spread = layout(MOE, dp=8.0, ep=4.0)
    routed = 2 * 8 * 2 * H * 512.0
    mine = MOE_PARAMS - routed + routed / 4
    assert step(MOE, spread, memory_bytes_per_s=MEMORY).optimizer_s == pytest.approx(28 * mine / MEMORY)


def test_an_offloaded_update_crosses_the_bus_both_ways() -> None:
    """Ren et al. 2021, arXiv 2101.06840: gradients go to the host and weights come back; 24 of states, 2 (2 + 2)."""
    laid = layout(JOB, offload=1.0)
    assert alone("optimizer_s", JOB, laid, host_bytes_per_s=NETWORK) == pytest.approx(32 * PARAMS / NETWORK)


# --- Of the whole step ---------------------------------------------------------------------------------------------


def test_scales_stretch_every_part_and_crowds_add_a_share_each_doubling() -> None:
    laid = layout(JOB, tp=2.0, pp=2.0, dp=4.0)
    given = {"peak_flop_per_s": PEAK, "nic_bytes_per_s": NETWORK, "memory_bytes_per_s": MEMORY}
    plain = step(JOB, laid, **given)
    slower = step(JOB, laid, stack(time_scale=1.5, doubling_loss=0.1), kernels(time_scale=1.2), **given)
    for name in ("gemm_s", "tp_s", "pp_s", "bubble_s", "dp_s", "optimizer_s", "total_s"):
        assert getattr(slower, name) == pytest.approx(1.5 * 1.2 * 1.4 * getattr(plain, name)), name  # 16 domains


def test_a_domain_is_no_crowd() -> None:
    roomy = {"domain_devices": 8.0, "peak_flop_per_s": PEAK}
    for dp, doublings in ((4.0, 0), (8.0, 0), (32.0, 2)):
        job = pretraining(GPT, S, 64.0)
        laid = layout(job, dp=dp)
        plain, crowded = (step(job, laid, stack(doubling_loss=loss), **roomy).gemm_s for loss in (0.0, 0.1))
        assert crowded == pytest.approx((1 + 0.1 * doublings) * plain)


def test_the_step_counts_the_flops_of_its_whole_batch() -> None:
    """2104.04473, equation 3, with the causal half of the attention's square."""
    printed = 72 * B * S * L * H**2 * (1 + S / (12 * H) + V / (12 * L * H))
    for degrees in ({}, {"tp": 2.0, "pp": 2.0, "dp": 2.0, "recompute": 2.0}):
        assert step(JOB, layout(JOB, **degrees)).model_flop == pytest.approx(printed)


def test_everything_free_takes_no_time() -> None:
    assert step(JOB, layout(JOB, tp=2.0, pp=2.0, dp=2.0)).total_s < 1e-30
