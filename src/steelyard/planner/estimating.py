"""One pinned configuration: judged, estimated, taken apart."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields, replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from steelyard import catalog as facts
from steelyard import vocabulary
from steelyard.errors import BadInput
from steelyard.formatting.interval import Interval
from steelyard.job import JobSpec, job_table
from steelyard.job.degrees import parse_degrees
from steelyard.job.job_spec import job_on
from steelyard.job.unstated.choices import unstated_settings
from steelyard.market.build import hardware_option, operating_policy
from steelyard.market.offers import allowed_offers
from steelyard.market.options import Deal, HardwareOption, Market, StackOption
from steelyard.market.pinned import pinned_deal, unknown_price_text
from steelyard.market.running import schedule_text
from steelyard.market.sites import site_option
from steelyard.market.systems import system_meant
from steelyard.market.tools import matrix_precision, puts_on_drives, stack_options
from steelyard.pipeline import crossing
from steelyard.planner.answers import Estimate, Explanation, OtherStack, Point
from steelyard.planner.engine import ENGINE, asked_layout, limits_of
from steelyard.planner.grounds import (
    calibration_behind,
    calibration_texts,
    rows_behind,
    settings_texts,
    sources_behind,
    trained_job,
)
from steelyard.planner.measured.answer import current_step
from steelyard.planner.measured.exact import as_measured, measured_texts
from steelyard.planner.measured.narrowing import one_step
from steelyard.planner.ownership import check_unsaved
from steelyard.planner.points import Configuration, configured, layout_numbers, objective_intervals, point_of
from steelyard.planner.unstated.fit import fit_word
from steelyard.planner.unstated.layouts import Bench, beyond_recipes_text
from steelyard.planner.unstated.mixtures import branch_interval, mixture_text, states_branches
from steelyard.planner.unstated.possible import possible_runs, possible_text
from steelyard.planner.unstated.stacks import chosen_layouts
from steelyard.reasons.binds import Bind, beyond_limits, host_link_text, step_text, unknown_host_text
from steelyard.reasons.draws import Setting
from steelyard.reasons.drives import empty_drives_text, small_drives_text, unknown_drives_text
from steelyard.reasons.terms import formula, terms
from steelyard.tables import Job, Layout, Offer, join
from steelyard.units import GIB_BYTES, Array
from steelyard.vocabulary import ESTIMATE_LABEL, LOCATION_GROSS

Layouts = str | Mapping[str, Any]
"""Parallel degrees as text (`tp=2,pp=1,dp=32`) or as a mapping (`{"tp": 2}`)."""


def configure(
    spec: JobSpec, accelerator: str, devices: int | None = None, layout: str = "", site: str = ""
) -> Configuration:
    """Return one pinned configuration: a system or accelerator, how many, laid out how.

    Without a number of devices it is one unit of the system; without a layout, the fastest that fits of those that the
    job allows, and where none fits the least value of each of its settings. The offer is
    the cheapest that the job's filters leave for this accelerator and number; without one money is unknown. The stack
    is the job's, else one that fits (`unstated.stacks`); what it may be instead, and what else nobody
    stated, are its possible runs.
    """
    catalog, job = facts.load(), job_table(spec)
    check_unsaved(spec, lambda saved: configure(saved, accelerator, devices, layout, site))
    system = system_meant(accelerator, devices or spec.devices, _offers(spec, accelerator, catalog), catalog)
    hardware = hardware_option(system, spec.precision, catalog, spec.nvme)
    count = devices or spec.devices or system.devices
    stacks, of_vendor = stack_options(
        [hardware.vendor], spec.stack, catalog, spec.kind, spec.precision, spec.task, _schedules(layout, spec),
        drives=puts_on_drives(spec),
    )  # fmt: skip
    able = tuple(stacks[index] for index in of_vendor[hardware.vendor] if stacks[index].runs_on(hardware.accelerator))
    bench = Bench(hardware, count, able)
    (stack, laid), *others = chosen_layouts(layout, spec, job, bench)
    job = job_on(spec, stack.name)
    at, told = catalog.site(site).id if site else "", replace(spec, stack=spec.stack or stack.name)
    found = pinned_deal(
        told, system, count, at, catalog, lambda market, deals: _totals(job, laid, hardware, stack, market, deals)
    )
    if not isinstance(found, str):
        market, deal = found
        operated, spread = market.policies[deal.policy], market.policy_log_sd[deal.policy]
        place, offer = market.sites[deal.site_index], deal.price
    else:
        operated, spread = operating_policy(spec, spec.purchase[0], catalog)
        place, offer, deal = site_option(at, catalog), Offer.rent(math.nan), None
    setting = as_measured(Setting(job, laid, hardware, stack, operated, spread, place, offer))
    made = configured(setting, ENGINE, system.id, deal)
    open_settings, unsold = unstated_settings(spec, layout), found if isinstance(found, str) else made.unsold
    return replace(
        made,
        unstated=open_settings,
        branches=states_branches(setting, spec),
        others=tuple(others),
        possible=possible_runs(setting, others, spec, open_settings),
        unsold=unsold,
        beyond_recipes=beyond_recipes_text(layout, spec, job, bench, (stack, laid)),
    )


def _schedules(layout: str, spec: JobSpec) -> tuple[int, ...]:
    """Return the schedules of pipelines that a layout as it is written, else the job, allows; empty: any."""
    with suppress(BadInput):  # what is no layout is refused where it is laid out
        return {**asked_layout(spec), **(parse_degrees(layout) if layout else {})}.get("schedule", ())
    return ()


def point_of_configuration(
    made: Configuration, carbon: str = LOCATION_GROSS, today: date | None = None, spec: JobSpec | None = None
) -> Point:
    """Return a pinned configuration as a point; what does not fit in memory is estimated all the same.

    What is beyond a limit of the job, and why money is unknown, stands first among what binds it.
    """
    figures = objective_intervals(made, ENGINE, carbon)
    point = point_of(made, figures, ESTIMATE_LABEL, today or datetime.now(UTC).date())
    short = _memory_short(point, made)
    beyond = _beyond(figures, spec, made.devices) if spec else ()
    host, link = unknown_host_text(point.host_bytes, point.host_limit_bytes), _host_link(made)
    empty = empty_drives_text(point.nvme_bytes, spec is not None and puts_on_drives(spec))
    drives = unknown_drives_text(point.nvme_bytes, point.nvme_limit_bytes, math.isnan(point.time_s.value))
    told = (
        *([Bind("memory", short)] if short else []),
        *([Bind("memory", made.beyond_recipes)] if made.beyond_recipes and not short else []),
        *(Bind("memory", text) for text in (host, empty, drives) if text),
        *_unknown_money(made, point),
        *_unknown_time(made, spec),
        Bind("step", step_text(made.prediction.time)),
        *([Bind("host link", link)] if link else []),
    )
    return replace(point, bound_by=(*beyond, *told), fits_reason="; ".join(filter(None, (short, host))))


def _host_link(made: Configuration) -> str:
    """Return what crosses a host's link in a step of a configuration, and how much of it hides behind the work."""
    one = made.setting
    found = crossing(one.job, one.layout, one.hardware.machine, one.stack.stack)
    moved, taken_s = (float(np.asarray(figure)) for figure in found)
    return host_link_text(moved, taken_s, made.prediction.time)


