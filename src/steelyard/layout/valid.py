"""What makes a layout valid on a model, a machine and a software stack; a bad row is a code, not an exception."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog.stacks import Capability
from steelyard.layout.axes import lacks_axis
from steelyard.layout.reason import Reason
from steelyard.strategies.experts import unstated_expert_tensor
from steelyard.strategies.partition import FIRST_GIVEN, GIVEN, PARTITIONS, blocks_before, given_parts, parts_most
from steelyard.strategies.recipe import FUSED
from steelyard.strategies.recompute import POLICIES
from steelyard.strategies.registry import SCHEDULES, usual_code
from steelyard.strategies.schedule import YesNo
from steelyard.tables import Divisible, Job, Layout
from steelyard.units import BytesPerSecond, Count

Broken = YesNo
_Rule = tuple[Reason, Broken]


def problem(
    job: Job, layout: Layout, domain_devices: Count, nic_bytes_per_s: BytesPerSecond, capability: Capability
) -> Count:
    """Return the code of the first rule that each layout breaks, 0 where it is valid.

    Args:
        job: what is trained; scalars or arrays [-]
        layout: the layouts to judge [-]
        domain_devices: devices joined by fast links [-]
        nic_bytes_per_s: network of one device between domains; NaN forbids leaving the domain [byte/s]
        capability: what the software stack supports [-]

    Source: 2104.04473 section 2 (interleaving needs micro-batches divisible by the stages); Megatron-core
        ModelParallelConfig and TransformerConfig checks (heads, key-value heads, sequence, context, experts).
    Limits: vocabularies are padded, so tp need not divide them; the machine's memory is judged by `step.memory.memory`.

    The codes are those of `Reason`.
    """
    lacks = (Reason.AXIS, lacks_axis(job.workload.divisible, layout))
    rules = [
        _whole(layout),
        lacks,
        *_degrees(layout),
        *_model(job, layout),
        *_batch(job, layout),
        (Reason.HOST_WEIGHTS, keeps_weights(job, layout, capability)),
        *_stack(job, layout, capability),
        (Reason.NVME, lacks_drives(job, layout, capability)),
        (Reason.OFFLOAD, unsharded_away(layout, capability)),
        (Reason.KEPT_GRADIENTS, np.equal(job.recipe.grad_life, FUSED) & (not capability.fused_gradients)),
    ]
    spans = (layout.devices > domain_devices) & np.isnan(nic_bytes_per_s)
    rules.append((Reason.NETWORK, spans))
    return _first(rules)


def _first(rules: Sequence[_Rule]) -> Count:
    broken = np.broadcast_arrays(*[np.asarray(broken, dtype=bool) for _, broken in rules])
    codes = np.array([float(reason) for reason, _ in rules])
    stacked = np.stack(broken)
    return np.where(stacked.any(axis=0), codes[np.argmax(stacked, axis=0)], float(Reason.VALID))


def _whole(layout: Layout) -> _Rule:
    degrees = (layout.tp, layout.pp, layout.vpp, layout.cp, layout.dp, layout.ep, layout.etp, layout.micro_batch)
    counts = (layout.shard_devices, layout.devices)
    whole = [(np.asarray(count) < 1) | (np.asarray(count) % 1 != 0) for count in (*degrees, *counts)]
    return Reason.DEGREES, np.logical_or.reduce(np.broadcast_arrays(*whole))


def _degrees(layout: Layout) -> list[_Rule]:
    flags = [(np.asarray(flag) != 0) & (np.asarray(flag) != 1) for flag in (layout.sp, layout.flash, layout.offload)]
    ranks = layout.dp * layout.cp
    return [
        (Reason.DEVICES, layout.tp * layout.pp * layout.cp * layout.dp != layout.devices),
        (Reason.ZERO, ~np.isin(layout.zero, (0, 1, 2, 3))),
        (Reason.SHARD, _splits(ranks, layout.shard_devices)),
        (
            Reason.FLAGS,
            np.logical_or.reduce(np.broadcast_arrays(*flags, ~np.isin(layout.recompute, range(len(POLICIES))))),
        ),
    ]


def _model(job: Job, layout: Layout) -> list[_Rule]:
    model, tp = job.workload.divisible, layout.tp
    routed = np.greater(model.experts, 0)
    kv_unequal = _splits(model.kv_heads, tp) & _splits(tp, model.kv_heads)
    pieces = np.where(layout.cp > 1, 2 * layout.cp, 1)
    parallel = layout.sp > 0
    return [
        (Reason.HEADS, _splits(model.heads, tp)),
        (Reason.KV_HEADS, kv_unequal),
        (Reason.FFN, np.greater(model.ffn, 0) & _splits(model.ffn, tp)),
        (Reason.STAGES, layout.pp > model.stages),
        (Reason.SCHEDULE, _other_schedule(layout, SCHEDULES) | _lone_stage_ordered(layout)),
        (Reason.INTERLEAVE, _bad_interleave(model, layout)),
        (Reason.ROUNDS, _bad_rounds(layout)),
        (Reason.CONTEXT, _splits(model.sequence, pieces)),
        (Reason.SEQUENCE, parallel & ((tp <= 1) | _splits(model.sequence, layout.cp * tp))),
        (Reason.EXPERTS, (layout.ep > 1) & routed & _splits(model.experts, layout.ep)),
        (Reason.EXPERT_RANKS, _splits(layout.dp * layout.cp * tp, layout.ep * np.where(routed, layout.etp, 1.0))),
        (Reason.EXPERT_TENSOR, routed & _splits(tp, layout.etp)),
        (Reason.PARTITION, _bad_partition(model, layout)),
    ]


def _other_schedule(layout: Layout, names: Iterable[str]) -> Broken:
    """Tell whether none of some schedules is the layout's own, with stages of as many chunks."""
    known = [SCHEDULES[name] for name in names]
    runs = [np.equal(layout.schedule, one.code) & one.runs(layout.vpp) for one in known]
    found: NDArray[np.bool_] = ~np.logical_or.reduce(np.broadcast_arrays(False, *runs))
    return found


