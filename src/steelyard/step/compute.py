"""Seconds that one micro-batch's forward pass keeps a device busy, over all blocks of one stage."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.attention import attention_s, unfused_attention_s
from steelyard.step.divisors import Divisors, divided
from steelyard.step.gemm import gemm_s
from steelyard.step.pointwise import pointwise_s
from steelyard.step.rank import Rank
from steelyard.step.stages import Blocks, repeated
from steelyard.tables import Block, Core, Job, Layout, Part, Product
from steelyard.units import Bytes, Count, FlopPerSecond, Seconds


@dataclass(frozen=True, slots=True)
class Forward:
    """One forward pass of one micro-batch through every block of a stage, and through the head."""

    gemm_s: Seconds
    attention_s: Seconds
    pointwise_s: Seconds
    vocab_s: Seconds  # output projection, on the last stage alone
    loss_s: Seconds  # softmax and cross-entropy, forward and backward, on the last stage alone


def forward(rank: Rank, layout: Layout, blocks: Blocks) -> Forward:
    """Return the seconds of a forward pass by kind of operator, on one rank, before any communication."""
    return Forward(
        gemm_s=_products_s(rank, blocks),
        attention_s=_attention_s(rank, layout, blocks),
        pointwise_s=_pointwise_s(rank, blocks),
        vocab_s=_head_s(rank),
        loss_s=_loss_s(rank),
    )


def _gemm_s(
    rank: Rank,
    shape: tuple[Count, Count, Count],
    element_bytes: Bytes,
    peak_flop_per_s: FlopPerSecond,
    launch_s: Seconds,
) -> Seconds:
    rows, inner, outer = shape
    return gemm_s(
        rows=rows,
        inner=inner,
        outer=outer,
        element_bytes=element_bytes,
        peak_flop_per_s=peak_flop_per_s,
        memory_bytes_per_s=rank.machine.memory_bytes_per_s,
        gemm_efficiency=rank.kernels.gemm_efficiency,
        gemm_launch_s=launch_s,
        gemm_half_width=rank.kernels.gemm_half_width,
        memory_efficiency=rank.kernels.memory_efficiency,
    )


def _products_s(rank: Rank, blocks: Blocks) -> Seconds:
    """All products of the stage; those that occur equally often are added before they are counted."""
    together: dict[int, list[Product]] = {}
    for one in rank.job.workload.products:
        together.setdefault(id(one.repeats), []).append(one)
    return sum(
        (
            repeated(some[0].repeats, blocks) * sum((_product_s(rank, one) for one in some), start=0.0)
            for some in together.values()
        ),
        start=0.0,
    )


def _product_s(rank: Rank, one: Product) -> Seconds:
    """One product, or a group of them in one launch: whole experts on each rank, each with its share of the rows."""
    rows = one.rows / getattr(rank.by, one.split_rows)
    inner, outer = one.inner / getattr(rank.by, one.split_inner), one.outer / getattr(rank.by, one.split_outer)
    wide = (rank.job.gemm_bytes, rank.machine.peak_flop_per_s)
    if one.split_groups == "whole":
        return _gemm_s(rank, (rank.samples * rows, inner, outer), *wide, rank.kernels.gemm_launch_s)
    local: Count = one.groups / getattr(rank.by, one.split_groups)
    each = _gemm_s(rank, (rank.samples * rows / local, inner, outer), *wide, 0.0)
    return rank.kernels.gemm_launch_s + local * each


def _attention_s(rank: Rank, layout: Layout, blocks: Blocks) -> Seconds:
    return sum(
        (_core_s(rank, layout, core, repeated(core.repeats, blocks)) for core in rank.job.workload.cores), start=0.0
    )


def _core_s(rank: Rank, layout: Layout, core: Core, count: Count) -> Seconds:
    """Scores and values of so many blocks, fused or as two batched products with a softmax between."""
    kernels, machine = rank.kernels, rank.machine
    generation = kernels.attention_legacy + (1 - kernels.attention_legacy) * rank.stack.attention_native
    generation = generation * rank.stack.attention_share
    share = count * rank.samples / rank.by.tensor
    flop = core.flop * share
    fused = attention_s(
        flop,
        core.keys / layout.cp,  # around the ring, one stretch of keys at a time
        core.head_dim,
        machine.peak16_flop_per_s,
        kernels.attention_efficiency * generation,
        kernels.attention_half_tokens,
        kernels.attention_half_dim,
    )
    if np.all(layout.flash):
        return fused
    unfused = unfused_attention_s(
        2 * flop,
        core.scores * share,
        rank.job.element_bytes,
        machine.peak16_flop_per_s,
        machine.memory_bytes_per_s,
        kernels.unfused_efficiency,
        kernels.memory_efficiency,
    )
    return np.where(layout.flash, fused, unfused)


def _pointwise_s(rank: Rank, blocks: Blocks) -> Seconds:
    """Norms, residuals, activations, rotary, casts and expert permutation: whatever only moves memory."""
    kinds = zip(rank.job.workload.blocks, blocks, strict=True)
    moved = sum((held.count * _moved_bytes(rank, one) for one, held in kinds), start=0.0)
    return pointwise_s(rank.samples * moved, rank.machine.memory_bytes_per_s, rank.kernels.memory_efficiency)


def _moved_bytes(rank: Rank, block: Block) -> Bytes:
    """Bytes of one block and one sample that cross memory in a forward pass."""
    job, stack = rank.job, rank.stack
    stream, dispatch, inside = (_moved(block.moved, kind, rank.by) for kind in ("stream", "dispatch", "inside"))
    adapters = stack.adapter_passes * job.adapted_inputs * job.workload.tokens / rank.by.tensor
    elements = stack.pointwise_passes * stream + dispatch + inside + adapters
    cast = stream + dispatch / np.maximum(stack.pointwise_passes, 1)
    return elements * job.element_bytes + _cast_bytes(job, cast)


def _moved(parts: tuple[Part, ...], kind: str, by: Divisors) -> Count:
    return divided([part for part in parts if part.kind == kind], by)


def _cast_bytes(job: Job, width: Count) -> Bytes:
    """Quantising the inputs of a block's products (fp8, fp4): read each at 16 bits, write it narrow."""
    if np.all(job.gemm_bytes >= job.element_bytes):
        return 0.0
    casts = 4 * width
    return np.where(job.gemm_bytes < job.element_bytes, casts * (job.element_bytes + job.gemm_bytes), 0.0)


def _head_s(rank: Rank) -> Seconds:
    """Output projection, at 16 bits under fp8 too."""
    head = rank.job.workload.head
    shape = (rank.samples * head.rows, head.inner, head.outer / rank.by.tensor)
    return _gemm_s(rank, shape, rank.job.element_bytes, rank.machine.peak16_flop_per_s, rank.kernels.gemm_launch_s)


def _loss_s(rank: Rank) -> Seconds:
    """Softmax and cross-entropy, forward and backward: each logit and its gradient cross memory a few times.

    A fused loss on 16-bit logits moves 8 bytes a logit (two reads, one write, the read of the projection's backward);
    fp32 copies of logits and gradients add 16.
    """
    head = rank.job.workload.head
    logits = rank.samples * head.rows * head.outer / rank.by.tensor
    moved = logits * rank.stack.loss_bytes
    return pointwise_s(moved, rank.machine.memory_bytes_per_s, rank.kernels.memory_efficiency)
