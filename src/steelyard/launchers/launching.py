"""The question: which files start this configuration."""

import math
from typing import Any

from steelyard.catalog import load
from steelyard.errors import BadInput, UnknownName
from steelyard.job import JobSpec
from steelyard.job.arguments import check_type
from steelyard.launchers.answer import Launch
from steelyard.launchers.sheet import LaunchJob, Sheet
from steelyard.launchers.writers import LaunchWriter, every_writer
from steelyard.planner.answers import Point
from steelyard.planner.points import Configuration, layout_numbers
from steelyard.planner.questions import JobSource, Layouts, chosen
from steelyard.search.engine import Progress
from steelyard.vocabulary import LOCATION_GROSS


def launch(
    source: JobSource,
    label: str = "cheapest",
    *,
    to: str = "",
    on: str = "",
    layout: Layouts = "",
    site: str = "",
    offer: str = "",
    carbon: str = LOCATION_GROSS,
    progress: Progress | None = None,
    **options: Any,
) -> Launch:
    """Return the files that start a configuration on its stack, and the account of every setting.

    Args:
        source: what is trained, or a saved plan or estimate
        label: the point of the plan, where nothing is pinned with `on`
        to: the writer; empty: the one of the configuration's stack
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
    spec, point, made = chosen(source, label, (on, layout, site, offer), carbon, progress, options)
    return launch_of(spec, point, made, writer_of(point.stack, to))


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


def writer_of(stack: str, to: str = "") -> LaunchWriter:
    """Return the writer that is asked for, or that of a stack; BadInput where it does not start the stack."""
    known = every_writer()
    listed = ", ".join(f"{one.name} (stack {', '.join(one.stacks)})" for one in known.values())
    found = _writer_named(to) if to else next((one for one in known.values() if stack in one.stacks), None)
    if found is None:
        raise BadInput(f"no launch writer starts the stack {stack!r}; writers: {listed}; choose one with --stack")
    if stack not in found.stacks:
        raise BadInput(
            f"--to {found.name} starts the stack {', '.join(found.stacks)}, and the configuration is laid out for "
            f"{stack}; give --stack {found.stacks[0]} to plan for it"
        )
    return found


def _writer_named(name: str) -> LaunchWriter:
    known = every_writer()
    if name not in known:
        raise UnknownName("launch writer", name, known)
    return known[name]
