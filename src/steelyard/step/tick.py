"""Seconds of one micro-batch, forward and backward, on the slowest stage of the pipeline."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.compute import Head, embedding, forward, head, through, unpack_s
from steelyard.step.kernels.attention import FUSED_BACKWARD, UNFUSED_BACKWARD
from steelyard.step.kernels.forward import Forward
from steelyard.step.kernels.gemm import product_passes
from steelyard.step.kernels.pointwise import POINTWISE_BACKWARD
from steelyard.step.network.communication import Traffic
from steelyard.step.rank import Rank
from steelyard.step.recompute import Recomputed, recompute_s, recomputed, repeated_share
from steelyard.step.schedule import placing
from steelyard.step.stages import Blocks, Stage, block_count, busiest_stages
from steelyard.step.sums import added
from steelyard.strategies.experts import launched_experts
from steelyard.strategies.schedule import Passes
from steelyard.tables import Layout
from steelyard.units import Count, Seconds

FORWARD_LAUNCHES = 1 / 3
"""Share of a block's launches that its forward pass needs: chosen, as the backward pass has twice the products."""

EXCHANGE_PASSES = 2.0
"""A block exchanges in its forward pass, and as often backward (Shoeybi et al. 2019, arXiv 1909.08053, figure 4)."""

UNPACK_PASSES = 2.0
"""A block's weights are unpacked in its forward pass and in its backward pass (arXiv 2305.14314, section 3)."""

RING_PASSES = 3.0
"""Keys and values go round the ring once forward, and backward with their gradients (arXiv 2310.01889, section 3)."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One micro-batch, forward and backward, on the slowest stage.

    Keys and values go round while attention computes, and under DualPipe tokens go to experts and back while another
    micro-batch is computed (DeepSeek-V3, arXiv 2412.19437, section 3.2.1: both directions of all-to-all are fully
    hidden): what is beyond that is exposed. The host launches while both go on. What it takes beyond them
    waits, so that less attention never takes longer.

    Its forward pass is the share of all, but for what runs again, that it is of the products (`product_passes`), and no
    less than the host takes to launch it.
    """

    gemm_s: Seconds
    attention_s: Seconds
    pointwise_s: Seconds
    vocab_s: Seconds
    recompute_s: Seconds
    host_s: Seconds
    tp_s: Seconds
    cp_s: Seconds
    ep_s: Seconds
    forward_s: Seconds  # of them all, what its forward pass takes

    def total_s(self) -> Seconds:
        """Return the sum of the parts."""
        busy = self.gemm_s + self.attention_s + self.pointwise_s + self.vocab_s + self.recompute_s
        return busy + self.host_s + self.tp_s + self.cp_s + self.ep_s


@dataclass(frozen=True, slots=True)
class Alike:
    """What all stages have in common: the vocabulary, how often a forward pass is made, seconds of one exchange."""

    vocab_s: Seconds
    products: Count  # passes of products, forward and backward
    attention: Count
    launches: Count
    recomputed: Recomputed
    unpack_s: tuple[Seconds, ...]  # of one block of each kind, forward and backward; empty: nothing is packed
    reduction_s: Seconds  # forward and backward, exposed
    expert_reduction_s: Seconds
    ring_s: Seconds  # all of it, as below
    dispatch_s: Seconds


def slowest_tick(rank: Rank, layout: Layout, moved: Traffic) -> Tick:
    """Return the tick of the slowest stage: the first, or a later one where the kinds of blocks differ.

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2: every stage waits for the slowest.
    """
    once, alike = forward(rank, layout), _alike(rank, layout, head(rank), moved)
    before = embedding(rank)
    alone = not rank.job.workload.embedding.products  # else the first stage has more to do than its blocks
    some = busiest_stages(rank.staged.stages) if alone else rank.staged.stages
    first, *later = (_tick(rank, layout, one, through(once, one.blocks), before, alike) for one in some)
    for other in later:
        first = _slower(first, other)
    return first


def tick_passes(rank: Rank, layout: Layout, tick: Tick) -> Passes:
    r"""Return what of a tick its passes take: forward, gradients of inputs with what runs again, gradients of weights.

    .. math:: f = \frac{1}{T}\Big(\frac{G}{2 + \tau} + \frac{A}{1 + a} + \frac{P}{1 + b} + \frac{V + X}{2}
        + \frac{H}{3}\Big), \quad w = \frac{\tau\,G}{(2 + \tau)\,T}, \quad 1 - f - w

    Args:
        rank: trainable share (τ)
        layout: fused attention, whose backward pass is a times as long as its forward pass
        tick: seconds (T) of products (G), attention (A), element-wise work (P; backward b times), vocabulary (V),
            exchanges (X) and launches (H)

    Source: Qi et al. 2023, arXiv 2401.10241, table 1: only products have gradients of weights.
    Limits: half of the vocabulary's and of exchanges' time is of the forward pass.
    """
    total = tick.total_s()
    attention = 1 + np.where(layout.flash, FUSED_BACKWARD, UNFUSED_BACKWARD)
    product_s = tick.gemm_s / product_passes(rank.job.trainable_share)
    forward = product_s + tick.attention_s / attention + tick.pointwise_s / (1 + POINTWISE_BACKWARD)
    halves = tick.vocab_s + tick.tp_s + tick.cp_s + tick.ep_s
    first = (forward + halves / 2 + tick.host_s * FORWARD_LAUNCHES) / total
    weights = rank.job.trainable_share * product_s / total
    return Passes(first, 1 - first - weights, weights)


