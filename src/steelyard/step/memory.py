"""Bytes of the heaviest rank at the peak of a step: the largest over stages and over phases, never their sum."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.divisors import Divisors
from steelyard.step.rank import StagedJob
from steelyard.step.schedule import in_flight
from steelyard.step.stages import Stage
from steelyard.step.states import HeldParams, RankParams, StateWidths, state_widths, states_of
from steelyard.step.tensors.activations import Activations, block_kept_bytes, kept_bytes, unit_inputs_bytes
from steelyard.step.tensors.buffers import (
    Edges,
    bucket_bytes,
    edge_bytes,
    gathered_bytes,
    loading_bytes,
    stepping_bytes,
    unpacked_bytes,
)
from steelyard.step.tensors.recipe import resident, settled, settled_entry
from steelyard.strategies.recipe import FUSED, PERSISTENT
from steelyard.tables import Job, Layout, Machine, Recipe, Stack, StepMemory
from steelyard.units import Bytes, Share


@dataclass(frozen=True, slots=True)
class Peak:
    """One pipeline stage's rank at its peak."""

    weights_bytes: Bytes
    gradients_bytes: Bytes
    optimizer_bytes: Bytes
    activations_bytes: Bytes
    logits_bytes: Bytes
    total_bytes: Bytes
    lesser_bytes: Bytes  # of loss and block, what the lesser has for a moment
    paged_bytes: Bytes  # beside these: optimizer states that leave when the device is full


@dataclass(frozen=True, slots=True)
class StageParts:
    """What stages are made of on one rank: one block of each kind, and both ends of the model."""

    kept: tuple[Activations, ...]
    params: tuple[HeldParams, ...]
    edges: Edges
    gather_bytes: Bytes
    unpacked_bytes: Bytes
    widths: StateWidths
    standing: Share  # 1: gradients are there while activations are
    consumed: Share  # 1: gradients are gone as soon as they are made


def memory(staged: StagedJob, machine: Machine, stack: Stack) -> StepMemory:
    """Return where the bytes of the heaviest rank go at the peak of a step.

    Args:
        staged: a job on layouts.
        machine: memory of a device, its context.
        stack: defaults of the job's recipe, and what `shown_bytes` adds to tensors.

    Source: `heaviest_peak`, `shown_bytes`; huggingface.co/docs/bitsandbytes, reference of AdamW: paged optimizers take
        unified memory, which no allocator of PyTorch counts and which goes to the host when the device is full, so that
        paged states fill what room there is and nothing must fit for them.
    """
    peak = heaviest_peak(staged, stack)
    shown = shown_bytes(peak.total_bytes, peak.lesser_bytes, staged.layout, machine, stack)
    room = np.maximum(machine.memory_bytes - shown.device_bytes, 0.0)
    paged = np.minimum(peak.paged_bytes, room)
    named = peak.weights_bytes + peak.gradients_bytes + peak.optimizer_bytes + peak.activations_bytes
    return StepMemory(
        weights_bytes=peak.weights_bytes,
        gradients_bytes=peak.gradients_bytes,
        optimizer_bytes=peak.optimizer_bytes,
        activations_bytes=peak.activations_bytes,
        logits_bytes=peak.logits_bytes,
        buffers_bytes=np.maximum(shown.allocated_bytes - named - peak.logits_bytes, 0.0),  # no rounding below nothing
        allocated_bytes=shown.allocated_bytes,
        reserved_bytes=shown.reserved_bytes,
        paged_bytes=paged,
        device_bytes=shown.device_bytes + paged,
        needed_bytes=shown.needed_bytes,
    )


def evicted_bytes(staged: StagedJob, machine: Machine, stack: Stack) -> Bytes:
    """Return the paged states of a rank that its device has no room for at the peak of a step.

    Args:
        staged: a job on layouts.
        machine: memory of a device, its context.
        stack: defaults of the job's recipe, and what `shown_bytes` adds to tensors.

    Source: huggingface.co/docs/bitsandbytes, explanations of optimizers: pages of unified memory move to the host when
        the device runs out, and back when they are needed.
    """
    if not np.any(settled_entry(staged.job.recipe, stack, "states_paged")):
        return np.float64(0)
    peak = heaviest_peak(staged, stack)
    shown = shown_bytes(peak.total_bytes, peak.lesser_bytes, staged.layout, machine, stack)
    room = np.maximum(machine.memory_bytes - shown.device_bytes, 0.0)
    return np.maximum(peak.paged_bytes - room, 0.0)


