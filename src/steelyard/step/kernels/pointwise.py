"""Seconds of whatever only moves memory: norms, residuals, activations, casts, the optimizer's update."""

from steelyard.units import Bytes, BytesPerSecond, Seconds, Share

POINTWISE_BACKWARD = 2.0
"""Backward over forward of work that only moves memory: chosen; it also reads a gradient, and writes one."""


def pointwise_s(moved_bytes: Bytes, memory_bytes_per_s: BytesPerSecond, memory_efficiency: Share) -> Seconds:
    r"""Time to read and write so many bytes of device memory.

    .. math:: t = \frac{B}{\mu\,\beta}

    Args:
        moved_bytes: read and written, :math:`B` [byte]
        memory_bytes_per_s: memory bandwidth of the device, :math:`\beta` [byte/s]
        memory_efficiency: share of it that kernels reach, :math:`\mu` [-]

    Source: Williams et al. 2009 (doi 10.1145/1498765.1498785), the memory roof; its share fitted
        as docs/kernels.md says.
    Limits: nothing kept in cache; the launch of a kernel is the stack's host time, not the device's.

    >>> pointwise_s(3.35e9, 3.35e12, 0.8)
    0.00125
    """
    return moved_bytes / (memory_bytes_per_s * memory_efficiency)
