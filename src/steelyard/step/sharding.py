"""What data parallelism and ZeRO exchange in a step, what of it is waited for, and what the update reads and writes."""

import numpy as np

from steelyard.units import Bytes, Count, Seconds, Share


def rounds(zero: Count, stages: Count, micro_batches: Count) -> Count:
    r"""Times that a step exchanges gradients: once, or at every micro-batch where their whole sum is never kept.

    .. math:: m \text{ if } z \ge 2 \text{ and } p = 1, \text{ else } 1

    Args:
        zero: ZeRO stage, :math:`z` [-]
        stages: pipeline stages, :math:`p`: with several, parameters stay gathered and gradients are reduced at the last
            micro-batch [-]
        micro_batches: micro-batches of a step, :math:`m` [-]

    Source: Rajbhandari et al. 2020, arXiv 1910.02054, section 5.2 (a gradient is reduced as soon as it is there); in a
        pipeline: Llama 3, arXiv 2407.21783, section 3.3.2.
    Limits: no stack that accumulates whole gradients under ZeRO-2.

    >>> int(rounds(zero=3, stages=1, micro_batches=8)), int(rounds(zero=3, stages=4, micro_batches=8))
    (8, 1)
    """
    return np.where((np.asarray(zero) >= 2) & (np.asarray(stages) == 1), micro_batches, 1)


def gather_rounds(zero: Count, micro_batches: Count) -> Count:
    r"""Times that a step gathers parameters anew, forward and backward: at every micro-batch where none are kept.

    .. math:: m \text{ if } z \ge 3, \text{ else } 1

    Args:
        zero: ZeRO stage, :math:`z` [-]
        micro_batches: micro-batches of a step, :math:`m` [-]

    Source: Rajbhandari et al. 2020, arXiv 1910.02054, section 7.2.2; in a pipeline as well: Llama 3, arXiv 2407.21783,
        section 3.3.2, keeps them gathered there for this reason, which is stage 2.
    Limits: those of `gathers`.

    >>> [int(gather_rounds(zero, 8)) for zero in (1, 2, 3)]
    [1, 1, 8]
    """
    return np.where(np.asarray(zero) >= 3, micro_batches, 1)


def reductions(zero: Count, rounds: Count) -> Count:
    r"""Times that all gradients cross the wire in a step, each as one reduce-scatter: an all-reduce counts as two.

    .. math:: 2 \text{ if } z = 0, \text{ else } r

    Args:
        zero: ZeRO stage, :math:`z` [-]
        rounds: exchanges of a step, :math:`r` of `rounds` [-]

    Source: Rajbhandari et al. 2020, arXiv 1910.02054, section 7.1: an all-reduce is a reduce-scatter and an all-gather;
        with sharded states the second one is of parameters.
    Limits: those of `rounds`.

    >>> [int(reductions(zero, 1) + gathers(zero, 1)) for zero in (0, 1, 2, 3)]
    [2, 2, 2, 3]
    """
    return np.where(np.asarray(zero) >= 1, rounds, 2)


def gathers(zero: Count, rounds: Count) -> Count:
    r"""Times that all parameters are gathered in a step.

    .. math:: 0 \text{ if } z = 0, \quad 1 \text{ if } z = 1, 2, \quad 2\,r \text{ if } z = 3

    Args:
        zero: ZeRO stage, :math:`z` [-]
        rounds: times that they are gathered anew, :math:`r` of `gather_rounds` [-]

    Source: Rajbhandari et al. 2020, arXiv 1910.02054, section 7.2.2: forward and backward each gather all parameters,
        so that stage 3 moves 3 times their size where data parallelism moves 2.
    Limits: parameters are not kept from forward to backward.

    >>> int(gathers(zero=3, rounds=1) + reductions(zero=3, rounds=1)) / 2
    1.5
    """
    stage = np.asarray(zero)
    return np.where(stage >= 3, 2 * rounds, np.where(stage >= 1, 1, 0))


def exposed_s(wire_s: Seconds, window_s: Seconds, exposed: Share) -> Seconds:
    r"""Time of an exchange that is waited for: what outlasts the work beside it, or what can never hide.

    .. math:: \max(w - t,\ \epsilon\,w)

    Args:
        wire_s: seconds that the wire is held, :math:`w` [s]
        window_s: seconds of work beside which it may run, :math:`t` [s]
        exposed: share of it that no work hides, :math:`\epsilon`, fitted for a stack [-]

    Source: overlap of gradient buckets with the backward pass: Li et al. 2020, arXiv 2006.15704, section 3.2.3.
    Limits: the wire does not slow the work.

    >>> float(exposed_s(wire_s=1.0, window_s=0.25, exposed=0.1)), float(exposed_s(1.0, 4.0, 0.1))
    (0.75, 0.1)
    """
    return np.maximum(wire_s - window_s, exposed * wire_s)


