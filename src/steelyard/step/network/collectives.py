"""Seconds that a collective holds the wire, before any overlap with compute.

All of them share one shape. `wire` is the bytes over the achieved bandwidth; `start` is what an empty message costs.
A message is cut into chunks that follow each other through the ranks; the best number of chunks gives
wire + start + 2 sqrt(wire start), and no pipelining at all wire + start. Measured libraries lie halfway:

    t = wire + start + sqrt(wire · start)

Source: Thakur, Rabenseifner and Gropp 2005 (doi 10.1177/1094342005051521) for the cost model, Sanders et al. 2009
(doi 10.1016/j.parco.2009.09.001) for pipelining; the factor of the root and the start-up inside one switched domain,
which each rank beyond the second lengthens by a tenth, are measured (docs/kernels.md).

Across domains the link and network phases of different chunks run side by side, so the slower one sets the pace
(two nodes of eight H100 reach 95 % of one node's bus bandwidth, more than one phase after the other could), and the
ring over k domains adds k-1 start-ups of the network.
"""

from dataclasses import dataclass

import numpy as np

from steelyard.step.network.placement import group_bytes_per_s
from steelyard.units import Bytes, BytesPerSecond, Count, Seconds, SecondsPerByte


@dataclass(frozen=True, slots=True)
class Collective:
    """What a byte of the buffer and an empty message take in one collective of one group."""

    byte_s: SecondsPerByte
    start_s: Seconds

    def takes_s(self, payload_bytes: Bytes) -> Seconds:
        """Return the seconds that a buffer holds the wire."""
        return _in_chunks(payload_bytes * self.byte_s, self.start_s)


def all_reduce_s(payload_bytes: Bytes, ranks: Count, link_bytes_per_s: BytesPerSecond, hop_s: Seconds) -> Seconds:
    r"""Time one all-reduce holds the wire inside one domain.

    .. math:: t = W + a + \sqrt{W a}, \qquad a = \alpha\,\frac{n+8}{10}, \qquad W = 2\,\frac{n-1}{n}\,\frac{B}{\beta}

    Args:
        payload_bytes: buffer of one rank, :math:`B` [byte]
        ranks: that take part, :math:`n`; 1 takes no time [-]
        link_bytes_per_s: achieved by one rank, one direction, :math:`\beta` [byte/s]
        hop_s: an empty collective between two ranks, :math:`\alpha` [s]

    Source: nccl-tests, PERFORMANCE.md, "AllReduce" (the factor of W); the rest as the module says.
    Limits: one switched domain; on PCIe, 2 to 8 ranks are off by up to 70 %.

    >>> all_reduce_s(1e9, 8, 450e9, 0.0)
    0.00388889
    """
    return _in_chunks(2 * payload_bytes * (ranks - 1) / (ranks * link_bytes_per_s), _start_s(ranks, hop_s))


def all_gather_s(payload_bytes: Bytes, ranks: Count, link_bytes_per_s: BytesPerSecond, hop_s: Seconds) -> Seconds:
    r"""Time one all-gather (or reduce-scatter: the same traffic the other way) holds the wire inside one domain.

    .. math:: t = W + a + \sqrt{W a}, \qquad a = \alpha\,\frac{n+8}{10}, \qquad W = \frac{n-1}{n}\,\frac{B}{\beta}

    Args:
        payload_bytes: the whole gathered (or unreduced) buffer, :math:`B` [byte]
        ranks: that take part, :math:`n`; 1 takes no time [-]
        link_bytes_per_s: achieved by one rank, one direction, :math:`\beta` [byte/s]
        hop_s: an empty collective between two ranks, :math:`\alpha` [s]

    Source: nccl-tests, PERFORMANCE.md, "AllGather" and "ReduceScatter"; the rest as the module says.
    Limits: one switched domain.

    >>> all_gather_s(8e9, 8, 350e9, 0.0)
    0.02
    """
    return _in_chunks(payload_bytes * (ranks - 1) / (ranks * link_bytes_per_s), _start_s(ranks, hop_s))


