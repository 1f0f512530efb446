"""What a stack keeps of the activations, and what it holds for a moment: working sets, logits, gathered parameters."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.activations import block_bytes, block_score_bytes, gathered_input_bytes, transient_bytes
from steelyard.step.states import RankParams, dense_block, expert_ranks
from steelyard.tables import Job, Layout, Stack
from steelyard.units import Bytes, Share


@dataclass(frozen=True, slots=True)
class Kept:
    """One micro-batch of one block on one rank."""

    block_bytes: Bytes  # from its forward to its backward pass
    working_bytes: Bytes  # while its backward pass runs


@dataclass(frozen=True, slots=True)
class Edges:
    """One micro-batch at both ends of the model on one rank."""

    embedding_bytes: Bytes
    output_bytes: Bytes
    logits_bytes: Bytes


def kept_bytes(job: Job, layout: Layout, stack: Stack, sparse: Share) -> Kept:
    r"""Bytes of a block's activations that stay, and of those that its backward pass needs for a moment.

    .. math:: \frac{bs}{c} \{\sigma_a (B + S) + G,\; \sigma_s (\sigma_a B + G),\; e\,h\}, \quad
        \frac{bs}{c}\, \sigma_w (T + \{0, S, B + S + G\})

    for no, selective (only scores are recomputed) and full recompute (only a block's input is kept).

    Args:
        job: the model, the sequence (s) and the bytes of an element (e).
        layout: micro-batch (b), context parallel degree (c), recompute.
        stack: its scales of activations (σ_a, and σ_s of them under selective recompute) and of the working set (σ_w);
            gathered inputs and inputs of adapters that it keeps (G); quantised weights multiply what is kept.
        sparse: share of the blocks that have routed experts.

    Source: Korthikanti et al. 2022, arXiv 2205.05198, table 2; B, S, G, T are `block_bytes`, `block_score_bytes`,
        `gathered_input_bytes` and `transient_bytes`.
    Limits: full recompute of one block at a time, its input divided only by sequence parallelism.
    """
    tokens = layout.micro_batch * job.sequence_tokens / layout.cp
    block, scores = block_bytes(job, layout, sparse), block_score_bytes(job, layout)
    apart = stack.gathered_inputs * gathered_input_bytes(job, layout, sparse)
    apart = apart + stack.adapter_bytes * job.adapted_inputs / layout.tp
    copies = np.where((job.frozen_bytes < 2) & (np.asarray(job.trainable_share) < 1), stack.quantised_scale, 1.0)
    selective, share = np.asarray(layout.recompute) == 1, np.maximum(layout.recompute - 1, 0.0)
    scaled = stack.activation_scale * copies
    some, every = scaled * block + apart, scaled * (block + scores) + apart
    stored = np.where(selective, stack.selective_scale * some, every)
    given = job.element_bytes * job.architecture.hidden / (1 + layout.sp * (layout.tp - 1))
    again = np.where(share > 0, (block + scores) * copies + apart, np.where(selective, scores, 0.0))
    working = stack.working_scale * (again + transient_bytes(job, layout))
    return Kept(block_bytes=tokens * (stored + share * (given - stored)), working_bytes=tokens * working)


def edge_bytes(job: Job, layout: Layout, stack: Stack) -> Edges:
    r"""Bytes of the embedding's dropout mask, of the output projection's inputs and of the logits.

    .. math:: bs/c \cdot \Big\{D\,h,\; 2eh,\; \lambda\,(1 - F)\,\frac{V}{t}\Big\}

    Args:
        job: the model, the sequence (s) and the bytes of an element (e).
        layout: micro-batch (b), tensor (t), sequence and context (c) parallel degrees.
        stack: bytes of one logit at the peak (λ), whether the loss is fused (F).

    Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.3: sbh for the embedding's mask, 2sbh and 2sbh for
        the inputs of norm and projection, 4sbv for logits in fp32.
    Limits: the vocabulary is divided by t.
    """
    arch = job.architecture
    tokens = layout.micro_batch * job.sequence_tokens / layout.cp
    row = arch.hidden * tokens / (1 + layout.sp * (layout.tp - 1))
    logit = stack.logit_bytes * (1 - stack.fused_loss)
    return Edges(
        embedding_bytes=arch.dropout * row,
        output_bytes=2 * job.element_bytes * row,
        logits_bytes=logit * arch.vocab * tokens / layout.tp,
    )


def gathered_bytes(job: Job, layout: Layout, stack: Stack, sparse: Share) -> Bytes:
    r"""Bytes of whole blocks (or the embedding, where it is larger) that ZeRO-3 gathers, and of one's gradients.

    .. math:: e\,(n + \tau)\,\max\Big(\frac{D}{t} + \frac{R}{e_p},\; \frac{E}{t}\Big) \quad [z = 3]

    Args:
        job: the model, the bytes of an element (e), trainable share (τ: frozen weights have no gradients).
        layout: ZeRO stage (z), shard, tensor (t) and expert (e_p) ranks.
        stack: units that are whole at once (n): the one in use and those on their way.
        sparse: share of the blocks that have routed experts.

    Source: Zhao et al. 2023, arXiv 2304.11277, section 3.2.1: peak parameters are the shard and the largest unit.
    Limits: one unit a block; gradients are reduced in the element's type.
    """
    arch = job.architecture
    unit = dense_block(arch, sparse) / layout.tp + sparse * arch.routed_params / expert_ranks(layout)
    largest = np.maximum(unit, arch.embedding_params / layout.tp)
    gathers = (np.asarray(layout.zero) >= 3) & (np.asarray(layout.shard_devices) > 1)
    return np.where(gathers, (stack.gathered_units + job.trainable_share) * job.element_bytes * largest, 0.0)


def stepping_bytes(job: Job, layout: Layout, stack: Stack, params: RankParams) -> Bytes:
    r"""Bytes of temporaries while the optimizer steps; none where it steps on the host.

    .. math:: x\,\tau\,P_1\,(1 - o)

    Args:
        job: trainable share (τ).
        layout: ZeRO stage (from 1 on, the shard is updated), offload (o).
        stack: bytes of temporaries of one parameter (x).
        params: parameters P of the rank.

    Source: PyTorch documentation, torch.optim.Adam, `foreach`: uses about sizeof(params) more peak memory.
    """
    updated = np.where(np.asarray(layout.zero) >= 1, params.shard, params.whole)
    return stack.step_bytes * job.trainable_share * updated * (1 - layout.offload)


def loading_bytes(layout: Layout, stack: Stack, params: RankParams) -> Bytes:
    r"""Bytes of the whole model while a stack that shards it (ZeRO-3) loads it first.

    .. math:: l\,P \quad [z = 3]

    Args:
        layout: ZeRO stage (z).
        stack: bytes of one parameter while it is loaded (l); 0: it loads shards.
        params: parameters P of the rank before sharding.

    Source: derived from LitGPT tutorials/resource-tables.md: LoRA of Llama-2-7B sharded over 2 devices peaks at
        22 GB where its step needs 9 GB: the 13.5 GB of all weights beside the shard.
    """
    return np.where(np.asarray(layout.zero) >= 3, stack.load_bytes * params.whole, 0.0)
