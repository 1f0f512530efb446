"""Seconds of one optimizer step: one micro-batch on the slowest stage, repeated, plus what happens once a step."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.attention import FUSED_BACKWARD, UNFUSED_BACKWARD
from steelyard.step.communication import Traffic, stage_params, traffic
from steelyard.step.compute import Forward, forward
from steelyard.step.divisors import divisors
from steelyard.step.rank import Rank
from steelyard.step.schedule import bubble_ticks, sends
from steelyard.step.stages import Blocks, mean_stage, size
from steelyard.tables import Job, Kernels, Layout, Machine, Stack, StepTime
from steelyard.units import Bytes, Count, Seconds, Share


@dataclass(frozen=True, slots=True)
class Tick:
    """One micro-batch, forward and backward, on the slowest stage."""

    gemm_s: Seconds
    attention_s: Seconds
    pointwise_s: Seconds
    vocab_s: Seconds
    recompute_s: Seconds
    host_s: Seconds
    tp_s: Seconds
    cp_s: Seconds
    ep_s: Seconds

    def total_s(self) -> Seconds:
        """Return the sum of the parts."""
        busy = self.gemm_s + self.attention_s + self.pointwise_s + self.vocab_s + self.recompute_s
        return busy + self.host_s + self.tp_s + self.cp_s + self.ep_s


def time(job: Job, layout: Layout, machine: Machine, kernels: Kernels, stack: Stack) -> StepTime:
    """Return where the seconds of one optimizer step go.

    A step is `micro_batches` ticks of the slowest stage, the bubble of filling and draining the pipeline
    ((p-1)/v ticks, arXiv 2104.04473 section 2.2), the exposed gradient and parameter traffic, and the update.

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (micro-batches, bubble); Korthikanti et al. 2022,
        arXiv 2205.05198, section 5 (what recomputation repeats); Rajbhandari et al. 2020, arXiv 1910.02054, section 7
        (traffic of ZeRO); exposed shares and host time are fitted (docs/step.md).
    Limits: the stages' micro-batches take equal time; nothing is lost to stragglers.
    """
    blocks = mean_stage(job.workload, layout)
    rank = Rank(job, layout.micro_batch / layout.cp, divisors(layout), machine, kernels, stack)
    moved = traffic(rank, layout)
    tick = _tick(rank, layout, blocks, forward(rank, layout, blocks), moved)
    tick_s = tick.total_s()
    count = layout.micro_batches
    parts = {name: getattr(tick, name) * count for name in Tick.__dataclass_fields__}
    parts["pp_s"] = stack.pp_exposed * sends(layout.pp, layout.vpp, count) * moved.pp_s
    parts["bubble_s"] = bubble_ticks(layout.pp, layout.vpp) * tick_s
    parts["dp_s"] = _data_parallel_s(layout, moved, tick_s, stack)
    parts["optimizer_s"] = stack.step_host_s + _update_s(rank, layout)
    scale = stack.time_scale * kernels.time_scale * _crowd(layout, machine, stack)
    scaled = {name: value * scale for name, value in parts.items()}
    return StepTime(
        **scaled,
        total_s=sum(scaled.values(), start=np.float64(0)),
        model_flop=job.workload.model_flop * job.batch_sequences,
    )


def _tick(rank: Rank, layout: Layout, blocks: Blocks, once: Forward, moved: Traffic) -> Tick:
    stack = rank.stack
    full = np.maximum(layout.recompute - 1, 0.0)
    trained = 1 + rank.job.trainable_share
    gemm = once.gemm_s * (1 + trained)
    attention = once.attention_s * (1 + np.where(layout.flash, FUSED_BACKWARD, UNFUSED_BACKWARD))
    pointwise = once.pointwise_s * 3
    recompute = _recompute_s(layout, once)
    vocab = (once.vocab_s * (1 + trained) + once.loss_s) * np.where(layout.pp > 1, stack.vocab_exposed, 1.0)
    busy = gemm + attention + pointwise + recompute + vocab
    return Tick(
        gemm_s=gemm,
        attention_s=attention,
        pointwise_s=pointwise,
        vocab_s=vocab,
        recompute_s=recompute,
        host_s=np.maximum(_launch_s(rank, layout, blocks) * (1 + full / 3) - busy, 0.0),
        tp_s=stack.tp_exposed * (2 + full) * _reductions(rank, layout, blocks) * moved.tp_s,
        cp_s=np.maximum((3 + full) * _exchanges(rank, blocks, "rings") * moved.cp_s - attention, 0.0),
        ep_s=stack.ep_exposed * (2 + full) * _exchanges(rank, blocks, "dispatches") * moved.ep_s,
    )


def _launch_s(rank: Rank, layout: Layout, blocks: Blocks) -> Seconds:
    """Host time to launch a stage's forward and backward."""
    launch_s = rank.stack.layer_host_s * size(blocks)
    for one, held in zip(rank.job.workload.blocks, blocks, strict=True):
        if np.any(one.experts):
            routed_s = rank.stack.moe_host_s + rank.stack.expert_host_s * one.experts / layout.ep
            launch_s = launch_s + routed_s * held.count * np.greater(one.experts, 0)
    return launch_s


