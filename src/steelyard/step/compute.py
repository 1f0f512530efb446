"""Seconds that one micro-batch's forward pass keeps a device busy, over all blocks of the model."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.attention import attention_s, unfused_attention_s
from steelyard.step.gemm import gemm_s
from steelyard.step.pointwise import pointwise_s
from steelyard.tables import Job, Kernels, Layout, Machine, Operator, Stack, Workload
from steelyard.units import Bytes, Count, Seconds


@dataclass(frozen=True, slots=True)
class Forward:
    """One forward pass of one micro-batch through every block of the model, if one stage held them all."""

    gemm_s: Seconds
    attention_s: Seconds
    pointwise_s: Seconds
    vocab_s: Seconds  # output projection, on the last stage alone
    loss_s: Seconds  # softmax and cross-entropy, forward and backward, on the last stage alone


def forward(job: Job, workload: Workload, layout: Layout, machine: Machine, kernels: Kernels, stack: Stack) -> Forward:
    """Return the seconds of a forward pass by kind of operator, on one rank, before any communication."""
    tokens = layout.micro_batch * job.sequence_tokens / layout.cp
    shared = (workload.qkv, workload.latent, workload.projection, workload.cross)
    dense = (workload.mlp_in, workload.mlp_out, workload.shared_in, workload.shared_out)
    products = sum(
        (_product_s(job, one, tokens, layout, machine, kernels) for one in shared + dense if np.any(one.blocks)),
        start=np.float64(0),
    )
    for one in (workload.expert_in, workload.expert_out):
        if np.any(one.blocks):
            products = products + _experts_s(job, one, tokens, layout, machine, kernels)
    return Forward(
        gemm_s=products,
        attention_s=_attention_s(job, workload, layout, machine, kernels),
        pointwise_s=_pointwise_s(job, tokens, layout, machine, kernels, stack),
        vocab_s=_vocab_s(job, workload, tokens, layout, machine, kernels),
        loss_s=_loss_s(job, workload, tokens, layout, machine, kernels, stack),
    )


def _one_product_s(
    job: Job, rows: Count, inner: Count, outer: Count, machine: Machine, kernels: Kernels, launch_s: Seconds
) -> Seconds:
    return gemm_s(
        rows=rows,
        inner=inner,
        outer=outer,
        element_bytes=job.gemm_bytes,
        peak_flop_per_s=machine.peak_flop_per_s,
        memory_bytes_per_s=machine.memory_bytes_per_s,
        gemm_efficiency=kernels.gemm_efficiency,
        gemm_launch_s=launch_s,
        gemm_half_width=kernels.gemm_half_width,
        memory_efficiency=kernels.memory_efficiency,
    )


def _product_s(job: Job, one: Operator, tokens: Count, layout: Layout, machine: Machine, kernels: Kernels) -> Seconds:
    inner = one.inner / (1 + (layout.tp - 1) * one.split_inner)
    outer = one.outer / (1 + (layout.tp - 1) * one.split_outer)
    return one.blocks * _one_product_s(job, tokens, inner, outer, machine, kernels, kernels.gemm_launch_s)


def _experts_s(job: Job, one: Operator, tokens: Count, layout: Layout, machine: Machine, kernels: Kernels) -> Seconds:
    """Routed experts as one grouped product: whole experts on each rank when ep > 1, else split like the dense MLP."""
    whole = layout.ep > 1
    tp = np.where(whole, 1, layout.tp)
    mine = np.where(whole, tokens / np.where(layout.sp, layout.tp, 1), tokens) * one.rows
    local = one.groups / layout.ep
    inner = one.inner / (1 + (tp - 1) * one.split_inner)
    outer = one.outer / (1 + (tp - 1) * one.split_outer)
    each = _one_product_s(job, mine / local, inner, outer, machine, kernels, 0.0)
    return one.blocks * (kernels.gemm_launch_s + local * each)


def _attention_s(job: Job, workload: Workload, layout: Layout, machine: Machine, kernels: Kernels) -> Seconds:
    """Scores and values of all attention blocks, fused or as two batched products with a softmax between."""
    arch = job.architecture
    share = layout.micro_batch / (layout.tp * layout.cp)
    flop = workload.attention_flop * share
    fused = attention_s(
        flop,
        job.sequence_tokens / layout.cp,  # around the ring, one stretch of keys at a time
        arch.head_dim,
        machine.peak16_flop_per_s,
        kernels.attention_efficiency,
        kernels.attention_half_tokens,
        kernels.attention_half_dim,
    )
    if np.all(layout.flash):
        return fused
    scores = arch.attention_layers * arch.heads * job.sequence_tokens**2 * share
    unfused = unfused_attention_s(
        2 * flop,
        scores,
        job.element_bytes,
        machine.peak16_flop_per_s,
        machine.memory_bytes_per_s,
        kernels.unfused_efficiency,
        kernels.memory_efficiency,
    )
    return np.where(layout.flash, fused, unfused)


def _pointwise_s(job: Job, tokens: Count, layout: Layout, machine: Machine, kernels: Kernels, stack: Stack) -> Seconds:
    """Norms, residuals, activations, rotary, casts and expert permutation: whatever only moves memory."""
    arch = job.architecture
    width = arch.ffn_matrices - 0.0  # gated: read two, write one; plain: read and write
    dense_share = 1 - arch.moe_layers / arch.layers
    routed = (arch.top_k * arch.moe_ffn + arch.shared_ffn) * (1 - dense_share)
    replicated = np.where(layout.sp, layout.tp, 1)
    hidden = (stack.pointwise_passes + 4 * arch.top_k * (1 - dense_share)) * arch.hidden / replicated
    inside = (width * (arch.ffn * dense_share + routed) + 2 * (arch.heads + arch.kv_heads) * arch.head_dim) / layout.tp
    moved = (hidden + inside) * job.element_bytes + _cast_bytes(job, hidden / np.maximum(stack.pointwise_passes, 1))
    return pointwise_s(arch.layers * tokens * moved, machine.memory_bytes_per_s, kernels.memory_efficiency)


def _cast_bytes(job: Job, width: Count) -> Bytes:
    """Quantising the inputs of a block's products (fp8, fp4): read each at 16 bits, write it narrow."""
    casts = 4 * width
    return np.where(job.gemm_bytes < job.element_bytes, casts * (job.element_bytes + job.gemm_bytes), 0.0)


