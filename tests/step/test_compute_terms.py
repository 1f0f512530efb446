"""Seconds that a device is busy in a step: the number of each source's formula, everything else being free."""

import pytest
from tests.shapes import gpt, layout, pretraining
from tests.step.neutral import GPT, JOB, MEMORY, MOE, PEAK, A, B, H, L, S, V, kernels, stack, step

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
        for rate in ("peak_flop_per_s", "peak16_flop_per_s", "memory_bytes_per_s"):
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
    bare, adapted, placed = (
        step(tuned, layout(tuned), stack(adapter_passes=passes, adapter_share=share), memory_bytes_per_s=MEMORY)
        for passes, share in ((0.0, 1.0), (8.0, 1.0), (8.0, 0.25))
    )
    assert adapted.pointwise_s - bare.pointwise_s == pytest.approx(3 * B * L * S * 2 * 8 * 2 * H / MEMORY)
    assert placed.pointwise_s - bare.pointwise_s == pytest.approx(3 * B * L * S * 2 * 2 * 2 * H / MEMORY)


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


@pytest.mark.parametrize("job", [JOB, MOE])
def test_a_micro_batch_of_two_takes_as_long_as_two_of_one(job) -> None:
    """Work that no shape slows is linear: arithmetic, and what moves memory beside the products."""
    passes = stack(pointwise_passes=12.0)
    for rate, name in (("peak_flop_per_s", "gemm_s"), ("memory_bytes_per_s", "pointwise_s")):
        one, two = (step(job, layout(job, micro_batch=size), passes, **{rate: PEAK}) for size in (1.0, 2.0))
        assert getattr(two, name) == pytest.approx(getattr(one, name)), name
    losses = [
        [
            step(job, layout(job, micro_batch=size), stack(loss_bytes=moved), memory_bytes_per_s=MEMORY).vocab_s
            for moved in (0.0, 8.0)
        ]
        for size in (1.0, 2.0)
    ]
    assert losses[0][1] - losses[0][0] == pytest.approx(losses[1][1] - losses[1][0])


def test_a_lone_stage_waits_for_all_of_its_vocabulary() -> None:
    taken = step(JOB, layout(JOB), stack(vocab_exposed=0.25), peak16_flop_per_s=PEAK)
    assert taken.vocab_s == pytest.approx(6 * B * S * H * V / PEAK)


def test_tensor_ranks_divide_adapters() -> None:
    tuned = pretraining(GPT, S, B, adapted_inputs=2.0 * H, trainable_share=0.01)
    bare, adapted = (
        step(tuned, layout(tuned, tp=4.0), stack(adapter_passes=passes), memory_bytes_per_s=MEMORY)
        for passes in (0.0, 8.0)
    )
    assert adapted.pointwise_s - bare.pointwise_s == pytest.approx(3 * B * L * S * 2 * 8 * 2 * H / 4 / MEMORY)


@pytest.mark.parametrize("sp", [0.0, 1.0])
def test_tensor_ranks_divide_logits_whether_or_not_they_divide_the_sequence(sp: float) -> None:
    bare, loss = (
        step(JOB, layout(JOB, tp=4.0, sp=sp), stack(loss_bytes=moved), memory_bytes_per_s=MEMORY)
        for moved in (0.0, 16.0)
    )
    assert loss.vocab_s - bare.vocab_s == pytest.approx(B * S * V / 4 * 16 / MEMORY)
