"""Which ranks of a parallel group sit inside one fast domain: tensor parallel innermost, then context, data, stages."""

import numpy as np

from steelyard.units import Count


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