def _vocab_s(
    job: Job, workload: Workload, tokens: Count, layout: Layout, machine: Machine, kernels: Kernels
) -> Seconds:
    """Output projection, at 16 bits under fp8 too."""
    return gemm_s(
        rows=tokens * workload.vocab.rows,
        inner=workload.vocab.inner,
        outer=workload.vocab.outer / layout.tp,
        element_bytes=job.element_bytes,
        peak_flop_per_s=machine.peak16_flop_per_s,
        memory_bytes_per_s=machine.memory_bytes_per_s,
        gemm_efficiency=kernels.gemm_efficiency,
        gemm_launch_s=kernels.gemm_launch_s,
        gemm_half_width=kernels.gemm_half_width,
        memory_efficiency=kernels.memory_efficiency,
    )


def _loss_s(
    job: Job, workload: Workload, tokens: Count, layout: Layout, machine: Machine, kernels: Kernels, stack: Stack
) -> Seconds:
    """Softmax and cross-entropy, forward and backward: each logit and its gradient cross memory a few times.

    A fused loss on 16-bit logits moves 8 bytes a logit (two reads, one write, the read of the projection's backward);
    fp32 copies of logits and gradients add 16.
    """
    logits = tokens * workload.vocab.rows * workload.vocab.outer / layout.tp
    return pointwise_s(logits * stack.loss_bytes, machine.memory_bytes_per_s, kernels.memory_efficiency)
