"""The composition: the only module that knows all rooms."""

from dataclasses import fields, replace

import numpy as np

from steelyard.carbon import carbon
from steelyard.energy import energy
from steelyard.money import money
from steelyard.run import draw
from steelyard.step import drive_memory, host_memory, memory, stage_job, time
from steelyard.step.offload import streamed_s
from steelyard.step.tensors.recipe import resident_weights
from steelyard.tables import (
    Draw,
    DriveMemory,
    HostMemory,
    Job,
    Kernels,
    Layout,
    Machine,
    Offer,
    Policy,
    Prediction,
    Site,
    Stack,
    StepMemory,
)
from steelyard.units import Bytes, Seconds


def predict(
    job: Job,
    layout: Layout,
    machine: Machine,
    kernels: Kernels,
    stack: Stack,
    policy: Policy,
    site: Site,
    offer: Offer,
) -> Prediction:
    """Return time, memory, draw, energy, carbon and money of one candidate, or of as many as the tables hold."""
    staged = stage_job(job, layout)
    step, held = time(staged, machine, kernels, stack), memory(staged, machine, stack)
    drawn = draw(job, step, held, layout, machine, kernels, policy)
    used = energy(drawn, site)
    return Prediction(
        time=step,
        memory=held,
        draw=drawn,
        energy=used,
        carbon=carbon(drawn, used, site, machine, policy),
        money=money(drawn, used, offer),
    )


def peak(job: Job, layout: Layout, machine: Machine, stack: Stack) -> StepMemory:
    """Return the memory of one candidate alone, or of as many as the tables hold."""
    return memory(stage_job(job, layout), machine, stack)


def host(job: Job, layout: Layout, machine: Machine, stack: Stack) -> HostMemory:
    """Return what one host keeps for its devices, of one candidate or of as many as the tables hold."""
    return host_memory(stage_job(job, layout), machine, stack)


def drives(job: Job, layout: Layout, machine: Machine, stack: Stack) -> DriveMemory:
    """Return what the drives of one host keep for its devices, of one candidate or of as many as the tables hold."""
    return drive_memory(stage_job(job, layout), machine, stack)


def crossing(job: Job, layout: Layout, machine: Machine, stack: Stack) -> tuple[Bytes, Seconds]:
    """Return the bytes of a step that cross the link of one device and its host while passes run, and in how long.

    In the direction that has more, as if no work ran beside it; NaN seconds where nobody says the link's rate. What an
    offloaded update moves is in the time of the optimizer.
    """
    staged, weights = stage_job(job, layout), resident_weights(job.recipe, stack, layout)
    moved = streamed_s(staged, replace(machine, host_bytes_per_s=1.0), stack, weights, 0.0, 0.0)  # at a byte a second
    return moved, moved / machine.host_bytes_per_s


def floor(job: Job, layout: Layout, machine: Machine, kernels: Kernels, stack: Stack, policy: Policy) -> Draw:
    """Return what a run draws at least, however its states are sharded or offloaded, if it recomputes no less.

    A step without the traffic of data parallelism and without the update. No sharding and no offload enters any other
    part of a step, and more recomputation takes more of the others together, so every such layout takes as many
    seconds, and its devices as many joules while they train. `tests/search/test_bounds.py` holds the rooms to it.
    """
    step = time(stage_job(job, layout), machine, kernels, stack)
    rest = replace(step, dp_s=0.0, optimizer_s=0.0, total_s=step.total_s - step.dp_s - step.optimizer_s)
    nothing = StepMemory(**{field.name: 0.0 for field in fields(StepMemory)})
    drawn = draw(job, rest, nothing, layout, machine, kernels, policy)
    if not any(np.any(block.leading) for block in job.workload.blocks):
        return drawn
    states = ("compute_w", "memory_w", "communication_w", "waiting_w")
    # where kinds of blocks differ, another stage may be the slowest, with its time in other states
    least = np.minimum.reduce(np.broadcast_arrays(*(getattr(drawn, name) for name in states)))
    apart = np.greater(layout.pp, 1)
    return replace(drawn, **{name: np.where(apart, least, getattr(drawn, name)) for name in states})