def _lone_stage_ordered(layout: Layout) -> Broken:
    """Tell whether a schedule of pipelines is asked of one stage, which runs each micro-batch there and back.

    All schedules would be one program there, so none but the usual is taken. Several chunks of one stage are judged
    elsewhere.
    """
    lone = np.less_equal(layout.pp, 1) & np.equal(layout.vpp, 1)
    ordered: NDArray[np.bool_] = lone & np.not_equal(layout.schedule, usual_code(SCHEDULES, 1))
    return ordered


def _bad_partition(model: Divisible, layout: Layout) -> Broken:
    """Tell whether blocks are left over, entries are not one a chunk, or a stage has no block in any of its chunks."""
    if np.all(np.equal(layout.partition, 0)):
        return False
    parts, entries = layout.pp * layout.vpp, given_parts(layout.partition)
    before = partial(blocks_before, layout.partition, model.blocks, parts, projection=model.projection)
    broken = (np.greater(entries, 0) & np.not_equal(entries, parts)) | np.not_equal(before(parts), model.blocks)
    broken = broken | np.greater(parts, parts_most(model.blocks))
    stages, chunks = (int(np.max(np.where(broken, 1, degree))) for degree in (layout.pp, layout.vpp))
    for rank in range(stages):
        held: Count = 0.0
        for chunk in range(chunks):
            part = chunk * layout.pp + rank
            held = held + np.where(np.less(chunk, layout.vpp), before(part + 1) - before(part), 0.0)
        broken = broken | (np.less(rank, layout.pp) & np.less(held, 1))
    return broken


def _other_partition(layout: Layout, names: Iterable[str]) -> Broken:
    """Tell whether a partition is none of those of a stack."""
    known, codes = set(names), np.asarray(layout.partition)
    rules = [code for code, rule in enumerate(PARTITIONS) if rule.name in known]
    by_hand = np.greater_equal(codes, FIRST_GIVEN)
    found: NDArray[np.bool_] = ~np.where(by_hand, GIVEN in known, np.isin(codes, rules))
    return found


def _bad_interleave(model: Divisible, layout: Layout) -> Broken:
    uneven = np.equal(layout.partition, 0) & _splits(model.blocks, layout.pp * layout.vpp)
    return (layout.vpp > 1) & ((layout.pp <= 1) | uneven)


def _bad_rounds(layout: Layout) -> Broken:
    """Tell whether a schedule is asked to run numbers of stages and micro-batches that it does not."""
    broken = [
        np.equal(layout.schedule, one.code) & np.logical_not(one.takes(layout.pp, layout.micro_batches))
        for one in SCHEDULES.values()
        if one.needs
    ]
    found: NDArray[np.bool_] = np.logical_or.reduce(np.broadcast_arrays(False, *broken))
    return found


