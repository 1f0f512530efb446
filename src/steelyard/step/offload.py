"""Seconds in which what rests on a host crosses its link while passes run: parameters, gradients, saved inputs."""

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

import numpy as np

from steelyard.step.divisors import divisors
from steelyard.step.rank import StagedJob
from steelyard.step.recompute import recomputed, repeated_share
from steelyard.step.sharding import exposed_s, rounds
from steelyard.step.stages import Stage
from steelyard.step.states import by_unit, gradient_bytes, weight_bytes
from steelyard.step.tensors.activations import block_kept_bytes, kept_bytes
from steelyard.step.tensors.recipe import settled, settled_entry, upcast
from steelyard.strategies.recipe import PERSISTENT
from steelyard.tables import Job, Layout, Machine, Recipe, Stack
from steelyard.units import Bytes, Count, Seconds, Share


def streamed_s(
    staged: StagedJob, machine: Machine, stack: Stack, weights: Share, window_s: Seconds, drives_s: Seconds
) -> Seconds:
    r"""Return the seconds of a step that a device waits for what crosses its host's link in every micro-batch.

    .. math:: \max(w - t,\ \epsilon\,w), \qquad w = \max(c / r,\ d)

    Args:
        staged: a job on layouts: parameters of a rank, whole or its shard
        machine: one direction of the link of one device and its host (r)
        stack: defaults of the job's recipe; share of traffic that no work hides (ε)
        weights: whether parameters rest on the host (`resident_weights`)
        window_s: seconds of work beside which copies may run (t): all micro-batches
        drives_s: in which the drives of the host give what crosses, and take what leaves (d)

    Source: `crossing_bytes` (c); copies run beside the work: arXiv 2104.07857, section 6.2 (DeepSpeed);
        github.com/pytorch/pytorch torch/distributed/fsdp/_fully_shard/_fsdp_collectives.py, foreach_all_gather: on
        `all_gather_copy_in_stream`; unsloth.ai/blog/nvidia-collab, section 2 (saved inputs).
    Limits: the share that no work hides is that of data-parallel traffic; the link reaches its rate (pinned memory
        reaches 55.7 of 63 GB/s, unsloth.ai/blog/nvidia-collab) and no other device shares it; the residual factors of
        chip and stack act on it as on the rest of a step. Saved inputs are taken to hide behind the work on a link
        whose rate nobody says (TPUs' hosts); parameters and states there make a step unknown.
    """
    recipe, layout = staged.job.recipe, staged.layout
    saved = settled_entry(recipe, stack, "saved_on_host") + settled_entry(recipe, stack, "kept_on_host")
    if not (np.any(layout.offload) or np.any(weights) or np.any(saved) or np.any(drives_s)):
        return np.float64(0)
    crossing = crossing_bytes(staged, stack, upcast(replace(settled(recipe, stack), weights_on_host=weights), layout))
    wire_s = crossing / machine.host_bytes_per_s
    if np.any(np.isnan(machine.host_bytes_per_s)):  # nothing asks no link, known or not
        states = np.greater(weights, 0) | np.greater(layout.offload, 0)
        wire_s = np.where(states | ~np.isnan(machine.host_bytes_per_s), wire_s, 0.0)
    return exposed_s(np.maximum(wire_s, drives_s), window_s, stack.dp_exposed)


def crossing_bytes(staged: StagedJob, stack: Stack, recipe: Recipe) -> Bytes:
    r"""Return the bytes of a step that hold the link of one device and its host, in the direction that has more.

    .. math:: \max(v\,F,\; A) + \max(v\,b\,F + A + k\,g,\; g + W), \qquad F = h\,w\,P_2

    Each forward pass fetches the parameters (F) and sends the saved inputs away; each backward pass fetches both, and
    once more the parameters of what runs again where a stack lets go of them in between. Gradients leave at each
    micro-batch where their sum is never whole, all but the last, which the update counts (`sharding.update_bytes`).
    Where parameters stay gathered between the passes, or all through a pipeline's step, they are fetched once.

    Args:
        staged: a job on layouts: parameters of a rank, its shard where gradients are sharded (:math:`P_2`); its
            micro-batches, one in a pipeline: visits (v)
        stack: what selective recompute keeps
        recipe: whether parameters rest on the host (h), their bytes (w); what the backward pass fetches (b: 1, and 1
            for what runs again); saved inputs of all micro-batches (A); gradients that leave (g), whether they come
            back to be added to (k); weights that are updated on the device and written to the host (W)

    Source: Rajbhandari et al. 2021, arXiv 2104.07857, section 4.1 (parameters are loaded for the forward pass, for the
        backward pass and for what runs again) and 6.1 (each device fetches its own shard);
        github.com/deepspeedai/DeepSpeed runtime/zero/stage3.py, partition_grads: a gradient on the host comes to the
        device to be added to, and goes back. FSDP adds on the host.
    Limits: of each the stage that has most of it.
    """
    job, layout, rests = staged.job, staged.layout, recipe.weights_on_host
    shard = heaviest_shard(staged)
    saved: Bytes = 0.0
    if np.any(recipe.saved_on_host) or np.any(recipe.kept_on_host):
        saved = _most(saved_bytes(job, layout, stack, recipe, one) for one in staged.stages) * layout.micro_batches
    more = layout.offload * (rounds(layout.zero, layout.pp, layout.micro_batches) - 1)
    leaving = more * shard * (job.trainable_share * gradient_bytes(job, recipe))
    back = leaving * np.equal(recipe.grad_life, PERSISTENT)
    if not np.any(np.greater(rests, 0)):
        return saved + np.maximum(saved + back, leaving)
    resting = _resting(staged, recipe)
    fetched, backward = fetched_bytes(staged, recipe)
    if np.any(np.greater(rests, layout.offload)):
        width = np.maximum(recipe.weight_bytes, recipe.cast * job.master_bytes)
        leaving = leaving + resting * (1 - layout.offload) * job.trainable_share * width
    return np.maximum(fetched, saved) + np.maximum(backward + saved + back, leaving)


