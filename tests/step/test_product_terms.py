"""Products, attention and experts of a step: shapes and counts that kernels are asked for."""

from dataclasses import replace

import pytest
from tests.shapes import gpt, layout, pretraining
from tests.step.neutral import EXPERTS, GPT, JOB, MEMORY, MOE, PEAK, A, B, H, L, S, V, kernels, stack, step


def faces(rows: float, *products: tuple[float, float]) -> float:
    """Return the elements that products of so many rows read and write: m k + k n + m n each."""
    return sum(rows * inner + inner * outer + rows * outer for inner, outer in products)


def block(tp: float) -> list[tuple[float, float]]:
    """Return inner and outer width of a block's products on one of t ranks (Shoeybi et al. 2019, section 3)."""
    return [(H, 3 * H / tp), (H / tp, H), (H, 4 * H / tp), (4 * H / tp, H)]


# --- Products and attention ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tp", [1.0, 4.0])
@pytest.mark.parametrize("width", [2.0, 1.0])
def test_products_are_columns_then_rows_of_their_matrices(tp: float, width: float) -> None:
    """1909.08053, section 3: the first matrix of MLP and attention is cut by columns, the second by rows."""
    job = pretraining(GPT, S, B, gemm_bytes=width)
    taken = step(job, layout(job, tp=tp), memory_bytes_per_s=MEMORY)
    assert taken.gemm_s == pytest.approx(3 * B * L * width * faces(S, *block(tp)) / MEMORY)
    assert taken.vocab_s == pytest.approx(3 * B * 2 * faces(S, (H, V / tp)) / MEMORY)  # 16 bits under fp8 too


def test_products_of_one_shape_are_counted_as_often_as_they_occur() -> None:
    """An MLP as wide as the hidden state: attention's output and both of its products are h x h; 6 h^2 in all."""
    job = pretraining(gpt(L, H, A, V, ffn=float(H)), S, B)
    assert step(job, layout(job), peak_flop_per_s=PEAK).gemm_s == pytest.approx(36 * B * S * L * H**2 / PEAK)


def test_narrow_products_cost_their_faces_times_the_half_width() -> None:
    taken = step(JOB, layout(JOB), kernels(gemm_half_width=100.0), peak_flop_per_s=PEAK)
    flop = 24 * S * H**2 + 2 * 100 * faces(S, *block(1.0))
    assert taken.gemm_s == pytest.approx(3 * B * L * flop / PEAK)


def test_each_product_and_each_group_of_experts_is_launched_once() -> None:
    """Four products of a dense block; attention's two, the shared expert's two and two groups of routed ones."""
    for job, products in ((JOB, 4), (MOE, 6)):
        taken = step(job, layout(job), kernels(gemm_launch_s=1e-6))
        assert taken.gemm_s == pytest.approx(3 * job.batch_samples * L * products * 1e-6)
        assert taken.vocab_s == pytest.approx(3 * job.batch_samples * 1e-6)


def test_half_the_rate_at_the_half_length_and_at_the_half_width() -> None:
    """Around a ring of two a kernel sees half the keys at a time."""
    for cp, short in ((1.0, 2), (2.0, 3)):
        laid = layout(JOB, cp=cp)
        plain = step(JOB, laid, peak16_flop_per_s=PEAK).attention_s
        for found, slower in (
            (kernels(attention_half_tokens=float(S)), short),
            (kernels(attention_half_dim=H / A), 2),
            (kernels(attention_efficiency=0.5), 2),
            (kernels(attention_legacy=0.25), 1),
        ):
            assert step(JOB, laid, found, peak16_flop_per_s=PEAK).attention_s == pytest.approx(slower * plain)
        old = stack(attention_native=0.0)
        legacy = step(JOB, laid, old, kernels(attention_legacy=0.25), peak16_flop_per_s=PEAK).attention_s
        assert legacy == pytest.approx(4 * plain)


def test_fewer_targets_than_inputs_have_fewer_logits() -> None:
    """T5: 114 of 512 tokens are targets (2,048 of 512 tokens in, spans of 3 out; arXiv 1910.10683, section 3.1.4)."""
    job = pretraining(gpt(L, H, A, V, encoder_layers=L / 2, target_share=114 / 512), S, B)
    head = step(job, layout(job), peak16_flop_per_s=PEAK)
    assert head.vocab_s == pytest.approx(6 * B * 114 * H * V / PEAK)
    bare, loss = (step(job, layout(job), stack(loss_bytes=x), memory_bytes_per_s=MEMORY).vocab_s for x in (0.0, 8.0))
    assert loss - bare == pytest.approx(B * 114 * V * 8 / MEMORY)


def test_experts_move_their_tokens_in_and_out_and_their_own_width() -> None:
    """Each of two copies is written and read on its way out and back; an expert's activation reads and writes 512."""
    taken = step(MOE, layout(MOE), stack(pointwise_passes=12.0), memory_bytes_per_s=MEMORY)
    moved = (12 + 4 * 2) * H + 2 * (2 * 512 + 256) + 2 * 2 * H
    assert taken.pointwise_s == pytest.approx(3 * 64 * L * S * 2 * moved / MEMORY)


def test_copies_on_their_way_to_experts_are_quantised_by_their_share_of_the_passes() -> None:
    """Four casts, a read of 16 and a write of 8 bits, of the stream's width and of what dispatch moves a pass."""
    narrow = replace(MOE, gemm_bytes=1.0)
    for passes in (12.0, 4.0, 0.5):
        costs = stack(pointwise_passes=passes)
        wide, cast = (step(job, layout(job), costs, memory_bytes_per_s=MEMORY).pointwise_s for job in (MOE, narrow))
        width = H + 4 * 2 * H / max(passes, 1.0)
        assert cast - wide == pytest.approx(3 * 64 * L * S * 4 * width * 3 / MEMORY)


def test_half_of_the_blocks_with_experts_move_half_as_much_more() -> None:
    passes = stack(pointwise_passes=12.0)
    mixed = pretraining(gpt(L, H, A, V, **(EXPERTS | {"moe_layers": L / 2, "shared_ffn": 256.0})), S, 64.0)
    dense = pretraining(GPT, S, 64.0)
    taken = [step(job, layout(job), passes, memory_bytes_per_s=MEMORY).pointwise_s for job in (dense, mixed, MOE)]
    assert taken[1] == pytest.approx((taken[0] + taken[2]) / 2)


def test_experts_on_their_own_ranks_take_whole_products_of_their_share_of_rows() -> None:
    """4 of 8 ranks, two experts each: rows of two copies spread over them; without expert ranks tp cuts each expert."""
    for tp, ep, local, inner in ((1.0, 4.0, 2, 512), (2.0, 1.0, 8, 256), (2.0, 4.0, 2, 512)):
        laid = layout(MOE, tp=tp, dp=8.0, ep=ep)
        taken = step(MOE, laid, memory_bytes_per_s=MEMORY).gemm_s
        rows = S * 2 / (tp if ep > 1 else 1) / local
        shared = [(H, 256 / tp), (256 / tp, H)]
        rest = faces(S, *block(tp)[:2], *shared)
        wanted = rest + local * faces(rows, (H, inner), (inner, H))
        assert taken == pytest.approx(3 * laid.micro_batches * L * 2 * wanted / MEMORY)