def heaviest_peak(staged: StagedJob, stack: Stack) -> Peak:
    """Return the tensors of the heaviest rank at the peak of a step.

    The first stage embeds and holds the most micro-batches; the last one has the output projection and the logits.
    One between them is the heaviest only where leading blocks without experts make the first stage lighter.

    Args:
        staged: a job on layouts.
        stack: defaults of the job's recipe.

    Source: Korthikanti et al. 2022, arXiv 2205.05198 (activations); Rajbhandari et al. 2020, arXiv 1910.02054 (states);
        Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (micro-batches in flight).
    Limits: static shapes, balanced experts.
    """
    job, layout, by, held = staged.job, staged.layout, staged.by, staged.params
    recipe = resident(settled(job.recipe, stack), layout)
    parts = StageParts(
        block_kept_bytes(job, layout, stack, recipe, by),
        held.blocks,
        edge_bytes(job, layout, recipe, by),
        stack.gather_bytes,
        unpacked_bytes(job, recipe),
        state_widths(job, layout, recipe),
        _standing(layout, recipe),
        np.equal(recipe.grad_life, FUSED),
    )
    pairs = zip(staged.stages, held.ranks, strict=True)
    peak, *others = (_peak(job, layout, recipe, by, stage, mine, parts) for stage, mine in pairs)
    for stage, other in zip(staged.stages[1:], others, strict=True):
        peak = _heavier(peak, other, stage.exists)
    return peak


@dataclass(frozen=True, slots=True)
class Meters:
    """What three meters show of one peak, and what must fit."""

    allocated_bytes: Bytes
    reserved_bytes: Bytes
    device_bytes: Bytes
    needed_bytes: Bytes


def shown_bytes(tensor_bytes: Bytes, lesser_bytes: Bytes, layout: Layout, machine: Machine, stack: Stack) -> Meters:
    r"""Return what the allocator counts and holds, and what the device shows, of the tensors that are alive at once.

    .. math:: A = T + B\,[n > 1], \quad F = A + f\,(\sigma - 1)\,A, \quad
        R = \min(\sigma A + f\,L,\; \max(F,\; M - X)), \quad R + X, \quad F + X

    What the loss has for a moment and what a block has are of other sizes, so that the one finds what the other left
    cut up in part. An allocator that finds no more memory frees what it only reserves, but for fragments (f of its
    reserve), so that what is reserved never exceeds the device without its context (X) while what is allocated fits.

    Args:
        tensor_bytes: of the tensors that are alive at once (T) [byte]
        lesser_bytes: of the lesser of loss and block (L) [byte]
        layout: devices (n)
        machine: memory of a device (M), its context
        stack: buckets for exchanges (B) and communicators of several devices, reserved over allocated bytes (σ), share
            of fragments (f)

    Source: PyTorch documentation, notes on CUDA memory management: cached blocks are freed before an allocation fails.
    Limits: how much of a reserve is fragments is chosen; none where a compiler plans all buffers.
    """
    several = np.greater(layout.devices, 1)
    context = np.where(np.isnan(machine.context_bytes), stack.context_bytes, machine.context_bytes)
    outside = context + stack.communicator_bytes * several
    allocated = tensor_bytes + stack.workspace_bytes * several
    least = allocated * (1 + stack.fragments * (stack.reserved_scale - 1))
    wanted = allocated * stack.reserved_scale + stack.fragments * lesser_bytes
    reserved = np.minimum(wanted, np.maximum(least, machine.memory_bytes - outside))
    return Meters(allocated, reserved, reserved + outside, least + outside)


