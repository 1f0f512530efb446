"""From a point of a saved answer back to the configuration that it is: same catalog, same numbers."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from steelyard import catalog as facts
from steelyard.catalog.schema import System
from steelyard.errors import BadInput, BadLayout
from steelyard.formatting.encode import plain
from steelyard.formatting.interval import Interval
from steelyard.job import JobSpec, job_table
from steelyard.job.read import check_saved_job
from steelyard.layout import check_layout
from steelyard.market.build import hardware_option, market_of, operating_policy, stack_options
from steelyard.market.options import Deal, Market, StackOption
from steelyard.market.sites import site_option
from steelyard.planner.answers import Bill, Estimate, Plan, Point
from steelyard.planner.engine import ENGINE
from steelyard.planner.points import Configuration, configured, layout_of
from steelyard.reasons.draws import Setting
from steelyard.search.rows import job_of_layout
from steelyard.tables import Layout, Offer, Policy
from steelyard.vocabulary import CO2E_KINDS

ANEW = "write it anew with --json"

LARGEST_FIGURE = 1e16
"""No figure of a run is larger, in any unit that an answer is written in."""


def configuration_of(point: Point, spec: JobSpec) -> Configuration:
    """Return the configuration that a point names; `BadInput` where the catalog does not sell it any more."""
    catalog = facts.load()
    system = catalog.system(point.system)
    layout = _layout(point)
    job = job_of_layout(job_table(spec), layout)
    hardware, stack = hardware_option(system, spec.precision, catalog), _stack(point, system, spec, catalog)
    _check_devices(point, layout, system, spec)
    machine = hardware.machine
    try:
        check_layout(layout, job, int(machine.domain_devices), machine.nic_bytes_per_s, stack.capability)
    except BadLayout as error:
        raise BadInput(f"the saved point cannot be run: {error}; {ANEW}") from None
    market, deal = _deal(point, spec, catalog) if point.offer else (None, None)
    if market and deal:
        policy, spread = market.policies[deal.policy], market.policy_log_sd[deal.policy]
        site, offer = market.sites[deal.site_index], deal.price
        own_sd = 0.0 if isinstance(point, Estimate) else market.layout_log_sd  # nobody chose the layout of an estimate
    else:
        policy, spread = operating_policy(spec, spec.purchase[0], catalog)
        place = catalog.site(point.site).id if point.site else ""
        site, offer, own_sd = site_option(place, catalog), Offer.rent(math.nan), 0.0
    setting = Setting(
        job=job,
        layout=layout,
        hardware=hardware,
        stack=stack,
        policy=policy,
        policy_log_sd=spread,
        site=site,
        offer=offer,
        layout_log_sd=own_sd,
    )
    return configured(setting, ENGINE, system.id, deal)


def first_configuration(plan: Plan, spec: JobSpec) -> Configuration | None:
    """Return the configuration of a plan's first point; None where nothing is feasible."""
    return configuration_of(plan.points[0], spec) if plan.points else None


def saved_answer(path: Path) -> Plan | Estimate | None:
    """Return the plan or the estimate that a file of JSON holds; None where it is something else, or not there."""
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None  # whoever reads it as a job says what is wrong
    if not isinstance(found, dict) or "request" not in found:
        return None
    try:
        answer = Plan.from_dict(found) if "points" in found else Estimate.from_dict(found)
    except ValueError as error:
        raise BadInput(f"{path}: no answer of this version: {error}; {ANEW}") from None
    except BadInput as error:
        raise BadInput(f"{path}: {error}; {ANEW}") from None
    if answer.carbon_kind not in CO2E_KINDS:
        raise BadInput(
            f"{path}: carbon_kind is {answer.carbon_kind[:60]!r}; it is one of {', '.join(CO2E_KINDS)}; {ANEW}"
        )
    _check_request(answer.request, found["request"], path)
    return answer


def _check_request(spec: JobSpec | None, found: Any, path: Path) -> None:
    """Refuse a request that no job file makes: unknown fields, and numbers or words that no job has."""
    if spec is None:
        return
    for place, given, known in (
        ("request", found, {field.name for field in fields(JobSpec)}),
        ("request.policy", spec.policy, set(Policy.__slots__)),
    ):
        if unknown := sorted(given.keys() - known):
            raise BadInput(f"{path}: {place}: unknown field {unknown[0]!r}; {ANEW}")
    try:
        check_saved_job(spec, str(path))
    except BadInput as error:
        raise BadInput(f"{error}; {ANEW}") from None


