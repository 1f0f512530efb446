"""FLOPs of the operators. A multiply-add counts as 2; the convention of every total is in its name or docstring."""

import numpy as np

from steelyard.units import Count, Flop, Share


def product_flop(rows: Count, inner: Count, outer: Count) -> Flop:
    r"""FLOPs of one dense matrix product.

    .. math:: F = 2\,m\,k\,n

    Args:
        rows: rows of the left matrix, :math:`m` [-]
        inner: summed dimension, :math:`k` [-]
        outer: columns of the right matrix, :math:`n` [-]

    Source: Narayanan et al. 2021, arXiv 2104.04473, appendix "Floating-point operations".
    Limits: counts multiplications and additions alike; no sparsity.

    >>> product_flop(4096, 1024, 1024)
    8589934592
    """
    return 2 * rows * inner * outer


UNMASKED = 0.0
"""Tokens of a document where none is masked from another: attention crosses a whole sequence, packed or not."""

LONGEST_DOCUMENT = 1e4
"""Sequences that the longest mean document spans: beyond it the pairs of documents are all but those of sequences, and
what is left of their difference is rounding."""


def attention_pairs(sequence: Count, window: Count, document: Count, causal: Share) -> Count:
    r"""Query-key pairs whose score a fused kernel computes in one sequence of one head.

    .. math:: s^2 / 2 \text{ (causal)}, \quad s^2 \text{ (not)}, \quad s w - w^2/2 \text{ (causal, window } w < s),
        \quad \int_0^w (s - u)\,e^{-u/d}\,du = d\,s\,(1 - e^{-w/d}) - d^2 \big(1 - e^{-w/d} (1 + w/d)\big)

    The last are the pairs of a sequence that is packed with documents masked from each other: two tokens u apart are of
    one document with chance :math:`e^{-u/d}`. Of a mean length alone the exponential distribution assumes least; its
    :math:`E[d^2]/E[d]` is 2d, so that short documents have s d pairs, twice those of documents of equal length.

    Args:
        sequence: tokens of the sequence, :math:`s` [-]
        window: tokens that a query sees, :math:`w`; 0 means all of them [-]
        document: mean tokens of a document that sees itself alone, :math:`d`; 0 means that all see each other [-]
        causal: 1 when a query sees no later key, else 0 [-]

    Source: FlashAttention's benchmark counts 4 s^2 d per head, halved when causal (Dao et al. 2022, arXiv 2205.14135);
        a block-diagonal mask has the squares of its documents (Krell et al. 2021, arXiv 2107.02027);
        lengths of most entropy: Jaynes 1957 (doi 10.1103/PhysRev.106.620).
    Limits: the diagonal is counted as half, as every convention does; a window without causality is symmetric;
        documents are cut where a sequence ends, and kernels skip what is masked whatever their blocks.

    >>> attention_pairs(2048, 0, 0, 1)
    2097152.0
    >>> attention_pairs(8192, 4096, 0, 1)
    25165824.0
    >>> attention_pairs(8192, 0, 600, 1) / attention_pairs(8192, 0, 0, 1)
    0.135...
    """
    seen = np.where(np.asarray(window) > 0, np.minimum(window, sequence), sequence)
    mean = np.clip(document, 1.0, LONGEST_DOCUMENT * sequence)
    cut = np.exp(-seen / mean)
    inside = mean * sequence * (1 - cut) - mean**2 * (1 - cut * (1 + seen / mean))
    one_sided = np.where(np.asarray(document) > 0, inside, seen * (sequence - seen / 2))
    return np.where(causal, one_sided, 2 * one_sided)[()]


def newton_schulz_flop(inner: Count, outer: Count) -> Flop:
    r"""FLOPs of one Newton-Schulz iteration that orthogonalises the update of a matrix.

    .. math:: F = 4\,a^2 b + 2\,a^3, \qquad a = \min(k, n),\; b = \max(k, n)

    Args:
        inner: one side of the matrix, :math:`k` [-]
        outer: the other, :math:`n` [-]

    Source: github.com/KellerJordan/Muon, `zeropower_via_newtonschulz5`: of X with the short side first,
        A = X X^T (2 a^2 b), A A (2 a^3) and the product of their sum with X (2 a^2 b).
    Limits: A counted in full, though it is symmetric.

    >>> newton_schulz_flop(4096, 4096) / 4096**3
    6.0
    """
    short, long = np.minimum(inner, outer), np.maximum(inner, outer)
    flop: Flop = 4 * short**2 * long + 2 * short**3
    return flop


def training_flop(forward_flop: Flop) -> Flop:
    """FLOPs of a forward and a backward pass: the backward costs two forwards (inputs and weights).

    Args:
        forward_flop: of the forward pass [flop]

    Source: Narayanan et al. 2021, arXiv 2104.04473, appendix; Kaplan et al. 2020, arXiv 2001.08361, section 2.1.
    Limits: every parameter trained; fused attention's backward recomputes scores, which is time but not model FLOPs.

    >>> training_flop(1e12)
    3000000000000.0
    """
    return 3 * forward_flop


def adapted_flop(product_flop: Flop, attention_flop: Flop, adapter_share: Share) -> Flop:
    r"""FLOPs of a forward and a backward pass of adapters beside a frozen model.

    .. math:: F = 2\,F_p + 3\,(F_a + t\,F_p)

    Products with frozen weights are run forward and for the gradient of their inputs, not for that of the weights: 4
    FLOPs a parameter and token where training all takes 6. Attention has no weights; adapters are trained whole.

    Args:
        product_flop: forward, all products with weights, :math:`F_p` [flop]
        attention_flop: forward, scores and values, :math:`F_a` [flop]
        adapter_share: parameters of adapters over those of the model, :math:`t` [-]

    Source: Hu et al. 2021, arXiv 2106.09685, section 4.1 (frozen weights get no gradients); the backward pass of a
        product is two of its size (Narayanan et al. 2021, arXiv 2104.04473, appendix).
    Limits: gradients of inputs are counted down to the first block; adapters see as many tokens as the mean parameter.

    >>> adapted_flop(2.0, 0.0, 0.0), adapted_flop(2.0, 1.0, 0.01)
    (4.0, 7.06)
    """
    return 2 * product_flop + 3 * (attention_flop + adapter_share * product_flop)