def _batch(job: Job, layout: Layout) -> list[_Rule]:
    count = np.asarray(layout.micro_batches)
    uneven = (count < 1) | (count % 1 != 0)
    return [
        (Reason.BATCH, uneven | (layout.dp * layout.micro_batch * count != job.batch_samples)),
        (Reason.FUSED_GRADIENTS, np.equal(job.recipe.grad_life, FUSED) & np.greater(count, 1)),
    ]


def _stack(job: Job, layout: Layout, capability: Capability) -> list[_Rule]:
    ranks = layout.dp * layout.cp
    taken = unstated_expert_tensor(capability.expert_tensor, layout.tp, layout.ep)
    beyond = (
        (not capability.tp) & (layout.tp > 1),
        (not capability.sp) & (layout.sp > 0),
        (not capability.pp) & (layout.pp > 1),
        (not capability.vpp) & (layout.vpp > 1),
        (np.asarray(layout.pp) > 1) & _other_schedule(layout, capability.schedules),
        (np.asarray(layout.pp) > 1) & _other_partition(layout, capability.partitions),
        (not capability.cp) & (layout.cp > 1),
        (not capability.ep) & (layout.ep > 1),
        (not capability.etp) & np.greater(job.workload.divisible.experts, 0) & np.not_equal(layout.etp, taken),
        (not capability.hsdp) & (layout.shard_devices < ranks),
        (not capability.offload) & (layout.offload > 0),
        ~np.isin(layout.zero, capability.zero) & ((ranks > 1) | (layout.zero > 0)),
        (layout.pp > 1) & (layout.zero > capability.zero_most_with_pp),
        ~np.isin(layout.recompute, capability.recompute),
    )
    return [(Reason.STACK, np.logical_or.reduce(np.broadcast_arrays(*beyond)))]


def unsharded_away(layout: Layout, capability: Capability) -> Broken:
    """Tell whether states that a stack does not shard are to go to the host, which it does with its shards alone.

    A single rank has all of them, whatever its stage.

    Args:
        layout: ZeRO stage, offload, dp and cp [-]
        capability: what the software stack supports [-]

    Source: that of `offload_from` of each stack.
    """
    found: NDArray[np.bool_] = (
        np.greater(layout.offload, 0)
        & np.less(layout.zero, capability.offload_from)
        & np.greater(layout.dp * layout.cp, 1)
    )
    return found


def lacks_drives(job: Job, layout: Layout, capability: Capability) -> Broken:
    """Tell whether a job puts on drives what its stack does not, or not at its ZeRO stage, or what is not offloaded.

    Args:
        job: its recipe: parameters, states on drives [-]
        layout: ZeRO stage, offload [-]
        capability: what the software stack supports [-]

    Source: github.com/deepspeedai/DeepSpeed runtime/zero/offload_config.py (offload_param: valid only with stage 3) and
        tests/unit/runtime/zero/test_zero_tensor_fragment.py (NVMe offload is not supported for other stages).
    """
    weights, states = np.greater(job.recipe.weights_on_nvme, 0), np.greater(job.recipe.states_on_nvme, 0)
    able = capability.nvme & np.equal(layout.zero, 3)
    found: NDArray[np.bool_] = ((weights | states) & ~able) | (states & np.equal(layout.offload, 0))
    return found


def keeps_weights(job: Job, layout: Layout, capability: Capability) -> Broken:
    """Tell whether a job puts parameters on the host at a ZeRO stage at which its stack keeps them on the device.

    Args:
        job: its recipe: parameters on the host [-]
        layout: ZeRO stage [-]
        capability: what the software stack supports [-]

    Source: github.com/deepspeedai/DeepSpeed runtime/zero/offload_config.py (offload_param: valid only with stage 3).
    """
    found: NDArray[np.bool_] = np.greater(job.recipe.weights_on_host, 0) & np.less(
        layout.zero, capability.host_weights_from
    )
    return found


def _splits(count: Count, parts: Count) -> Broken:
    """Tell whether `parts` fails to divide `count`; a part below 1 is judged elsewhere."""
    left: NDArray[np.bool_] = np.not_equal(np.asarray(count) % np.maximum(parts, 1), 0)
    return left