def check_figures(point: Point, now: Point) -> None:
    """Refuse a saved point whose figures are not those of its configuration, or which no run could have.

    Money, CO2e and water follow prices and grids, which are refreshed: they are computed anew, and a saved one need
    only be a number that a run can have, within its interval.
    """
    for name in ("bound_by", "ties", "preferred_over"):
        for number in _numbers(plain(getattr(point, name))):
            if not 0 <= number < LARGEST_FIGURE:
                raise BadInput(f"the saved point has {number:g} in {name}, which no run has; {ANEW}")
    for field in fields(Point):
        name, saved, made = field.name, getattr(point, field.name), getattr(now, field.name)
        for key, one, other in _figures(name, saved, made):
            if name in KEPT_FIGURES and not _same(one, other):
                shown = f"{one:g}, but its configuration has {other:g}"
                raise BadInput(f"the saved point has {key} {shown}; {ANEW}")
            if not (math.isnan(one) or 0 <= one < LARGEST_FIGURE):
                raise BadInput(f"the saved point has {key} {one:g}, which no run has; {ANEW}")
        if isinstance(saved, Interval) and (saved.low > saved.value or saved.value > saved.high):
            raise BadInput(f"the saved point has {name} {saved.value:g} outside of its own interval; {ANEW}")
        if name in _KEPT_WORDS and saved != made:
            raise BadInput(
                f"the saved point has {name} {str(saved)[:60]!r}, but its configuration has {made!r}; {ANEW}"
            )


KEPT_FIGURES = frozenset(
    {"time_s", "energy_facility_kwh", "energy_accelerator_kwh", "energy_it_kwh", "memory_bytes", "memory_limit_bytes",
     "checkpoint_bytes"}
)  # fmt: skip
"""Figures of a point that no refreshed price or grid moves."""

_KEPT_WORDS = frozenset({"layout_text", "site", "fits", "accelerator", "stack"})


def _figures(name: str, saved: Any, now: Any) -> Iterator[tuple[str, float, float]]:
    """Yield each number of a field by its key in JSON: the saved one and that of now."""
    if isinstance(saved, Interval):
        for key, end in ((name, "value"), (f"{name}_low", "low"), (f"{name}_high", "high")):
            yield key, getattr(saved, end), getattr(now, end)
    elif isinstance(saved, float):
        yield name, saved, float(now)
    elif isinstance(saved, Bill):
        yield from ((f"{name}.{one.name}", getattr(saved, one.name), getattr(now, one.name)) for one in fields(Bill))


def _same(saved: float, now: float) -> bool:
    return math.isclose(saved, now, rel_tol=1e-6) or (math.isnan(saved) and math.isnan(now))


def _numbers(found: Any) -> Iterator[float]:
    """Yield every number inside of plain objects."""
    if isinstance(found, Mapping | list):
        for one in found.values() if isinstance(found, Mapping) else found:
            yield from _numbers(one)
    elif isinstance(found, int | float):
        yield float(found)


def _stack(point: Point, system: System, spec: JobSpec, catalog: facts.Catalog) -> StackOption:
    """Return the stack of a saved point, which the catalog must know, and which must train what the job is."""
    vendor = catalog.accelerators[system.accelerator].vendor
    (found,), _ = stack_options([vendor], point.stack, catalog, spec.kind)
    return found


def _check_devices(point: Point, layout: Layout, system: System, spec: JobSpec) -> None:
    """Refuse a point whose parts are not of one run."""
    batches = spec.batches or (spec.batch_samples,)
    batch = layout.dp * layout.micro_batch * layout.micro_batches
    for wrong, message in (
        (point.devices != layout.devices, f"has {point.devices} devices but a layout of {layout.devices:g}"),
        (point.accelerator != system.accelerator, f"is on {point.accelerator} but in {system.id}, which has none"),
        (
            batch not in batches,
            f"trains {batch:g} {spec.sample}s a step but the job {' or '.join(map(str, batches))}",
        ),
    ):
        if wrong:
            raise BadInput(f"the saved point {message}; {ANEW}")


def _layout(point: Point) -> Layout:
    """Return the layout of a saved point, its degrees at least 1."""
    if lacking := sorted({one.name for one in fields(Layout)} - point.layout.keys()):
        raise BadInput(f"the layout of the saved point lacks {', '.join(lacking)}; {ANEW}")
    try:
        layout = layout_of(point.layout)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"the layout of the saved point cannot be read ({error}); {ANEW}") from None
    small = [name for name in DEGREES if not 1 <= float(getattr(layout, name)) < math.inf]
    if small:
        raise BadInput(f"the layout of the saved point has {small[0]} below 1; {ANEW}")
    return layout


DEGREES = (
    "devices",
    "tp",
    "pp",
    "vpp",
    "cp",
    "dp",
    "ep",
    "etp",
    "shard_devices",
    "micro_batch",
    "micro_batches",
)


def _deal(point: Point, spec: JobSpec, catalog: facts.Catalog) -> tuple[Market, Deal]:
    market = market_of(replace(spec, accelerators=((point.accelerator, None),)), catalog)
    for deal in market.deals:
        named = deal.offer == point.offer and deal.purchase == point.purchase
        if named and point.devices % deal.unit == 0 and point.devices <= deal.most:
            return market, deal
    raise BadInput(f"nobody sells {point.devices} × {point.accelerator} as {point.offer} any more; plan anew")
