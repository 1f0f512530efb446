"""Seconds of what a pipeline stage does once a step: its gradients and parameters cross, its optimizer updates."""

from dataclasses import dataclass, replace

import numpy as np

from steelyard.step.network.replicas import Replicas, replicas
from steelyard.step.rank import Rank
from steelyard.step.sharding import exposed_s, gather_rounds, gathers, offloaded_s, reductions, rounds, update_bytes
from steelyard.step.stages import Stage, one_has_all
from steelyard.step.states import HeldParams, held_params, on_stage, rank_params
from steelyard.tables import Layout
from steelyard.units import Count, Flop, Seconds, Share


@dataclass(frozen=True, slots=True)
class StageEnd:
    """What follows the last micro-batch of one stage."""

    dp_s: Seconds  # exposed
    update_s: Seconds


@dataclass(frozen=True, slots=True)
class StageLoad:
    """What one rank of a stage exchanges and updates."""

    params: HeldParams
    updated: Count  # parameters, its shard of them where states are sharded
    product_flop: Flop  # of one Newton-Schulz iteration
    table: Count  # parameters of an embedding, whose gradients are the last to be there


@dataclass(frozen=True, slots=True)
class Once:
    """What the ends of all stages have in common: exchanges, how often each is made, and what they run beside."""

    replicas: Replicas
    reductions: Count
    last_reductions: Count  # of them, those that follow the last backward pass
    gathers: Count
    forward_gathers: Count  # of them, those beside forward passes
    forward_s: Seconds  # of the passes beside which they run
    backward_s: Seconds  # of those beside which gradients are reduced, and parameters gathered once more
    param_s: Seconds  # to update one


def slowest_end(rank: Rank, layout: Layout, tick_s: Seconds, forward_s: Seconds, resting: Share) -> StageEnd:
    """Return the end of a step on the stage whose exchanges and update take longest: all others wait for it.

    It need not be the stage whose micro-batches take longest: an embedding costs traffic, not ticks. Parameters are
    gathered beside forward passes, under ZeRO-3 beside backward passes as well, where gradients are reduced; those of
    an embedding are there when the last backward pass has ended, and nothing hides them.

    Args:
        rank: the job, its stages, device and stack
        layout: degrees, ZeRO stage, offload
        tick_s: of one micro-batch
        forward_s: of its forward pass
        resting: whether parameters rest on the host

    Source: Rajbhandari et al. 2020, arXiv 1910.02054, section 7 (traffic); Narayanan et al. 2021, arXiv 2104.04473,
        section 2.2 (a step ends when its last stage does); Li et al. 2020, arXiv 2006.15704, section 3.2.3 (gradients
        are reduced in buckets, in reverse order of the layers, while the backward pass runs).
    Limits: stages end their last micro-batch together. A table that embedding and head share is reduced and updated
        on the first and on the last stage; the sum of its gradients over the two, one message a step, is not counted.
    """
    once = _once(rank, layout, tick_s, forward_s, resting)
    first, *others = (_end(rank, once, load) for load in _heaviest(_loads(rank, layout)))
    for other in others:
        slower = other.dp_s + other.update_s > first.dp_s + first.update_s
        first = StageEnd(np.where(slower, other.dp_s, first.dp_s), np.where(slower, other.update_s, first.update_s))
    return first


def _loads(rank: Rank, layout: Layout) -> list[StageLoad]:
    work = rank.job.workload
    held, sharded = rank.staged.params, np.asarray(layout.zero) >= 1
    updated = [np.where(sharded, one.shard, one.whole) for one in held.ranks]
    tables = [_table(rank, stage) for stage in rank.staged.stages]
    if not np.any(rank.job.newton_schulz):
        return [StageLoad(one, own, 0.0, table) for one, own, table in zip(held.stages, updated, tables, strict=True)]
    each = tuple(held_params(one.updates, rank.by) for one in work.blocks)
    everyone = replace(layout, shard_devices=layout.dp * layout.cp)  # replicas share products at any ZeRO stage
    flop = [rank_params(on_stage(each, stage.blocks), everyone, rank.by).shard for stage in rank.staged.stages]
    return [StageLoad(*one) for one in zip(held.stages, updated, flop, tables, strict=True)]


def _table(rank: Rank, stage: Stage) -> Count:
    """Parameters of the embedding on a stage that have gradients; none where a base is frozen."""
    if not np.any(stage.first):
        return 0.0
    trained = stage.first * np.equal(rank.job.trainable_share, 1)
    return trained * rank.job.workload.embedding.params / rank.by.tensor


