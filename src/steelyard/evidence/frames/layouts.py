"""From the layout columns of a row to `Layout`: what is stated, what follows from it, and what must be imputed."""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from steelyard.catalog.stack_names import StackRule
from steelyard.errors import BadInput, BadLayout
from steelyard.evidence.frames.batches import run_batch
from steelyard.evidence.frames.recomputation import recompute_choices
from steelyard.evidence.frames.settings import (
    expert_tensor,
    laid_out,
    offloads_states,
    run_settings,
    sequence_parallel,
    shard_group,
    with_batch,
)
from steelyard.evidence.frames.shapes import ModelShape, RowsShape, undivided
from steelyard.evidence.runs.columns import is_count
from steelyard.evidence.runs.run import Run, is_known
from steelyard.job.degrees import FULLY_SHARDED
from steelyard.job.unstated.stack import TUNED
from steelyard.job.unstated.usual import TOKENS_IN_FLIGHT, sharded_zero, usual_flash
from steelyard.strategies.partition import given_partition, given_sizes
from steelyard.strategies.registry import SCHEDULES, named_schedule, usual_code
from steelyard.strategies.settings import spelled_number
from steelyard.tables import Layout

_ORDER = ("tp", "pp", "cp", "dp")
_STATE_BYTES = 18.0  # of one parameter under mixed-precision Adam: arXiv 1910.02054, section 3.1, with fp32 gradients


@dataclass(frozen=True, slots=True)
class LayoutChoice:
    """One layout that a row may mean; `assumed` names what the row does not say."""

    layout: Layout
    batch_samples: float
    assumed: frozenset[str] = field(default_factory=frozenset)
    instead: bool = False  # taken only where those before do not fit


def layout_choices(
    run: Run,
    arch: ModelShape,
    memory_bytes: float,
    rule: StackRule,
    domain_devices: float,
    stages: Sequence[int] = (),
) -> list[LayoutChoice]:
    """Return the layouts that a row may mean, the likeliest first; one alone where the row states it.

    Where degrees are missing, powers of two are tried; a rule of thumb (the fewest model-parallel ranks that hold the
    states) puts one first, `frame.settle` lets the predictor choose; BadLayout says why a row has none. Where recipes
    of a stack shard nothing and the row is silent, the ZeRO `stages` that it has follow: a run that ran did fit.
    """
    if not is_count(run.devices):
        raise BadInput("the number of devices is not stated")
    if isinstance(arch, RowsShape):
        run = undivided(run, arch)
    if not is_count(run.sequence_tokens):
        raise BadInput("the sequence length is not stated")
    guesses: set[str] = set()
    degrees = _degrees(run, arch, memory_bytes, rule, domain_devices, guesses)
    found: list[LayoutChoice] = []
    refusals: list[BadInput] = []
    for one, recompute in itertools.product(degrees, recompute_choices(run, arch, rule, guesses)):
        try:
            found.append(_choice(run, arch, rule, one, recompute, guesses))
        except BadInput as refusal:
            refusals.append(refusal)
    settings, kept = run_settings(run), []
    open_stages = stages if rule.sharding == "0" and run.task in TUNED else ()
    sharded = (one for choice in found for one in _stages(choice, open_stages))
    for varied in (one for choice in sharded for one in _expert_degrees(run, arch, rule, choice)):
        try:
            kept.append(replace(varied, layout=laid_out(varied.layout, settings)))
        except BadInput as refusal:
            refusals.append(refusal)
    if not kept:
        raise refusals[0]
    return kept


def _stages(choice: LayoutChoice, stages: Sequence[int]) -> list[LayoutChoice]:
    """Return a choice, and where its sharding is assumed over several replicas the same at other ZeRO stages."""
    laid = choice.layout
    if "sharding" not in choice.assumed or laid.pp > 1 or laid.dp * laid.cp == 1:
        return [choice]
    others = [float(one) for one in stages if one != laid.zero]
    return [choice, *(replace(choice, layout=replace(laid, zero=one), instead=True) for one in others)]


def _choice(
    run: Run,
    arch: ModelShape,
    rule: StackRule,
    degrees: tuple[float, float, float, float],
    recompute: float,
    guesses: set[str],
) -> LayoutChoice:
    assumed = set(guesses)
    _, pp, _, dp = degrees
    in_flight = arch.batch if isinstance(arch, RowsShape) else TOKENS_IN_FLIGHT // run.sequence_tokens
    micro, total = run_batch(with_batch(run, dp), rule, (dp, pp), in_flight, assumed)
    if rule.stack == "hf-trainer" and pp > 1 and not is_known(run.step_time_s):
        total = micro * dp  # device_map runs one micro-batch through the stages at a time
    layout = _layout(run, arch, rule, degrees, micro, total / (micro * dp), assumed)
    return LayoutChoice(replace(layout, recompute=recompute), total, frozenset(assumed))