def update_bytes(
    state_bytes: Bytes, grad_bytes: Bytes, weight_bytes: Bytes, offload: Share, lent_bytes: Bytes, resting: Share
) -> Bytes:
    r"""Bytes that the update of one parameter reads and writes.

    .. math:: 2\,s + g + w, \qquad 2\,s + 2\,g + (2 - h)\,w + 2\,l \text{ on the host}

    Args:
        state_bytes: master copy and moments, :math:`s`, each read and written [byte]
        grad_bytes: its gradient, :math:`g`, read [byte]
        weight_bytes: its working copy, :math:`w`, written [byte]
        offload: 1: gradients cross to the host and weights come back, which its memory also reads and writes [-]
        lent_bytes: of its moments on the host, what the device computes with, :math:`l`: it comes and goes back [byte]
        resting: 1: weights rest on the host, :math:`h`: they are written there and do not come back [-]

    Source: Rajbhandari et al. 2020, arXiv 1910.02054, section 3.1 (Adam: 12 bytes of states, 2 of a gradient, 2 of a
        weight); Ren et al. 2021, arXiv 2101.06840, section 3 (what crosses). A device's share of the host's memory is
        about as fast as its bus: 8 channels of DDR5-4800 for 4 devices are 77 GB/s, PCIe 5.0 x16 is 64 GB/s.
    Limits: element-wise arithmetic is never slower: AdamW's 16 FLOPs a parameter (Kingma and Ba 2015, arXiv 1412.6980,
        algorithm 1; decay: Loshchilov and Hutter 2017, arXiv 1711.05101, algorithm 2) are 0.6 a byte of these 28, and
        every accelerator of the catalog computes at least 5 a byte of its memory; 8-bit states double that ratio.

    >>> [float(update_bytes(12.0, 2.0, 2.0, offload, lent_bytes=0.0, resting=0.0)) for offload in (0.0, 1.0)]
    [28.0, 32.0]
    >>> [float(update_bytes(8.0, 2.0, 2.0, offload=1.0, lent_bytes=4.0, resting=one)) for one in (0.0, 1.0)]
    [32.0, 30.0]
    """
    crossing = grad_bytes + weight_bytes
    away = 2 * (crossing + lent_bytes) - resting * weight_bytes
    return 2 * state_bytes + np.where(offload, away, crossing)


def offloaded_s(link_s: Seconds, processor_s: Seconds, ranks: Count) -> Seconds:
    r"""Seconds of the update of one parameter of each rank whose states are on its host: its link or the processors.

    .. math:: \max(\ell,\ n\,c)

    Args:
        link_s: in which its bytes (`update_bytes`) cross the link of one device and its host, :math:`\ell` [s]
        processor_s: in which all processors of a host update one parameter, :math:`c` of a stack [s]
        ranks: that a host updates for, each a parameter of its own, :math:`n` [-]

    Source: Ren et al. 2021, arXiv 2101.06840, section 5.1 (what is updated is copied to the device while the next block
        is updated: the longer counts), table 4 (10 billion parameters take CPU-Adam 2.57 s on 48 cores, PyTorch's Adam
        14.76 s, from memory); docs.nvidia.com/megatron-core/developer-guide/latest, Optimizer CPU Offload (copies and
        update run concurrently).
    Limits: hosts are as fast as that one, with all of their cores at work. Another took 8.2 and 56 s for 11.6 billion
        parameters (github.com/deepspeedai/DeepSpeed, pull request 735). torchrun starts each rank with one thread
        (OMP_NUM_THREADS=1) where nobody says otherwise: PyTorch's takes 3.6e-9 s a parameter then, and eight ranks on
        two cores 4.0e-9 s (github.com/ISEEKYAN/Megatron-LM, issue 188). Ranks together are taken to be no faster than
        one process with every core. Every optimizer takes as long as Adam, which moves more; copies of gradients to
        memory that is not pinned, and their norm, come on top.

    >>> round(float(10e9 / 16 * offloaded_s(link_s=32 / 16e9, processor_s=2.57e-10, ranks=16)), 2)
    2.57
    >>> round(float(10e9 * offloaded_s(link_s=32 / 64e9, processor_s=2.57e-10, ranks=1)), 2)
    5.0
    """
    return np.maximum(link_s, ranks * processor_s)
