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


def attention_pairs(sequence: Count, window: Count, causal: Share) -> Count:
    r"""Query-key pairs whose score a fused kernel computes in one sequence of one head.

    .. math:: s^2 / 2 \text{ (causal)}, \qquad s^2 \text{ (not)}, \qquad s w - w^2/2 \text{ (causal, window } w < s)

    Args:
        sequence: tokens of the sequence, :math:`s` [-]
        window: tokens that a query sees, :math:`w`; 0 means all of them [-]
        causal: 1 when a query sees no later key, else 0 [-]

    Source: FlashAttention's benchmark counts 4 s^2 d per head, halved when causal (Dao et al. 2022, arXiv 2205.14135).
    Limits: the diagonal is counted as half, as every convention does; a window without causality is symmetric.

    >>> attention_pairs(2048, 0, 1)
    2097152.0
    >>> attention_pairs(8192, 4096, 1)
    25165824.0
    """
    seen = np.where(np.asarray(window) > 0, np.minimum(window, sequence), sequence)
    one_sided = seen * (sequence - seen / 2)
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