def _degrees(
    run: Run, arch: ModelShape, memory_bytes: float, rule: StackRule, domain_devices: float, assumed: set[str]
) -> list[tuple[float, float, float, float]]:
    """Return (tp, pp, cp, dp) as stated, or the likeliest ones first."""
    n = run.devices
    cp = run.cp if is_count(run.cp) else 1.0
    if rule.stack == "internevo" and run.sharding == "fsdp":  # its tp ranks share weights, not products (ISP)
        return [(1.0, run.pp if is_count(run.pp) else 1.0, cp, n / cp)]
    if is_count(run.tp) and is_count(run.pp):
        return [(run.tp, run.pp, cp, _data_parallel(run, cp))]
    product = re.search(r"\(TP\*PP\) (\d+) published", run.note)
    if product:
        n_model: tuple[float, ...] = (float(product[1]),)
    elif is_count(run.dp) and n % (run.dp * cp) == 0 and not (is_count(run.tp) or is_count(run.pp)):
        n_model = (n / (run.dp * cp),)
    else:
        n_model = tuple(2.0**power for power in range(int(math.log2(n)) + 1) if n % (2**power * cp) == 0)
    assumed.add("layout")
    sharded = _sharding(run, rule, set()) >= 3
    held = memory_bytes * 0.8 * (n if sharded else 1.0)
    wanted = 1.0 if sharded else max(1.0, arch.total_params * _STATE_BYTES / held)
    found = []
    for ranks in n_model:
        for tp in (run.tp,) if is_count(run.tp) else sorted({1.0, 2.0, 4.0, 8.0, *_rest_of_ranks(run, ranks)}):
            pp = run.pp if is_count(run.pp) else ranks / tp
            fits = tp * pp == ranks and tp <= max(domain_devices, 1.0) and pp <= arch.layers and pp == math.floor(pp)
            if fits and arch.heads % tp == 0 and n % (ranks * cp) == 0:
                found.append((tp, pp, cp, n / (ranks * cp)))
    settings = run_settings(run)
    found = [
        one
        for one in found
        if all(settings.get(name, degree) == degree for name, degree in zip(_ORDER, one, strict=True))
    ]
    batch = run.batch_samples if is_known(run.batch_samples) else math.inf
    usable = [one for one in found if one[3] <= batch] or found
    if not usable:
        raise BadLayout(f"tp {run.tp:g}, pp {run.pp:g}, dp {run.dp:g} leave no layout of {n:g} devices")
    likely = sorted(usable, key=lambda one: (one[0] * one[1] < wanted, one[0] * one[1], one[1]))
    return likely[:12]


def _rest_of_ranks(run: Run, ranks: float) -> tuple[float, ...]:
    """Return the tensor-parallel degree that is left of model-parallel ranks where the pipeline is known; else none."""
    return (ranks / run.pp,) if is_count(run.pp) and ranks % run.pp == 0 else ()


def _data_parallel(run: Run, cp: float) -> float:
    """Return the data-parallel degree, stated or implied; BadLayout where the published degrees contradict."""
    inner = run.tp * run.pp
    implied = run.devices / (inner * cp)
    if is_count(run.dp):
        if run.dp == implied:
            return run.dp
        if inner * run.dp == run.devices and run.dp % cp == 0:  # context-parallel ranks counted as data-parallel
            return run.dp / cp
        raise BadLayout(
            f"tp {run.tp:g} x pp {run.pp:g} x cp {cp:g} x dp {run.dp:g} = {inner * cp * run.dp:g}, "
            f"not the {run.devices:g} devices"
        )
    if not is_count(implied):
        raise BadLayout(f"tp {run.tp:g} x pp {run.pp:g} x cp {cp:g} does not divide {run.devices:g} devices")
    return implied


def _sharding(run: Run, rule: StackRule, assumed: set[str]) -> float:
    stated = spelled_number("zero", run.sharding)
    if stated is None:
        assumed.add("sharding")
        stated = spelled_number("zero", rule.sharding)
    return float(stated or 0)


def _zero(run: Run, rule: StackRule, pp: float, assumed: set[str]) -> float:
    """Return the ZeRO stage of a row's sharding, or of its stack's (`sharded_zero`)."""
    stated = _sharding(run, rule, assumed)
    known = run.sharding or rule.sharding
    return float(sharded_zero(known, pp)) if known.lower() in FULLY_SHARDED else stated


