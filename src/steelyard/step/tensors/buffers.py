"""What a stack holds for a moment beside the blocks: both ends of the model, gathered parameters, temporaries."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.divisors import Divisors, divided
from steelyard.step.stages import Stage, head_params
from steelyard.step.states import HeldParams, RankParams, by_unit, gradient_bytes, quantised
from steelyard.strategies.recipe import PERSISTENT
from steelyard.tables import Job, Layout, Recipe
from steelyard.units import Bytes, Count


@dataclass(frozen=True, slots=True)
class Edges:
    """One micro-batch at both ends of the model on one rank."""

    embedding_bytes: Bytes
    output_bytes: Bytes
    logits_bytes: Bytes


def edge_bytes(job: Job, layout: Layout, recipe: Recipe, by: Divisors) -> Edges:
    r"""Bytes of the embedding's dropout mask, of the output projection's inputs and of the logits.

    .. math:: bs/c \cdot \Big\{D\,h,\; 2eh,\; \lambda\,\frac{V}{t}\Big\}

    Args:
        job: what both ends of the model keep of a sample.
        layout: micro-batch (b) and context (c) parallel degree.
        recipe: bytes of one logit at the peak (λ), and whether each tensor rank has them of the whole vocabulary.
        by: the number of each divisor (t) [-]

    Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.3: sbh for the embedding's mask, 2sbh and 2sbh for
        the inputs of norm and projection, 4sbv for logits in fp32.
    Limits: the vocabulary is divided by t unless it is gathered.
    """
    embedding, head = job.workload.embedding, job.workload.head
    samples = layout.micro_batch / layout.cp
    over = np.where(recipe.logits_gathered, 1.0, by.tensor) if np.any(recipe.logits_gathered) else by.tensor
    return Edges(
        embedding_bytes=samples * divided(embedding.kept_bytes, by),
        output_bytes=samples * divided(head.kept_bytes, by),
        logits_bytes=recipe.logit_bytes * head.logits * samples / over,
    )


def gathered_bytes(
    job: Job,
    layout: Layout,
    recipe: Recipe,
    by: Divisors,
    stage: Stage,
    each: tuple[HeldParams, ...],
    gather_bytes: Bytes,
) -> Bytes:
    r"""Bytes of whole blocks (or the embedding or head, if larger) that ZeRO-3 gathers, and of one's gradients.

    .. math:: \max\Big((n\,w + \tau\,e)\,\Big(\frac{D}{t} + \frac{R}{e_p}\Big),\;
        e\,(n + \tau)\,\max\Big(\frac{E}{t}\;[r = 0],\; \frac{H}{t}\;[r = p - 1]\Big)\Big) \quad [z = 3]

    Where both ends are one unit that stays whole, its bytes come on top of those of blocks.

    Args:
        job: the model, the bytes of an element (e), trainable share (τ: frozen weights have no gradients).
        layout: ZeRO stage (z), shard ranks.
        recipe: units that are whole at once (n): the one in use and those on their way; whether both ends are a unit
            of their own; bytes of a quantised parameter, in place of e.
        by: the number of each divisor: tensor (t) and expert (e_p) ranks [-]
        stage: its blocks, the largest of which is the unit; the embedding (E) is on the first, the head (H) on the last
        each: parameters of one block of each kind (D, R), on one rank
        gather_bytes: of a block's parameter on its way (w), where products are narrower than elements; else e

    Source: Zhao et al. 2023, arXiv 2304.11277, section 3.2.1: peak parameters are the shard and the largest unit;
        section 4.2: the outermost unit is kept from forward to backward pass; github.com/pytorch/torchtitan
        docs/float8.md, enable_fsdp_float8_all_gather: weights are cast before they are gathered.
    Limits: one unit a block; gradients are reduced in the element's type.
    """
    gathers = by_unit(layout, recipe)
    if not np.any(gathers):
        return 0.0
    work = job.workload
    unit: Count = 0.0
    for one, held in zip(each, stage.blocks, strict=True):
        unit = np.maximum(unit, np.greater(held.count, 0) * (one.dense + one.routed))
    before = stage.first * (work.embedding.params / by.tensor + work.embedding.whole_params)
    behind = stage.last * (head_params(work) / by.tensor + work.head.whole_params)
    packed = quantised(recipe)
    narrow = np.where(np.less(job.gemm_bytes, job.element_bytes), np.minimum(gather_bytes, job.element_bytes), 0.0)
    width = np.where(narrow > 0, narrow, job.element_bytes)
    copies, made = recipe.gathered_units, job.trainable_share
    blocks = unit * (copies * width + made * job.element_bytes)
    blocks = np.where(packed, (copies + made) * recipe.packed_bytes * unit, blocks)
    ends = (copies + made) * job.element_bytes * np.maximum(before, behind)
    if not np.any(recipe.root_gathered):
        return np.where(gathers, np.maximum(blocks, ends), 0.0)
    shared = np.where(work.head.params, 1.0, 1 - stage.first)
    root = job.element_bytes * recipe.root_gathered * (before + behind * shared)
    return np.where(gathers, np.maximum(blocks, (1 - recipe.root_gathered) * ends) + root, 0.0)


def stepping_bytes(job: Job, layout: Layout, recipe: Recipe, params: RankParams) -> Bytes:
    r"""Bytes of temporaries while the optimizer steps; none where it steps on the host.

    .. math:: x\,\max(m,\; e\,[m = 0])\,\tau\,P_1\,(1 - o)

    Args:
        job: trainable share (τ); bytes of what is updated: the master copy (m), else the weight itself (e).
        layout: ZeRO stage (from 1 on, the shard is updated), offload (o).
        recipe: temporaries of each updated tensor (x).
        params: parameters P of the rank.

    Source: PyTorch documentation, torch.optim.Adam, `foreach`: uses about sizeof(params) more peak memory.
    """
    if not np.any(recipe.step_copies):
        return 0.0
    updated = np.where(np.asarray(layout.zero) >= 1, params.shard, params.whole)
    width = np.where(np.greater(job.master_bytes, 0), job.master_bytes, job.element_bytes)
    return recipe.step_copies * width * job.trainable_share * updated * (1 - layout.offload)


def loading_bytes(layout: Layout, recipe: Recipe, params: RankParams) -> Bytes:
    r"""Bytes of the whole model while a stack that shards it over several ranks (ZeRO-3) loads it first.

    .. math:: l\,P \quad [z = 3,\ n > 1]

    Args:
        layout: ZeRO stage (z), ranks that shards lie on (n).
        recipe: bytes of one parameter while it is loaded (l); 0: it loads shards.
        params: parameters P of the rank before sharding.

    Source: derived from LitGPT tutorials/resource-tables.md: LoRA of Llama-2-7B sharded over 2 devices peaks at
        22 GB where its step needs 9 GB: the 13.5 GB of all weights beside the shard.
    """
    if not np.any(recipe.load_bytes):
        return 0.0
    apart = np.greater_equal(layout.zero, 3) & np.greater(layout.shard_devices, 1)
    return np.where(apart, recipe.load_bytes * params.whole, 0.0)


def bucket_bytes(job: Job, layout: Layout, recipe: Recipe, params: RankParams) -> Bytes:
    r"""Bytes of the buckets of plain data parallelism, into which gradients are copied to be reduced.

    .. math:: k\,\tau\,g\,P \quad [d > 1,\ z = 0], \qquad g = e \text{ where buffers of their own keep the sum}

    Args:
        job: trainable share (τ), bytes of an element (e)
        layout: replicas (d), ZeRO stage (z)
        recipe: whether there are buckets beside gradients (k), bytes of what autograd makes (g)
        params: parameters P of the rank

    Source: docs.pytorch.org torch.nn.parallel.DistributedDataParallel, gradient_as_bucket_view: if True, peak memory is
        less by the total size of gradients; pytorch torch/csrc/distributed/c10d/reducer.cpp, initialize_buckets: in the
        type of the parameters, from the start of training on.
    """
    if not np.any(recipe.bucket_copies):
        return 0.0
    made = np.where(np.equal(recipe.grad_life, PERSISTENT), job.element_bytes, gradient_bytes(job, recipe))
    plain = np.greater(layout.dp * layout.cp, 1) & np.equal(layout.zero, 0)
    return recipe.bucket_copies * job.trainable_share * made * plain * params.whole


def unpacked_bytes(job: Job, recipe: Recipe) -> Bytes:
    r"""Bytes of the largest matrix in 16 bits, which a product with a quantised one makes for a moment.

    .. math:: 2\,\max_i k_i\,n_i

    Args:
        job: its products
        recipe: whether matrices are quantised

    Source: github.com/bitsandbytes-foundation/bitsandbytes autograd/_functions.py, MatMul4Bit: the weight is
        dequantised for its product.
    Limits: one matrix at a time.
    """
    packed = quantised(recipe)
    if not packed.any():
        return 0.0
    largest: Bytes = 0.0
    for one in job.workload.products:
        there = np.any([np.greater(repeat.count, 0) for repeat in one.repeats], axis=0)
        largest = np.maximum(largest, there * (one.inner * one.outer))
    return np.where(packed, 2.0 * largest, 0.0)
