"""Seconds of one dense matrix product on one device."""

import numpy as np

from steelyard.units import Bytes, BytesPerSecond, Count, FlopPerSecond, Seconds, Share


def product_passes(trainable_share: Share) -> Count:
    r"""Products of a training step for each of its forward pass: itself, the gradient of its input, of its weights.

    .. math:: 2 + \tau

    Args:
        trainable_share: share of the weights that have gradients, :math:`\tau` [-]

    Source: Narayanan et al. 2021, arXiv 2104.04473, appendix: the backward pass takes twice the FLOPs of the forward;
        frozen weights have no gradient (Hu et al. 2021, arXiv 2106.09685).
    Limits: the first operator has no gradient of its input; that is counted all the same.

    >>> product_passes(1.0), product_passes(0.0)
    (3.0, 2.0)
    """
    return 2 + trainable_share


def gemm_s(
    rows: Count,
    inner: Count,
    outer: Count,
    element_bytes: Bytes,
    peak_flop_per_s: FlopPerSecond,
    memory_bytes_per_s: BytesPerSecond,
    gemm_efficiency: Share,
    gemm_launch_s: Seconds,
    gemm_half_width: Count,
    memory_efficiency: Share,
) -> Seconds:
    r"""Time one matrix product holds the device: a launch, then the slower of arithmetic and memory.

    .. math:: t = a + \max\!\left(\frac{2\,(mkn + w\,E)}{\varepsilon\,\pi},\;\frac{b\,E}{\mu\,\beta}\right),
        \qquad E = mn + mk + kn

    The term :math:`w E` is what moving the operands through the chip costs the arithmetic units: it divides their
    rate by :math:`1 + w/m + w/k + w/n`, so that with two wide dimensions a width of :math:`w` reaches half of it.

    Args:
        rows: rows of the left matrix (tokens), :math:`m` [-]
        inner: summed dimension, :math:`k` [-]
        outer: columns of the right matrix, :math:`n` [-]
        element_bytes: one element of the operands, :math:`b` [byte]
        peak_flop_per_s: dense matrix peak of the device, :math:`\pi` [flop/s]
        memory_bytes_per_s: memory bandwidth of the device, :math:`\beta` [byte/s]
        gemm_efficiency: share of the peak that large products reach, :math:`\varepsilon` [-]
        gemm_launch_s: fixed cost of one product, :math:`a` [s]
        gemm_half_width: width at which half of it is reached, :math:`w` [-]
        memory_efficiency: share of the bandwidth that kernels reach, :math:`\mu` [-]

    Source: the roofline of Williams et al. 2009 (doi 10.1145/1498765.1498785) with a launch and a width term; of
        nine forms this one transfers best to a device left out of the fit (docs/kernels.md).
    Limits: 5-10 % on single shapes; no tile or wave quantisation, no power throttling, all operands equally wide.

    >>> gemm_s(16384, 16384, 16384, 2.0, 989e12, 3.35e12, 1.0, 0.0, 0.0, 1.0)
    0.008894...
    >>> gemm_s(4096, 128, 4096, 2.0, 989e12, 3.35e12, 0.8, 3e-6, 128.0, 0.8) * 1e6
    16.3028...
    """
    face = rows * outer
    operands = face + (rows + outer) * inner
    arithmetic = (face * inner + gemm_half_width * operands) * (2 / (peak_flop_per_s * gemm_efficiency))
    memory = operands * (element_bytes / (memory_bytes_per_s * memory_efficiency))
    time_s: Seconds = gemm_launch_s + np.maximum(arithmetic, memory)
    return time_s