def _heaviest(loads: list[StageLoad]) -> list[StageLoad]:
    """Those that can take longest: of two, one of which has no less of anything on each layout, that one."""
    kept: list[StageLoad] = []
    for load in loads:
        for place, other in enumerate(kept):
            if one_has_all(*_amounts(load, other)):
                kept[place] = _most(load, other)
                break
        else:
            kept.append(load)
    return kept


def _amounts(*loads: StageLoad) -> list[tuple[Count, ...]]:
    """What stages have, less what none of them has; parameters that are updated follow from those held."""
    routed = [load.params.routed for load in loads]
    flop, tables = [load.product_flop for load in loads], [load.table for load in loads]
    some = [column for column in (routed, flop, tables) if any(np.ndim(one) or one for one in column)]
    return list(zip([load.params.dense for load in loads], *some, strict=True))


def _most(one: StageLoad, other: StageLoad) -> StageLoad:
    return StageLoad(
        HeldParams(
            np.maximum(one.params.dense, other.params.dense), np.maximum(one.params.routed, other.params.routed)
        ),
        np.maximum(one.updated, other.updated),
        np.maximum(one.product_flop, other.product_flop),
        np.maximum(one.table, other.table),
    )


def _once(rank: Rank, layout: Layout, tick_s: Seconds, forward_s: Seconds, resting: Share) -> Once:
    every = rounds(layout.zero, layout.pp, layout.micro_batches)
    anew = gather_rounds(layout.zero, layout.micro_batches)
    gathered = gathers(layout.zero, anew)
    return Once(
        replicas=replicas(rank, layout),
        reductions=0.5 * reductions(layout.zero, every),
        last_reductions=0.5 * reductions(layout.zero, 1.0),
        gathers=gathered,
        forward_gathers=np.minimum(gathered, anew),
        forward_s=anew * forward_s,
        backward_s=np.maximum(every, anew) * (tick_s - forward_s),
        param_s=_param_s(rank, layout, resting),
    )


def _end(rank: Rank, once: Once, load: StageLoad) -> StageEnd:
    """Gradient and parameter traffic that compute does not hide, and the update."""
    gather_s = once.replicas.gather_s(load.params)
    forward_s = gather_s * once.forward_gathers
    backward_s = once.replicas.reduce_s(load.params) * once.reductions + gather_s * once.gathers - forward_s
    exposed = rank.stack.dp_exposed
    behind_s = exposed_s(backward_s, once.backward_s, exposed)
    if np.ndim(load.table) or load.table:
        last_s = once.replicas.reduce.takes_s(load.table * once.replicas.grad_bytes) * once.last_reductions
        behind_s = np.maximum(behind_s, np.greater(load.table, 0) * last_s)
    return StageEnd(
        dp_s=exposed_s(forward_s, once.forward_s, exposed) + behind_s,
        update_s=load.updated * once.param_s + _orthogonalised_s(rank, load.product_flop),
    )


def _param_s(rank: Rank, layout: Layout, resting: Share) -> Seconds:
    """Seconds to read and write one parameter's optimizer states, on the device or on its host."""
    job, machine, stack = rank.job, rank.machine, rank.stack
    lent = job.moment_bytes * np.greater(job.newton_schulz, 0)
    states = job.master_bytes + job.moment_bytes
    moved = update_bytes(states, stack.grad_bytes, stack.weight_bytes, layout.offload, lent, resting)
    here_s = moved / (machine.memory_bytes_per_s * rank.kernels.memory_efficiency)
    if not np.any(layout.offload):
        return job.trainable_share * here_s
    ranks = np.minimum(machine.node_devices, layout.devices)
    processor_s = stack.host_update_s / rank.kernels.time_scale  # a host is as fast whatever chips it feeds
    away_s = offloaded_s(moved / machine.host_bytes_per_s, processor_s, ranks)
    return job.trainable_share * np.where(layout.offload, away_s, here_s)


def _orthogonalised_s(rank: Rank, flop: Flop) -> Seconds:
    """Matrix products of the update itself, shared out over all replicas at any ZeRO stage; adapters need next to none.

    The device multiplies where the states are on the host, too: their momentum crosses the bus to it and back.

    Source: github.com/KellerJordan/Muon, muon.py: each rank updates its share of the matrices and gathers the others;
        github.com/deepspeedai/DeepSpeed, pull requests 7648 and 7919, and github.com/NVIDIA/Megatron-LM, pull request
        4475: momentum on the host is copied to the device for its products.
    """
    job = rank.job
    if not np.any(job.newton_schulz):
        return np.float64(0)
    return job.newton_schulz * flop / (rank.machine.peak16_flop_per_s * rank.kernels.gemm_efficiency)
