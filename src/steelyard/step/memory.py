"""Bytes of the heaviest rank at the peak of a step: the largest over stages and over phases, never their sum."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.buffers import edge_bytes, gathered_bytes, kept_bytes, loading_bytes, stepping_bytes
from steelyard.step.states import States, dense_block, rank_params, states
from steelyard.tables import Job, Layout, Machine, Stack, StepMemory
from steelyard.units import Bytes, Count, Share


@dataclass(frozen=True, slots=True)
class Stage:
    """One pipeline stage: what lies on it."""

    blocks: Count
    sparse: Share  # of its blocks, those with routed experts
    vocab_params: Count  # embedding, output projection
    in_flight: Count  # micro-batches whose activations it holds
    first: Share  # 1: it embeds
    last: Share  # 1: it computes the loss


@dataclass(frozen=True, slots=True)
class Peak:
    """One pipeline stage's rank at its peak."""

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

    The first stage embeds and holds the most micro-batches; the last one has the output projection and the logits.
    One between them is the heaviest only where leading blocks without experts make the first stage lighter.

    Source: Korthikanti et al. 2022, arXiv 2205.05198 (activations); Rajbhandari et al. 2020, arXiv 1910.02054 (states);
        Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (micro-batches in flight).
    Limits: static shapes, balanced experts; the machine says how much there is, not how much is used.
    """
    arch = job.architecture
    peak = _peak(job, layout, stack, _first(job, layout))
    if np.any(layout.pp > 1):
        peak = _heavier(peak, _peak(job, layout, stack, _last(job, layout)))
    between = (np.asarray(layout.pp) > 2) & (np.asarray(arch.moe_layers) > 0) & (arch.moe_layers < arch.layers)
    if np.any(between):
        peak = _heavier(peak, _peak(job, layout, stack, _second(job, layout, np.where(between, 1.0, 0.0))))
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


def in_flight(stages: Count, chunks: Count, rank: Count, micro_batches: Count) -> Count:
    r"""Micro-batches whose activations stage r of p holds at once under 1F1B.

    .. math:: \min\Big(m,\; p - r \;\text{or}\; \frac{2(p - r - 1) + (v - 1)\,p + 1}{v}\;[v > 1]\Big)

    Args:
        stages: pipeline stages p.
        chunks: chunks v of a stage (1: not interleaved).
        rank: stage r, from 0.
        micro_batches: micro-batches m of a step.

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2; on the first stage interleaving holds
        1 + (p-1)/(pv) as much, Korthikanti et al. 2022, arXiv 2205.05198, section 4.2.3.

    >>> in_flight(4, 1, 0, 8), in_flight(4, 1, 0, 2), in_flight(4, 1, 3, 8)
    (4.0, 2.0, 1.0)
    >>> in_flight(4, 3, 0, 8) / in_flight(4, 1, 0, 8) - 1, 3 / (4 * 3)
    (0.25, 0.25)
    """
    warm_up = (2 * (stages - rank - 1) + (chunks - 1) * stages + 1) / chunks
    return np.minimum(np.where(np.asarray(chunks) > 1, warm_up, stages - rank), micro_batches)


def _leading_dense(job: Job, layout: Layout) -> tuple[Share, Count]:
    """Whether the blocks without experts come first (DeepSeek, GLM) and not in between; and how many there are."""
    arch = job.architecture
    dense = arch.layers - arch.moe_layers
    return np.where((dense < arch.moe_layers) & (np.asarray(layout.pp) > 1), 1.0, 0.0), dense


def _first(job: Job, layout: Layout) -> Stage:
    arch = job.architecture
    leading, dense = _leading_dense(job, layout)
    blocks = layout.stage_layers
    alone = layout.pp == 1
    return Stage(
        blocks=blocks,
        sparse=np.where(leading, np.maximum(blocks - dense, 0) / blocks, arch.moe_layers / arch.layers),
        vocab_params=arch.embedding_params + alone * arch.head_params,
        in_flight=in_flight(layout.pp, layout.vpp, 0, layout.micro_batches),
        first=1.0,
        last=np.where(alone, 1.0, 0.0),
    )


def _second(job: Job, layout: Layout, exists: Share) -> Stage:
    arch = job.architecture
    leading, _ = _leading_dense(job, layout)
    return Stage(
        blocks=exists * layout.stage_layers,
        sparse=np.where(leading, 1.0, arch.moe_layers / arch.layers),
        vocab_params=0.0,
        in_flight=in_flight(layout.pp, layout.vpp, np.minimum(layout.pp - 1, 1), layout.micro_batches),
        first=0.0,
        last=0.0,
    )


def _last(job: Job, layout: Layout) -> Stage:
    """An even cut leaves it one block short at most; a stage cut by cost leaves it what the others do not take."""
    arch = job.architecture
    leading, _ = _leading_dense(job, layout)
    missing = np.maximum(layout.stage_layers * layout.pp - arch.layers, 0)
    fewer = np.where(missing < layout.pp, np.minimum(missing, 1), missing)
    exists = np.where(np.asarray(layout.pp) > 1, 1.0, 0.0)
    return Stage(
        blocks=exists * np.maximum(layout.stage_layers - fewer, 0),
        sparse=np.where(leading, 1.0, arch.moe_layers / arch.layers),
        vocab_params=exists * np.where(arch.head_params, arch.head_params, arch.embedding_params),
        in_flight=in_flight(layout.pp, layout.vpp, layout.pp - 1, layout.micro_batches),
        first=0.0,
        last=exists,
    )


def _peak(job: Job, layout: Layout, stack: Stack, stage: Stage) -> Peak:
    """The largest of four moments: the loss, the backward pass of a block, the optimizer's step, loading.

    Logits are gone before the first block's backward pass runs, activations before the optimizer steps.
    """
    arch = job.architecture
    dense = stage.blocks * dense_block(arch, stage.sparse) + stage.vocab_params
    params = rank_params(dense, stage.blocks * stage.sparse * arch.routed_params, layout)
    held = states(job, layout, stack, params)
    kept = kept_bytes(job, layout, stack, stage.sparse)
    edges = edge_bytes(job, layout, stack)
    stored = stage.in_flight * (stage.blocks * kept.block_bytes + stage.first * edges.embedding_bytes)
    stored = stored + stage.last * edges.output_bytes
    logits = stage.last * edges.logits_bytes
    standing = stack.workspace_bytes + gathered_bytes(job, layout, stack, stage.sparse)
    buffers = standing + np.maximum(kept.working_bytes - logits, 0.0)
    training = stored + logits + buffers
    stepping = stack.workspace_bytes + stepping_bytes(job, layout, stack, params)
    loading = loading_bytes(layout, stack, params) - held.gradients_bytes - held.optimizer_bytes
    surplus = np.maximum(np.maximum(stepping, loading) - training, 0.0)
    return Peak(held, stored, logits, buffers + surplus)


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
