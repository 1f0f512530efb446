"""Seconds of one optimizer step: one micro-batch on the slowest stage, repeated, plus what happens once a step."""

from dataclasses import replace

import numpy as np

from steelyard.step.divisors import divisors
from steelyard.step.network.collectives import crowding
from steelyard.step.network.communication import Traffic, traffic
from steelyard.step.rank import Rank
from steelyard.step.schedule import bubble_ticks, sends
from steelyard.step.sharding import exposed_s, gathers, reductions, rounds, update_bytes
from steelyard.step.stages import busiest_stages, largest_share, stages
from steelyard.step.states import rank_params
from steelyard.step.tick import Tick, slowest_tick
from steelyard.tables import Job, Kernels, Layout, Machine, Stack, StepTime
from steelyard.units import Seconds, Share


def time(job: Job, layout: Layout, machine: Machine, kernels: Kernels, stack: Stack) -> StepTime:
    """Return where the seconds of one optimizer step go.

    A step is `micro_batches` ticks of the slowest stage, the bubble of filling and draining the pipeline
    ((p-1)/v ticks, arXiv 2104.04473 section 2.2), the exposed gradient and parameter traffic, and the update.

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (micro-batches, bubble); Korthikanti et al. 2022,
        arXiv 2205.05198, section 5 (what recomputation repeats); Rajbhandari et al. 2020, arXiv 1910.02054, section 7
        (traffic of ZeRO); exposed shares and host time are fitted (docs/step.md).
    Limits: the bubble is as if all stages were as slow as the slowest; nothing is lost to stragglers.
    """
    busiest = busiest_stages(stages(job.workload, layout))
    share = largest_share(job.workload, busiest)
    rank = Rank(job, layout.micro_batch / layout.cp, divisors(layout), machine, kernels, stack, busiest, share)
    moved = traffic(rank, layout)
    tick = slowest_tick(rank, layout, moved)
    tick_s = tick.total_s()
    count = layout.micro_batches
    parts = {name: getattr(tick, name) * count for name in Tick.__dataclass_fields__}
    parts["pp_s"] = stack.pp_exposed * sends(layout) * moved.pp_s
    parts["bubble_s"] = bubble_ticks(layout) * tick_s
    parts["dp_s"] = _data_parallel_s(layout, moved, tick_s, stack.dp_exposed)
    parts["optimizer_s"] = stack.step_host_s + _update_s(rank, layout)
    crowd = crowding(np.maximum(layout.devices / machine.domain_devices, 1.0), stack.doubling_loss)
    scale = stack.time_scale * kernels.time_scale * crowd
    scaled = {name: value * scale for name, value in parts.items()}
    return StepTime(
        **scaled,
        total_s=sum(scaled.values(), start=np.float64(0)),
        model_flop=job.workload.model_flop * job.batch_samples,
    )


def _data_parallel_s(layout: Layout, moved: Traffic, tick_s: Seconds, exposed: Share) -> Seconds:
    """Gradient and parameter traffic that compute does not hide."""
    every = rounds(layout.zero, layout.pp, layout.micro_batches)
    reduced_s = 0.5 * moved.reduce_s * reductions(layout.zero, every)
    wire_s = reduced_s + moved.gather_s * gathers(layout.zero, every)
    return exposed_s(wire_s, every * tick_s, exposed)


def _update_s(rank: Rank, layout: Layout) -> Seconds:
    """Read and write the optimizer's states once, on the device or on its host, and what an update multiplies."""
    job, machine, stack = rank.job, rank.machine, rank.stack
    held = rank_params(job.workload.parts, layout, rank.by)
    updated = np.where(np.asarray(layout.zero) >= 1, held.shard, held.whole) * rank.stage_share
    lent = job.moment_bytes * np.greater(job.newton_schulz, 0)
    states = job.master_bytes + job.moment_bytes
    moved = update_bytes(states, stack.grad_bytes, stack.weight_bytes, layout.offload, lent)
    rate = np.where(
        layout.offload, machine.host_bytes_per_s, machine.memory_bytes_per_s * rank.kernels.memory_efficiency
    )
    return updated * job.trainable_share * moved / rate + _orthogonalised_s(rank, layout)


def _orthogonalised_s(rank: Rank, layout: Layout) -> Seconds:
    """Matrix products of the update itself, shared out over all replicas at any ZeRO stage; adapters need next to none.

    The device multiplies where the states are on the host, too: their momentum crosses the bus to it and back.

    Source: github.com/KellerJordan/Muon, muon.py: each rank updates its share of the matrices and gathers the others;
        github.com/deepspeedai/DeepSpeed, pull requests 7648 and 7919, and github.com/NVIDIA/Megatron-LM, pull request
        4475: momentum on the host is copied to the device for its products.
    """
    job = rank.job
    if not np.any(job.newton_schulz):
        return np.float64(0)
    shared = rank_params(job.workload.updates, replace(layout, shard_devices=layout.dp * layout.cp), rank.by)
    flop = shared.shard * rank.stage_share
    return job.newton_schulz * flop / (rank.machine.peak16_flop_per_s * rank.kernels.gemm_efficiency)
