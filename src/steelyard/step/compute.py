"""Seconds that one micro-batch's forward pass keeps a device busy, over all blocks of one stage."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.divisors import Divisors, divided
from steelyard.step.kernels.attention import attention_s, unfused_attention_s
from steelyard.step.kernels.forward import Forward
from steelyard.step.kernels.gemm import gemm_s
from steelyard.step.kernels.pointwise import pointwise_s
from steelyard.step.rank import Rank
from steelyard.step.stages import Blocks
from steelyard.step.states import quantised
from steelyard.step.sums import added
from steelyard.tables import Block, Core, End, Job, Layout, Part, Product, Repeat, Stack
from steelyard.units import Bytes, Count, FlopPerSecond, Seconds, Share


@dataclass(frozen=True, slots=True)
class Head:
    """What the last stage alone does of a micro-batch."""

    product_s: Seconds  # output projection, forward
    moved_s: Seconds  # what moves memory before the loss, forward
    loss_s: Seconds  # softmax and cross-entropy, forward and backward


def forward(rank: Rank, layout: Layout) -> tuple[Forward, ...]:
    """Return the seconds of a forward pass by kind of operator, of one block of each kind, before any communication."""
    blocks, (moving, cores) = rank.job.workload.blocks, _upcast(rank)
    return tuple(
        Forward(gemm_s, attention_s * cores, _pointwise_s(rank, block) * moving)
        if moving is not None
        else Forward(gemm_s, attention_s, _pointwise_s(rank, block))
        for gemm_s, attention_s, block in zip(
            _products_s(rank, blocks), _attention_s(rank, layout, blocks), blocks, strict=True
        )
    )


def _upcast(rank: Rank) -> tuple[Share | None, Share]:
    """Return times as long as 16-bit kernels take over a quantised base: what moves memory (None: as long), attention.

    Source: huggingface/peft, `prepare_model_for_kbit_training` (what is not quantised, and so hidden states, in fp32);
        times as long fitted.
    """
    packed, stack = quantised(rank.job.recipe), rank.stack
    if not packed.any():
        return None, 1.0
    moving, cores = (np.where(packed, one, 1.0) for one in (stack.upcast_scale, stack.attention_upcast_scale))
    return moving, cores


def unpack_s(rank: Rank) -> tuple[Seconds, ...]:
    r"""Seconds to unpack the quantised weights of one block of each kind once; empty where no weights are.

    .. math:: \frac{P\,u}{\mu\,\beta}

    Each pass over the block (forward, a repeated forward, backward) reads its packed weights, writes them in 16 bits
    for a product and reads them there: the bytes of it all, u, for each of its parameters P are fitted.

    Args:
        rank: parameters of its blocks, bandwidth of memory (:math:`\beta`), share of it that kernels reach (µ)

    Source: Dettmers et al. 2023, arXiv 2305.14314, section 3, equation 5: doubleDequant before each product.
    Limits: parameters that stay unquantised, as norms do, are counted as well; LLM.int8(), which multiplies in int8 and
        outliers apart in 16 bits (arXiv 2208.07339, section 3.2), is taken as if it unpacked: no source has its
        seconds in training.
    """
    packed = quantised(rank.job.recipe)
    if not packed.any():
        return ()
    rate = rank.machine.memory_bytes_per_s * rank.kernels.memory_efficiency
    byte_s = packed.astype(float) * (rank.stack.unpack_bytes / rate)
    return tuple((held.dense + held.routed) * byte_s for held in rank.staged.params.blocks)


def through(once: tuple[Forward, ...], blocks: Blocks) -> Forward:
    """Return the seconds of a forward pass through all blocks of a stage."""
    pairs = list(zip(once, blocks, strict=True))
    return Forward(
        gemm_s=added(held.count * one.gemm_s for one, held in pairs),
        attention_s=added(held.count * one.attention_s for one, held in pairs),
        pointwise_s=added(held.count * one.pointwise_s for one, held in pairs),
    )


def head(rank: Rank) -> Head:
    """Return the seconds of the output projection and of the loss."""
    once = _end_forward(rank, rank.job.workload.head)
    return Head(once.gemm_s, once.pointwise_s, _loss_s(rank))


def embedding(rank: Rank) -> Forward:
    """Return the seconds of a forward pass before the first block: patches that are projected; a look-up takes none."""
    return _end_forward(rank, rank.job.workload.embedding)


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


def _products_s(rank: Rank, blocks: tuple[Block, ...]) -> list[Seconds]:
    """All products of one block of each kind; those that occur equally often are added before they are counted."""
    together: dict[int, list[Product]] = {}
    for one in rank.job.workload.products:
        together.setdefault(id(one.repeats), []).append(one)
    wide = (rank.job.gemm_bytes, rank.machine.peak_flop_per_s)
    groups = [(some[0].repeats, added(_product_s(rank, one, wide) for one in some)) for some in together.values()]
    return [_in_block(groups, block) for block in blocks]


def _in_block(groups: list[tuple[tuple[Repeat, ...], Seconds]], block: Block) -> Seconds:
    counts = ((one.count, seconds) for repeats, seconds in groups for one in repeats if one.block == block.name)
    return added(count * seconds for count, seconds in counts)


def _product_s(rank: Rank, one: Product, wide: tuple[Bytes, FlopPerSecond]) -> Seconds:
    """One product, or a group of them in one launch: whole experts on each rank, each with its share of the rows."""
    rows = one.rows / getattr(rank.by, one.split_rows)
    inner, outer = one.inner / getattr(rank.by, one.split_inner), one.outer / getattr(rank.by, one.split_outer)
    if one.split_groups == "whole":
        return _gemm_s(rank, (rank.samples * rows, inner, outer), *wide, rank.kernels.gemm_launch_s)
    local: Count = one.groups / getattr(rank.by, one.split_groups)
    each = _gemm_s(rank, (rank.samples * rows / local, inner, outer), *wide, 0.0)
    return rank.kernels.gemm_launch_s + local * each


def _attention_s(rank: Rank, layout: Layout, blocks: tuple[Block, ...]) -> list[Seconds]:
    groups = [(core.repeats, _core_s(rank, layout, core)) for core in rank.job.workload.cores]
    return [_in_block(groups, block) for block in blocks]


def _core_s(rank: Rank, layout: Layout, core: Core) -> Seconds:
    """Scores and values of one block, fused or as two batched products with a softmax between."""
    kernels, machine = rank.kernels, rank.machine
    generation = kernels.attention_legacy + (1 - kernels.attention_legacy) * rank.stack.attention_native
    generation = generation * rank.stack.attention_share
    share = rank.samples / rank.by.tensor
    flop = core.flop * share
    fused = attention_s(
        flop,
        core.keys / layout.cp,  # around the ring, one stretch of keys at a time; documents count as cut as often
        core.head_dim,
        machine.peak16_flop_per_s,
        kernels.attention_efficiency * generation,
        kernels.attention_half_tokens,
        kernels.attention_half_dim,
    )
    if np.all(layout.flash):
        return fused
    unfused = unfused_attention_s(
        core.unfused_flop * share,
        core.scores * share,
        rank.job.element_bytes,
        machine.peak16_flop_per_s,
        machine.memory_bytes_per_s,
        kernels.unfused_efficiency,
        kernels.memory_efficiency,
    )
    return np.where(layout.flash, fused, unfused)


def _pointwise_s(rank: Rank, block: Block) -> Seconds:
    """Norms, residuals, activations, rotary, casts and expert permutation: whatever only moves memory."""
    moved = rank.samples * _moved_bytes(rank, block)
    return pointwise_s(moved, rank.machine.memory_bytes_per_s, rank.kernels.memory_efficiency)


def _moved_bytes(rank: Rank, block: Block) -> Bytes:
    """Bytes of one block and one sample that cross memory in a forward pass, as often as its kernels make them.

    Adapters are modules of their own whatever the kernels of the block (`adapter_passes`), unless its kernels add them
    in place (`adapter_share`).
    """
    job, stack = rank.job, rank.stack
    stream, dispatch, inside = (_moved(block.moved, kind, rank.by) for kind in ("stream", "dispatch", "inside"))
    elements = stack.pointwise_passes * stream + dispatch + inside
    moved = elements * job.element_bytes + _cast_bytes(job, stream + _dispatched(dispatch, stack))
    passes = stack.adapter_passes * stack.adapter_share
    adapters = passes * job.adapted_inputs * job.workload.tokens / rank.by.tensor
    return moved * stack.eager_scale + adapters * job.element_bytes


def _passes(rank: Rank, parts: tuple[Part, ...]) -> Count:
    """Elements of one sample that cross memory, as often as the stack lets them."""
    stream, dispatch, inside = (_moved(parts, kind, rank.by) for kind in ("stream", "dispatch", "inside"))
    return rank.stack.pointwise_passes * stream + dispatch + inside


def _moved(parts: tuple[Part, ...], kind: str, by: Divisors) -> Count:
    return divided([part for part in parts if part.kind == kind], by)


CASTS = 4
"""Inputs of a block's products that fp8 and fp4 quantise: of queries, keys and values, of attention's output, into the
MLP and out of it. Chosen: each counts as wide as the residual stream, though the last is as wide as the MLP."""


def _dispatched(dispatch: Count, stack: Stack) -> Count:
    """Elements that the inputs of routed experts add to those that are quantised.

    Fitted: the passes of the stack were found with dispatched elements divided by them; it is below 0.1 % of a step.
    """
    return dispatch / np.maximum(stack.pointwise_passes, 1)


def _cast_bytes(job: Job, width: Count) -> Bytes:
    """Quantising the inputs of a block's products (fp8, fp4): read each at 16 bits, write it narrow."""
    if np.all(job.gemm_bytes >= job.element_bytes):
        return 0.0
    narrow = CASTS * width * (job.element_bytes + job.gemm_bytes)
    return np.where(job.gemm_bytes < job.element_bytes, narrow, 0.0)


def _end_forward(rank: Rank, end: End) -> Forward:
    """What one end of the model computes, at 16 bits under fp8 too, and what it moves.

    Source: DeepSeek-V3, arXiv 2412.19437, section 3.3.1: embedding and output head keep their precision.
    """
    wide = (rank.job.element_bytes, rank.machine.peak16_flop_per_s)
    products = (added(one.count for one in some.repeats) * _product_s(rank, some, wide) for some in end.products)
    moved = rank.samples * _passes(rank, end.moved) * rank.job.element_bytes if end.moved else 0.0
    rates = rank.machine.memory_bytes_per_s, rank.kernels.memory_efficiency
    return Forward(added(products), 0.0, pointwise_s(moved, *rates) if end.moved else 0.0)


def _loss_s(rank: Rank) -> Seconds:
    """Softmax and cross-entropy, forward and backward: each logit and its gradient cross memory a few times.

    The bytes of one logit, all passes together, are a constant of the stack (`loss_bytes` of stacks.csv, fitted).
    """
    head = rank.job.workload.head
    logits = rank.samples * head.outputs / rank.by.tensor
    moved = logits * rank.stack.loss_bytes
    return pointwise_s(moved, rank.machine.memory_bytes_per_s, rank.kernels.memory_efficiency)
