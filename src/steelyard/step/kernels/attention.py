"""Seconds of the attention core: scores, softmax and values, fused in one kernel or as separate ones."""

import numpy as np

from steelyard.units import Bytes, BytesPerSecond, Count, Flop, FlopPerSecond, Seconds, Share

FUSED_BACKWARD = 2.5
"""Backward over forward of fused attention: five products for two, as it recomputes the scores.

Source: `flops(..., mode="bwd")` of FlashAttention's benchmark (Dao et al. 2022, arXiv 2205.14135).
"""

UNFUSED_BACKWARD = 2.0
"""Backward over forward of unfused attention: each product has two gradients.

Source: Narayanan et al. 2021, arXiv 2104.04473, appendix.
"""

SCORE_PASSES = 4.5
"""Times that a score crosses memory between the two products: softmax and dropout each read and write it, and dropout
writes a mask of half its width.

Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.1: what of attention is stored, each one pass.
"""


def attention_s(
    attention_flop: Flop,
    sequence_tokens: Count,
    head_dim: Count,
    peak16_flop_per_s: FlopPerSecond,
    attention_efficiency: Share,
    attention_half_tokens: Count,
    attention_half_dim: Count,
) -> Seconds:
    r"""Time the forward pass of fused attention holds the device.

    .. math:: t = \frac{F}{\varepsilon\,\pi}\left(1 + \frac{s_{1/2}}{s}\right)\left(1 + \frac{d_{1/2}}{d}\right)

    Short sequences fill too few tiles; narrow heads leave the exponentials of the softmax as the bottleneck, because
    each score costs one exponential and 4d FLOPs.

    Args:
        attention_flop: scores and values, as a causal kernel computes them, :math:`F` [flop]
        sequence_tokens: keys that the last query sees, :math:`s` [-]
        head_dim: width of one head, :math:`d` [-]
        peak16_flop_per_s: dense 16-bit matrix peak of the device, :math:`\pi` [flop/s]
        attention_efficiency: share of the peak for long sequences and wide heads, :math:`\varepsilon` [-]
        attention_half_tokens: sequence at which half of it is reached, :math:`s_{1/2}` [-]
        attention_half_dim: head width at which half of it is reached, :math:`d_{1/2}` [-]

    Source: rates by sequence and head width fitted as docs/kernels.md says; why the softmax binds on narrow heads:
        Shah et al. 2024, arXiv 2407.08608 (FlashAttention-3), section 3.2.
    Limits: 9-15 % on single shapes with heads of 64 to 256; no launch cost; backward: `FUSED_BACKWARD` times this.

    >>> attention_s(4 * 8192**2 * 128 * 32 / 2, 8192, 128, 989e12, 0.9, 1000.0, 50.0) * 1e3
    0.9637...
    """
    short = 1 + attention_half_tokens / sequence_tokens
    narrow = 1 + attention_half_dim / head_dim
    return attention_flop / (peak16_flop_per_s * attention_efficiency) * (short * narrow)


def unfused_attention_s(
    attention_flop: Flop,
    scores: Count,
    element_bytes: Bytes,
    peak16_flop_per_s: FlopPerSecond,
    memory_bytes_per_s: BytesPerSecond,
    unfused_efficiency: Share,
    memory_efficiency: Share,
) -> Seconds:
    r"""Time the forward pass of attention takes as two batched products with softmax and dropout between them.

    .. math:: t = \max\!\left(\frac{F}{\varepsilon\,\pi},\;\frac{2\,b\,n}{\mu\,\beta}\right) +
        \frac{(4 + \tfrac12)\,b\,n}{\mu\,\beta}

    Every score is written by the first product and read by the second; between them softmax and dropout each read
    and write it, and dropout writes a mask of half its width (one byte beside 16 bits).

    Args:
        attention_flop: of both products, which compute masked scores too, :math:`F` [flop]
        scores: batch x heads x queries x keys, :math:`n` [-]
        element_bytes: one score, :math:`b` [byte]
        peak16_flop_per_s: dense 16-bit matrix peak of the device, :math:`\pi` [flop/s]
        memory_bytes_per_s: memory bandwidth of the device, :math:`\beta` [byte/s]
        unfused_efficiency: share of the peak that the batched products reach, :math:`\varepsilon` [-]
        memory_efficiency: share of the bandwidth that kernels reach, :math:`\mu` [-]

    Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.1 (what attention stores: softmax output 2as^2b,
        mask as^2b, dropout output 2as^2b); each is one pass over memory.
    Limits: scale, mask and softmax in one kernel; backward: `UNFUSED_BACKWARD` times this.

    >>> unfused_attention_s(4 * 2048**2 * 128 * 12, 12 * 2048**2, 2.0, 312e12, 2.039e12, 0.5, 0.8) * 1e3
    0.4428...
    """
    byte_s = 1 / (memory_bytes_per_s * memory_efficiency)
    moved = scores * element_bytes
    products: Seconds = np.maximum(attention_flop / (peak16_flop_per_s * unfused_efficiency), 2 * moved * byte_s)
    return products + SCORE_PASSES * moved * byte_s