def reduce_scatter_s(payload_bytes: Bytes, ranks: Count, link_bytes_per_s: BytesPerSecond, hop_s: Seconds) -> Seconds:
    r"""Time one reduce-scatter holds the wire inside one domain: an all-gather run backwards.

    .. math:: t = W + a + \sqrt{W a}, \qquad a = \alpha\,\frac{n+8}{10}, \qquad W = \frac{n-1}{n}\,\frac{B}{\beta}

    Args:
        payload_bytes: the whole unreduced buffer of one rank, :math:`B` [byte]
        ranks: that take part, :math:`n`; 1 takes no time [-]
        link_bytes_per_s: achieved by one rank, one direction, :math:`\beta` [byte/s]
        hop_s: an empty collective between two ranks, :math:`\alpha` [s]

    Source: nccl-tests, PERFORMANCE.md, "ReduceScatter"; the rest as the module says.
    Limits: one switched domain.

    >>> reduce_scatter_s(8e9, 8, 350e9, 0.0)
    0.02
    """
    return all_gather_s(payload_bytes, ranks, link_bytes_per_s, hop_s)


def all_to_all_s(payload_bytes: Bytes, ranks: Count, link_bytes_per_s: BytesPerSecond, hop_s: Seconds) -> Seconds:
    r"""Time one all-to-all holds the wire inside one domain.

    .. math:: t = W + a + \sqrt{W a}, \qquad a = \alpha\,\frac{n+8}{10}, \qquad W = \frac{n-1}{n}\,\frac{B}{\beta}

    Args:
        payload_bytes: what one rank holds, its own share included, :math:`B` [byte]
        ranks: that take part, :math:`n`; 1 takes no time [-]
        link_bytes_per_s: achieved by one rank, one direction, :math:`\beta` [byte/s]
        hop_s: an empty collective between two ranks, :math:`\alpha` [s]

    Source: nccl-tests, PERFORMANCE.md (bus bandwidth of an all-to-all: (n-1)/n); the rest as the module says.
    Limits: equal shares; one switched domain.

    >>> all_to_all_s(8e9, 8, 350e9, 0.0)
    0.02
    """
    return all_gather_s(payload_bytes, ranks, link_bytes_per_s, hop_s)


def send_s(payload_bytes: Bytes, link_bytes_per_s: BytesPerSecond, hop_s: Seconds) -> Seconds:
    r"""Time one message from one rank to another holds the wire.

    .. math:: t = W + \alpha + \sqrt{W\alpha}, \qquad W = B / \beta

    Args:
        payload_bytes: of the message, :math:`B` [byte]
        link_bytes_per_s: achieved, one direction, :math:`\beta` [byte/s]
        hop_s: an empty message, :math:`\alpha` [s]

    Source: Hockney 1994 (doi 10.1016/S0167-8191(06)80021-9) with the module's chunks.
    Limits: the wire is not shared with another message.

    >>> send_s(50e6, 50e9, 0.0)
    0.001
    """
    return _in_chunks(payload_bytes / link_bytes_per_s, hop_s)


def hierarchical_ring(
    sides: Count,
    ranks_in_domain: Count,
    domains: Count,
    link_bytes_per_s: BytesPerSecond,
    nic_bytes_per_s: BytesPerSecond,
    link_hop_s: Seconds,
    nic_hop_s: Seconds,
) -> "Collective":
    """Return what a byte and an empty message take in a ring over several domains: all-reduce, all-gather, scatter.

    Args:
        sides: how often the buffer crosses the wire: 2 in an all-reduce, else 1 [-]
        ranks_in_domain: ranks of the group in one domain [-]
        domains: that the group spans [-]
        link_bytes_per_s: achieved by one rank of a large domain [byte/s]
        nic_bytes_per_s: achieved by one rank's share of the network [byte/s]
        link_hop_s: an empty collective between two ranks of a domain [s]
        nic_hop_s: each further domain [s]

    Source: as `hierarchical_all_reduce_s` and `hierarchical_all_gather_s`.

    >>> hierarchical_ring(2, 1, 4, 450e9, 50e9, 0.0, 1e-5)
    Collective(byte_s=3e-11, start_s=3e-05)
    """
    return Collective(
        byte_s=_byte_s(sides, ranks_in_domain, domains, link_bytes_per_s, nic_bytes_per_s),
        start_s=_start_s(ranks_in_domain, link_hop_s) + nic_hop_s * (domains - 1),
    )


