"""Layouts as people write them: `tp=2,pp=1,dp=32,mbs=2,zero=1`."""

import math
import re
from collections.abc import Callable

from steelyard.catalog.stacks import Capability
from steelyard.errors import BadLayout, nearest
from steelyard.layout.axes import AXIS_DEGREES, divisors_of, lacking_axis
from steelyard.layout.reason import Reason, abilities_text, sentence
from steelyard.layout.valid import problem
from steelyard.strategies.experts import AS_THE_REST, unstated_expert_tensor
from steelyard.strategies.interleaving import chunk_partition
from steelyard.strategies.partition import blocks_before, given_sizes, parts_most
from steelyard.strategies.registry import SCHEDULES, suiting, usual_code
from steelyard.strategies.settings import setting_name, setting_names, spelled_number
from steelyard.tables import Divisible, Job, Layout
from steelyard.units import BytesPerSecond, Count

KEYS = {
    "tp": "tp",
    "pp": "pp",
    "vpp": "vpp",
    "schedule": "schedule",
    "cp": "cp",
    "dp": "dp",
    "ep": "ep",
    "etp": "etp",
    "zero": "zero",
    "shard": "shard_devices",
    "mbs": "micro_batch",
    "ga": "micro_batches",
    "sp": "sp",
    "recompute": "recompute",
    "flash": "flash",
    "offload": "offload",
    "partition": "partition",
}
"""What a person writes, and the field of `Layout` that it sets."""

_LONG = re.compile(r"\d{16,}")
"""More digits than a setting of a layout has: shown as a power of ten."""

COUNTED = ("tp", "pp", "vpp", "cp", "dp", "ep", "etp", "shard_devices", "micro_batch", "micro_batches")
"""Fields of `Layout` that count something, so that each is at least 1."""


def parse(
    text: str, job: Job, devices: int, domain_devices: int, nic_bytes_per_s: BytesPerSecond, capability: Capability
) -> Layout:
    """Return the layout that a text describes, or raise `BadLayout` with the arithmetic that fails.

    What is left out is filled in: dp from the devices, gradient accumulation from the batch, the stack's lowest ZeRO
    stage, its usual schedule, sequence parallelism wherever tp > 1 and the stack has it, fused attention, no
    recomputation, no offload.
    """
    given = _given(text)
    if lack := lacking_axis(job.workload.divisible, given):
        raise BadLayout(f"layout {text.strip()}: {lack}")
    layout = _filled(given, job, devices, capability)
    check_layout(layout, job, domain_devices, nic_bytes_per_s, capability)
    return layout


def check_layout(
    layout: Layout, job: Job, domain_devices: int, nic_bytes_per_s: BytesPerSecond, capability: Capability
) -> None:
    """Raise `BadLayout`, with the arithmetic that fails, where one layout is invalid."""
    code = int(problem(job, layout, domain_devices, nic_bytes_per_s, capability))
    if code:
        raise BadLayout(_message(layout, Reason(code), job, domain_devices, capability))


def text_of(layout: Layout) -> str:
    """Return one layout as a person writes it; degrees of 1 that say nothing are left out.

    >>> layout = Layout(64.0, 2.0, 1.0, 1.0, 0.0, 1.0, 32.0, 1.0, 2.0, 1.0, 32.0, 2.0, 4.0, 1.0, 1.0, 1.0, 0.0, 0.0)
    >>> text_of(layout)
    'tp=2,pp=1,dp=32,mbs=2,ga=4,zero=1,recompute=selective'
    """
    parts = [f"tp={layout.tp:.0f}", f"pp={layout.pp:.0f}"]
    parts += [f"{key}={getattr(layout, key):.0f}" for key in ("vpp", "cp", "ep") if getattr(layout, key) > 1]
    if layout.etp != layout.tp or (layout.ep > 1 and layout.tp > 1):
        parts.append(f"etp={layout.etp:.0f}")
    if layout.schedule != usual_code(SCHEDULES, float(layout.vpp)):
        parts.append(f"schedule={setting_name('schedule', int(layout.schedule))}")
    if layout.partition:
        parts.append(f"partition={setting_name('partition', int(layout.partition))}")
    named = {"dp": layout.dp, "mbs": layout.micro_batch, "ga": layout.micro_batches, "zero": layout.zero}
    parts += [f"{key}={value:.0f}" for key, value in named.items()]
    if layout.zero > 0 and layout.shard_devices != layout.dp * layout.cp:
        parts.append(f"shard={layout.shard_devices:.0f}")
    if layout.tp > 1 and not layout.sp:
        parts.append("sp=0")
    if layout.recompute > 0:
        parts.append(f"recompute={setting_name('recompute', int(layout.recompute))}")
    if not layout.flash:
        parts.append("flash=0")
    if layout.offload > 0:
        parts.append("offload=1")
    return ",".join(parts)


