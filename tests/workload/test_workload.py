"""FLOPs against the formulas that papers print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import gpt

from steelyard.tables import Workload
from steelyard.workload import Architecture, attention_pairs, collapse, model


def workload(arch: Architecture, sequence: float) -> Workload:
    return collapse(model(arch, sequence, 0), 2.0)


GPT3 = [(24, 2048, 16), (40, 5140, 40), (96, 12288, 96)]


@pytest.mark.parametrize(("layers", "hidden", "heads"), GPT3)
def test_narayanan_equation_3_without_recompute(layers: int, hidden: int, heads: int) -> None:
    """72 B s L h^2 (1 + s/6h + V/12Lh); its attention is the full square, ours the causal half."""
    s, vocab = 2048, 51200
    flop = workload(gpt(layers, hidden, heads, vocab), s)
    printed = 72 * s * layers * hidden**2 * (1 + s / (6 * hidden) + vocab / (12 * layers * hidden))
    assert flop.model_flop + 3 * flop.attention_flop == pytest.approx(printed, rel=1e-12)


def test_dense_model_is_six_n_plus_attention() -> None:
    """Kaplan et al.: 6 N per token over the parameters of matrix products."""
    arch = gpt(24, 2048, 16)
    flop = workload(arch, 2048)
    assert 3 * (flop.product_flop + flop.head_flop) == pytest.approx(6 * arch.total_params * 2048, rel=1e-12)


def test_mixture_of_experts_counts_visited_experts() -> None:
    """Mixtral 8x7B: 2 of 8 experts of width 14336; the published 12.9B active include the input embedding."""
    arch = gpt(
        32, 4096, 32, 32000, kv_heads=8.0, ffn=14336.0, ffn_matrices=3.0,
        moe_layers=32.0, moe_ffn=14336.0, experts=8.0, top_k=2.0,
    )  # fmt: skip
    flop = workload(arch, 1024)
    active = (flop.product_flop + flop.head_flop) / (2 * 1024) + 32000 * 4096
    assert active == pytest.approx(12.88e9, rel=2e-3)


def test_latent_attention_of_deepseek_v2() -> None:
    """DeepSeek-V2's attention weights of one block: q 1536, kv 512 + 64, 128 heads of 128 + 64 and 128."""
    arch = gpt(
        60, 5120, 128, 102400, head_dim=192.0, v_head_dim=128.0, mla=1.0, q_lora=1536.0, kv_lora=512.0, rope_dim=64.0
    )
    flop = workload(arch, 1)
    attention = {"queries, keys, values", "latents", "attention output"}
    per_block = sum(float(one.inner * one.outer) for one in flop.products if one.name in attention)
    weights = 5120 * 1536 + 1536 * 128 * 192 + 5120 * 576 + 512 * 128 * 256 + 128 * 128 * 5120
    assert per_block == pytest.approx(weights, rel=1e-12)


@given(st.integers(1, 65536), st.integers(1, 65536))
def test_a_window_never_adds_pairs(sequence: int, window: int) -> None:
    windowed, whole = attention_pairs(sequence, window, 0, 1), attention_pairs(sequence, 0, 0, 1)
    assert windowed <= whole
    assert (windowed == whole) == (window >= sequence)
