"""Bytes of the heaviest rank at the peak of a step: the largest over stages and over phases, never their sum."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.activations import Activations, block_kept_bytes, kept_bytes
from steelyard.step.buffers import Edges, edge_bytes, gathered_bytes, loading_bytes, stepping_bytes
from steelyard.step.divisors import Divisors
from steelyard.step.rank import StagedJob
from steelyard.step.schedule import in_flight
from steelyard.step.stages import Stage
from steelyard.step.states import HeldParams, RankParams, States, states
from steelyard.tables import Job, Layout, Machine, Stack, StepMemory
from steelyard.units import Bytes


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


@dataclass(frozen=True, slots=True)
class StageParts:
    """What stages are made of on one rank: one block of each kind, and both ends of the model."""

    kept: tuple[Activations, ...]
    params: tuple[HeldParams, ...]
    edges: Edges


def memory(staged: StagedJob, machine: Machine, stack: Stack) -> StepMemory:
    """Return where the bytes of the heaviest rank go at the peak of a step.

    The first stage embeds and holds the most micro-batches; the last one has the output projection and the logits.
    One between them is the heaviest only where leading blocks without experts make the first stage lighter.

    Source: Korthikanti et al. 2022, arXiv 2205.05198 (activations); Rajbhandari et al. 2020, arXiv 1910.02054 (states);
        Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (micro-batches in flight).
    Limits: static shapes, balanced experts; the machine says how much there is, not how much is used.
    """
    job, layout, by, held = staged.job, staged.layout, staged.by, staged.params
    parts = StageParts(block_kept_bytes(job, layout, stack, by), held.blocks, edge_bytes(job, layout, stack, by))
    pairs = zip(staged.stages, held.ranks, strict=True)
    peak, *others = (_peak(job, layout, stack, by, stage, mine, parts) for stage, mine in pairs)
    for other in others:
        peak = _heavier(peak, other)
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


def _peak(
    job: Job, layout: Layout, stack: Stack, by: Divisors, stage: Stage, params: RankParams, parts: StageParts
) -> Peak:
    """The largest of four moments: the loss, the backward pass of a block, the optimizer's step, loading.

    Logits are gone before the first block's backward pass runs, activations before the optimizer steps.
    """
    held = states(job, layout, stack, params)
    kept, edges = kept_bytes(parts.kept, stage.blocks), parts.edges
    stored = in_flight(layout, stage.rank) * (kept.stored_bytes + stage.first * edges.embedding_bytes)
    stored = stored + stage.last * edges.output_bytes
    logits = stage.last * edges.logits_bytes
    standing = stack.workspace_bytes + gathered_bytes(job, layout, stack, by, stage, parts.params)
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