def _given(text: str) -> dict[str, int]:
    given: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (piece.strip().lower() for piece in part.partition("="))
        if not equals or key not in KEYS:
            near = nearest(key, KEYS, 1) or [", ".join(KEYS)]
            raise BadLayout(f"cannot read {part!r} in layout {text!r}; write key=value, keys nearest: {near[0]}")
        if KEYS[key] in given:
            raise BadLayout(f"layout {text!r} gives {key} twice; give it once")
        given[KEYS[key]] = _number(key, value, text)
    if text and not given:
        raise BadLayout(f"layout {text!r} names no setting; write such as tp=2,pp=1,mbs=2, or leave it out")
    return given


def _number(key: str, value: str, text: str) -> int:
    number = spelled_number(key, value)
    if number is None:
        names = setting_names(key)
        hint = ", ".join(names[:-1]) + f" or {names[-1]}" if names else "a whole number"
        hint += ", or the blocks of each stage, as in 15-17-17-15" if key == "partition" else ""
        raise BadLayout(f"{key}={value!r} in layout {text!r} is not {hint}")
    if number < 1 and KEYS[key] in COUNTED:
        raise BadLayout(f"{key}={value!r} in layout {text!r} is not a whole number of at least 1")
    return number


def _filled(given: dict[str, int], job: Job, devices: int, capability: Capability) -> Layout:
    tp, pp, cp = (max(given.get(key, 1), 1) for key in ("tp", "pp", "cp"))
    dp = given.get("dp", max(devices // (tp * pp * cp), 1))
    micro_batch = given.get("micro_batch", 1)
    share = job.batch_samples / max(dp * micro_batch, 1)
    model = job.workload.divisible
    splits = capability.sp and tp > 1 and model.sequence % (cp * tp) == 0
    rule = capability.expert_tensor if model.experts > 0 else AS_THE_REST
    fields: dict[str, float] = dict.fromkeys(("tp", "pp", "vpp", "cp", "ep", "flash"), 1.0) | {
        "devices": devices,
        "schedule": usual_code(capability.schedules if pp > 1 else SCHEDULES, given.get("vpp", 1)),
        "dp": dp,
        "etp": float(unstated_expert_tensor(rule, tp, given.get("ep", 1))),
        "zero": min(capability.zero),
        "shard_devices": max(dp * cp, 1),
        "micro_batch": micro_batch,
        "micro_batches": float(share),
        "sp": int(splits),
        "recompute": 0,
        "offload": 0,
        "partition": float(chunk_partition(capability.partitions, model.blocks, pp, given.get("vpp", 1))),
    }
    return Layout(**{key: float(value) for key, value in {**fields, **given}.items()})


def _message(layout: Layout, reason: Reason, job: Job, domain_devices: int, capability: Capability) -> str:
    model = job.workload.divisible
    details: dict[Reason, Callable[[], str]] = {  # each may count through what it is about, so one alone is asked
        Reason.DEGREES: lambda: _below_one(layout),
        Reason.FLAGS: lambda: _settings(layout, "sp", "flash", "offload", "recompute"),
        Reason.SCHEDULE: lambda: _schedule(layout, capability),
        Reason.SEQUENCE: lambda: f"sp = 1 with cp × tp = {layout.cp * layout.tp:.0f} and {model.sequence:.0f} tokens",
        Reason.AXIS: lambda: lacking_axis(model, {name: int(getattr(layout, name)) for name in AXIS_DEGREES}),
        Reason.DEVICES: lambda: _devices(layout, job),
        Reason.BATCH: lambda: _batch(layout, job),
        Reason.HEADS: lambda: (
            f"tp = {layout.tp:.0f} but the model has {model.heads:.0f} heads; {_divisors(model.heads)}"
        ),
        Reason.KV_HEADS: lambda: f"tp = {layout.tp:.0f} against {model.kv_heads:.0f} key-value heads",
        Reason.FFN: lambda: f"tp = {layout.tp:.0f} does not divide {model.ffn:.0f}",
        Reason.STAGES: lambda: f"pp = {layout.pp:.0f} but the model has {model.stages:.0f} layers",
        Reason.INTERLEAVE: lambda: f"pp × vpp = {layout.pp * layout.vpp:.0f}, layers {model.blocks:.0f}",
        Reason.ROUNDS: lambda: _rounds(layout),
        Reason.PARTITION: lambda: _partition(layout, model),
        Reason.CONTEXT: lambda: f"cp = {layout.cp:.0f} and a sequence of {model.sequence:.0f} tokens",
        Reason.EXPERTS: lambda: f"ep = {layout.ep:.0f} and {model.experts:.0f} experts",
        Reason.EXPERT_RANKS: lambda: _expert_ranks(layout, capability),
        Reason.EXPERT_TENSOR: lambda: f"etp = {layout.etp:.0f} but tp = {layout.tp:.0f}",
        Reason.SHARD: lambda: f"shard = {layout.shard_devices:.0f} but dp × cp = {layout.dp * layout.cp:.0f}",
        Reason.ZERO: lambda: f"zero = {layout.zero:.0f}",
        Reason.NETWORK: lambda: f"{layout.devices:.0f} devices in fast domains of {domain_devices}",
        Reason.NVME: lambda: f"zero = {layout.zero:.0f}, offload = {layout.offload:.0f} on {capability.stack}",
        Reason.OFFLOAD: lambda: _offload(layout, capability),
        Reason.HOST_WEIGHTS: lambda: f"weights = host and zero = {layout.zero:.0f} on {capability.stack}",
        Reason.KEPT_GRADIENTS: lambda: f"gradients = fused on {capability.stack}",
        Reason.FUSED_GRADIENTS: lambda: (
            f"ga = {layout.micro_batches:.0f} with fused gradients; give --global-batch "
            f"{layout.dp * layout.micro_batch:.0f}, or mbs={job.batch_samples / layout.dp:g}"
        ),
        Reason.STACK: lambda: abilities_text(layout, capability),
    }
    where = "" if reason is Reason.DEGREES else " " + _LONG.sub(lambda one: f"{float(one[0]):.3g}", text_of(layout))
    return f"layout{where}: {details[reason]()}; {sentence(reason)}"


def _offload(layout: Layout, capability: Capability) -> str:
    able = f"{capability.stack}, which offloads from zero = {capability.offload_from} on"
    return f"offload = {layout.offload:.0f} at zero = {layout.zero:.0f} on {able}"


def _below_one(layout: Layout) -> str:
    names = ("devices", *COUNTED)
    return ", ".join(
        f"{name} = {value:g}" for name in names if (value := float(getattr(layout, name))) < 1 or value % 1
    )


def _settings(layout: Layout, *names: str) -> str:
    return ", ".join(f"{name} = {getattr(layout, name):g}" for name in names)


def _schedule(layout: Layout, capability: Capability) -> str:
    """Return which schedule does not suit its chunks, and what would."""
    if not capability.schedules:
        return abilities_text(layout, capability)
    name, chunks = setting_name("schedule", int(layout.schedule)), 2 if layout.vpp == 1 else 1
    if name in SCHEDULES and SCHEDULES[name].chunked:
        chunks = 2
    if layout.pp <= 1 and layout.vpp == 1:
        chunked = "" if name not in SCHEDULES or SCHEDULES[name].runs(1.0) else ",vpp=2"
        return f"schedule = {name} but pp = 1, which is no pipeline; give pp=2{chunked} or more, or no schedule"
    other = [one.name for one in suiting(capability.schedules, float(layout.vpp))]
    ways = [f"vpp={chunks}", *(f"schedule={one}" for one in other[:1])]
    return f"schedule = {name} but vpp = {layout.vpp:.0f}; give {' or '.join(ways)}"


def _rounds(layout: Layout) -> str:
    """Return what a schedule needs, and what it is asked to run."""
    name = setting_name("schedule", int(layout.schedule))
    has = f"pp = {layout.pp:.0f} and {layout.micro_batches:.0f} micro-batches"
    return f"schedule = {name} needs {SCHEDULES[name].needs}, not {has}" if name in SCHEDULES else has


def _partition(layout: Layout, model: Divisible) -> str:
    """Return which part of what a partition must do it does not."""
    name, parts = setting_name("partition", int(layout.partition)), int(layout.pp * layout.vpp)
    sizes = given_sizes(float(layout.partition))
    if sizes and (len(sizes) != parts or sum(sizes) != model.blocks):
        has = f"has {len(sizes)} entries and {sum(sizes)} blocks"
        return f"partition = {name} {has}, but pp × vpp = {parts} and the model has {model.blocks:.0f} blocks"
    if parts > parts_most(model.blocks):
        return f"partition = {name} of {parts} parts, but the model has {model.blocks:.0f} blocks and its two ends"
    pp = int(layout.pp)
    ends = [blocks_before(layout.partition, model.blocks, parts, part, model.projection) for part in range(parts + 1)]
    held = [sum(ends[part + 1] - ends[part] for part in range(rank, parts, pp)) for rank in range(pp)]
    bare = next((rank for rank, blocks in enumerate(held) if not blocks >= 1), None)
    if bare is None:
        return f"partition = {name} leaves blocks over of {model.blocks:.0f} on {parts} parts"
    return f"partition = {name} leaves stage {bare + 1} of {pp} without a block"


def _devices(layout: Layout, job: Job) -> str:
    product = layout.tp * layout.pp * layout.cp * layout.dp
    names = "tp × pp × cp × dp" if layout.cp > 1 else "tp × pp × dp"
    near = "; ".join(_nearby(layout, job)) or f"no layout of {layout.devices:.0f} devices suits model and batch"
    return f"{names} = {product:.0f} but the job has {layout.devices:.0f} devices; nearest: {near}"


def _nearby(layout: Layout, job: Job) -> list[str]:
    """Return up to three layouts that do equal the devices and suit model and batch, the least changed first."""
    devices, cp, model = int(layout.devices), int(layout.cp), job.workload.divisible
    found = []
    for tp in divisors_of(devices):
        for pp in divisors_of(devices // tp):
            kept = cp if devices // (tp * pp) % cp == 0 else 1
            dp = devices // (tp * pp * kept)
            if model.heads % tp or pp > model.stages or job.batch_samples % dp:
                continue
            wanted = zip((tp, pp, kept, dp), (layout.tp, layout.pp, cp, layout.dp), strict=True)
            moved = sum(abs(math.log2(new / old)) + (new != old) for new, old in wanted)
            found.append((moved, f"tp={tp},pp={pp}," + (f"cp={kept}," if kept > 1 else "") + f"dp={dp}"))
    return [text for _, text in sorted(found)[:3]]


def _batch(layout: Layout, job: Job) -> str:
    replica = layout.dp * layout.micro_batch
    near = max((batch for batch in divisors_of(job.batch_samples) if batch <= replica), default=1)
    return (
        f"dp × micro-batch = {replica:.0f} and {layout.micro_batches:g} micro-batches, but the global batch is "
        f"{job.batch_samples:.0f} samples; nearest dp × micro-batch: {near}"
    )


def _expert_ranks(layout: Layout, capability: Capability) -> str:
    """Return which ranks experts ask for, and whose etp that is where the stack's own is too many."""
    ranks = layout.dp * layout.cp * layout.tp
    found = f"ep × etp = {layout.ep * layout.etp:.0f} but dp × cp × tp = {ranks:.0f}"
    taken = unstated_expert_tensor(capability.expert_tensor, layout.tp, layout.ep)
    if layout.etp != taken or layout.etp <= 1 or ranks % layout.ep:
        return found
    way = "give etp=1" if capability.etp else f"give ep={math.gcd(int(layout.ep), int(ranks // layout.etp))}"
    return f"{found}: unless it is stated, {capability.stack} takes etp = {layout.etp:.0f}; {way}"


def _divisors(count: Count) -> str:
    return "tp may be " + ", ".join(str(tp) for tp in divisors_of(count) if tp & (tp - 1) == 0)
