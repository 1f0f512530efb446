"""Seconds that packed weights, states in fp32 and kernels that are not fused add to a step."""

from dataclasses import replace

import numpy as np
import pytest
from tests.shapes import layout, pretraining
from tests.step.neutral import GPT, JOB, MEMORY, PEAK, B, H, L, S, stack, step

from steelyard.job.kept.recipes import partial_recipe
from steelyard.step.states import quantised
from steelyard.step.tensors.buffers import unpacked_bytes

RECIPE = partial_recipe(packed_bytes=0.5625)
PACKED = pretraining(GPT, S, B, trainable_share=0.01, frozen_bytes=0.5625, recipe=RECIPE)
PLAIN = pretraining(GPT, S, B, trainable_share=0.01, frozen_bytes=2.0)


def pointwise_s(job, bytes_each: float, **degrees: float) -> float:
    some = stack(unpack_bytes=bytes_each)
    return float(step(job, layout(job, **degrees), some, memory_bytes_per_s=MEMORY).pointwise_s)


@pytest.mark.parametrize(("recompute", "passes"), [(0.0, 2), (2.0, 3)])
def test_each_pass_over_packed_weights_unpacks_them(recompute: float, passes: int) -> None:
    """12 h^2 parameters of a block (arXiv 2104.04473, section 2.1), half a byte read, two written, two read again."""
    micro_batches = float(layout(PACKED).micro_batches)
    added = pointwise_s(PACKED, 4.5, recompute=recompute) - pointwise_s(PACKED, 0.0, recompute=recompute)
    assert added == pytest.approx(micro_batches * passes * 12 * L * H**2 * 4.5 / MEMORY, rel=0.01)


def test_ranks_and_stages_share_what_is_unpacked() -> None:
    whole, half, cut = (
        pointwise_s(PACKED, 4.5, **laid) - pointwise_s(PACKED, 0.0, **laid)
        for laid in ({}, {"tp": 2.0, "sp": 0.0}, {"pp": 2.0})
    )
    assert half == pytest.approx(whole / 2, rel=0.01)
    assert cut == pytest.approx(whole / 2, rel=0.01)


@pytest.mark.parametrize("job", [PLAIN, JOB])
def test_weights_that_are_not_packed_cost_nothing_more(job) -> None:
    wide = stack(unpack_bytes=4.5, upcast_scale=2.0, attention_upcast_scale=2.0, pointwise_passes=12.0)
    rates = {"memory_bytes_per_s": MEMORY, "peak16_flop_per_s": PEAK}
    assert step(job, layout(job), wide, **rates) == step(job, layout(job), stack(pointwise_passes=12.0), **rates)


def test_states_in_fp32_slow_what_moves_memory_and_attention_apart() -> None:
    rates = {"memory_bytes_per_s": MEMORY, "peak16_flop_per_s": PEAK}
    plain, wide, cores = (
        step(PACKED, layout(PACKED), stack(pointwise_passes=12.0, **given), **rates)
        for given in ({}, {"upcast_scale": 2.0}, {"attention_upcast_scale": 2.0})
    )
    assert (wide.pointwise_s, wide.attention_s) == pytest.approx((2 * plain.pointwise_s, plain.attention_s))
    assert (cores.pointwise_s, cores.attention_s) == pytest.approx((plain.pointwise_s, 2 * plain.attention_s))


def test_eager_kernels_slow_all_that_moves_memory_in_blocks() -> None:
    plain, eager = (
        step(JOB, layout(JOB), stack(pointwise_passes=12.0, eager_scale=scale), memory_bytes_per_s=MEMORY)
        for scale in (1.0, 1.8)
    )
    assert eager.pointwise_s == pytest.approx(1.8 * plain.pointwise_s)
    assert eager.vocab_s == plain.vocab_s


def test_a_repeated_forward_takes_the_share_of_it_that_is_repeated() -> None:
    laid = layout(JOB, recompute=2.0)
    whole, less = (step(JOB, laid, stack(recompute_scale=share), peak_flop_per_s=PEAK) for share in (1.0, 0.88))
    assert less.recompute_s == pytest.approx(0.88 * whole.recompute_s)
    assert less.gemm_s == whole.gemm_s


def test_packed_is_less_than_sixteen_bits_of_what_is_frozen() -> None:
    assert [bool(quantised(job.recipe)) for job in (PACKED, PLAIN, JOB)] == [True, False, False]
    assert quantised(replace(RECIPE, packed_bytes=np.array([0.5, 0.0]))).tolist() == [True, False]


def test_the_largest_packed_matrix_is_unpacked_for_its_product() -> None:
    """bitsandbytes, MatMul4Bit: a 4h x h matrix in 16 bits for a moment, where matrices are packed."""
    mixed = replace(RECIPE, packed_bytes=np.array([0.5, 0.0]))
    assert float(unpacked_bytes(PACKED, RECIPE)) == 2 * 4 * H * H
    assert unpacked_bytes(PACKED, mixed).tolist() == [2 * 4 * H * H, 0.0]
    assert unpacked_bytes(PLAIN, PLAIN.recipe) == 0.0