def hierarchical_all_reduce_s(
    payload_bytes: Bytes,
    ranks_in_domain: Count,
    domains: Count,
    link_bytes_per_s: BytesPerSecond,
    nic_bytes_per_s: BytesPerSecond,
    link_hop_s: Seconds,
    nic_hop_s: Seconds,
) -> Seconds:
    r"""Time one all-reduce over several domains holds the wires.

    .. math:: W = \max\!\left(2\,\frac{g-1}{g}\,\frac{B}{\beta_g},\; 2\,\frac{k-1}{k}\,\frac{B}{g\,\beta'}\right),
        \qquad a = \alpha\,\frac{g+8}{10} + (k-1)\,\alpha', \qquad t = W + a + \sqrt{W a}

    Args:
        payload_bytes: buffer of one rank, :math:`B` [byte]
        ranks_in_domain: ranks of the group in one domain, :math:`g` [-]
        domains: that the group spans, :math:`k` [-]
        link_bytes_per_s: achieved by one rank of a large domain (`group_bytes_per_s` gives :math:`\beta_g`) [byte/s]
        nic_bytes_per_s: achieved by one rank's share of the network, :math:`\beta'` [byte/s]
        link_hop_s: an empty collective between two ranks of a domain, :math:`\alpha` [s]
        nic_hop_s: each further domain, :math:`\alpha'` [s]

    Source: bytes of both phases: stas00, ml-engineering, network/README.md; the rest as the module says.
    Limits: every rank has its own share of the network; no in-network reduction, no congestion.

    >>> hierarchical_all_reduce_s(1e9, 8, 1, 450e9, 50e9, 0.0, 0.0)
    0.00398611
    >>> hierarchical_all_reduce_s(1e9, 8, 4, 450e9, 50e9, 0.0, 0.0)
    0.00398611
    >>> hierarchical_all_reduce_s(1e9, 1, 4, 450e9, 50e9, 0.0, 0.0)
    0.03
    """
    ring = hierarchical_ring(2, ranks_in_domain, domains, link_bytes_per_s, nic_bytes_per_s, link_hop_s, nic_hop_s)
    return ring.takes_s(payload_bytes)


def hierarchical_all_gather_s(
    payload_bytes: Bytes,
    ranks_in_domain: Count,
    domains: Count,
    link_bytes_per_s: BytesPerSecond,
    nic_bytes_per_s: BytesPerSecond,
    link_hop_s: Seconds,
    nic_hop_s: Seconds,
) -> Seconds:
    r"""Time one all-gather or reduce-scatter over several domains holds the wires.

    .. math:: W = \max\!\left(\frac{g-1}{g}\,\frac{B}{\beta_g},\; \frac{k-1}{k}\,\frac{B}{g\,\beta'}\right),
        \qquad a = \alpha\,\frac{g+8}{10} + (k-1)\,\alpha', \qquad t = W + a + \sqrt{W a}

    Args:
        payload_bytes: the whole gathered (or unreduced) buffer, :math:`B` [byte]
        ranks_in_domain: ranks of the group in one domain, :math:`g` [-]
        domains: that the group spans, :math:`k` [-]
        link_bytes_per_s: achieved by one rank of a large domain (`group_bytes_per_s` gives :math:`\beta_g`) [byte/s]
        nic_bytes_per_s: achieved by one rank's share of the network, :math:`\beta'` [byte/s]
        link_hop_s: an empty collective between two ranks of a domain, :math:`\alpha` [s]
        nic_hop_s: each further domain, :math:`\alpha'` [s]

    Source: half of an all-reduce's traffic (nccl-tests, PERFORMANCE.md); the rest as the module says.
    Limits: as `hierarchical_all_reduce_s`.

    >>> hierarchical_all_gather_s(8e9, 8, 4, 350e9, 50e9, 0.0, 0.0)
    0.021
    """
    ring = hierarchical_ring(1, ranks_in_domain, domains, link_bytes_per_s, nic_bytes_per_s, link_hop_s, nic_hop_s)
    return ring.takes_s(payload_bytes)


