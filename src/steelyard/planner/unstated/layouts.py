"""The layout of a pinned configuration: as it is given, as its stack's recipes have the rest, else the fastest."""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from steelyard.catalog import load
from steelyard.catalog.peaks import device_ends, unseen_kind
from steelyard.catalog.policy import policy
from steelyard.catalog.stack_names import rule_of_name
from steelyard.errors import BadInput, BadLayout
from steelyard.job import JobSpec
from steelyard.job.degrees import PRINTED, degrees_text, parse_degrees
from steelyard.job.job_spec import job_on
from steelyard.job.kept.drives import drive_entries, drive_layout, laid_on_drives
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec
from steelyard.job.unstated.choices import open_states
from steelyard.job.unstated.usual import TOKENS_IN_FLIGHT, named_layout, usual_flash, usual_layout
from steelyard.layout import parse
from steelyard.market.options import Deal, HardwareOption, Market, SiteOption, StackOption
from steelyard.market.tools import as_asked
from steelyard.planner.engine import ENGINE, asked_layout
from steelyard.search.engine import Limits
from steelyard.search.explore import explore
from steelyard.search.rows import single_layout
from steelyard.search.survivors import NOWHERE
from steelyard.tables import Job, Layout
from steelyard.units import GIB_BYTES, Array
from steelyard.vocabulary import ON_DEMAND

Laid = tuple[StackOption, Layout]
"""A stack, and a layout that it can run."""

RELAXED = (("zero", "shard_devices"), ("zero", "shard_devices", "micro_batch"))
"""Usual settings that one gives up first where all of them do not fit: what costs the least time."""

Allowed = Mapping[str, tuple[int, ...]]
"""Values of settings, by field of `tables.Layout`."""


@dataclass(frozen=True, slots=True)
class Bench:
    """So many of one machine, and the stacks that run on it."""

    hardware: HardwareOption
    count: int
    stacks: tuple[StackOption, ...]


def beyond_recipes_text(text: str, spec: JobSpec, job: Job, on: Bench, laid: Laid) -> str:
    """Return that a layout is not what its stack's recipes have of what is not stated, as that takes too much memory.

    Empty where it is, where nothing is usual, or where the recipes' cannot be run.

    Args:
        text: settings that are given, as a layout is written.
        spec: the job.
        job: its numbers.
        on: what it runs on.
        laid: the stack and the layout that were chosen.
    """
    stack, layout = laid
    asked = {**asked_layout(spec), **settings_of_text(text)}
    alone = replace(on, stacks=(stack,))
    usual = _usual(replace(spec, stack=as_asked(spec.stack, stack.name, load())), asked, alone)
    least = {name: values[:1] for name, values in usual.items()}
    moved = {name: values for name, values in least.items() if getattr(layout, name) not in usual[name]}
    if not moved or asked.keys() >= PRINTED:
        return ""
    machine = on.hardware.machine
    with suppress(BadLayout):
        _, recipe = _laid(degrees_text({**least, **{name: values[:1] for name, values in asked.items()}}), job, alone)
        low, high = (float(one) / GIB_BYTES for one in _ends(job, stack, recipe, on))
        has = machine.memory_bytes / GIB_BYTES
        if high > has:
            fits = "does not fit" if low > has else "may not fit"
            return (
                f"memory: as recipes of {stack.name} have it ({degrees_text(moved)}) it {fits}: up to {high:.0f} GiB "
                f"where a device has {has:.0f}; shown is the fastest that fits"
            )
    return ""


def layout_of_stack(text: str, spec: JobSpec, job: Job, on: Bench) -> Laid:
    """Return the layout of a configuration that is not whole, of the stacks that may run it."""
    stated = {**asked_layout(spec), **settings_of_text(text)}
    asked = laid_on_drives({**_named(spec, stated, on), **stated}, spec.stack or "", spec.recipe)
    usual = _usual(spec, asked, on)
    kept = {**asked, "offload": {"offload": (0,), **usual, **asked}["offload"]}
    for limits, one in _tries(spec, job, on, {**usual, **kept}, kept):
        if found := fastest(one, limits, on):
            return found
    nearest = _nearest(job, kept, on)
    if nearest and "offload" not in asked and _likely_fits(job, *nearest, on):
        return nearest
    needed = drive_layout({**drive_entries(spec.stack or ""), **spec.recipe})
    unsaid = {name: values for name, values in needed.items() if name not in settings_of_text(text)}
    given = ",".join(filter(None, (text, degrees_text(unsaid)))) if text else degrees_text(asked)
    with suppress(BadLayout):
        least = _laid(",".join(filter(None, (given, degrees_text(usual)))), job, on)
        if any(_fits(one, *least, on) for _, one in _tries(spec, job, on, usual, {})):
            return least
    try:
        least = asked_or_least(given, spec, job, on)
    except BadLayout:
        if nearest or "etp" in asked or not job.workload.divisible.experts:
            raise
        return layout_of_stack(",".join(filter(None, (text, "etp=1"))), spec, job, on)  # ranks for whole experts alone
    return least if _fits(job, *least, on) else nearest or least


