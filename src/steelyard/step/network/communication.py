"""Seconds that each kind of traffic of a micro-batch holds its wire."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from steelyard.step.network.collectives import (
    Collective,
    all_gather_s,
    hierarchical_all_reduce_s,
    hierarchical_ring,
    send_s,
)
from steelyard.step.network.experts import dispatch_s
from steelyard.step.network.placement import ranks_in_domain
from steelyard.step.rank import Rank
from steelyard.strategies.experts import usual_expert_tensor
from steelyard.tables import Kernels, Layout, Machine, Workload
from steelyard.units import Bytes, BytesPerSecond, Count, Seconds, Share

Exchange = Callable[[Bytes, Count, Count, BytesPerSecond, BytesPerSecond, Seconds, Seconds], Seconds]

Ranks = tuple[Count, Count, BytesPerSecond, BytesPerSecond, Seconds, Seconds]
"""Of a group: ranks in a domain, domains, the rates of both wires and the hops on them."""


@dataclass(frozen=True, slots=True)
class Wires:
    """Achievable bandwidth of one device's links and the start-up of a message on them."""

    link_bytes_per_s: BytesPerSecond
    nic_bytes_per_s: BytesPerSecond
    link_hop_s: Seconds
    nic_hop_s: Seconds
    nic_congestion: Share


@dataclass(frozen=True, slots=True)
class Traffic:
    """One block's forward exchanges for one micro-batch."""

    tp_s: Seconds  # one all-reduce of the hidden state (or its halves, under sequence parallelism)
    cp_s: Seconds  # keys and values once around the ring
    ep_s: Seconds  # one all-to-all
    etp_s: Seconds  # one all-reduce of what reaches the experts (or its halves)
    pp_s: Seconds  # one hidden state to the next stage


def wires(machine: Machine, kernels: Kernels, layout: Layout) -> Wires:
    """Return the achievable wires; a job inside one domain never asks the network, known or not."""
    alone = layout.devices <= machine.domain_devices
    return Wires(
        link_bytes_per_s=machine.link_bytes_per_s * kernels.link_efficiency,
        nic_bytes_per_s=np.where(alone, machine.link_bytes_per_s, machine.nic_bytes_per_s * kernels.nic_efficiency),
        link_hop_s=kernels.link_hop_s,
        nic_hop_s=kernels.nic_hop_s,
        nic_congestion=kernels.nic_congestion,
    )


def traffic(rank: Rank, layout: Layout) -> Traffic:
    """Return how long each exchange takes on an otherwise idle wire."""
    job, machine = rank.job, rank.machine
    lines = wires(machine, rank.kernels, layout)
    domain = machine.domain_devices
    hidden = rank.samples * job.workload.hidden * job.element_bytes
    split = hidden / rank.by.sequence
    keys_values = rank.samples * job.workload.ring * job.element_bytes / rank.by.tensor
    apart = (layout.tp * layout.cp * layout.dp >= domain) | np.isnan(lines.nic_bytes_per_s)  # some stage is elsewhere
    crossing = np.where(apart, lines.nic_bytes_per_s, lines.link_bytes_per_s)
    tp_s = _over(hierarchical_all_reduce_s, hidden, layout.tp, ranks_in_domain(layout.tp, 1, domain), lines)
    ring_s = send_s(keys_values, _narrow(layout.tp * layout.cp, domain, lines), lines.link_hop_s)
    tp_s = np.where(layout.tp > 1, tp_s, 0.0)  # one rank asks no wire, known or not
    return Traffic(
        tp_s=tp_s,
        cp_s=np.where(layout.cp > 1, (layout.cp - 1) * ring_s, 0.0),
        etp_s=_expert_tensor_s(rank, layout, hidden, lines, tp_s),
        ep_s=_experts_s(split, job.workload, layout, domain, lines),
        pp_s=np.where(layout.pp > 1, _stage_s(rank, layout, split, crossing, lines), 0.0),
    )


