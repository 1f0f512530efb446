"""One pinned configuration: judged, estimated, taken apart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from steelyard import catalog as facts
from steelyard.catalog.policy import policy
from steelyard.errors import BadInput, BadLayout, UnknownName
from steelyard.formatting.interval import Interval
from steelyard.job import JobSpec, job_table
from steelyard.job.degrees import degrees_text
from steelyard.layout import parse
from steelyard.market.build import hardware_option, operating_policy
from steelyard.market.offers import allowed_offers
from steelyard.market.options import Deal, HardwareOption, Market, SiteOption, StackOption
from steelyard.market.pinned import pinned_deal, unknown_price_text
from steelyard.market.sites import site_option
from steelyard.market.systems import system_meant
from steelyard.market.tools import stack_options
from steelyard.planner.answers import Estimate, Explanation, Point
from steelyard.planner.engine import ENGINE, asked_layout, limits_of
from steelyard.planner.grounds import (
    calibration_behind,
    calibration_texts,
    rows_behind,
    sources_behind,
    trained_job,
)
from steelyard.planner.measured.answer import current_step
from steelyard.planner.measured.narrowing import one_step
from steelyard.planner.ownership import check_unsaved
from steelyard.planner.points import Configuration, configured, objective_intervals, point_of
from steelyard.reasons.binds import Bind, beyond_limits, step_text
from steelyard.reasons.draws import Setting
from steelyard.reasons.terms import formula, terms
from steelyard.search.engine import Limits
from steelyard.search.explore import explore
from steelyard.search.rows import single_layout
from steelyard.search.survivors import NOWHERE
from steelyard.tables import Job, Layout, Offer, join
from steelyard.units import GIB_BYTES, Array
from steelyard.vocabulary import ESTIMATE_LABEL, LOCATION_GROSS, ON_DEMAND

Layouts = str | Mapping[str, Any]
"""Parallel degrees as text (`tp=2,pp=1,dp=32`) or as a mapping (`{"tp": 2}`)."""

Pin = tuple[str, Layouts, str, str]
"""A configuration as it is pinned: on, layout, site, offer."""


def configure(
    spec: JobSpec, accelerator: str, devices: int | None = None, layout: str = "", site: str = ""
) -> Configuration:
    """Return one pinned configuration: a system or accelerator, how many, laid out how.

    Without a number of devices it is one unit of the system; without a layout, the fastest that fits of those that the
    job allows, and where none fits the least value of each of its settings. The offer is
    the cheapest that the job's filters leave for this accelerator and number; without one money is unknown. The stack
    is the job's, else the first that is planned on the accelerator and can run the layout.
    """
    catalog, job = facts.load(), job_table(spec)
    check_unsaved(spec, lambda saved: configure(saved, accelerator, devices, layout, site))
    system = system_meant(accelerator, devices or spec.devices, _offers(spec, accelerator, catalog), catalog)
    hardware = hardware_option(system, spec.precision, catalog)
    count = devices or spec.devices or system.devices
    stacks, of_vendor = stack_options([hardware.vendor], spec.stack, catalog, spec.kind, spec.precision)
    able = tuple(stacks[index] for index in of_vendor[hardware.vendor] if stacks[index].runs_on(hardware.accelerator))
    fastest = None if layout else _fastest(job, count, hardware, able, asked_layout(spec))
    stack, laid = fastest or _asked(layout, spec, job, count, hardware, able)
    at = catalog.site(site).id if site else ""
    found = pinned_deal(
        spec, system, count, at, catalog, lambda market, deals: _totals(job, laid, hardware, stack, market, deals)
    )
    if not isinstance(found, str):
        market, deal = found
        operated, spread = market.policies[deal.policy], market.policy_log_sd[deal.policy]
        place, offer = market.sites[deal.site_index], deal.price
    else:
        operated, spread = operating_policy(spec, spec.purchase[0], catalog)
        place, offer = site_option(at, catalog), Offer.rent(math.nan)
    setting = Setting(job, laid, hardware, stack, operated, spread, place, offer)
    if isinstance(found, str):
        return replace(configured(setting, ENGINE, system.id, None), unsold=found)
    return configured(setting, ENGINE, system.id, deal)


def point_of_configuration(
    made: Configuration, carbon: str = LOCATION_GROSS, today: date | None = None, spec: JobSpec | None = None
) -> Point:
    """Return a pinned configuration as a point; what does not fit in memory is estimated all the same.

    What is beyond a limit of the job, and why money is unknown, stands first among what binds it.
    """
    figures = objective_intervals(made, ENGINE, carbon)
    point = point_of(made, figures, ESTIMATE_LABEL, today or datetime.now(UTC).date())
    short = () if point.fits else (_memory_short(point),)
    beyond = _beyond(figures, spec, made.devices) if spec else ()
    step = Bind("step", step_text(made.prediction.time))
    return replace(point, bound_by=(*beyond, *short, *_unknown_money(made, point), step))


def _beyond(figures: Sequence[Interval], spec: JobSpec, devices: int) -> tuple[Bind, ...]:
    """Return the limits of the job that a configuration breaks, or may break."""
    limits = limits_of(spec, devices)
    return beyond_limits([one.value for one in figures], [one.high for one in figures], limits)


def _unknown_money(made: Configuration, point: Point) -> tuple[Bind, ...]:
    """Return why money is unknown; nothing where it is known."""
    if not math.isnan(point.cost_usd.value):
        return ()
    return (Bind("money", f"money unknown: {made.unsold or unknown_price_text(asdict(point.bill))}"),)


def estimate_job(
    spec: JobSpec,
    accelerator: str,
    devices: int | None = None,
    layout: str = "",
    site: str = "",
    carbon: str = LOCATION_GROSS,
    today: date | None = None,
) -> Estimate:
    """Return one pinned configuration with the whole of its prediction: see `configure`, and `Point.fits`."""
    made = configure(spec, accelerator, devices, layout, site)
    return estimate_of(point_of_configuration(made, carbon, today, spec), made, spec, carbon)


def estimate_of(point: Point, made: Configuration, spec: JobSpec, carbon: str) -> Estimate:
    """Return a point with the prediction of its configuration, and what it stands on."""
    local, found = calibration_behind([point], spec), made.prediction
    return Estimate(
        **_fields(point, Point),
        carbon_kind=carbon,
        assumptions=(*spec.assumptions, *calibration_texts(local)),
        calibration=local,
        measured_step=current_step(),
        one_step=one_step(point.accelerator, point.stack, spec),
        sources=sources_behind([point], spec),
        job=trained_job(spec),
        request=spec,
        time=found.time,
        memory=found.memory,
        draw=found.draw,
        energy=found.energy,
        carbon=found.carbon,
        money=found.money,
    )


def explanation_of(found: Estimate, spec: JobSpec) -> Explanation:
    """Return an estimate taken apart: every term with its formula and source, every catalog row used."""
    parts = tuple(replace(part, source=formula(part.formula)["source"]) for part in terms(found.prediction))
    return Explanation(**_fields(found, Estimate), terms=parts, rows=rows_behind(found, spec))


def _fields(answer: Point, kind: type[Point]) -> dict[str, Any]:
    return {field.name: getattr(answer, field.name) for field in fields(kind)}


def _laid(
    text: str, job: Job, count: int, hardware: HardwareOption, stacks: tuple[StackOption, ...]
) -> tuple[StackOption, Layout]:
    machine = hardware.machine
    refused: BadLayout | None = None
    for stack in stacks:
        try:
            layout = parse(text, job, count, int(machine.domain_devices), machine.nic_bytes_per_s, stack.capability)
        except BadLayout as error:
            refused = refused or error
        else:
            return stack, layout
    raise refused or BadLayout(f"no software stack is known for {hardware.accelerator}; give --stack")


def _asked(
    text: str, spec: JobSpec, job: Job, count: int, hardware: HardwareOption, stacks: tuple[StackOption, ...]
) -> tuple[StackOption, Layout]:
    """Return the stack and the layout that are given, or the least of each setting that the job allows."""
    try:
        return _laid(text or degrees_text(asked_layout(spec)), job, count, hardware, stacks)
    except BadLayout as error:
        batch = spec.batch_samples
        if text or count <= batch:
            raise
        raise BadLayout(
            f"{count} devices but a batch of {batch} {spec.sample}s, and no layout of {spec.model.name} shares samples "
            f"among so many; give --global-batch {count} or more, or at most {batch} devices"
        ) from error


def _fastest(
    job: Job,
    count: int,
    hardware: HardwareOption,
    stacks: tuple[StackOption, ...],
    asked: Mapping[str, tuple[int, ...]],
) -> tuple[StackOption, Layout] | None:
    """Return the stack and layout that train fastest and fit in memory; None where nothing fits."""
    deal = Deal("", "", "", hardware=0, site_index=0, policy=0, unit=1, most=count, purchase="", usd_per_device_s=1.0)
    places, operations = (SiteOption("", NOWHERE),), (policy(ON_DEMAND),)
    market = Market(
        (hardware,), stacks, places, operations, ({},), (deal,), {hardware.vendor: tuple(range(len(stacks)))}
    )
    found = explore(job, market, Limits(devices=count, layout=asked), ENGINE)
    if not found.feasible:
        return None
    row = int(found.front[found.candidates.points[found.front, 0].argmin()])
    return stacks[found.candidates.stack[row]], single_layout(found.candidates.layouts, row)


def _memory_short(point: Point) -> Bind:
    if point.host_bytes > point.host_limit_bytes:
        need, has = (value / GIB_BYTES for value in (point.host_bytes, point.host_limit_bytes))
        return Bind("memory", f"host memory: {need:,.0f} GiB are offloaded where a host has {has:,.0f}; offload less")
    need, has = (value / GIB_BYTES for value in (point.memory_bytes.high, point.memory_limit_bytes))
    return Bind("memory", f"memory: up to {need:.0f} GiB where a device has {has:.0f}; it may not fit")


def _totals(
    job: Job, laid: Layout, hardware: HardwareOption, stack: StackOption, market: Market, deals: Sequence[Deal]
) -> Array:
    """Return what the run costs under each of some deals; infinite where that is unknown."""
    policies = join([market.policies[deal.policy] for deal in deals])
    sites = join([market.sites[deal.site_index].site for deal in deals])
    prices = join([deal.price for deal in deals])
    found = ENGINE.predict(job, laid, hardware.machine, hardware.kernels, stack.stack, policies, sites, prices)
    total = np.broadcast_to(found.money.total_usd, len(deals))
    return np.where(np.isnan(total), np.inf, total)


def _offers(spec: JobSpec, name: str, catalog: facts.Catalog) -> tuple[facts.OfferRow, ...]:
    """Return the offers of an accelerator, or of that of a system, that the job's filters leave."""
    return allowed_offers(replace(spec, accelerators=((catalog.system(name).accelerator, None),)), catalog)


