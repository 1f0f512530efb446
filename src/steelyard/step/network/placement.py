"""How a parallel group lies in fast domains, tensor ranks innermost, then context, data and stages; what that costs."""

import numpy as np

from steelyard.units import BytesPerSecond, Count, Share

COPY_SHARE = 0.35
"""Time of copying a rank's own share over the time of sending it."""


def ranks_in_domain(size: Count, stride: Count, domain_devices: Count) -> Count:
    r"""Ranks of one group that share a fast domain, when neighbours of the group are `stride` devices apart.

    .. math:: g = \min(n, \max(1, D / \text{stride}))

    Args:
        size: ranks of the group, :math:`n` [-]
        stride: devices between two neighbours of the group (the product of the inner degrees) [-]
        domain_devices: devices joined by the fast links, :math:`D` [-]

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 3 (tensor parallelism inside a server, the rest outside).
    Limits: groups are aligned to domains; degrees that do not divide the domain are spread evenly.

    >>> ranks_in_domain(16, 4, 8)
    2.0
    >>> ranks_in_domain(4, 8, 8)
    1.0
    """
    return np.minimum(size, np.maximum(domain_devices / stride, 1.0))


def expert_replicas(tensor_ranks: Count, data_ranks: Count, expert_ranks: Count) -> Count:
    r"""Ranks of one pipeline stage that hold the same part of an expert: they reduce its gradients together.

    .. math:: \max\left(\frac{t\,n}{e\,e_t},\; 1\right)

    Args:
        tensor_ranks: tensor-parallel degree of all but the experts, :math:`t` [-]
        data_ranks: that hold the same part of all but the experts, or share out its states, :math:`n` [-]
        expert_ranks: over which experts lie: expert- times their own tensor-parallel degree, :math:`e\,e_t` [-]

    Source: Megatron-core's expert-data-parallel group: the ranks of a stage over those that experts lie over
        (github.com/NVIDIA/Megatron-LM, megatron/core/parallel_state.py).
    Limits: where experts lie over more ranks than share out states, states of experts are not shared out further.

    >>> expert_replicas(8, 4, 8), expert_replicas(8, 4, 16), expert_replicas(2, 2, 8)
    (4.0, 2.0, 1.0)
    """
    return np.maximum(np.asarray(tensor_ranks) * data_ranks / expert_ranks, 1.0)[()]


def crowding(domains: Count, doubling_loss: Share) -> Share:
    r"""Factor by which a step is longer on many domains: stragglers and congestion.

    .. math:: 1 + \lambda \log_2 k

    Args:
        domains: that the job spans, :math:`k` [-]
        doubling_loss: share lost at each doubling of the domains, :math:`\lambda`, fitted for a stack [-]

    Source: fitted (docs/step.md); the form is chosen: the same loss at each doubling.
    Limits: whatever the topology.

    >>> float(crowding(domains=8.0, doubling_loss=0.01))
    1.03
    """
    return 1 + doubling_loss * np.log2(domains)


def group_bytes_per_s(link_bytes_per_s: BytesPerSecond, ranks: Count, sides: Count) -> BytesPerSecond:
    r"""Bandwidth that a collective of so many ranks reaches, of what a large group reaches.

    .. math:: \beta_n = \beta\,\frac{s\,(n-1)}{s\,(n-1)+\kappa}, \qquad \kappa = 0.35

    A rank also copies its own share, 1/n of the buffer, which the bytes over the wire do not count: two ranks reach
    three quarters of the bus bandwidth of eight.

    Args:
        link_bytes_per_s: achieved by one rank of a large group, one direction, :math:`\beta` [byte/s]
        ranks: that take part, :math:`n` [-]
        sides: how often the buffer crosses the wire: 2 in an all-reduce, else 1, :math:`s` [-]

    Source: nccl-tests on A100, H100, H200, B200, GB200 at 2, 4 and 8 ranks (docs/kernels.md).
    Limits: switched domains; on PCIe two ranks reach more than eight.

    >>> round(group_bytes_per_s(337e9, 2, 1) / 1e9), round(group_bytes_per_s(350e9, 8, 1) / 1e9)
    (250, 333)
    """
    crossed = sides * np.maximum(ranks - 1, 1)
    rate: BytesPerSecond = link_bytes_per_s * (crossed / (crossed + COPY_SHARE))
    return rate
