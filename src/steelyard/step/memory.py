"""Bytes of the heaviest rank at the peak of a step: the largest over stages and over phases, never their sum."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.activations import block_bytes, transient_bytes
from steelyard.step.states import RankParams, States, dense_block, expert_ranks, rank_params, routed_block, states
from steelyard.tables import Job, Layout, Machine, Stack, StepMemory
from steelyard.units import Bytes, Count


@dataclass(frozen=True, slots=True)
class Kept:
    """What blocks keep: bytes of one micro-batch on one rank."""

    block_bytes: Bytes  # one block, from its forward to its backward pass
    edge_bytes: Bytes  # embedding's dropout mask
    output_bytes: Bytes  # inputs of the final norm and of the output projection
    logits_bytes: Bytes
    working_bytes: Bytes  # while one block's backward pass runs


@dataclass(frozen=True, slots=True)
class Load:
    """What one stage's rank carries: parameters, and activations and logits at the loss."""

    params: RankParams
    activations_bytes: Bytes
    logits_bytes: Bytes


@dataclass(frozen=True, slots=True)
class Peak:
    """One pipeline stage at its peak."""

    states: States
    activations_bytes: Bytes
    logits_bytes: Bytes
    buffers_bytes: Bytes

    def total_bytes(self) -> Bytes:
        """Return the sum of the parts."""
        held = self.states.weights_bytes + self.states.gradients_bytes + self.states.optimizer_bytes
        return held + self.activations_bytes + self.logits_bytes + self.buffers_bytes


def memory(job: Job, layout: Layout, machine: Machine, stack: Stack) -> StepMemory:
    """Return where the bytes of the heaviest rank go at the peak of a step.

    The first stage holds the embedding and the most micro-batches in flight; the last one the output projection and
    the logits. Stages between them never hold more than the first, which is given the largest number of blocks.

    Source: Korthikanti et al. 2022, arXiv 2205.05198 (activations); Rajbhandari et al. 2020, arXiv 1910.02054 (states);
        Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (micro-batches in flight).
    Limits: static shapes; balanced experts; the machine only says how much there is, not how much is used.
    """
    kept = _kept(job, layout, stack)
    peak = _first(job, layout, stack, kept)
    if np.any(layout.pp > 1):
        peak = _heavier(peak, _last(job, layout, stack, kept))
    allocated = peak.total_bytes()
    reserved = allocated * stack.reserved_scale
    return StepMemory(
        weights_bytes=peak.states.weights_bytes,
        gradients_bytes=peak.states.gradients_bytes,
        optimizer_bytes=peak.states.optimizer_bytes,
        activations_bytes=peak.activations_bytes,
        logits_bytes=peak.logits_bytes,
        buffers_bytes=peak.buffers_bytes,
        allocated_bytes=allocated,
        reserved_bytes=reserved,
        device_bytes=reserved + stack.base_bytes,
    )


def in_flight_first(stages: Count, chunks: Count, micro_batches: Count) -> Count:
    r"""Micro-batches whose activations the first stage holds at once under 1F1B.

    .. math:: \min\big(m,\; p + (p - 1)/v\;[v > 1]\big)

    Args:
        stages: pipeline stages p.
        chunks: chunks v of a stage (1: not interleaved).
        micro_batches: micro-batches m of a step.

    Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.2.3: interleaving holds (1 + (p-1)/(pv)) as much.

    >>> in_flight_first(4, 1, 8), in_flight_first(4, 1, 2)
    (4.0, 2.0)
    """
    held = stages + (stages - 1) / chunks * (chunks > 1)
    return np.minimum(held, micro_batches)


def in_flight_last(stages: Count, chunks: Count, micro_batches: Count) -> Count:
    r"""Micro-batches whose activations the last stage holds at once under 1F1B.

    .. math:: \min\big(m,\; ((v - 1)\,p + 1)/v\big)

    Args:
        stages: pipeline stages p.
        chunks: chunks v of a stage (1: not interleaved).
        micro_batches: micro-batches m of a step.

    Source: Narayanan et al. 2021, arXiv 2104.04473, figure 4: the last stage warms up with its first v - 1 chunks.

    >>> in_flight_last(4, 1, 8), in_flight_last(4, 2, 8)
    (1.0, 2.5)
    """
    return np.minimum(((chunks - 1) * stages + 1) / chunks, micro_batches)