def _slower(one: Tick, other: Tick) -> Tick:
    swap = other.total_s() > one.total_s()
    names = Tick.__dataclass_fields__
    return Tick(**{name: np.where(swap, getattr(other, name), getattr(one, name)) for name in names})


def _alike(rank: Rank, layout: Layout, ends: Head, moved: Traffic) -> Alike:
    stack, policies = rank.stack, recomputed(layout)
    again, passes = repeated_share(policies, "exchanges"), product_passes(rank.job.trainable_share)
    reduced = stack.tp_exposed * (EXCHANGE_PASSES + again)
    return Alike(
        vocab_s=(ends.product_s * passes + ends.moved_s * (1 + POINTWISE_BACKWARD) + ends.loss_s)
        * np.where(layout.pp > 1, stack.vocab_exposed, 1.0),
        products=passes,
        attention=1 + np.where(layout.flash, FUSED_BACKWARD, UNFUSED_BACKWARD),
        launches=1 + repeated_share(policies, "products") * FORWARD_LAUNCHES,
        recomputed=policies,
        unpack_s=tuple(one * (UNPACK_PASSES + repeated_share(policies, "products")) for one in unpack_s(rank)),
        reduction_s=reduced * moved.tp_s,
        expert_reduction_s=reduced * moved.etp_s,
        ring_s=(RING_PASSES + again) * moved.cp_s,
        dispatch_s=(EXCHANGE_PASSES + again) * moved.ep_s,
    )


def _tick(rank: Rank, layout: Layout, stage: Stage, once: Forward, before: Forward, alike: Alike) -> Tick:
    blocks = stage.blocks
    gemm = (once.gemm_s + stage.first * before.gemm_s) * alike.products
    attention = once.attention_s * alike.attention
    pointwise = (once.pointwise_s + stage.first * before.pointwise_s) * (1 + POINTWISE_BACKWARD)
    recompute = rank.stack.recompute_scale * recompute_s(alike.recomputed, layout, once)
    if alike.unpack_s:
        pointwise = pointwise + added(one * held.count for one, held in zip(alike.unpack_s, blocks, strict=True))
    busy = gemm + attention + pointwise + recompute + alike.vocab_s
    reductions = _exchanges(rank, blocks, "reductions") * alike.reduction_s
    tp_s = reductions + _exchanges(rank, blocks, "expert_reductions") * alike.expert_reduction_s
    cp_s = np.maximum(_exchanges(rank, blocks, "rings") * alike.ring_s - attention, 0.0)
    sent_s = _exchanges(rank, blocks, "dispatches") * alike.dispatch_s
    behind = placing(layout).overlapped
    ep_s = np.where(behind, np.maximum(sent_s - busy, 0.0), rank.stack.ep_exposed * sent_s)
    launch_s = _launch_s(rank, layout, blocks)
    return Tick(
        gemm_s=gemm,
        attention_s=attention,
        pointwise_s=pointwise,
        vocab_s=alike.vocab_s,
        recompute_s=recompute,
        host_s=np.maximum(launch_s * alike.launches - busy - cp_s - behind * ep_s, 0.0),
        tp_s=tp_s,
        cp_s=cp_s,
        ep_s=ep_s,
        forward_s=np.maximum((busy - recompute + cp_s) / alike.products, launch_s * FORWARD_LAUNCHES)
        + (tp_s + ep_s) / alike.products,
    )


def _launch_s(rank: Rank, layout: Layout, blocks: Blocks) -> Seconds:
    """Host time to launch a stage's forward and backward, over the chip's factor: that slows kernels, not hosts."""
    launch_s = rank.stack.layer_host_s * block_count(blocks)
    for one, held in zip(rank.job.workload.blocks, blocks, strict=True):
        if np.any(one.experts):
            launched = launched_experts(one.experts / layout.ep, rank.stack.expert_launches)
            routed_s = rank.stack.moe_host_s + rank.stack.expert_host_s * launched
            launch_s = launch_s + routed_s * held.count * np.greater(one.experts, 0)
    return launch_s / rank.kernels.time_scale


def _exchanges(rank: Rank, blocks: Blocks, kind: str) -> Count:
    kinds = ((getattr(one, kind), held.count) for one, held in zip(rank.job.workload.blocks, blocks, strict=True))
    return added(each * count for each, count in kinds if np.count_nonzero(each))
