"""Bytes that a step keeps in the memory of a host: what is offloaded from the devices that it feeds."""

from dataclasses import replace

import numpy as np

from steelyard.step.drive import master_width
from steelyard.step.offload import saved_bytes
from steelyard.step.rank import StagedJob
from steelyard.step.schedule import in_flight
from steelyard.step.stages import Stage
from steelyard.step.states import RankParams, state_widths, states_of
from steelyard.step.tensors.recipe import resident, settled
from steelyard.tables import HostMemory, Job, Layout, Machine, Recipe, Stack
from steelyard.units import Count


def host_memory(staged: StagedJob, machine: Machine, stack: Stack) -> HostMemory:
    r"""Return what one host keeps for its devices: as much as the heaviest rank, for each of them.

    .. math:: \min(n, d)\,\Big(f\,\big(w\,h\,P_3 + (\max(g, G\,[m > 0]) + m + o + u)\,\tau\,P_1\,[\text{offload}]\big)
        + a\,B\Big)

    What rests on drives has buffers here (`passing_weights`, `passing_states`), and all of its gradients.

    Args:
        staged: a job on layouts: parameters of a rank (P), whole or its shard
        machine: devices of one host (d)
        stack: defaults of the job's recipe: bytes of weights (w) and whether they rest on the host (h), gradients (g),
            master copy (m), moments (o) and updates (u) of one trained parameter, inputs of blocks that wait there (B),
            least bytes of a gradient there that a master copy is updated from (G), what buffers for transfers make of
            what is offloaded (f)

    Source: Rajbhandari et al. 2021, arXiv 2104.07857, section 3 (12 bytes of states and 2 of a gradient, a parameter);
        PyTorch FSDP2 documentation, CPUOffloadPolicy (parameters, gradients and states); buffers:
        github.com/deepspeedai/DeepSpeed docs/code-docs/source/memory.rst, General RAM: 1.5 times 16 bytes a parameter
        of states and gradients, 18 with parameters.
    Limits: of paged states all are counted, as if the device had room for none; the loader of data and a checkpoint on
        its way come on top, and copies that ranks load at the start, each the whole model (the same page: 4 bytes a
        parameter and device of models made in fp32 without zero.Init).
    """
    job, layout = staged.job, staged.layout
    recipe = resident(settled(job.recipe, stack), layout)
    ranks = np.minimum(machine.node_devices, layout.devices)
    pairs = zip(staged.stages, staged.params.ranks, strict=True)
    first, *others = [_of_rank(job, layout, recipe, stage, params, stack) for stage, params in pairs]
    for stage, other in zip(staged.stages[1:], others, strict=True):
        more = np.greater(stage.exists, 0) & np.greater(other.total_bytes, first.total_bytes)
        names = HostMemory.__dataclass_fields__
        first = HostMemory(**{name: np.where(more, getattr(other, name), getattr(first, name)) for name in names})
    return HostMemory(**{name: ranks * getattr(first, name) for name in HostMemory.__dataclass_fields__})


def _of_rank(job: Job, layout: Layout, recipe: Recipe, stage: Stage, params: RankParams, stack: Stack) -> HostMemory:
    widths = state_widths(job, replace(layout, offload=0.0), replace(recipe, weights_on_host=0.0, reduce_bytes=0.0))
    resting = np.asarray(np.greater_equal(layout.zero, 2))
    whole = states_of(replace(widths, gradients_sharded=widths.optimizer_sharded, weights_sharded=resting), params)
    master = recipe.cast * job.master_bytes * job.trainable_share  # a weight that is only cast is its master copy
    apart = recipe.weights_on_host * np.maximum(1 - np.maximum(layout.offload, recipe.states_paged), 0)
    shard = states_of(replace(widths, weights_bytes=master, weights_sharded=widths.optimizer_sharded), params)
    weights = (whole.weights_bytes * recipe.weights_on_host + shard.weights_bytes * apart) * stack.host_buffers
    optimizer = whole.optimizer_bytes * np.maximum(layout.offload * stack.host_buffers, recipe.states_paged)
    least = stack.host_gradient_bytes * job.trainable_share * np.greater(job.master_bytes, 0)
    wide = replace(widths, gradients_bytes=np.maximum(widths.gradients_bytes, least))
    wide = replace(wide, gradients_sharded=widths.optimizer_sharded)
    gradients = states_of(wide, params).gradients_bytes * layout.offload * stack.host_buffers
    trained = job.trainable_share * params.shard
    if np.any(recipe.weights_on_nvme):
        passing = widths.weights_bytes * passing_weights(trained, stack) * recipe.weights_on_host
        weights = np.where(recipe.weights_on_nvme, passing, weights)
    if np.any(recipe.states_on_nvme):
        away = recipe.states_on_nvme * layout.offload
        optimizer = np.where(away, master_width(job) * passing_states(trained, stack), optimizer)
        gradients = np.where(away, whole.gradients_bytes, gradients)
    saved = saved_bytes(job, layout, stack, recipe, stage) * in_flight(layout, stage.rank)
    return HostMemory(weights, gradients, optimizer, saved, weights + gradients + optimizer + saved)


def passing_weights(trained: Count, stack: Stack) -> Count:
    r"""Return the parameters of a rank that the memory of its host has room for while they rest on drives.

    .. math:: b + \min(P, k) + \min(P, s)\,[P > k]

    Args:
        trained: parameters of the rank that are updated, P
        stack: parameters that its buffers hold on their way (b), that stay in memory unless there are more (k), and
            that are updated at once (s)

    Source: github.com/deepspeedai/DeepSpeed runtime/swap_tensor/partitioned_param_swapper.py (buffers of each rank);
        runtime/zero/stage3.py, _create_param_groups_fp16_flat_cpu_memory (a buffer of max_in_cpu, used or not) and
        reserve_partitioned_swap_space (one of the largest group, written after its update).
    """
    group = np.minimum(trained, stack.nvme_group) * np.greater(trained, stack.nvme_weights_kept)
    return np.asarray(stack.nvme_weight_buffer + np.minimum(trained, stack.nvme_weights_kept) + group)


def passing_states(trained: Count, stack: Stack) -> Count:
    r"""Return how many states, each of one parameter, a rank has room for in memory while they rest on drives.

    .. math:: c\,\min(P, s)

    Args:
        trained: parameters of the rank that are updated, P
        stack: buffers (c), each of as many parameters as are updated at once (s)

    Source: github.com/deepspeedai/DeepSpeed runtime/swap_tensor/optimizer_utils.py, SwapBufferManager: buffers of the
        largest group, one for each of parameter, gradient and both moments of Adam.
    """
    return np.asarray(stack.nvme_state_buffers * np.minimum(trained, stack.nvme_group))
