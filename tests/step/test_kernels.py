"""Products, attention and memory-bound work: measured timings, laws, limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard import catalog
from steelyard.catalog.tabulate import kernels
from steelyard.step.kernels.attention import attention_s, unfused_attention_s
from steelyard.step.kernels.gemm import gemm_s
from steelyard.step.kernels.pointwise import pointwise_s

widths = st.integers(64, 65536).map(float)
rates = st.floats(1e12, 5e15)
shares = st.floats(0.05, 1.0)


def product(chip: str, rows: float, inner: float, outer: float) -> float:
    """Return microseconds of a bf16 product with the shipped constants."""
    row = catalog.load().accelerator(chip)
    with_ = kernels(row, "bf16")
    seconds = gemm_s(
        rows,
        inner,
        outer,
        2.0,
        row.peak("bf16"),
        row.facts.value("memory_bandwidth"),
        with_.gemm_efficiency,
        with_.gemm_launch_s,
        with_.gemm_half_width,
        with_.memory_efficiency,
    )
    return float(seconds) * 1e6


@pytest.mark.parametrize(
    ("chip", "rows", "inner", "outer", "measured_us"),
    [  # ai-dynamo/aiconfigurator@095f58a5: systems/data/{a100,h100,b200}_sxm/gemm
        ("A100-80GB-SXM", 4096, 8192, 4096, 1070.956),
        ("A100-80GB-SXM", 4096, 8192, 512, 161.696),
        ("H100-80GB-SXM", 4096, 7168, 4096, 310.79),
        ("H100-80GB-SXM", 8192, 8192, 512, 89.274),
        ("B200-180GB-SXM", 8192, 8192, 8192, 651.882),
        ("B200-180GB-SXM", 8192, 512, 4096, 25.279),
    ],
)
def test_a_product_takes_what_was_measured(chip: str, rows: int, inner: int, outer: int, measured_us: float) -> None:
    assert product(chip, rows, inner, outer) == pytest.approx(measured_us, rel=0.15)


@pytest.mark.parametrize(
    ("chip", "batch", "sequence", "heads", "measured_ms"),
    [  # aiconfigurator@095f58a5: systems/data/{a100,h100}_sxm/attention, heads of 128
        ("A100-80GB-SXM", 4, 8192, 64, 25.058),
        ("A100-80GB-SXM", 1, 8192, 32, 3.120),
        ("H100-80GB-SXM", 16, 8192, 32, 15.493),
        ("H100-80GB-SXM", 16, 4096, 16, 2.306),
    ],
)
def test_attention_takes_what_was_measured(
    chip: str, batch: int, sequence: int, heads: int, measured_ms: float
) -> None:
    row = catalog.load().accelerator(chip)
    with_ = kernels(row, "bf16")
    seconds = attention_s(
        4 * batch * heads * 128 * sequence**2 / 2,
        sequence,
        128,
        row.peak("bf16"),
        with_.attention_efficiency,
        with_.attention_half_tokens,
        with_.attention_half_dim,
    )
    assert float(seconds) * 1e3 == pytest.approx(measured_ms, rel=0.12)


@given(widths, widths, widths, rates, shares)
def test_a_product_never_beats_its_roofs(
    rows: float, inner: float, outer: float, peak: float, efficiency: float
) -> None:
    bandwidth = 2e12
    seconds = gemm_s(rows, inner, outer, 2.0, peak, bandwidth, efficiency, 3e-6, 120.0, 0.8)
    assert seconds >= 3e-6 + 2 * rows * inner * outer / (peak * efficiency) * (1 - 1e-12)
    assert seconds >= 3e-6 + 2 * (rows * inner + inner * outer + rows * outer) / (bandwidth * 0.8) * (1 - 1e-12)


@given(widths, widths, widths, rates, shares)
def test_a_product_is_symmetric_and_monotone(
    rows: float, inner: float, outer: float, peak: float, efficiency: float
) -> None:
    def seconds(m: float, k: float, n: float, faster: float = 1.0) -> float:
        return float(gemm_s(m, k, n, 2.0, peak * faster, 2e12 * faster, efficiency, 3e-6, 120.0, 0.8))

    assert seconds(rows, inner, outer) == pytest.approx(seconds(outer, inner, rows))
    assert seconds(rows, inner, outer) < seconds(2 * rows, inner, outer)
    assert seconds(rows, inner, outer) >= seconds(rows, inner, outer, faster=1.5)
    halves = 2 * seconds(rows, inner, outer / 2)
    assert halves >= seconds(rows, inner, outer), "splitting a product gains nothing"


def test_the_half_width_halves_the_rate() -> None:
    wide, peak = 1e7, 1e15
    seconds = gemm_s(wide, 120.0, wide, 2.0, peak, 1e20, 0.8, 0.0, 120.0, 1.0)
    assert 2 * wide * 120 * wide / seconds == pytest.approx(peak * 0.8 / 2, rel=1e-4)


@given(st.floats(1e9, 1e16), st.floats(128, 1e6), st.floats(16, 512), shares)
def test_attention_slows_on_short_sequences_and_narrow_heads(
    flop: float, tokens: float, width: float, efficiency: float
) -> None:
    def seconds(tokens: float, width: float) -> float:
        return float(attention_s(flop, tokens, width, 989e12, efficiency, 1000.0, 50.0))

    assert seconds(tokens, width) > flop / (989e12 * efficiency)
    assert seconds(tokens, width) > seconds(2 * tokens, width)
    assert seconds(tokens, width) > seconds(tokens, 2 * width)
    assert seconds(1000.0, 1e12) == pytest.approx(2 * flop / (989e12 * efficiency))


@given(st.floats(1e6, 1e12), st.floats(32, 256))
def test_unfused_attention_pays_for_its_scores(scores: float, width: float) -> None:
    flop = 4 * scores * width
    fast = unfused_attention_s(flop, scores, 2.0, 1e30, 2e12, 0.5, 1.0)
    assert fast == pytest.approx((2 + 4.5) * 2 * scores / 2e12)
    slow = unfused_attention_s(flop, scores, 2.0, 1e9, 2e12, 0.5, 1.0)
    assert slow == pytest.approx(flop / 0.5e9 + 4.5 * 2 * scores / 2e12)


def test_memory_bound_work_scales_with_its_bytes() -> None:
    assert pointwise_s(2e9, 2e12, 0.5) == pytest.approx(2 * pointwise_s(1e9, 2e12, 0.5))
    assert pointwise_s(0.0, 2e12, 0.5) == 0


def test_every_chip_has_kernels_at_every_precision() -> None:
    shelf = catalog.load()
    for row in shelf.accelerators.values():
        for precision in row.precisions:
            found = kernels(row, precision, shelf)
            shares = [found.attention_efficiency, found.memory_efficiency, found.link_efficiency, found.nic_efficiency]
            assert all(0 < share < 1.05 for share in shares), row.id
            matrix_units = precision == "fp32" and row.family == "amd-cdna"  # the catalog rates the vector units
            assert 0 < found.gemm_efficiency < 1 + matrix_units, row.id
            assert 0 < found.gemm_launch_s < 1e-4
            assert np.isfinite([found.gemm_half_width, found.attention_half_tokens, found.attention_half_dim]).all()


def test_a_family_is_less_sure_than_its_chips_and_any_chip_least() -> None:
    rows = catalog.load().kernels
    chip = rows["H100-80GB-SXM", "any", "gemm_efficiency"].log_sd
    family = rows["family:nvidia-hopper", "any", "gemm_efficiency"].log_sd
    everything = rows["any", "any", "gemm_efficiency"].log_sd
    assert chip < family < everything