def _resting(staged: StagedJob, recipe: Recipe) -> Count:
    """Parameters of a rank that rest on its host: its shard where gradients are sharded."""
    whole = _most(one.whole for one in staged.params.ranks)
    return recipe.weights_on_host * np.where(np.greater_equal(staged.layout.zero, 2), heaviest_shard(staged), whole)


def fetched_bytes(staged: StagedJob, recipe: Recipe) -> tuple[Bytes, Bytes]:
    r"""Return the bytes of parameters that the forward passes of a step fetch for one device, and the backward passes.

    .. math:: v\,F, \quad v\,b\,F, \qquad F = h\,w\,P_2

    Args:
        staged: a job on layouts: parameters of a rank, its shard where gradients are sharded (:math:`P_2`); its
            micro-batches, one in a pipeline: visits (v)
        recipe: whether parameters rest off the device (h), their bytes (w), what the backward pass fetches (b)

    Source: as `crossing_bytes`.
    """
    layout = staged.layout
    visits = np.where(np.greater(layout.pp, 1), 1.0, layout.micro_batches)
    fetched = _resting(staged, recipe) * resting_bytes(staged.job, recipe) * visits
    backward = by_unit(layout, recipe) * fetched
    if np.any(np.greater(recipe.weights_on_host * recipe.refetched, 0)):
        backward = backward * (1 + recipe.refetched * repeated_share(recomputed(layout), "products"))
    return fetched, backward


def heaviest_shard(staged: StagedJob) -> Count:
    """Return the parameters of a rank after sharding, of the stage that has most.

    Args:
        staged: a job on layouts

    Source: as `rank_params`.
    """
    return _most(one.shard for one in staged.params.ranks)


def _most(amounts: Iterable[Count]) -> Count:
    return reduce(np.maximum, amounts)


def resting_bytes(job: Job, recipe: Recipe) -> Bytes:
    r"""Return the bytes of one parameter that rests on the host, as it crosses: cast copies are made behind the link.

    .. math:: w + \tau\,c\,m

    Args:
        job: trainable share (τ), bytes of the master copy (m)
        recipe: bytes of a weight (w), whether its working copy is only cast (c)

    Source: github.com/pytorch/pytorch torch/distributed/fsdp/_fully_shard/_fsdp_param.py, all_gather_inputs: a shard
        goes to the device as it is and is cast there, from memory.
    """
    return weight_bytes(job, recipe) + job.trainable_share * recipe.cast * job.master_bytes


def saved_bytes(job: Job, layout: Layout, stack: Stack, recipe: Recipe, stage: Stage) -> Bytes:
    """Return the bytes of what a stage's blocks keep between the passes that one micro-batch leaves on the host.

    Args:
        job: what its blocks keep, by kind
        layout: micro-batch, context parallel degree, recompute
        stack: what selective recompute keeps
        recipe: whether inputs of blocks wait on the host, or all that they keep
        stage: its blocks by kind

    Source: as `block_kept_bytes`; github.com/unslothai/unsloth-zoo gradient_checkpointing.py (inputs);
        github.com/huggingface/trl models/activation_offloading.py, OffloadActivations (all that autograd saves).
    Limits: what both ends of the model keep stays on the device.
    """
    if not (np.any(recipe.saved_on_host) or np.any(recipe.kept_on_host)):
        return 0.0
    return kept_bytes(block_kept_bytes(job, layout, stack, recipe, divisors(layout)), stage.blocks).hosted_bytes