def _fits(job: Job, stack: StackOption, layout: Layout, on: Bench) -> bool:
    """Tell whether a layout fits in memory at the upper end of its interval."""
    return bool(np.all(_ends(job, stack, layout, on)[1] <= on.hardware.machine.memory_bytes))


def _likely_fits(job: Job, stack: StackOption, layout: Layout, on: Bench) -> bool:
    """Tell whether a layout fits in memory at its median: one tries it before one pays for an offload."""
    machine = on.hardware.machine
    held = ENGINE.memory(job, layout, machine, stack.stack).device_bytes
    return bool(np.all(np.less_equal(held, machine.memory_bytes)))


def _ends(job: Job, stack: StackOption, layout: Layout, on: Bench) -> tuple[Array, Array]:
    """Return low and high end of what a device shows under a layout."""
    machine = on.hardware.machine
    held = ENGINE.memory(job, layout, machine, stack.stack)
    return device_ends(held, stack.peaks, machine.memory_bytes, unseen=unseen_kind(layout.schedule))


def _nearest(job: Job, asked: Allowed, on: Bench) -> Laid | None:
    """Return the stack and layout that come nearest to fitting: of whole splits under full sharding and recomputation.

    None where the stacks have no such layout of the job.
    """
    machine, best, least = on.hardware.machine, None, math.inf
    domain = int(machine.domain_devices)
    degrees = [*product(doublings(min(on.count, domain)), doublings(on.count), doublings(on.count))]
    for stack, (tp, pp, cp) in product(on.stacks, degrees):
        if cp > 1 and on.count <= float(job.batch_samples) * tp * pp * cp / 2:  # fewer would share the batch
            continue
        kept = {"offload": (0,), **asked}
        most = {"zero": (_most_sharded(stack, on.count // (tp * pp), pp, kept),), "micro_batch": (1,)}
        most["recompute"] = (max(stack.capability.recompute),)
        text = degrees_text({"tp": (tp,), "pp": (pp,), "cp": (cp,), **most, **kept})
        with suppress(BadLayout):
            layout = parse(text, job, on.count, domain, machine.nic_bytes_per_s, stack.capability)
            held = float(np.asarray(ENGINE.memory(job, layout, machine, stack.stack).device_bytes))
            if held < least:
                best, least = (stack, layout), held
    return best


def _most_sharded(stack: StackOption, replicas: int, pp: int, asked: Allowed) -> int:
    """Return the highest ZeRO stage that does anything: one replica shares with nobody, but lets go of what is away."""
    can = stack.capability
    if replicas <= 1 and not any(asked.get("offload", ())):
        return min(can.zero)
    return max([stage for stage in can.zero if pp == 1 or stage <= can.zero_most_with_pp], default=min(can.zero))


def doublings(most: int) -> tuple[int, ...]:
    """Return the powers of two up to a number.

    >>> doublings(9)
    (1, 2, 4, 8)
    """
    return tuple(1 << place for place in range(max(1, most).bit_length()))


def settings_of_text(text: str) -> Allowed:
    """Return the settings of a layout as it is written; all that are printed if it is no layout, which is then said."""
    try:
        return parse_degrees(text) if text else {}
    except BadInput:
        return dict.fromkeys(PRINTED, (1,))


def _named(spec: JobSpec, stated: Allowed, on: Bench) -> dict[str, tuple[int, ...]]:
    """Return what the words of a stack's name state of a layout ("DeepSpeed ZeRO-2 Offload") beside what is stated."""
    if not spec.stack or not on.stacks:
        return {}
    gone = {*stated, *({"zero"} if on.count == 1 else ())}  # one device shards nothing with others
    found = named_layout(spec.stack, on.stacks[0].capability, float(stated.get("pp", (1,))[0]))
    return {name: values for name, values in found.items() if name not in gone}


def _usual(spec: JobSpec, stated: Allowed, on: Bench) -> Allowed:
    """Return what is usual of what is not stated; nothing where the job names no stack."""
    if not spec.stack or not on.stacks:
        return {}
    rule, able = rule_of_name(load().stack_rules, spec.stack), on.stacks[0].capability
    said = _named(spec, stated, on)
    filled = spec.model.batch if isinstance(spec.model, RowsSpec) else TOKENS_IN_FLIGHT // (spec.sequence_tokens or 1)
    found = said | usual_layout(rule, able, {**stated, **said}, (on.count, spec.batch_samples, filled))
    if isinstance(spec.model, ModelSpec) and not usual_flash(rule.stack, spec.precision):
        found = {"flash": (0,), **found}
    follows = {"vpp": "schedule", "micro_batch": "micro_batches"}
    return {name: values for name, values in found.items() if not {name, follows.get(name, "")} & stated.keys()}


def _tries(spec: JobSpec, job: Job, on: Bench, usual: Allowed, asked: Allowed) -> Iterator[tuple[Allowed, Job]]:
    """Yield the limits on a layout to try, with the job that must fit: fewer and fewer of the usual settings.

    First states are sharded more, then micro-batches are free; then the same with the narrowest states that scripts
    have; then all that is not stated is free.
    """
    narrow = [
        job_on(replace(spec, precision=one.precision), on.stacks[0].name)
        for one in (open_states(spec, on.stacks[0].name) if usual != asked else ())
    ]
    held = [replace(job, master_bytes=one.master_bytes, moment_bytes=one.moment_bytes) for one in narrow]
    for one in (job, *held) if usual != asked else ():
        for freed in ((), *RELAXED):
            yield {name: values for name, values in usual.items() if name in asked or name not in freed}, one
    yield asked, job


def _laid(text: str, job: Job, on: Bench) -> Laid:
    machine = on.hardware.machine
    refused: BadLayout | None = None
    for stack in on.stacks:
        try:
            layout = parse(text, job, on.count, int(machine.domain_devices), machine.nic_bytes_per_s, stack.capability)
        except BadLayout as error:
            refused = refused or error
        else:
            return stack, layout
    raise refused or BadLayout(f"no software stack is known for {on.hardware.accelerator}; give --stack")


def asked_or_least(text: str, spec: JobSpec, job: Job, on: Bench) -> Laid:
    """Return the stack and the layout that are given, or the least of each setting that the job allows."""
    try:
        return _laid(text, job, on)
    except BadLayout as error:
        batch, count = spec.batch_samples, on.count
        if text != degrees_text(asked_layout(spec)) or count <= batch:
            raise
        if sharing := _nearest(job, asked_layout(spec), on):  # of which nothing fits, or it were the fastest
            return sharing
        able = " or ".join(one.name for one in on.stacks)
        raise BadLayout(
            f"{count} devices but a batch of {batch} {spec.sample}s, and no layout of {spec.model.name} on {able} "
            f"shares samples among so many; give --global-batch {count} or more, or at most {batch} devices"
        ) from error


def fastest(job: Job, asked: Allowed, on: Bench) -> Laid | None:
    """Return the stack and layout that train fastest and fit in memory; None where nothing fits.

    Experts lie on tensor ranks as the stack lays them where nobody says otherwise, or as it can where that never fits.
    """
    told = "etp" in asked or not job.workload.divisible.experts
    left = tuple(replace(one, capability=replace(one.capability, etp=False)) for one in on.stacks)
    found = None if told else _fastest_of(left, job, asked, on)
    if found:
        return next(one for one in on.stacks if one.name == found[0].name and one.only_on == found[0].only_on), found[1]
    return _fastest_of(on.stacks, job, asked, on)


def _fastest_of(stacks: tuple[StackOption, ...], job: Job, asked: Allowed, on: Bench) -> Laid | None:
    """Return which of some stacks trains fastest in what layout that fits in memory."""
    deal = Deal(
        "", "", "", hardware=0, site_index=0, policy=0, unit=1, most=on.count, purchase="", usd_per_device_s=1.0
    )
    places, operations = (SiteOption("", NOWHERE),), (policy(ON_DEMAND),)
    market = Market(
        (on.hardware,),
        stacks,
        places,
        operations,
        ({},),
        (deal,),
        {on.hardware.vendor: tuple(range(len(stacks)))},
    )
    found = explore(job, market, Limits(devices=on.count, layout=asked), ENGINE)
    if not found.feasible:
        return None
    row = int(found.front[found.candidates.points[found.front, 0].argmin()])
    return stacks[found.candidates.stack[row]], single_layout(found.candidates.layouts, row)