def _stage_s(rank: Rank, layout: Layout, split: Bytes, crossing: BytesPerSecond, lines: Wires) -> Seconds:
    r"""Time one hidden state takes to the next stage.

    Under sequence parallelism each tensor-parallel rank has a part of it. Else all hold it alike, and either each sends
    the whole, or each a part that the receivers gather over the fast links of their domain:

    .. math:: t = \frac{B}{n\,\beta_n} + \frac{n-1}{n}\,\frac{B}{\beta_l}

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 4.1 (scatter/gather communication optimization).
    Limits: ranks of a tensor-parallel group share no adapter.
    """
    whole_s = send_s(split, crossing, lines.nic_hop_s)
    alike = rank.stack.pp_scattered * np.equal(rank.by.sequence, 1) * np.greater(layout.tp, 1)
    if not np.any(alike):
        return whole_s
    parts_s = send_s(split / layout.tp, crossing, lines.nic_hop_s)
    gathered_s = all_gather_s(split, layout.tp, lines.link_bytes_per_s, lines.link_hop_s)
    return np.where(np.greater(alike, 0), parts_s + gathered_s, whole_s)


def ring(sides: Count, ranks: Count, local: Count, lines: Wires) -> Collective:
    """Return an all-reduce (2 sides) or an all-gather (1) of a group with `local` of its ranks in each domain.

    One rank asks no wire, known or not.
    """
    found = hierarchical_ring(sides, *_group(ranks, local, lines))
    if not np.any(np.isnan(found.byte_s)) and not np.any(np.isnan(found.start_s)):
        return found
    return Collective(np.where(ranks > 1, found.byte_s, 0.0), np.where(ranks > 1, found.start_s, 0.0))


def _over(exchange: Exchange, payload: Bytes, ranks: Count, local: Count, lines: Wires) -> Seconds:
    """One collective of a group with `local` of its ranks in each domain."""
    return exchange(payload, *_group(ranks, local, lines))


def _group(ranks: Count, local: Count, lines: Wires) -> Ranks:
    """What a collective asks of its group, on a network that congests as it spreads."""
    domains = ranks / local
    return (
        local,
        domains,
        lines.link_bytes_per_s,
        lines.nic_bytes_per_s / (1 + lines.nic_congestion * np.log2(domains)),
        lines.link_hop_s,
        lines.nic_hop_s,
    )


def _expert_tensor_s(rank: Rank, layout: Layout, hidden: Bytes, lines: Wires, tp_s: Seconds) -> Seconds:
    """Rows that reach an expert, summed over the ranks that divide it; dispatched ones are as many as their copies.

    Experts that are divided as the rest is exchange what the rest does, whole ones nothing.

    Source: Megatron-core's all-to-all dispatcher gathers dispatched tokens over the tensor-parallel ranks of an expert
        and scatters their sums (megatron/core/transformer/moe/token_dispatcher.py).
    """
    found = np.where(layout.ep > 1, 0.0, tp_s)
    usual = np.equal(layout.etp, usual_expert_tensor(layout.tp, layout.ep))
    if np.all(usual):
        return found
    payload = hidden * np.where(layout.ep > 1, rank.job.workload.copies, 1.0) / rank.by.expert_sequence
    local = ranks_in_domain(layout.etp, 1, rank.machine.domain_devices)
    divided_s = _over(hierarchical_all_reduce_s, payload, layout.etp, local, lines)
    return np.where(usual, found, np.where(layout.etp > 1, divided_s, 0.0))


def _experts_s(payload: Bytes, work: Workload, layout: Layout, domain: Count, lines: Wires) -> Seconds:
    if np.all(layout.ep == 1):
        return np.float64(0)
    local = ranks_in_domain(layout.ep, layout.etp, domain)
    routed = {"copies": work.copies, "expert_groups": work.expert_groups, "top_k_groups": work.top_k_groups}
    sent_s = _over(partial(dispatch_s, **routed), payload, layout.ep, local, lines)
    return np.where(layout.ep > 1, sent_s, 0.0)  # experts on one rank send nothing over a network that may be unknown


def _narrow(span: Count, domain: Count, lines: Wires) -> BytesPerSecond:
    """The slowest wire of a ring that spans so many devices."""
    return np.where(span > domain, lines.nic_bytes_per_s, lines.link_bytes_per_s)