def _kept(job: Job, layout: Layout, stack: Stack) -> Kept:
    arch, e = job.architecture, job.element_bytes
    tokens = layout.micro_batch * job.sequence_tokens / layout.cp
    row = arch.hidden * tokens / (1 + layout.sp * (layout.tp - 1))
    block, scores = block_bytes(job, layout)
    every = block + scores
    full, selective = layout.recompute >= 2, layout.recompute >= 1
    stored = np.where(selective, stack.selective_scale * block, stack.activation_scale * every) * tokens
    again = np.where(full, every, np.where(selective, scores, 0.0))
    return Kept(
        block_bytes=np.where(full, e * row, stored),
        edge_bytes=arch.dropout * row,
        output_bytes=2 * e * row,
        logits_bytes=stack.logit_bytes * (1 - stack.fused_loss) * arch.vocab * tokens / layout.tp,
        working_bytes=stack.working_scale * tokens * (again + transient_bytes(job, layout)),
    )


def _first(job: Job, layout: Layout, stack: Stack, kept: Kept) -> Peak:
    arch = job.architecture
    alone = layout.pp == 1
    blocks = layout.stage_layers
    dense = blocks * dense_block(arch) + arch.embedding_params + alone * arch.head_params
    params = rank_params(dense, blocks * routed_block(arch), layout)
    flying = in_flight_first(layout.pp, layout.vpp, layout.micro_batches)
    stored = flying * (blocks * kept.block_bytes + kept.edge_bytes) + alone * kept.output_bytes
    return _peak(job, layout, stack, Load(params, stored, alone * kept.logits_bytes), kept.working_bytes)


def _last(job: Job, layout: Layout, stack: Stack, kept: Kept) -> Peak:
    arch = job.architecture
    blocks = np.minimum(np.maximum(arch.layers - (layout.pp - 1) * layout.stage_layers, 0), layout.stage_layers)
    head = np.where(arch.head_params, arch.head_params, arch.embedding_params)
    params = rank_params(blocks * dense_block(arch) + head, blocks * routed_block(arch), layout)
    flying = in_flight_last(layout.pp, layout.vpp, layout.micro_batches)
    stored = flying * blocks * kept.block_bytes + kept.output_bytes
    return _peak(job, layout, stack, Load(params, stored, kept.logits_bytes), kept.working_bytes)


def _peak(job: Job, layout: Layout, stack: Stack, load: Load, working_bytes: Bytes) -> Peak:
    """The largest of four moments: loss, backward pass of a block, optimizer step, loading.

    Logits are gone before the first block's backward pass runs, activations before the optimizer steps.
    """
    params, stored, logits = load.params, load.activations_bytes, load.logits_bytes
    held = states(job, layout, stack, params)
    standing = stack.workspace_bytes + _gathered_bytes(job, layout, stack)
    buffers = standing + np.maximum(working_bytes - logits, 0.0)
    training = stored + logits + buffers
    updated = params.whole - (layout.zero >= 1) * (params.whole - params.shard)
    stepping = stack.step_bytes * job.trainable_share * updated * (1 - layout.offload) + stack.workspace_bytes
    loading = stack.load_bytes * params.whole * (layout.zero >= 3) - held.gradients_bytes - held.optimizer_bytes
    return Peak(held, stored, logits, buffers + np.maximum(np.maximum(stepping, loading) - training, 0.0))


def _gathered_bytes(job: Job, layout: Layout, stack: Stack) -> Bytes:
    """Whole blocks (or the embedding, where it is larger) that ZeRO-3 gathers before it uses them."""
    arch = job.architecture
    unit = dense_block(arch) / layout.tp + routed_block(arch) / expert_ranks(layout)
    largest = np.maximum(unit, arch.embedding_params / layout.tp)
    gathered: Bytes = stack.gathered_units * job.element_bytes * largest
    return np.where((np.asarray(layout.zero) >= 3) & (np.asarray(layout.shard_devices) > 1), gathered, 0.0)


def _heavier(one: Peak, other: Peak) -> Peak:
    """Return each candidate's heavier stage, part by part."""
    swap = other.total_bytes() > one.total_bytes()
    mine, theirs = one.states, other.states
    return Peak(
        states=States(
            weights_bytes=np.where(swap, theirs.weights_bytes, mine.weights_bytes),
            gradients_bytes=np.where(swap, theirs.gradients_bytes, mine.gradients_bytes),
            optimizer_bytes=np.where(swap, theirs.optimizer_bytes, mine.optimizer_bytes),
        ),
        activations_bytes=np.where(swap, other.activations_bytes, one.activations_bytes),
        logits_bytes=np.where(swap, other.logits_bytes, one.logits_bytes),
        buffers_bytes=np.where(swap, other.buffers_bytes, one.buffers_bytes),
    )