def _beyond(figures: Sequence[Interval], spec: JobSpec, devices: int) -> tuple[Bind, ...]:
    """Return the limits of the job that a configuration breaks, or may break."""
    limits = limits_of(spec, devices)
    return beyond_limits([one.value for one in figures], [one.high for one in figures], limits)


def _unknown_money(made: Configuration, point: Point) -> tuple[Bind, ...]:
    """Return why money is unknown; nothing where it is known."""
    if not math.isnan(point.cost_usd.value):
        return ()
    return (Bind("money", f"money unknown: {made.unsold or unknown_price_text(asdict(point.bill))}"),)


def _unknown_time(made: Configuration, spec: JobSpec | None) -> tuple[Bind, ...]:
    """Return why time is unknown where nobody says how fast the chip multiplies; nothing where it is known."""
    if spec is None or not np.isnan(made.setting.hardware.machine.peak_flop_per_s):
        return ()
    catalog = facts.load()
    chip, precision = catalog.accelerator(made.setting.hardware.accelerator), matrix_precision(spec.precision, catalog)
    return (Bind("compute", f"time unknown: {facts.lacking_peak_text(chip, precision)}"),)


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
        assumptions=(
            *spec.assumptions,
            *_settings(point, made, spec),
            *calibration_texts(local),
            *measured_texts(made.setting),
        ),
        unstated=made.unstated,
        other_stacks=other_stacks(made),
        calibration=local,
        measured_step=current_step(),
        one_step=one_step(point.accelerator, point.stack, spec, _open_ends(point, made)),
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