def _exchanges(rank: Rank, blocks: Blocks, kind: str) -> Count:
    kinds = zip(rank.job.workload.blocks, blocks, strict=True)
    return sum((getattr(one, kind) * held.count for one, held in kinds), start=0.0)


def _reductions(rank: Rank, layout: Layout, blocks: Blocks) -> Count:
    """Exchanges of the hidden state in a forward pass; experts on ranks of their own need none."""
    experts = _exchanges(rank, blocks, "expert_reductions")
    return _exchanges(rank, blocks, "reductions") + np.where(layout.ep > 1, 0.0, experts)


def _recompute_s(layout: Layout, once: Forward) -> Seconds:
    """A second forward pass: of everything in as many blocks as the layout says, or of what is cheap to redo."""
    core = np.where(layout.flash, 0.0, once.attention_s)
    everything = once.gemm_s + once.attention_s + once.pointwise_s
    cheap = np.where(np.asarray(layout.recompute) == 1, core + once.pointwise_s / 2, 0.0)
    return np.maximum(layout.recompute - 1, 0.0) * everything + cheap


def _data_parallel_s(layout: Layout, moved: Traffic, tick_s: Seconds, stack: Stack) -> Seconds:
    """Gradient and parameter traffic that compute does not hide.

    Without sharded gradients one exchange a step hides behind one tick; ZeRO-2 reduces and ZeRO-3 also gathers (forward
    and backward) at every micro-batch. In a pipeline neither does: parameters stay gathered and gradients are reduced
    at the last micro-batch (Llama 3, arXiv 2407.21783, section 3.3.2; torchtitan's default with stages). What is left
    after the window, or the stack's unhidden share, is exposed.
    """
    every = np.where((layout.zero >= 2) & (layout.pp == 1), layout.micro_batches, 1)
    reduced = np.where(layout.zero >= 1, 0.5 * moved.reduce_s * every, moved.reduce_s)
    gathers = np.where(layout.zero >= 3, 2 * every, np.where(layout.zero >= 1, 1, 0))
    wire = reduced + gathers * moved.gather_s
    return np.maximum(wire - every * tick_s, stack.dp_exposed * wire)


def _update_s(rank: Rank, layout: Layout) -> Seconds:
    """Read and write the optimizer's states once.

    Offloaded, gradients and weights cross to the host and back, and the host's memory moves the states: a device's
    share of it is about as fast as its bus (8 channels of DDR5-4800 for 4 devices: 77 GB/s; PCIe 5.0 x16: 64 GB/s).
    """
    job, machine, stack = rank.job, rank.machine, rank.stack
    dense, routed = stage_params(rank, layout)
    mine = (dense + routed) * job.trainable_share / np.where(layout.zero >= 1, layout.shard_devices, 1)
    states: Bytes = 2 * (job.master_bytes + job.moment_bytes)
    crossing: Bytes = stack.grad_bytes + stack.weight_bytes
    on_device = mine * (states + crossing) / (machine.memory_bytes_per_s * rank.kernels.memory_efficiency)
    return np.where(layout.offload, mine * (states + 2 * crossing) / machine.host_bytes_per_s, on_device)


def _crowd(layout: Layout, machine: Machine, stack: Stack) -> Share:
    domains: Count = np.maximum(layout.devices / machine.domain_devices, 1.0)
    return 1 + stack.doubling_loss * np.log2(domains)
