"""Seconds of one micro-batch, forward and backward, on the slowest stage of the pipeline."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.compute import Forward, Head, forward, head, through
from steelyard.step.kernels.attention import FUSED_BACKWARD, UNFUSED_BACKWARD
from steelyard.step.kernels.gemm import product_passes
from steelyard.step.kernels.pointwise import POINTWISE_BACKWARD
from steelyard.step.network.communication import Traffic
from steelyard.step.rank import Rank
from steelyard.step.recompute import Recomputed, recompute_s, recomputed, repeated_share
from steelyard.step.stages import Blocks, block_count, busiest_stages
from steelyard.tables import Layout
from steelyard.units import Count, Seconds

FORWARD_LAUNCHES = 1 / 3
"""Share of a block's launches that its forward pass needs: chosen, as the backward pass has twice the products."""

EXCHANGE_PASSES = 2.0
"""A block exchanges in its forward pass, and as often backward (Shoeybi et al. 2019, arXiv 1909.08053, figure 4)."""

RING_PASSES = 3.0
"""Keys and values go round the ring once forward, and backward with their gradients (arXiv 2310.01889, section 3)."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One micro-batch, forward and backward, on the slowest stage."""

    gemm_s: Seconds
    attention_s: Seconds
    pointwise_s: Seconds
    vocab_s: Seconds
    recompute_s: Seconds
    host_s: Seconds
    tp_s: Seconds
    cp_s: Seconds
    ep_s: Seconds

    def total_s(self) -> Seconds:
        """Return the sum of the parts."""
        busy = self.gemm_s + self.attention_s + self.pointwise_s + self.vocab_s + self.recompute_s
        return busy + self.host_s + self.tp_s + self.cp_s + self.ep_s


def slowest_tick(rank: Rank, layout: Layout, moved: Traffic) -> Tick:
    """Return the tick of the slowest stage: the first, or a later one where the kinds of blocks differ.

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2: every stage waits for the slowest.
    """
    once, ends, policies = forward(rank, layout), head(rank), recomputed(layout)
    first, *later = (
        _tick(rank, layout, blocks, through(once, blocks), ends, moved, policies)
        for blocks in busiest_stages(rank.job.workload, layout)
    )
    for other in later:
        first = _slower(first, other)
    return first


def _slower(one: Tick, other: Tick) -> Tick:
    swap = other.total_s() > one.total_s()
    names = Tick.__dataclass_fields__
    return Tick(**{name: np.where(swap, getattr(other, name), getattr(one, name)) for name in names})


def _tick(
    rank: Rank, layout: Layout, blocks: Blocks, once: Forward, ends: Head, moved: Traffic, policies: Recomputed
) -> Tick:
    stack = rank.stack
    again, launched = repeated_share(policies, "exchanges"), repeated_share(policies, "products")
    passes = product_passes(rank.job.trainable_share)
    gemm = once.gemm_s * passes
    attention = once.attention_s * (1 + np.where(layout.flash, FUSED_BACKWARD, UNFUSED_BACKWARD))
    pointwise = once.pointwise_s * (1 + POINTWISE_BACKWARD)
    recompute = recompute_s(policies, layout, once)
    vocab = (ends.product_s * passes + ends.loss_s) * np.where(layout.pp > 1, stack.vocab_exposed, 1.0)
    busy = gemm + attention + pointwise + recompute + vocab
    return Tick(
        gemm_s=gemm,
        attention_s=attention,
        pointwise_s=pointwise,
        vocab_s=vocab,
        recompute_s=recompute,
        host_s=np.maximum(_launch_s(rank, layout, blocks) * (1 + launched * FORWARD_LAUNCHES) - busy, 0.0),
        tp_s=stack.tp_exposed * (EXCHANGE_PASSES + again) * _reduced_s(rank, blocks, moved),
        cp_s=np.maximum((RING_PASSES + again) * _exchanges(rank, blocks, "rings") * moved.cp_s - attention, 0.0),
        ep_s=stack.ep_exposed * (EXCHANGE_PASSES + again) * _exchanges(rank, blocks, "dispatches") * moved.ep_s,
    )


def _launch_s(rank: Rank, layout: Layout, blocks: Blocks) -> Seconds:
    """Host time to launch a stage's forward and backward."""
    launch_s = rank.stack.layer_host_s * block_count(blocks)
    for one, held in zip(rank.job.workload.blocks, blocks, strict=True):
        if np.any(one.experts):
            routed_s = rank.stack.moe_host_s + rank.stack.expert_host_s * one.experts / layout.ep
            launch_s = launch_s + routed_s * held.count * np.greater(one.experts, 0)
    return launch_s


def _exchanges(rank: Rank, blocks: Blocks, kind: str) -> Count:
    kinds = zip(rank.job.workload.blocks, blocks, strict=True)
    return sum((getattr(one, kind) * held.count for one, held in kinds), start=0.0)


def _reduced_s(rank: Rank, blocks: Blocks, moved: Traffic) -> Seconds:
    """Exchanges of tensor parallelism in a forward pass: of the hidden state, and of what reaches divided experts."""
    experts = _exchanges(rank, blocks, "expert_reductions") * moved.etp_s
    return _exchanges(rank, blocks, "reductions") * moved.tp_s + experts