def check_acting(label: str | None, pin: Pin, options: Mapping[str, Any]) -> None:
    """Refuse what cannot act: what names or shapes a plan beside a pin, what is of a pin where nothing is pinned."""
    if pin[0]:
        idle = {"label": None if label == ESTIMATE_LABEL else label, "axes": options.get("axes")}
        given = [f"--{name} {value}" for name, value in idle.items() if value is not None]
        if given:
            raise BadInput(
                f"{given[0]} is about a plan, but --on {pin[0]} pins one configuration; leave one of them out"
            )
        return
    ways = {"layout": "write layout in the job file", "site": "give --regions", "offer": "give --regions"}
    for (name, way), value in zip(ways.items(), pin[1:], strict=True):
        if value:
            raise BadInput(
                f"--{name} {value} is of a configuration that --on pins; give --on H100:64 or such, or {way}"
            )


def check_count(on: str, count: int | None, spec: JobSpec, options: Mapping[str, Any]) -> None:
    """Refuse a pin beside options that ask for another number; it takes the place of a job file's own."""
    if options.get("devices") is not None and count not in {None, spec.devices}:
        raise BadInput(f"--on {on} asks for {count} devices but devices is {spec.devices}; give one of the two")
    if options.get("max_devices") is not None and (count or 0) > (spec.max_devices or 0):
        raise BadInput(f"--on {on} asks for {count} devices but max_devices is {spec.max_devices}; give one of the two")


def system_sold(offer: str, device: str) -> str:
    """Return the system that an offer sells, which must be of the accelerator that is asked for."""
    row, wanted = offer_named(offer), facts.load().system(device).accelerator
    if row.accelerator != wanted:
        raise BadInput(
            f"--offer {row.id} sells {row.accelerator}, but --on asks for {wanted}; give --on {row.accelerator}:8"
        )
    return row.system


def offer_named(name: str) -> facts.OfferRow:
    """Return the offer of a name, in any case of letters; `UnknownName` with the nearest."""
    rows = {row.id.lower(): row for row in facts.load().offers}
    if name.lower() not in rows:
        raise UnknownName("offer", name, [row.id for row in facts.load().offers])
    return rows[name.lower()]
