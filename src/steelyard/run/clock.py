"""The run as a whole: `draw` lays steps, checkpoints and interruptions on one clock and gives each state its watts."""

import numpy as np

from steelyard.run.interruptions import failed_attempts, interruptions_per_s, rework_share, save_share, unsaved_s
from steelyard.run.power import host_w, network_w, state_w, wait_w
from steelyard.run.schedule import checkpoint_bytes, evaluation_s, save_s, step_count, training_s
from steelyard.tables import Draw, Job, Kernels, Layout, Machine, Policy, StepMemory, StepTime
from steelyard.units import Seconds, Share


def composition(step_time: StepTime) -> tuple[Share, Share, Share]:
    """Shares of a step bound by memory, in exposed communication, and waiting for launches or another stage.

    The rest of the step is matrix work: products, attention, and both again where they are recomputed.

    Source: the parts of `StepTime` sum to its total.
    Limits: traffic hidden under compute draws compute's power; an update on the host counts as bound by memory.
    """
    part = 1.0 / step_time.total_s
    exposed = step_time.tp_s + step_time.cp_s + step_time.ep_s + step_time.pp_s + step_time.dp_s
    bound = step_time.pointwise_s + step_time.optimizer_s
    return bound * part, exposed * part, (step_time.bubble_s + step_time.host_s) * part


def saving_s(job: Job, layout: Layout, policy: Policy) -> Seconds:
    """Seconds until one checkpoint of the job is safe in storage.

    Source: `checkpoint_bytes` and `save_s`.
    Limits: frozen parameters are not written.
    """
    parameters = job.workload.params * job.trainable_share
    size = checkpoint_bytes(parameters, job.element_bytes, job.master_bytes, job.moment_bytes)
    return save_s(size, layout.devices, policy.checkpoint_bytes_per_s)


def states_s(
    work_s: Seconds, written_s: Seconds, layout: Layout, machine: Machine, policy: Policy
) -> tuple[Seconds, Seconds, Seconds]:
    """Seconds at work (rework included), writing checkpoints, and waiting for the start and for restarts.

    Saving is paid for each second of work; rework and restarts for each second of uptime. A run that saves nothing
    starts over after each interruption.

    Source: arXiv 2410.18124 with interruptions at the rate of arXiv 2410.21680; see `interruptions`.
    Limits: first order in the interruptions of one checkpoint interval; exact where nothing is saved.
    """
    rate = interruptions_per_s(
        layout.devices, policy.failures_per_device_s, machine.node_devices, policy.preemptions_per_node_s
    )
    blocking, unsaved = written_s * policy.checkpoint_blocking, np.greater(policy.unsaved, 0.5)
    checkpoint = np.where(unsaved, 0.0, work_s * save_share(rate, policy.restart_s, blocking))
    uptime = work_s + checkpoint
    saved = work_s + uptime * rework_share(rate, policy.restart_s, blocking, written_s)
    busy = np.where(unsaved, unsaved_s(work_s, rate), saved)
    restarts = np.where(unsaved, failed_attempts(work_s, rate), uptime * rate)
    return busy, checkpoint, policy.warmup_s + restarts * policy.restart_s


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

    Work is training and evaluation, divided as a step is: what draws the power is its own composition. Rework draws
    what training draws; restarts and the first warm-up idle. The six states sum to the wall clock.

    Source: the formulas of this room; watts are shares of the TDP that the catalog has fitted to measured power.
    Limits: one mean power a state; hosts and switches at one level throughout.
    """
    training = training_s(step_count(job.samples, job.batch_samples), step_time.total_s)
    work = training + evaluation_s(training, policy.evaluation_share)
    busy, checkpoint, idle = states_s(work, saving_s(job, layout, policy), layout, machine, policy)
    memory_share, communication_share, waiting_share = composition(step_time)
    wall = busy + checkpoint + idle
    tdp = machine.tdp_w
    idle_w = wait_w(machine.idle_w, tdp, kernels.idle_power)
    network = network_w(tdp, kernels.network_power, layout.devices, machine.domain_devices)
    return Draw(
        devices=layout.devices,
        wall_s=wall,
        compute_s=busy * (1.0 - memory_share - communication_share - waiting_share),
        memory_s=busy * memory_share,
        communication_s=busy * communication_share,
        waiting_s=busy * waiting_share,
        checkpoint_s=checkpoint,
        idle_s=idle,
        compute_w=state_w(tdp, kernels.compute_power, idle_w),
        memory_w=state_w(tdp, kernels.memory_power, idle_w),
        communication_w=state_w(tdp, kernels.communication_power, idle_w),
        waiting_w=state_w(tdp, kernels.waiting_power, idle_w),
        checkpoint_w=state_w(tdp, kernels.checkpoint_power, idle_w),
        idle_w=idle_w,
        host_w=host_w(tdp, kernels.host_power, machine.host_w) + network,
        goodput=training / wall,
    )
