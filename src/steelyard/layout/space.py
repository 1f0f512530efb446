"""Every valid layout of a job on some numbers of devices, as one table of arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from steelyard.catalog.stacks import Capability
from steelyard.layout.columns import NOTHING_ASKED, Asked, Columns, cross, keep
from steelyard.layout.reason import Reason
from steelyard.layout.sharded import shardings
from steelyard.layout.valid import problem
from steelyard.strategies.experts import AS_THE_REST, unstated_expert_tensor
from steelyard.strategies.interleaving import chunk_partition
from steelyard.strategies.recipe import FUSED
from steelyard.strategies.registry import SCHEDULES, suiting, usual_code
from steelyard.tables import Job, Layout, take
from steelyard.units import Count


@dataclass(frozen=True, slots=True)
class Bounds:
    """The edges of the space: what is left out on purpose, so that "all layouts" has a meaning."""

    tp_domains: float  # fast domains a tensor-parallel group may span (1: never leaves the node or rack)
    pp_most: int  # pipeline stages
    vpp_most: int  # chunks of a stage
    cp_least_tokens: int  # a context-parallel rank holds at least this many tokens of a sequence
    micro_batch_most: int  # samples
    micro_batch_most_tokens: int  # of one micro-batch on one replica, unless it is a single sample
    micro_batch_most_elements: int  # between two blocks: as many samples as that are always looked at
    fill: float  # micro-batches over stages, at least (1: the pipeline fills at least once)


BOUNDS = Bounds(
    tp_domains=1,
    pp_most=64,
    vpp_most=8,
    cp_least_tokens=4096,
    micro_batch_most=64,
    micro_batch_most_tokens=65536,
    micro_batch_most_elements=65536 * 4096,
    fill=1,
)
"""The edges that `plan` uses; `docs/layout.md` gives the reason for each."""


def space(
    job: Job,
    devices: Sequence[int],
    domain_devices: int,
    capability: Capability,
    bounds: Bounds,
    asked: Asked = NOTHING_ASKED,
) -> Layout:
    """Return all valid layouts of a job on each of the given numbers of devices.

    `frames`, each in every way to shard, recompute and offload that the stack knows; recomputation and, innermost,
    offload in rising order.

    Args:
        job: what is trained; scalars
        devices: numbers of devices
        domain_devices: devices joined by fast links, which bound tp and make the smaller shard group of HSDP
        capability: what the software stack supports
        bounds: the edges of the space
        asked: values that are looked at instead of the usual ones

    Source: the axes are those of 2104.04473 (tp, pp, dp, interleaving, micro-batch), 2205.05198 (sp, recompute),
        1910.02054 (ZeRO), 2304.11277 (HSDP), 2309.14509 and 2310.01889 (sequence splits), 2101.03961 (ep).
    """
    kinds = frames(job, devices, domain_devices, capability, bounds, asked)
    ways = shardings(kinds, domain_devices, capability, asked)
    modes = len(capability.recompute) * len(offloads(capability))
    each = take(kinds, np.repeat(ways.frame, modes))
    every = replace(
        each,
        zero=np.repeat(ways.zero, modes),
        shard_devices=np.repeat(ways.shard_devices, modes),
        recompute=np.tile(np.repeat(np.array(capability.recompute, float), len(offloads(capability))), ways.frame.size),
        offload=np.tile(np.array(offloads(capability), float), ways.frame.size * len(capability.recompute)),
        flash=each.flash * np.ones(ways.frame.size * modes),
        partition=each.partition * np.ones(ways.frame.size * modes),
    )
    idle = np.repeat(ways.away_alone, modes) & np.equal(every.offload, 0)
    return take(every, ~(idle | (np.repeat(ways.never_away, modes) & np.greater(every.offload, 0))))


def frames(
    job: Job,
    devices: Sequence[int],
    domain_devices: int,
    capability: Capability,
    bounds: Bounds,
    asked: Asked = NOTHING_ASKED,
) -> Layout:
    """Return the degrees and batches of all valid layouts: sharding, recomputation and offload at their least.

    Degrees are crossed one after another, and each crossing is filtered at once: tp over powers of two that suit the
    heads, pp over the divisors of the devices, cp and ep over powers of two, the micro-batch over powers of two that
    divide a replica's share of the batch, interleaving where it divides. Frames are in the order of their devices.

    Args:
        job: what is trained; scalars
        devices: numbers of devices
        domain_devices: devices joined by fast links, which bound tp
        capability: what the software stack supports
        bounds: the edges of the space
        asked: values that are looked at instead of the usual ones; what is then no valid layout is left out

    Source: those of `space`.
    """
    model = job.workload.divisible
    columns: Columns = {"devices": np.array(sorted(set(devices)), dtype=np.int64)}
    columns = _degrees(columns, job, domain_devices, capability, bounds, asked)
    columns = _batches(columns, job, bounds, asked)
    for name in ("partition", "flash"):
        columns = cross(columns, name, asked[name]) if name in asked else columns
    columns = _chunks(columns, int(model.blocks), capability, bounds, asked)
    columns = _experts(columns, int(model.experts), capability, asked)
    if "sp" in asked:
        columns = cross(columns, "sp", asked["sp"])
    else:
        columns["sp"] = ((columns["tp"] > 1) & capability.sp).astype(np.int64)
        columns["sp"] *= model.sequence % (columns["cp"] * columns["tp"]) == 0
    columns["shard_devices"] = columns["dp"] * columns["cp"]
    columns["zero"] = np.full_like(columns["tp"], min(capability.zero))
    columns["recompute"] = np.full_like(columns["tp"], min(capability.recompute))
    numbers = {name: column.astype(np.float64) for name, column in columns.items()}
    made = Layout(**({"offload": 0.0, "flash": 1.0, "partition": 0.0} | numbers))
    if not capability.fused_gradients and np.all(np.equal(job.recipe.grad_life, FUSED)):
        return take(made, np.zeros(0, dtype=np.intp))
    if not asked:
        return made
    # what asks for a way to shard and offload is no frame's
    kept = (Reason.VALID, Reason.NVME, Reason.OFFLOAD, Reason.HOST_WEIGHTS)
    return take(made, np.isin(problem(job, made, domain_devices, 0.0, capability), kept))


def offloads(capability: Capability) -> tuple[int, ...]:
    """Return the ways to offload that a stack knows, in rising order.

    Args:
        capability: what the software stack supports
    """
    return (0, 1) if capability.offload else (0,)


def size(layout: Layout) -> int:
    """Return how many layouts a table holds."""
    return int(np.size(layout.tp))


def _degrees(
    columns: Columns, job: Job, domain_devices: int, capability: Capability, bounds: Bounds, asked: Asked
) -> Columns:
    model = job.workload.divisible
    most = int(columns["devices"].max(initial=1))
    tp_most = min(most, int(bounds.tp_domains * domain_devices)) if capability.tp else 1
    tps = [tp for tp in _powers(tp_most) if _suits(tp, model.heads, model.kv_heads) and model.ffn % tp == 0]
    columns = cross(columns, "tp", asked.get("tp", tps))
    columns = keep(columns, columns["devices"] % columns["tp"] == 0)
    pps = range(1, min(bounds.pp_most, int(model.stages), most) + 1) if capability.pp else (1,)
    columns = cross(columns, "pp", asked.get("pp", tuple(pps)))
    columns = keep(columns, columns["devices"] // columns["tp"] % columns["pp"] == 0)
    cp_most = max(1, int(model.sequence // bounds.cp_least_tokens)) if capability.cp else 1
    cps = [cp for cp in _powers(cp_most) if cp == 1 or model.sequence % (2 * cp) == 0]
    columns = cross(columns, "cp", asked.get("cp", cps))
    model_ranks = columns["tp"] * columns["pp"] * columns["cp"]
    columns["dp"] = columns["devices"] // model_ranks
    return keep(columns, columns["devices"] % model_ranks == 0)


def _batches(columns: Columns, job: Job, bounds: Bounds, asked: Asked) -> Columns:
    batch = int(job.batch_samples)
    columns = keep(columns, batch % columns["dp"] == 0)
    first, second = "micro_batch", "micro_batches"
    if second in asked and first not in asked:
        first, second = second, first
    columns = cross(columns, first, asked.get(first, _micro_batches(job, bounds)))
    share = batch // columns["dp"]
    columns[second] = share // columns[first]
    if np.all(np.equal(job.recipe.grad_life, FUSED)):
        columns = keep(columns, columns["micro_batches"] == 1)
        share = batch // columns["dp"]
    fills = (columns["pp"] == 1) | (columns["micro_batches"] >= bounds.fill * columns["pp"])
    return keep(columns, (share % columns[first] == 0) & (fills | ("micro_batches" in asked)))


def _micro_batches(job: Job, bounds: Bounds) -> list[int]:
    """Return the samples that a micro-batch may hold: powers of two, and the odd part of a batch times them."""
    work, batch = job.workload, int(job.batch_samples)
    wide = int(bounds.micro_batch_most_elements // work.hidden)
    few = min(bounds.micro_batch_most, int(bounds.micro_batch_most_tokens // work.tokens))
    most = min(max(few, wide, 1), batch)
    odd = batch // (batch & -batch)
    return sorted({*_powers(most), *(odd * power for power in _powers(most // odd) if odd <= most)})


def _chunks(columns: Columns, layers: int, capability: Capability, bounds: Bounds, asked: Asked) -> Columns:
    chunks = asked.get("vpp", range(1, bounds.vpp_most + 1))
    wanted = {one.code for one in SCHEDULES.values() if one.name in capability.weighed}
    wanted = set(asked.get("schedule", wanted))
    orders = [(vpp, one) for vpp in chunks for one in suiting(capability.schedules, vpp) if one.code in wanted]
    runs = [(vpp, one.code) for vpp, one in orders]
    lone = (1, usual_code((), 1))  # a stack without pipelines
    if not runs and lone[0] in asked.get("vpp", lone) and lone[1] in asked.get("schedule", lone):
        runs = [lone]
    columns = cross(columns, "run", range(len(runs)))
    run = columns.pop("run")
    columns["vpp"], columns["schedule"] = np.array(runs, dtype=np.int64).reshape(-1, len(lone))[run].T
    stages, vpp = columns["pp"], columns["vpp"]
    if "schedule" not in asked:  # a lone stage has no order of its own
        columns["schedule"] = np.where(stages > 1, columns["schedule"], lone[1])
    if "vpp" in asked and "partition" not in asked:
        found = chunk_partition(capability.partitions, layers, stages.astype(float), vpp.astype(float))
        columns["partition"] = np.asarray(found).astype(np.int64)
    divides = (layers % (stages * vpp) == 0) | (columns.get("partition", 0) != 0)
    kept = np.where(stages > 1, (vpp == 1) | divides, run == 0)
    for one in {one.code: one for _, one in orders if one.needs}.values():
        takes = np.asarray(one.takes(stages.astype(float), columns["micro_batches"].astype(float)), dtype=bool)
        kept &= (columns["schedule"] != one.code) | (stages == 1) | takes
    return keep(columns, kept)


def _experts(columns: Columns, experts: int, capability: Capability, asked: Asked) -> Columns:
    eps = [ep for ep in _powers(max(1, experts)) if ep == 1 or (capability.ep and experts % ep == 0)]
    columns = cross(columns, "ep", asked.get("ep", eps))
    columns = cross(columns, "etp", asked["etp"]) if "etp" in asked else _expert_tensors(columns, experts, capability)
    ranks = columns["dp"] * columns["cp"] * columns["tp"]
    return keep(columns, ranks % (columns["ep"] * columns["etp"]) == 0)


def _expert_tensors(columns: Columns, experts: int, capability: Capability) -> Columns:
    """Add the tensor-parallel degree of experts: what the stack takes, and where it can be told, whole experts, too."""
    tp, ep = (columns[name].astype(np.float64) for name in ("tp", "ep"))
    rule = capability.expert_tensor if experts else AS_THE_REST
    taken = np.asarray(unstated_expert_tensor(rule, tp, ep)).astype(np.int64)
    if not (capability.etp and experts):
        return columns | {"etp": taken}
    columns = cross(columns | {"etp": taken}, "whole", (0, 1))
    whole, divided = columns.pop("whole") == 1, columns["etp"] > 1
    columns["etp"] = np.where(whole, 1, columns["etp"])
    return keep(columns, ~whole | (divided & (columns["ep"] > 1)))


def _powers(most: int) -> list[int]:
    return [1 << exponent for exponent in range(max(most, 1).bit_length())]


def _suits(tp: int, heads: Count, kv_heads: Count) -> bool:
    return bool(heads % tp == 0 and (kv_heads % tp == 0 or tp % kv_heads == 0))
