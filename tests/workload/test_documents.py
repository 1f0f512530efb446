"""Attention of a sequence that is packed with documents masked from each other: the squares of their lengths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import gpt

from steelyard.workload import attention_pairs, collapse, model

S, DRAWS = 4096, 2000
lengths = st.floats(1.0, 1e9)


def drawn_pairs(document: float, window: int) -> float:
    """Return the mean pairs of sequences that documents of exponential length fill, one after another, to their end."""
    rng = np.random.default_rng(7)
    found = []
    for _ in range(DRAWS):
        starts = np.cumsum(rng.exponential(document, 10 + int(8 * S / document)))
        edges = np.concatenate([[0.0], starts[starts < S], [S]])
        held = np.diff(edges)
        seen = np.minimum(held, window)
        found.append(np.sum(seen * (held - seen / 2)))
    return float(np.mean(found))


@pytest.mark.parametrize("document", [200.0, 600.0, 4000.0, 40000.0])
@pytest.mark.parametrize("window", [S, 512])
def test_documents_of_a_mean_length_have_the_pairs_of_drawn_ones(document: float, window: int) -> None:
    assert attention_pairs(S, window, document, 1) == pytest.approx(drawn_pairs(document, window), rel=0.03)


def test_short_documents_see_twice_what_equal_ones_see() -> None:
    """E[d^2] of exponential lengths is twice the square of their mean, d: s d pairs for the s d / 2 of equal blocks."""
    assert attention_pairs(1e9, 0, 600, 1) == pytest.approx(1e9 * 600, rel=1e-4)
    assert attention_pairs(S, 0, 1, 1) == pytest.approx(S - 1)


@given(document=lengths, longer=lengths, window=st.sampled_from([0, 64, 1024]))
def test_longer_documents_have_more_pairs_and_never_more_than_a_whole_sequence(document, longer, window) -> None:
    some, more, whole = (attention_pairs(S, window, one, 1) for one in (*sorted((document, longer)), 0.0))
    assert 0 < some <= more * (1 + 1e-6) <= whole * (1 + 1e-5)
    assert attention_pairs(S, window, document, 0) == 2 * attention_pairs(S, window, document, 1)


@pytest.mark.parametrize("window", [0, 64])
def test_a_document_without_end_is_a_whole_sequence(window: int) -> None:
    assert attention_pairs(S, window, 1e12, 1) == pytest.approx(attention_pairs(S, window, 0, 1), rel=1e-4)


def test_documents_change_what_a_fused_kernel_computes_and_nothing_else() -> None:
    """Scores of a dense mask are computed and kept whatever they mask; products are of all tokens."""
    whole, packed = (collapse(model(gpt(4, 1024, 16), S, document), 2.0) for document in (0, 600))
    (core,), (masked,) = whole.cores, packed.cores
    share = attention_pairs(S, 0, 600, 1) / (S**2 / 2)
    assert (masked.flop, masked.keys) == pytest.approx((core.flop * share, S * share))
    assert masked.unfused_flop == core.unfused_flop == 2 * core.flop
    assert masked.scores == core.scores
    assert packed.product_flop == whole.product_flop
    assert packed.blocks == whole.blocks
    assert packed.model_flop == whole.model_flop - 3 * 4 * core.flop * (1 - share)


def test_both_stacks_of_an_encoder_decoder_are_packed_alike() -> None:
    """A target of half the tokens has documents of half the length, and so the same share of its pairs."""
    shape = gpt(4, 1024, 16, encoder_layers=2.0, target_share=0.5)
    whole, packed = (
        {one.block: one for one in model(shape, S, document).rows if one.name == "attention core"}
        for document in (0, 600)
    )
    shares = [packed[block].flop / whole[block].flop for block in ("encoder dense", "decoder dense")]
    assert shares[0] == pytest.approx(shares[1])
    assert packed["encoder dense"].flop == pytest.approx(2 * 2 * attention_pairs(S, 0, 600, 1) * 2 * 1024)


def test_an_unfused_kernel_computes_every_score_whatever_is_masked() -> None:
    """Two products of s^2 h multiply-adds: under a causal mask, without one, and with a window."""
    for changes in ({}, {"causal": 0.0}, {"windowed_layers": 4.0, "window_tokens": 128.0}):
        (core,) = collapse(model(gpt(4, 1024, 16, **changes), S, 0), 2.0).cores
        assert core.unfused_flop == 4 * S**2 * 1024