def _settings(point: Point, made: Configuration, spec: JobSpec) -> tuple[str, ...]:
    """Return what was taken of each setting that nobody stated, and of which settings memory is a mixture."""
    mixed = mixture_text(made.branches)
    setting, catalog = made.setting, facts.load()
    order = schedule_text(spec, point.stack, setting.hardware.vendor, int(setting.layout.schedule), catalog)
    alone = [name for name in made.unstated if not (mixed and name == "states")]
    return (*settings_texts([point], spec, alone), *filter(None, [order, mixed, possible_text(made.possible)]))


def _open_ends(point: Point, made: Configuration) -> tuple[float, float] | None:
    """Return the ends of the interval of a time over several possible runs, in terms of its value; None of one."""
    taken = point.time_s
    known = len(made.possible) > 1 and not math.isnan(taken.value)
    return (taken.low / taken.value, taken.high / taken.value) if known else None


def other_stacks(made: Configuration) -> tuple[OtherStack, ...]:
    """Return the stacks that the intervals of a configuration are of beside its own."""
    return tuple(OtherStack(stack.name, layout_numbers(laid)) for stack, laid in made.others)


def explanation_of(found: Estimate, spec: JobSpec) -> Explanation:
    """Return an estimate taken apart: every term with its formula and source, every catalog row used."""
    parts = tuple(replace(part, source=formula(part.formula)["source"]) for part in terms(found.prediction))
    return Explanation(**_fields(found, Estimate), terms=parts, rows=rows_behind(found, spec))


def _fields(answer: Point, kind: type[Point]) -> dict[str, Any]:
    return {field.name: getattr(answer, field.name) for field in fields(kind)}


def _memory_short(point: Point, made: Configuration) -> str:
    """Return that a configuration may not, or does not, fit; and with which of the settings that are open it does."""
    if point.nvme_bytes > point.nvme_limit_bytes:
        return small_drives_text(point.nvme_bytes, point.nvme_limit_bytes)
    if point.host_bytes > point.host_limit_bytes:
        need, has = (value / GIB_BYTES for value in (point.host_bytes, point.host_limit_bytes))
        rest = _but_for([one.name for one in made.branches if one.host_bytes <= point.host_limit_bytes])
        word = f"{point.fits_word}{rest}"
        return f"host memory: {need:,.0f} GiB are offloaded where a host has {has:,.0f}; it {word}; offload less"
    held, limit = point.memory_bytes, point.memory_limit_bytes
    least, need, has = (value / GIB_BYTES for value in (held.low, held.high, limit))
    match fit_word(held.low, held.high, limit):
        case vocabulary.FITS | "":
            return ""
        case vocabulary.DOES_NOT_FIT:
            return f"memory: {least:.0f} GiB or more where a device has {has:.0f}; it {point.fits_word}"
    ends = [(one.name, branch_interval(one, made.setting).high) for one in made.branches]
    able = [name for name, high in ends if high <= limit]
    likely = f"{point.fits_share:.0%} of what is possible fits"
    return f"memory: up to {need:.0f} GiB where a device has {has:.0f}; {likely}: it {point.fits_word}{_but_for(able)}"


def _but_for(able: Sequence[str]) -> str:
    """Return the widths of states with which a configuration fits."""
    return f" but for states {' or '.join(able)}" if able else ""


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
