"""The question: which files start this configuration."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from steelyard.catalog import load
from steelyard.errors import BadInput, UnknownName
from steelyard.formatting.figures import TIME, amount
from steelyard.job import JobSpec, ModelSpec
from steelyard.job.arguments import check_type
from steelyard.job.training import ADAPTERS
from steelyard.launchers.answer import Launch
from steelyard.launchers.sheet import LaunchJob, Sheet
from steelyard.launchers.writers import LaunchWriter, every_writer
from steelyard.planner.answers import Point
from steelyard.planner.choosing import Choice, JobSource, chosen
from steelyard.planner.estimating import Layouts
from steelyard.planner.points import Configuration, layout_numbers
from steelyard.search.engine import Progress
from steelyard.vocabulary import ROWS


def launch(
    source: JobSource,
    label: str | None = None,
    *,
    to: str = "",
    on: str = "",
    layout: Layouts = "",
    site: str = "",
    offer: str = "",
    carbon: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Launch:
    """Return the files that start a configuration on its stack, and the account of every setting.

    Args:
        source: what is trained, or a saved plan or estimate
        label: the point of the plan, where nothing is pinned with `on`; None: the cheapest
        to: the writer; empty: the one of the configuration's stack, or where no stack is named and that has none, of
            the first that it may be run on instead
        on: the configuration, as `estimate` takes it, with its layout, site and offer
        layout: see `estimate`
        site: see `estimate`
        offer: see `estimate`
        carbon: the kind of CO2e that the plan weighs
        progress: called with the candidates weighed and all there are
        options: fields of the job file on top, such as stack="megatron-core"

    `steelyard.launchers.write_files(found, folder)` writes them. What only the user knows (data, tokenizer, learning
    rate) is left to fill in.
    """
    check_type("to", to, str, "a writer's name, such as 'megatron-core'")
    if to:
        _writer_named(to)  # a wrong name is said before the plan is made
    pin = (on, layout, site, offer)
    one = chosen(source, label, pin, carbon, progress, options)
    free = one.configuration.others if on and one.spec.stack is None else ()
    asked = [{**options, "stack": name} for name in _startable(one, [stack.name for stack, _ in free], to)]
    moved = [chosen(source, label, pin, carbon, progress, each) for each in asked]
    old, one = one, next((each for each in moved if each.point.fits), next(iter(moved), one))
    vendor = load().accelerator(one.point.accelerator).vendor
    by = writer_of(one.point.stack, vendor, one.spec, to)
    check_writer(one.spec, by, vendor)
    made = launch_of(one.spec, one.point, one.configuration, by)
    return replace(made, notes=(_moved_text(old.point, one.point, to),)) if moved else made


def _startable(one: Choice, others: Sequence[str], to: str) -> tuple[str, ...]:
    """Return the stacks that a configuration may be run on instead whose writer starts it; none where its own does."""
    able = [by for by in _able(one.spec) if not to or by.name == to]
    started = {stack for by in able for stack in by.stacks}
    return () if one.point.stack in started else tuple(name for name in others if name in started)


def _moved_text(old: Point, new: Point, to: str) -> str:
    """Return which stack was taken in place of that of an estimate, and what a run on it takes."""
    takes = [amount(point.time_s.value, TIME, 3) for point in (old, new)]
    why = f"which --to {to} does not start" if to else "for which no launch writer starts this job"
    return (
        f"started on {new.stack}, laid out for it, as no stack is named: estimated without one it is {old.stack}, "
        f"{why}; a run takes {takes[1]} in place of {takes[0]}"
    )


def launch_of(spec: JobSpec, point: Point, made: Configuration, by: LaunchWriter) -> Launch:
    """Return what starts one configuration, written by one writer."""
    nodes, node_devices = nodes_of(made.devices, load().system(made.system).node_devices)
    text = f"{spec.model.name} on {spec.size_text}: {made.text}"
    sheet = Sheet(LaunchJob(spec, made.setting.layout, layout_numbers(made.setting.layout), nodes, node_devices, text))
    files = by.fill(sheet)
    sheet.account()
    return Launch(
        configuration=text,
        label=point.label,
        stack=point.stack,
        writer=by.name,
        nodes=nodes,
        node_devices=node_devices,
        files=files,
        expressed=tuple(sheet.expressed),
        not_expressed=tuple(sheet.not_expressed),
        to_fill=tuple(sheet.blanks),
        source=by.source,
    )


def nodes_of(devices: int, node_devices: int) -> tuple[int, int]:
    """Return on how many nodes, and how many of each, so many devices lie; a launcher starts equally many on each.

    >>> nodes_of(64, 8), nodes_of(4, 8), nodes_of(12, 8)
    ((8, 8), (1, 4), (3, 4))
    """
    each = devices if devices <= node_devices else math.gcd(devices, node_devices)
    return devices // each, each


def writer_of(stack: str, vendor: str, spec: JobSpec, to: str = "") -> LaunchWriter:
    """Return the writer that is asked for, or that of a stack; BadInput where it does not start the stack."""
    known = every_writer()
    found = _writer_named(to) if to else next((one for one in known.values() if stack in one.stacks), None)
    if found is None:
        raise BadInput(f"no launch writer starts the stack {stack!r}; {_way_out(vendor, _able(spec))}")
    if stack not in found.stacks:
        raise BadInput(
            f"--to {found.name} starts the stack {', '.join(found.stacks)}, and the configuration is laid out for "
            f"{stack}; give --stack {found.stacks[0]} to plan for it"
        )
    return found


def check_writer(spec: JobSpec, by: LaunchWriter, vendor: str) -> None:
    """Raise `BadInput` where a writer cannot start what is trained, with the stacks whose writers can."""
    model, others = spec.model, _able(spec)
    if by in others:
        return
    kind = model.kind if isinstance(model, ModelSpec) else ROWS
    named = kind if isinstance(model, ModelSpec) else f"model of {model.sample}s, described by its rows"
    what = f"{model.name} is a {named}" if by.kinds and kind not in by.kinds else f"the task is {spec.task}"
    takes = (
        f"{' and '.join(sorted(by.kinds)) or 'any model'}s on text{'' if by.adapters else ', every parameter of them'}"
    )
    raise BadInput(f"the launch writer {by.name} trains {takes}, and {what}; {_way_out(vendor, others)}")


def _able(spec: JobSpec) -> tuple[LaunchWriter, ...]:
    """Return the writers that can start what is trained."""
    kind, adapted = spec.model.kind if isinstance(spec.model, ModelSpec) else ROWS, spec.task in ADAPTERS
    known = every_writer().values()
    return tuple(one for one in known if (not one.kinds or kind in one.kinds) and (one.adapters or not adapted))


def _way_out(vendor: str, able: tuple[LaunchWriter, ...]) -> str:
    """Return which stacks have a writer that would do: of those that are planned on the vendor's chips, else where."""
    catalog = load()
    planned = {row.stack for row in catalog.planned_stacks(vendor)}
    stacks = [stack for one in able for stack in one.stacks]
    here = [stack for stack in stacks if stack in planned]
    if here:
        return f"give --stack {' or --stack '.join(here)}, whose writer starts it: it is laid out for that stack anew"
    vendors = sorted({row.vendor for row in catalog.accelerators.values()})
    where = {
        stack: [one for one in vendors if any(row.stack == stack for row in catalog.planned_stacks(one))]
        for stack in stacks
    }
    listed = "; ".join(f"{stack} on {', '.join(found)}" for stack, found in where.items() if found)
    return (
        f"none of the stacks that are planned on chips of {vendor} ({', '.join(sorted(planned)) or 'none'}) has a "
        f"writer for it yet; writers start {listed or 'no such job'}"
    )


def _writer_named(name: str) -> LaunchWriter:
    known = every_writer()
    if name not in known:
        raise UnknownName("launch writer", name, known)
    return known[name]
