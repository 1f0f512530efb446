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