def hierarchical_all_to_all_s(
    payload_bytes: Bytes,
    ranks_in_domain: Count,
    domains: Count,
    link_bytes_per_s: BytesPerSecond,
    nic_bytes_per_s: BytesPerSecond,
    link_hop_s: Seconds,
    nic_hop_s: Seconds,
) -> Seconds:
    r"""Time one all-to-all over several domains holds the wires: peers near and far are served side by side.

    .. math:: W = \max\!\left(\frac{g-1}{gk}\,\frac{B}{\beta_g},\; \frac{k-1}{k}\,\frac{B}{\beta'}\right),
        \qquad a = \alpha\,\frac{g+8}{10} + (k-1)\,\alpha', \qquad t = W + a + \sqrt{W a}

    Args:
        payload_bytes: what one rank holds, its own share included, :math:`B` [byte]
        ranks_in_domain: ranks of the group in one domain, :math:`g` [-]
        domains: that the group spans, :math:`k` [-]
        link_bytes_per_s: achieved by one rank of a large domain (`group_bytes_per_s` gives :math:`\beta_g`) [byte/s]
        nic_bytes_per_s: achieved by one rank's share of the network, :math:`\beta'` [byte/s]
        link_hop_s: an empty collective between two ranks of a domain, :math:`\alpha` [s]
        nic_hop_s: each further domain, :math:`\alpha'` [s]

    Source: GCP's A4X guide: two racks of 72 GB200 reach 65 GB/s of bus bandwidth where one reaches 661, because half of
        the bytes leave the rack (check of the second term); nccl-tests, PERFORMANCE.md (bus bandwidth).
    Limits: equal shares of distinct bytes; tokens that several ranks want: `experts.dispatch_s`.

    >>> hierarchical_all_to_all_s(8e9, 8, 1, 350e9, 50e9, 0.0, 0.0)
    0.021
    >>> hierarchical_all_to_all_s(8e9, 8, 2, 350e9, 50e9, 0.0, 0.0)
    0.08
    """
    near = (ranks_in_domain - 1) / (ranks_in_domain * group_bytes_per_s(link_bytes_per_s, ranks_in_domain, 1))
    far = (domains - 1) / nic_bytes_per_s
    wire = payload_bytes / domains * np.maximum(near, far)
    return _in_chunks(wire, _start_s(ranks_in_domain, link_hop_s) + nic_hop_s * (domains - 1))


def _byte_s(
    sides: Count, near: Count, far: Count, link_bytes_per_s: BytesPerSecond, nic_bytes_per_s: BytesPerSecond
) -> SecondsPerByte:
    """Seconds a byte of the buffer holds the busier wire: (g-1)/g on the link, (k-1)/k of 1/g on the network."""
    link = (near - 1) / group_bytes_per_s(link_bytes_per_s, near, sides)
    nic = (far - 1) / (far * nic_bytes_per_s)
    byte_s: SecondsPerByte = np.maximum(link, nic) * (sides / near)
    return byte_s


def _in_chunks(wire_s: Seconds, start_s: Seconds) -> Seconds:
    time_s: Seconds = wire_s + start_s + np.sqrt(wire_s * start_s)
    return time_s


def _start_s(ranks: Count, hop_s: Seconds) -> Seconds:
    """What an empty collective costs: nothing for a lone rank, a tenth more for each rank beyond two."""
    start_s: Seconds = hop_s * (np.minimum(ranks - 1, 1) * (ranks + 8) / 10)
    return start_s
