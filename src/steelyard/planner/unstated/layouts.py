"""The layout of a pinned configuration: as it is given, as its stack's recipes have the rest, else the fastest."""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from steelyard.catalog import load
from steelyard.catalog.peaks import device_ends
from steelyard.catalog.policy import policy
from steelyard.catalog.stack_names import rule_of_name
from steelyard.errors import BadInput, BadLayout
from steelyard.job import JobSpec, job_table
from steelyard.job.degrees import PRINTED, degrees_text, parse_degrees
from steelyard.job.job_spec import job_on
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec
from steelyard.job.unstated.choices import open_states
from steelyard.job.unstated.stack import TUNED
from steelyard.job.unstated.usual import TOKENS_IN_FLIGHT, named_layout, usual_flash, usual_layout
from steelyard.layout import parse
from steelyard.market.options import Deal, HardwareOption, Market, SiteOption, StackOption
from steelyard.planner.engine import ENGINE, asked_layout
from steelyard.search.engine import Limits
from steelyard.search.explore import explore
from steelyard.search.rows import single_layout
from steelyard.search.survivors import NOWHERE
from steelyard.tables import Job, Layout
from steelyard.vocabulary import ON_DEMAND

Allowed = Mapping[str, tuple[int, ...]]
"""Values of settings, by field of `tables.Layout`."""


@dataclass(frozen=True, slots=True)
class Bench:
    """So many of one machine, and the stacks that run on it."""

    hardware: HardwareOption
    count: int
    stacks: tuple[StackOption, ...]


def chosen_layout(text: str, spec: JobSpec, job: Job, on: Bench) -> tuple[StackOption, Layout]:
    """Return the stack and the layout of a pinned configuration.

    What is stated is kept. Of the rest the usual setting of its stack's recipes is taken (`job.unstated.usual`), as of
    a measured row that is silent; what they leave open, or all where that does not fit in memory or cannot be run, is
    the fastest that fits. Where nothing fits it is what comes nearest to it. A job that names no stack has that on
    which it is fastest so, and one that tunes a model the commonest that can: not the fastest, which few use. A
    layout with every setting that is always printed (`PRINTED`) is whole: what it leaves out is not done.

    Args:
        text: settings that are given, as a layout is written; empty: those of the job.
        spec: the job.
        job: its numbers.
        on: what it runs on.
    """
    stated = _stated(text)
    if stated.keys() >= PRINTED:
        return _asked(text, spec, job, on)
    asked = {**asked_layout(spec), **stated}
    if spec.stack is None:
        named = [(replace(spec, stack=stack.name), replace(on, stacks=(stack,))) for stack in on.stacks]
        for told, alone in named if spec.task in TUNED else ():
            with suppress(BadLayout):
                return chosen_layout(text, told, job_table(told), alone)
        tried = [_fastest(job, {**_usual(told, asked, alone), **asked}, alone) for told, alone in named]
        if able := [found for found in tried if found]:
            return min(able, key=lambda found: found[0])[1:]
    usual = _usual(spec, asked, on)
    for limits, one in _tries(spec, job, on, {**usual, **asked}, asked):
        if found := _fastest(one, limits, on):
            return found[1:]
    given = text or degrees_text(asked)
    with suppress(BadLayout):
        least = _laid(",".join(filter(None, (given, degrees_text(usual)))), job, on)
        if any(_fits(one, *least, on) for _, one in _tries(spec, job, on, usual, {})):
            return least
    least = _asked(given, spec, job, on)
    return least if _fits(job, *least, on) else _nearest(job, asked, on) or least


def _fits(job: Job, stack: StackOption, layout: Layout, on: Bench) -> bool:
    """Tell whether a layout fits in memory at the upper end of its interval."""
    machine = on.hardware.machine
    held = ENGINE.memory(job, layout, machine, stack.stack)
    return bool(np.all(device_ends(held, stack.peaks, machine.memory_bytes)[1] <= machine.memory_bytes))


def _nearest(job: Job, asked: Allowed, on: Bench) -> tuple[StackOption, Layout] | None:
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
    said = {name: values for name, values in named_layout(spec.stack, able).items() if name not in gone}
    filled = spec.model.batch if isinstance(spec.model, RowsSpec) else TOKENS_IN_FLIGHT // (spec.sequence_tokens or 1)
    found = said | usual_layout(rule, able, {**stated, **said}, (on.count, spec.batch_samples, filled))
    if isinstance(spec.model, ModelSpec) and not usual_flash(rule.stack, spec.precision):
        found = {"flash": (0,), **found}
    follows = {"vpp": "schedule", "micro_batch": "micro_batches"}
    return {name: values for name, values in found.items() if not {name, follows.get(name, "")} & stated.keys()}


def _tries(spec: JobSpec, job: Job, on: Bench, usual: Allowed, asked: Allowed) -> Iterator[tuple[Allowed, Job]]:
    """Yield the limits on a layout to try, with the job that must fit: its narrowest states before other settings."""
    if usual != asked:
        yield usual, job
        for one in open_states(spec, on.stacks[0].name):
            other = job_on(replace(spec, precision=one.precision), on.stacks[0].name)
            yield usual, replace(job, master_bytes=other.master_bytes, moment_bytes=other.moment_bytes)
    yield asked, job


def _laid(text: str, job: Job, on: Bench) -> tuple[StackOption, Layout]:
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


def _asked(text: str, spec: JobSpec, job: Job, on: Bench) -> tuple[StackOption, Layout]:
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


def _fastest(job: Job, asked: Allowed, on: Bench) -> tuple[float, StackOption, Layout] | None:
    """Return the stack and layout that train fastest and fit in memory, and their seconds; None where nothing fits."""
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
    seconds = float(found.candidates.points[row, 0])
    return seconds, on.stacks[found.candidates.stack[row]], single_layout(found.candidates.layouts, row)
