"""Seconds that one micro-batch's forward pass keeps a device busy, over all blocks of the model."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.attention import attention_s, unfused_attention_s
from steelyard.step.gemm import gemm_s
from steelyard.step.pointwise import pointwise_s
from steelyard.tables import Job, Kernels, Layout, Machine, Operator, Stack, Workload
from steelyard.units import Bytes, Count, FlopPerSecond, Seconds


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
        attention_s=_attention_s(job, workload, layout, machine, kernels, stack),
        pointwise_s=_pointwise_s(job, tokens, layout, machine, kernels, stack),
        vocab_s=_vocab_s(job, workload, tokens, layout, machine, kernels),
        loss_s=_loss_s(job, workload, tokens, layout, machine, kernels, stack),
    )


def _split(one: Operator, tp: Count) -> tuple[Count, Count]:
    """Inner and outer width of a product on one of `tp` ranks that divide it."""
    return one.inner / (1 + (tp - 1) * one.split_inner), one.outer / (1 + (tp - 1) * one.split_outer)


def _gemm_s(
    shape: tuple[Count, Count, Count],
    element_bytes: Bytes,
    peak_flop_per_s: FlopPerSecond,
    launch_s: Seconds,
    machine: Machine,
    kernels: Kernels,
) -> Seconds:
    rows, inner, outer = shape
    return gemm_s(
        rows=rows,
        inner=inner,
        outer=outer,
        element_bytes=element_bytes,
        peak_flop_per_s=peak_flop_per_s,
        memory_bytes_per_s=machine.memory_bytes_per_s,
        gemm_efficiency=kernels.gemm_efficiency,
        gemm_launch_s=launch_s,
        gemm_half_width=kernels.gemm_half_width,
        memory_efficiency=kernels.memory_efficiency,
    )


def _product_s(job: Job, one: Operator, tokens: Count, layout: Layout, machine: Machine, kernels: Kernels) -> Seconds:
    shape = (tokens, *_split(one, layout.tp))
    width, peak, launch_s = job.gemm_bytes, machine.peak_flop_per_s, kernels.gemm_launch_s
    return one.blocks * _gemm_s(shape, width, peak, launch_s, machine, kernels)


def _experts_s(job: Job, one: Operator, tokens: Count, layout: Layout, machine: Machine, kernels: Kernels) -> Seconds:
    """Routed experts as one grouped product: whole experts on each rank when ep > 1, else split like the dense MLP."""
    whole = layout.ep > 1
    mine = np.where(whole, tokens / np.where(layout.sp, layout.tp, 1), tokens) * one.rows
    local = one.groups / layout.ep
    shape = (mine / local, *_split(one, np.where(whole, 1, layout.tp)))
    each = _gemm_s(shape, job.gemm_bytes, machine.peak_flop_per_s, 0.0, machine, kernels)
    return one.blocks * (kernels.gemm_launch_s + local * each)


def _attention_s(
    job: Job, workload: Workload, layout: Layout, machine: Machine, kernels: Kernels, stack: Stack
) -> Seconds:
    """Scores and values of all attention blocks, fused or as two batched products with a softmax between."""
    arch = job.architecture
    generation = kernels.attention_legacy + (1 - kernels.attention_legacy) * stack.attention_native
    generation = generation * stack.attention_share
    share = layout.micro_batch / (layout.tp * layout.cp)
    flop = workload.attention_flop * share
    fused = attention_s(
        flop,
        job.sequence_tokens / layout.cp,  # around the ring, one stretch of keys at a time
        arch.head_dim,
        machine.peak16_flop_per_s,
        kernels.attention_efficiency * generation,
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
    width = arch.ffn_matrices  # gated: read two, write one; plain: read and write
    dense_share = 1 - arch.moe_layers / arch.layers
    routed = (arch.top_k * arch.moe_ffn + arch.shared_ffn) * (1 - dense_share)
    replicated = np.where(layout.sp, layout.tp, 1)
    hidden = (stack.pointwise_passes + 4 * arch.top_k * (1 - dense_share)) * arch.hidden / replicated
    adapters = stack.adapter_passes * job.adapted_inputs / layout.tp
    inside = (width * (arch.ffn * dense_share + routed) + 2 * (arch.heads + arch.kv_heads) * arch.head_dim) / layout.tp
    moved = (hidden + inside + adapters) * job.element_bytes + _cast_bytes(
        job, hidden / np.maximum(stack.pointwise_passes, 1)
    )
    return pointwise_s(arch.layers * tokens * moved, machine.memory_bytes_per_s, kernels.memory_efficiency)


def _cast_bytes(job: Job, width: Count) -> Bytes:
    """Quantising the inputs of a block's products (fp8, fp4): read each at 16 bits, write it narrow."""
    casts = 4 * width
    return np.where(job.gemm_bytes < job.element_bytes, casts * (job.element_bytes + job.gemm_bytes), 0.0)


def _vocab_s(
    job: Job, workload: Workload, tokens: Count, layout: Layout, machine: Machine, kernels: Kernels
) -> Seconds:
    """Output projection, at 16 bits under fp8 too."""
    shape = (tokens * workload.vocab.rows, *_split(workload.vocab, layout.tp))
    return _gemm_s(shape, job.element_bytes, machine.peak16_flop_per_s, kernels.gemm_launch_s, machine, kernels)


def _loss_s(
    job: Job, workload: Workload, tokens: Count, layout: Layout, machine: Machine, kernels: Kernels, stack: Stack
) -> Seconds:
    """Softmax and cross-entropy, forward and backward: each logit and its gradient cross memory a few times.

    A fused loss on 16-bit logits moves 8 bytes a logit (two reads, one write, the read of the projection's backward);
    fp32 copies of logits and gradients add 16.
    """
    logits = tokens * workload.vocab.rows * workload.vocab.outer / layout.tp
    return pointwise_s(logits * stack.loss_bytes, machine.memory_bytes_per_s, kernels.memory_efficiency)
