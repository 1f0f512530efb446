"""Seconds that tokens take to their experts and back."""

import numpy as np

from steelyard.step.network.collectives import hierarchical_all_to_all_s
from steelyard.units import Bytes, BytesPerSecond, Count, Seconds


def dispatch_s(
    payload_bytes: Bytes,
    ranks_in_domain: Count,
    domains: Count,
    link_bytes_per_s: BytesPerSecond,
    nic_bytes_per_s: BytesPerSecond,
    link_hop_s: Seconds,
    nic_hop_s: Seconds,
    copies: Count,
    expert_groups: Count,
    top_k_groups: Count,
) -> Seconds:
    r"""Time the wires are held while each token goes to its experts, or comes back from them.

    Between domains a token travels once, however many of its experts live there; inside the domain it is copied to
    each. With experts chosen evenly, a token misses a given domain with probability :math:`(1 - 1/k)^c`; where it may
    visit m of n groups of experts alone, it reaches no more domains than these lie in.

    .. math:: W = \max\!\left(c\,\frac{g-1}{g}\,\frac{B}{\beta_g},\;
        \frac{k-1}{k}\,\min\!\left(k - k\,(1 - \tfrac1k)^c,\; m \max(1, \tfrac kn)\right)
        \frac{B}{\beta'}\right), \qquad a = \alpha\,\frac{g+8}{10} + (k-1)\,\alpha', \qquad t = W + a + \sqrt{W a}

    Args:
        payload_bytes: hidden states of one rank's tokens, each once, :math:`B` [byte]
        ranks_in_domain: ranks of the group in one domain, :math:`g` [-]
        domains: that the group spans, :math:`k` [-]
        link_bytes_per_s: achieved by one rank of a large domain (`group_bytes_per_s` gives :math:`\beta_g`) [byte/s]
        nic_bytes_per_s: achieved by one rank's share of the network, :math:`\beta'` [byte/s]
        link_hop_s: an empty collective between two ranks of a domain, :math:`\alpha` [s]
        nic_hop_s: each further domain, :math:`\alpha'` [s]
        copies: experts of one token, :math:`c` [-]
        expert_groups: groups in which experts are routed, 0 for none, :math:`n` [-]
        top_k_groups: of these, those that a token may visit, :math:`m` [-]

    Source: DeepSeek-V3, arXiv 2412.19437, section 3.2.2 (one copy over InfiniBand, then NVLink inside the node); the
        same in github.com/deepseek-ai/DeepEP and in Megatron-core's flex dispatcher. Its section 2.1.2 sends a token
        to at most 4 nodes, one for each of its groups.
    Limits: equal load of the experts; a group lies in as few domains as it can; a dispatcher that sends a copy an
        expert moves more.

    >>> dispatch_s(1e9, 8, 1, 350e9, 50e9, 0.0, 0.0, 8, 0, 0)
    0.021
    >>> dispatch_s(1e9, 8, 4, 350e9, 50e9, 0.0, 0.0, 8, 0, 0)
    0.0539932...
    >>> dispatch_s(1e9, 8, 8, 350e9, 50e9, 0.0, 0.0, 8, 8, 4)
    0.07
    """
    sent = np.maximum(copies, 1)  # a dense model sends none
    reached = domains * (1 - (1 - 1 / domains) ** sent)
    if np.any(expert_groups):
        within = top_k_groups * np.maximum(domains / np.maximum(expert_groups, 1), 1)
        reached = np.where(np.greater(expert_groups, 0), np.minimum(reached, within), reached)[()]
    merged = nic_bytes_per_s * sent * domains / reached
    each = payload_bytes * copies * domains
    return hierarchical_all_to_all_s(each, ranks_in_domain, domains, link_bytes_per_s, merged, link_hop_s, nic_hop_s)
