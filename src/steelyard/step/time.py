"""Seconds of one optimizer step: one micro-batch on the slowest stage, repeated, plus what happens once a step."""

import numpy as np

from steelyard.step.drive import fetching_s, swapping_s
from steelyard.step.memory import evicted_bytes
from steelyard.step.network.communication import traffic
from steelyard.step.network.placement import crowding
from steelyard.step.offload import streamed_s
from steelyard.step.rank import Rank, StagedJob
from steelyard.step.schedule import backward_splits, bubble_ticks, sends
from steelyard.step.stage_end import slowest_end
from steelyard.step.tensors.recipe import has_drives, resident_weights
from steelyard.step.tick import Tick, slowest_tick, tick_passes
from steelyard.strategies.schedule import THIRDS
from steelyard.tables import Kernels, Machine, Stack, StepTime
from steelyard.units import Seconds, Share


def time(staged: StagedJob, machine: Machine, kernels: Kernels, stack: Stack) -> StepTime:
    """Return where the seconds of one optimizer step of a job cut into stages (`stage_job`) go.

    A step is `micro_batches` ticks of the slowest stage, the bubble of filling and draining the pipeline
    ((p-1)/v ticks, arXiv 2104.04473 section 2.2), the exposed gradient and parameter traffic, and the update. What
    crosses the link of a host, what its drives give and what crosses the network run beside each other: the longest is
    waited for. The factor of a chip is of what its kernels take; a host launches as fast whatever it launches on.

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (micro-batches, bubble); Korthikanti et al. 2022,
        arXiv 2205.05198, section 5 (what recomputation repeats); Rajbhandari et al. 2020, arXiv 1910.02054, section 7
        (traffic of ZeRO); exposed shares and host time are fitted (docs/step.md).
    Limits: the bubble is as if all stages were as slow as the slowest; nothing is lost to stragglers.
    """
    job, layout = staged.job, staged.layout
    rank = Rank(staged, layout.micro_batch / layout.cp, machine, kernels, stack)
    moved = traffic(rank, layout)
    tick = slowest_tick(rank, layout, moved)
    tick_s = tick.total_s()
    count = layout.micro_batches
    parts = {name: getattr(tick, name) * count for name in Tick.__dataclass_fields__ if name != "forward_s"}
    parts["pp_s"] = stack.pp_exposed * sends(layout) * moved.pp_s
    passes = tick_passes(rank, layout, tick) if backward_splits(layout) else THIRDS
    parts["bubble_s"] = bubble_ticks(layout, passes) * tick_s
    weights = resident_weights(job.recipe, stack, layout)
    end = slowest_end(rank, layout, tick_s, tick.forward_s, weights)
    host_s = stack.step_host_s / kernels.time_scale
    drives = has_drives(job.recipe, stack)
    drives_s = fetching_s(staged, machine, stack) if drives else 0.0
    parts["dp_s"] = np.maximum(end.dp_s, streamed_s(staged, machine, stack, weights, count * tick_s, drives_s))
    parts["optimizer_s"] = host_s + end.update_s + paging_s(staged, machine, stack)
    if drives:
        parts["optimizer_s"] = parts["optimizer_s"] + swapping_s(staged, machine, stack)
    crowd = crowding(np.maximum(layout.devices / machine.domain_devices, 1.0), stack.doubling_loss)
    scale = stack.time_scale * kernels.time_scale * crowd
    scaled = {name: value * scale for name, value in parts.items()}
    return StepTime(
        **scaled,
        total_s=sum(scaled.values(), start=np.float64(0)),
        model_flop=job.workload.model_flop * job.batch_samples,
    )


def paging_s(staged: StagedJob, machine: Machine, stack: Stack) -> Seconds:
    r"""Return the seconds in which states of a paged optimizer cross the bus: to the update, and away from it.

    .. math:: 2\,E / r

    Args:
        staged: a job on layouts
        machine: its bus (r) and memory
        stack: defaults of the job's recipe, and what memory holds beside tensors

    Source: huggingface.co/docs/bitsandbytes, explanations of optimizers: what the device has no room for (E) waits on
        the host until the update needs it.
    Limits: pages move at the rate of the bus; faults that come one by one are slower.
    """
    away = evicted_bytes(staged, machine, stack)
    return np.where(np.greater(away, 0), 2 * away / machine.host_bytes_per_s, 0.0)


WAITING = ("host_s", "tp_s", "cp_s", "ep_s", "pp_s", "bubble_s", "dp_s", "optimizer_s")
"""The parts of a step in which a device waits: for launches, for traffic that is exposed, for other stages, and what
comes once a step."""


def waiting_share(step: StepTime) -> Share:
    """Return the share of a step in which the device is not busy with forward and backward passes.

    Args:
        step: where its seconds go

    Source: parts of a step that are exposed (`StepTime`); how unsure they make it is fitted (docs/step.md).
    """
    return sum((getattr(step, name) for name in WAITING), np.float64(0)) / step.total_s