def _layout(
    run: Run,
    arch: ModelShape,
    rule: StackRule,
    degrees: tuple[float, float, float, float],
    micro: float,
    steps: float,
    assumed: set[str],
) -> Layout:
    tp, pp, cp, dp = degrees
    zero = _zero(run, rule, pp, assumed)
    if pp > arch.layers:
        raise BadLayout(f"{pp:g} pipeline stages are more than the model's {arch.layers:g} blocks")
    partition = _partition(run, arch, rule, pp)
    ep = run.ep if is_count(run.ep) and arch.experts > 0 else 1.0
    chunks = _chunks(run, pp, max(given_sizes(partition), default=math.ceil(arch.layers / pp)), assumed)
    return Layout(
        devices=run.devices,
        tp=tp,
        pp=pp,
        vpp=chunks,
        schedule=_schedule(run, pp, chunks, max(1.0, math.ceil(steps - 1e-9))),
        cp=cp,
        dp=dp,
        ep=ep,
        etp=expert_tensor(run, rule, (tp, ep, dp * cp * tp), bool(arch.experts > 0), assumed),
        zero=zero,
        shard_devices=shard_group(run, dp * cp),
        micro_batch=micro,
        micro_batches=max(1.0, math.ceil(steps - 1e-9)),
        sp=sequence_parallel(run, rule, assumed) if tp > 1 else 0.0,
        recompute=0.0,
        flash=_flash(run, arch, rule, assumed),
        offload=float(offloads_states(run.offload)),
        partition=float(partition),
    )


def _partition(run: Run, arch: ModelShape, rule: StackRule, pp: float) -> int:
    """Return the partition of the blocks: the row's setting, what its note says, else that of the stack."""
    if (number := run_settings(run).get("partition")) is not None:
        return number
    stated = re.search(r"layers/stage \[([\d, ]+)\]", run.note)
    stages = [int(part) for part in stated[1].split(",")] if stated else []
    if len(stages) == pp > 1 and max(stages) > 2:
        if sum(stages) == arch.layers + 2:  # embedding and output projection are counted as a block each
            stages[0] -= 1
            stages[-1] -= 1
        if sum(stages) == arch.layers:
            return given_partition(tuple(stages))
    named = re.search(r"\bpartition=([a-z]+)", run.note)
    return spelled_number("partition", named[1] if named else rule.partition) or 0


def _schedule(run: Run, pp: float, chunks: float, micro_batches: float) -> float:
    """Return the schedule that a row's stack or note names, if it can run so, else the usual one."""
    named = named_schedule(f"{run.stack} {run.note}", chunks) if pp > 1 else None
    if named and named.takes(pp, micro_batches):
        return float(named.code)
    return float(usual_code(SCHEDULES, chunks))


def _chunks(run: Run, pp: float, blocks: float, assumed: set[str]) -> float:
    """Return the chunks of a stage of so many blocks: stated, as many as its schedule has, or one."""
    if pp == 1:
        return 1.0
    named = named_schedule(f"{run.stack} {run.note}", run.vpp)
    if named and named.chunked and math.isfinite(named.chunks_most) and not is_known(run.vpp):
        return min(named.chunks_most, blocks)
    if not is_known(run.vpp):
        assumed.add("interleaving")
        return 1.0
    return min(max(1.0, run.vpp), blocks)


def _expert_degrees(run: Run, arch: ModelShape, rule: StackRule, choice: LayoutChoice) -> list[LayoutChoice]:
    """Return the choice as it is, or with every power of two that divides experts and replicas where ep is unstated."""
    if arch.experts <= 0 or is_known(run.ep):
        return [choice]
    dp = float(choice.layout.dp)
    powers = (2.0**power for power in range(int(math.log2(dp)) + 1))
    degrees = [degree for degree in powers if arch.experts % degree == 0 and dp % degree == 0]
    assumed = choice.assumed | {"experts"}
    tp, ranks, told = float(choice.layout.tp), float(choice.layout.tp * choice.layout.cp) * dp, set(assumed)
    laid = [replace(choice.layout, ep=ep, etp=expert_tensor(run, rule, (tp, ep, ranks), True, told)) for ep in degrees]
    return [replace(choice, layout=one, assumed=assumed) for one in laid]


def _flash(run: Run, arch: ModelShape, rule: StackRule, assumed: set[str]) -> float:
    if isinstance(arch, RowsShape):  # it has no attention
        return 0.0
    stated = spelled_number("flash", run.flash_attention)
    if stated is None:
        assumed.add("attention")
        return float(usual_flash(rule.stack, run.precision.lower(), run.date))
    return float(stated)
