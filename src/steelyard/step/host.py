"""Bytes that a step keeps in the memory of a host: what is offloaded from the devices that it feeds."""

from dataclasses import replace
from functools import reduce

import numpy as np

from steelyard.step.divisors import divisors
from steelyard.step.rank import StagedJob
from steelyard.step.recompute import recomputed
from steelyard.step.schedule import in_flight
from steelyard.step.stages import Stage, block_count
from steelyard.step.states import RankParams, state_widths, states_of
from steelyard.step.sums import added
from steelyard.step.tensors.activations import stream_width
from steelyard.step.tensors.recipe import resident, settled
from steelyard.tables import HostMemory, Job, Layout, Machine, Recipe, Stack
from steelyard.units import Bytes, Count


def host_memory(staged: StagedJob, machine: Machine, stack: Stack) -> HostMemory:
    r"""Return what one host keeps for its devices: as much as the heaviest rank, for each of them.

    .. math:: \min(n, d)\,\big(w\,h\,P_3 + (g + m + o + u)\,\tau\,P_1\,[\text{offload}] + a\,B\big)

    Args:
        staged: a job on layouts: parameters of a rank (P), whole or its shard
        machine: devices of one host (d)
        stack: defaults of the job's recipe: bytes of weights (w) and whether they rest on the host (h), gradients (g),
            master copy (m), moments (o) and updates (u) of one trained parameter, inputs of blocks that wait there (B)

    Source: Rajbhandari et al. 2021, arXiv 2104.07857, section 3 (12 bytes of states and 2 of a gradient, a parameter);
        PyTorch FSDP2 documentation, CPUOffloadPolicy (parameters, gradients and states).
    Limits: of paged states all are counted, as if the device had room for none; buffers that are pinned for transfers,
        the loader of data and a checkpoint on its way come on top.
    """
    job, layout = staged.job, staged.layout
    recipe = resident(settled(job.recipe, stack), layout)
    ranks = np.minimum(machine.node_devices, layout.devices)
    pairs = zip(staged.stages, staged.params.ranks, strict=True)
    first, *others = [_of_rank(job, layout, recipe, stage, params) for stage, params in pairs]
    for stage, other in zip(staged.stages[1:], others, strict=True):
        more = np.greater(stage.exists, 0) & np.greater(other.total_bytes, first.total_bytes)
        names = HostMemory.__dataclass_fields__
        first = HostMemory(**{name: np.where(more, getattr(other, name), getattr(first, name)) for name in names})
    return HostMemory(**{name: ranks * getattr(first, name) for name in HostMemory.__dataclass_fields__})


def _of_rank(job: Job, layout: Layout, recipe: Recipe, stage: Stage, params: RankParams) -> HostMemory:
    near = replace(layout, offload=0.0)
    whole = states_of(state_widths(job, near, replace(recipe, weights_on_host=0.0, reduce_bytes=0.0)), params)
    weights, optimizer = (
        whole.weights_bytes * recipe.weights_on_host,
        whole.optimizer_bytes * np.maximum(layout.offload, recipe.states_paged),
    )
    gradients = whole.gradients_bytes * layout.offload
    saved: Bytes = 0.0
    if np.any(recipe.saved_on_host):
        hidden: Count = reduce(np.maximum, (block.hidden for block in job.workload.blocks))
        samples = layout.micro_batch / layout.cp * in_flight(layout, stage.rank)
        inputs = stream_width(job, recipe) * hidden * block_count(stage.blocks) / divisors(layout).sequence
        shares = (share for policy, share in recomputed(layout) if policy.input_alone)
        saved = recipe.saved_on_host * added(shares) * samples * inputs
    return HostMemory(weights, gradients, optimizer, saved, weights + gradients + optimizer + saved)