def _peak(
    job: Job, layout: Layout, recipe: Recipe, by: Divisors, stage: Stage, params: RankParams, parts: StageParts
) -> Peak:
    """The largest of five moments: the loss, the backward pass of a block, its end, the optimizer's step, loading.

    Logits are gone before the first block's backward pass runs, activations when the last one's has run; gradients that
    the backward pass makes are all there only then, unless earlier micro-batches left theirs.
    """
    held = states_of(parts.widths, params)
    paged = recipe.states_paged * held.optimizer_bytes
    optimizer = held.optimizer_bytes - paged
    kept, edges = kept_bytes(parts.kept, stage.blocks), parts.edges
    stored = in_flight(layout, stage.rank) * (kept.stored_bytes + stage.first * edges.embedding_bytes)
    stored = stored + stage.last * edges.output_bytes
    logits = stage.last * edges.logits_bytes
    rests = held.weights_bytes + optimizer
    gathered = held.copies_bytes + gathered_bytes(job, layout, recipe, by, stage, parts.params, parts.gather_bytes)
    working = kept.working_bytes + parts.unpacked_bytes
    at_once, lesser = np.maximum(working, logits), np.minimum(working, logits)
    buckets = bucket_bytes(job, layout, recipe, params)
    gradients = parts.standing * held.gradients_bytes + buckets
    early = gradients + stored + gathered + at_once
    if _early_is_most(recipe):
        return Peak(held.weights_bytes, gradients, optimizer, stored, logits, rests + early, lesser, paged)
    every = (1 - parts.consumed) * held.gradients_bytes + buckets
    stepping = stepping_bytes(job, layout, recipe, params)
    backward = gathered + working
    if np.any(recipe.input_gradients):
        backward = np.asarray(backward + unit_inputs_bytes(job, layout, recipe, by, stage.blocks))
    late = every + np.maximum(backward, stepping)
    late = np.maximum(late, loading_bytes(layout, recipe, params) - optimizer)
    after = np.greater(late, early)
    return Peak(
        weights_bytes=held.weights_bytes,
        gradients_bytes=np.where(after, every, gradients),
        optimizer_bytes=optimizer,
        activations_bytes=np.where(after, 0.0, stored),
        logits_bytes=np.where(after, 0.0, logits),
        total_bytes=rests + np.where(after, late, early),
        lesser_bytes=lesser,
        paged_bytes=paged,
    )


def _standing(layout: Layout, recipe: Recipe) -> Share:
    """Return where gradients live while activations do: in buffers, or as those of earlier micro-batches."""
    life = recipe.grad_life
    if np.all(np.equal(life, PERSISTENT)):
        return 1.0
    lives = np.equal(life, PERSISTENT) | (np.not_equal(life, FUSED) & np.greater(layout.micro_batches, 1))
    return np.asarray(lives * 1.0)


def _early_is_most(recipe: Recipe) -> bool:
    """Return whether nothing behind the loss can hold more: gradients are always there, and nothing is copied."""
    some = (recipe.grad_life, recipe.step_copies, recipe.load_bytes, recipe.input_gradients)
    return not any(np.any(one) for one in some)


def _heavier(one: Peak, other: Peak, exists: Share) -> Peak:
    """Return each candidate's heavier stage, part by part."""
    swap = np.greater(other.total_bytes, one.total_bytes) & np.greater(exists, 0)
    return Peak(
        weights_bytes=np.where(swap, other.weights_bytes, one.weights_bytes),
        gradients_bytes=np.where(swap, other.gradients_bytes, one.gradients_bytes),
        optimizer_bytes=np.where(swap, other.optimizer_bytes, one.optimizer_bytes),
        activations_bytes=np.where(swap, other.activations_bytes, one.activations_bytes),
        logits_bytes=np.where(swap, other.logits_bytes, one.logits_bytes),
        total_bytes=np.where(swap, other.total_bytes, one.total_bytes),
        lesser_bytes=np.where(swap, other.lesser_bytes, one.lesser_bytes),
        paged_bytes=np.where(swap, other.paged_bytes, one.paged_bytes),
    )
