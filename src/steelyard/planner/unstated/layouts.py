"""The layout of a pinned configuration: as it is given, as its stack's recipes have the rest, else the fastest."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from steelyard.catalog import load
from steelyard.catalog.peaks import device_ends, unseen_kind
from steelyard.catalog.policy import policy
from steelyard.catalog.stack_names import rule_of_name
from steelyard.catalog.usual.rows import WHOLE
from steelyard.catalog.usual.shares import stack_share
from steelyard.errors import BadInput, BadLayout
from steelyard.job import JobSpec
from steelyard.job.degrees import PRINTED, degrees_text, parse_degrees
from steelyard.job.job_spec import job_on
from steelyard.job.kept.drives import laid_on_drives
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec
from steelyard.job.unstated.choices import open_states
from steelyard.job.unstated.stack import TUNED
from steelyard.job.unstated.usual import TOKENS_IN_FLIGHT, named_layout, usual_flash, usual_layout
from steelyard.layout import parse
from steelyard.market.options import Deal, HardwareOption, Market, SiteOption, StackOption
from steelyard.market.tools import as_asked
from steelyard.planner.engine import ENGINE, asked_layout
from steelyard.search.engine import Limits
from steelyard.search.explore import explore
from steelyard.search.rows import single_layout
from steelyard.search.survivors import NOWHERE
from steelyard.tables import Job, Layout, Offer
from steelyard.units import GIB_BYTES, Array
from steelyard.vocabulary import ON_DEMAND

Laid = tuple[StackOption, Layout]
"""A stack, and a layout that it can run."""

RELAXED = (("zero", "shard_devices"), ("zero", "shard_devices", "micro_batch"))
"""Usual settings that one gives up first where all of them do not fit: what costs the least time."""

FAR_SLOWER = 1.5
"""Times the fastest stack's step beyond which a stack is not what a job is run on: chosen, as far as stacks lie apart
on layouts that suit them all."""

Allowed = Mapping[str, tuple[int, ...]]
"""Values of settings, by field of `tables.Layout`."""


@dataclass(frozen=True, slots=True)
class Bench:
    """So many of one machine, and the stacks that run on it."""

    hardware: HardwareOption
    count: int
    stacks: tuple[StackOption, ...]


def chosen_layouts(text: str, spec: JobSpec, job: Job, on: Bench) -> tuple[Laid, ...]:
    """Return the stack and the layout of a pinned configuration, then those of other stacks that it may be run on.

    What is stated is kept. Of the rest the usual setting of its stack's recipes is taken (`job.unstated.usual`), as of
    a measured row that is silent; what they leave open, or all where that does not fit in memory or cannot be run, is
    the fastest that fits. Where nothing fits it is what comes nearest to it. A job that names no stack has the one of
    the middle in time, each counted as often as it is met, and one that tunes a model the commonest that can: never
    the fastest for not being named. A layout with every setting that is always printed (`PRINTED`) is whole: what it
    leaves out is not done.

    Args:
        text: settings that are given, as a layout is written; empty: those of the job.
        spec: the job.
        job: its numbers.
        on: what it runs on.
    """
    whole = _stated(text).keys() >= PRINTED
    if spec.stack is None:
        able = list(_of_each_stack(text, spec, job, on, whole))
        if able and spec.task in TUNED:
            return tuple(able)
        if able:
            return _middle_first(able, job, on)
    return (_asked(text, spec, job, on) if whole else _of_stack(text, spec, job, on),)


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
    asked = {**asked_layout(spec), **_stated(text)}
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


def _of_each_stack(text: str, spec: JobSpec, job: Job, on: Bench, whole: bool) -> Iterator[Laid]:
    """Yield each stack that can run what is stated with its layout; of whole models only where that fits in memory."""
    for stack in on.stacks:
        told, alone = replace(spec, stack=stack.name), replace(on, stacks=(stack,))
        with suppress(BadLayout):
            laid = (_asked if whole else _of_stack)(text, told, job_on(spec, stack.name), alone)
            if whole or spec.task in TUNED or _fits(job, *laid, alone):
                yield laid


def _middle_first(found: Sequence[Laid], job: Job, on: Bench) -> tuple[Laid, ...]:
    """Return those of some stacks and layouts that are not far slower than another, the one of median time first.

    Each counts as often as its stack is met. Nobody runs one that is `FAR_SLOWER` than what is at hand: a stack without
    pipelines on thousands of devices.
    """
    machine, kernels, place, rent = on.hardware.machine, on.hardware.kernels, NOWHERE, Offer.rent(0.0)
    taken = [
        float(ENGINE.predict(job, laid, machine, kernels, one.stack, policy(ON_DEMAND), place, rent).time.total_s)
        for one, laid in found
    ]
    near = [one for one, seconds in enumerate(taken) if not seconds > FAR_SLOWER * min(taken)]
    order = sorted(near, key=lambda one: taken[one])
    names = [found[one][0].name for one in order]
    reached = np.cumsum([stack_share(name, names, WHOLE, load()) for name in names])
    middle = order[int(np.searchsorted(reached, reached[-1] / 2))]
    return (found[middle], *(found[one] for one in near if one != middle))


def _of_stack(text: str, spec: JobSpec, job: Job, on: Bench) -> Laid:
    """Return the layout of a configuration that is not whole, of the stacks that may run it."""
    asked = laid_on_drives({**asked_layout(spec), **_stated(text)}, spec.stack or "", spec.recipe)
    usual = _usual(spec, asked, on)
    for limits, one in _tries(spec, job, on, {**usual, **asked}, asked):
        if found := _fastest(one, limits, on):
            return found
    given = text or degrees_text(asked)
    with suppress(BadLayout):
        least = _laid(",".join(filter(None, (given, degrees_text(usual)))), job, on)
        if any(_fits(one, *least, on) for _, one in _tries(spec, job, on, usual, {})):
            return least
    least = _asked(given, spec, job, on)
    return least if _fits(job, *least, on) else _nearest(job, asked, on) or least


def _fits(job: Job, stack: StackOption, layout: Layout, on: Bench) -> bool:
    """Tell whether a layout fits in memory at the upper end of its interval."""
    return bool(np.all(_ends(job, stack, layout, on)[1] <= on.hardware.machine.memory_bytes))


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
    degrees = [*product(_doublings(min(on.count, domain)), _doublings(on.count))]
    for stack, (tp, pp) in product(on.stacks, degrees):
        can = stack.capability
        most = {"zero": (max(can.zero),), "recompute": (max(can.recompute),), "micro_batch": (1,)}
        text = degrees_text({"tp": (tp,), "pp": (pp,), **most, **asked})
        with suppress(BadLayout):
            layout = parse(text, job, on.count, domain, machine.nic_bytes_per_s, can)
            held = float(np.asarray(ENGINE.memory(job, layout, machine, stack.stack).device_bytes))
            if held < least:
                best, least = (stack, layout), held
    return best


def _doublings(most: int) -> tuple[int, ...]:
    return tuple(1 << place for place in range(max(1, most).bit_length()))


def _stated(text: str) -> Allowed:
    """Return the settings of a layout as it is written; all that are printed if it is no layout, which is then said."""
    try:
        return parse_degrees(text) if text else {}
    except BadInput:
        return dict.fromkeys(PRINTED, (1,))


def _usual(spec: JobSpec, stated: Allowed, on: Bench) -> Allowed:
    """Return what is usual of what is not stated; nothing where the job names no stack."""
    if not spec.stack or not on.stacks:
        return {}
    rule, able = rule_of_name(load().stack_rules, spec.stack), on.stacks[0].capability
    gone = {*stated, *({"zero"} if on.count == 1 else ())}  # one device shards nothing with others
    said = {
        name: values
        for name, values in named_layout(spec.stack, able, float(stated.get("pp", (1,))[0])).items()
        if name not in gone
    }
    filled = spec.model.batch if isinstance(spec.model, RowsSpec) else TOKENS_IN_FLIGHT // (spec.sequence_tokens or 1)
    found = said | usual_layout(rule, able, {**stated, **said}, (on.count, spec.batch_samples, filled))
    if isinstance(spec.model, ModelSpec) and not usual_flash(rule.stack, spec.precision):
        found = {"flash": (0,), **found}
    follows = {"vpp": "schedule", "micro_batch": "micro_batches"}
    return {name: values for name, values in found.items() if not {name, follows.get(name, "")} & stated.keys()}


def _tries(spec: JobSpec, job: Job, on: Bench, usual: Allowed, asked: Allowed) -> Iterator[tuple[Allowed, Job]]:
    """Yield the limits on a layout to try, with the job that must fit: fewer and fewer of the usual settings.

    First states are sharded more, then micro-batches are free; then the same with the narrowest states that scripts
    have; last all that is not stated is free.
    """
    if usual != asked:
        narrow = [
            job_on(replace(spec, precision=one.precision), on.stacks[0].name)
            for one in open_states(spec, on.stacks[0].name)
        ]
        held = [replace(job, master_bytes=one.master_bytes, moment_bytes=one.moment_bytes) for one in narrow]
        for one in (job, *held):
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


def _asked(text: str, spec: JobSpec, job: Job, on: Bench) -> Laid:
    """Return the stack and the layout that are given, or the least of each setting that the job allows."""
    try:
        return _laid(text, job, on)
    except BadLayout as error:
        batch, count = spec.batch_samples, on.count
        if text != degrees_text(asked_layout(spec)) or count <= batch:
            raise
        raise BadLayout(
            f"{count} devices but a batch of {batch} {spec.sample}s, and no layout of {spec.model.name} shares samples "
            f"among so many; give --global-batch {count} or more, or at most {batch} devices"
        ) from error


def _fastest(job: Job, asked: Allowed, on: Bench) -> Laid | None:
    """Return the stack and layout that train fastest and fit in memory; None where nothing fits."""
    deal = Deal(
        "", "", "", hardware=0, site_index=0, policy=0, unit=1, most=on.count, purchase="", usd_per_device_s=1.0
    )
    places, operations = (SiteOption("", NOWHERE),), (policy(ON_DEMAND),)
    market = Market(
        (on.hardware,),
        on.stacks,
        places,
        operations,
        ({},),
        (deal,),
        {on.hardware.vendor: tuple(range(len(on.stacks)))},
    )
    found = explore(job, market, Limits(devices=on.count, layout=asked), ENGINE)
    if not found.feasible:
        return None
    row = int(found.front[found.candidates.points[found.front, 0].argmin()])
    return on.stacks[found.candidates.stack[row]], single_layout(found.candidates.layouts, row)
