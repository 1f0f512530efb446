"""The run as a whole: `draw` lays steps, checkpoints and interruptions on one clock and gives each state its watts."""

import numpy as np

from steelyard.run.interruptions import interruptions_per_s, rework_share, save_share
from steelyard.run.power import host_w, network_w, state_w, wait_w
from steelyard.run.schedule import checkpoint_bytes, evaluation_s, save_s, step_count, training_s
from steelyard.tables import Draw, Job, Kernels, Layout, Machine, Policy, StepMemory, StepTime
from steelyard.units import Seconds, Share


def waiting_share(step_time: StepTime) -> Share:
    """Share of a step in which the matrix units wait: exposed communication, bubble and kernel launches.

    Source: the parts of `StepTime` sum to its total.
    Limits: traffic hidden under compute draws compute's power.
    """
    waiting = (
        step_time.tp_s + step_time.cp_s + step_time.ep_s + step_time.pp_s + step_time.dp_s
        + step_time.bubble_s + step_time.host_s
    )  # fmt: skip
    return waiting / step_time.total_s


def saving_s(job: Job, layout: Layout, policy: Policy) -> Seconds:
    """Seconds until one checkpoint of the job is safe in storage."""
    parameters = job.architecture.total_params * job.trainable_share
    size = checkpoint_bytes(parameters, job.element_bytes, job.master_bytes, job.moment_bytes)
    return save_s(size, layout.devices, policy.checkpoint_bytes_per_s)


def draw(
    job: Job,
    step_time: StepTime,
    step_memory: StepMemory,  # part of the room's contract; a checkpoint holds states, not the peak
    layout: Layout,
    machine: Machine,
    kernels: Kernels,
    policy: Policy,
) -> Draw:
    """Predict what one run draws: seconds in each power state and watts in each.

    Work is training and evaluation. Saving is paid for each second of work; rework and restarts for each second of
    uptime, so that the four states sum to the wall clock. Rework draws what training draws; restarts and the first
    warm-up wait.
    """
    training = training_s(step_count(job.tokens, job.batch_sequences, job.sequence_tokens), step_time.total_s)
    work = training + evaluation_s(training, policy.evaluation_share)

    rate = interruptions_per_s(
        layout.devices, policy.failures_per_device_s, machine.node_devices, policy.preemptions_per_node_s
    )
    written = saving_s(job, layout, policy)
    blocking = written * policy.checkpoint_blocking
    checkpoint = work * save_share(rate, policy.restart_s, blocking)
    uptime = work + checkpoint
    busy = work + uptime * rework_share(rate, policy.restart_s, blocking, written)
    idle = policy.warmup_s + uptime * (rate * policy.restart_s)
    communication = busy * waiting_share(step_time)
    wall = busy + checkpoint + idle

    tdp = machine.tdp_w
    return Draw(
        devices=layout.devices,
        wall_s=wall,
        compute_s=busy - communication,
        communication_s=communication,
        checkpoint_s=checkpoint,
        idle_s=idle,
        compute_w=state_w(tdp, kernels.compute_power),
        communication_w=state_w(tdp, kernels.communication_power),
        checkpoint_w=state_w(tdp, kernels.checkpoint_power),
        idle_w=wait_w(machine.idle_w, tdp, kernels.idle_power),
        host_w=np.add(
            host_w(tdp, kernels.host_power, machine.host_w),
            network_w(tdp, kernels.network_power, layout.devices, machine.domain_devices),
        ),
        goodput=training / wall,
    )
