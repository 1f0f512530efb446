"""One pinned configuration: judged, estimated, taken apart."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from steelyard import catalog as facts
from steelyard import vocabulary
from steelyard.formatting.interval import Interval
from steelyard.job import JobSpec
from steelyard.market.networks import network_text
from steelyard.market.pinned import unknown_price_text
from steelyard.market.running import schedule_text
from steelyard.market.tools import matrix_precision, puts_on_drives
from steelyard.pipeline import crossing
from steelyard.planner.answers import Estimate, Explanation, OtherStack, Point
from steelyard.planner.engine import ENGINE, limits_of
from steelyard.planner.grounds import (
    calibration_behind,
    calibration_texts,
    rows_behind,
    settings_texts,
    sources_behind,
    trained_job,
)
from steelyard.planner.measured.answer import current_step
from steelyard.planner.measured.exact import measured_texts
from steelyard.planner.measured.narrowing import one_step
from steelyard.planner.points import Configuration, layout_numbers, objective_intervals, point_of
from steelyard.planner.unstated.configuring import configure
from steelyard.planner.unstated.fit import fit_word
from steelyard.planner.unstated.mixtures import Branch, changes_text, states_text
from steelyard.planner.unstated.possible import possible_text
from steelyard.reasons.binds import Bind, beyond_limits, host_bytes_text, host_link_text, step_text, unknown_host_text
from steelyard.reasons.drives import empty_drives_text, small_drives_text, unknown_drives_text
from steelyard.reasons.terms import formula, terms
from steelyard.units import GIB_BYTES
from steelyard.vocabulary import ESTIMATE_LABEL, LOCATION_GROSS

Layouts = str | Mapping[str, Any]
"""Parallel degrees as text (`tp=2,pp=1,dp=32`) or as a mapping (`{"tp": 2}`)."""


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
    kept = (point.host_bytes, point.host_limit_bytes)
    unsaid, on_host, link = unknown_host_text(*kept), host_bytes_text(*kept), _host_link(made)
    empty = empty_drives_text(point.nvme_bytes, spec is not None and puts_on_drives(spec))
    drives = unknown_drives_text(point.nvme_bytes, point.nvme_limit_bytes, math.isnan(point.time_s.value))
    told = (
        *([Bind("memory", short)] if short else []),
        *([Bind("memory", made.beyond_recipes)] if made.beyond_recipes and not short else []),
        *(Bind("memory", text) for text in (on_host if unsaid else "", empty, drives) if text),
        *_unknown_money(made, point),
        *_unknown_time(made, spec),
        Bind("step", step_text(made.prediction.time)),
        *([Bind("memory", on_host)] if on_host and not unsaid else []),
        *([Bind("host link", link)] if link else []),
    )
    return replace(point, bound_by=(*beyond, *told), fits_reason="; ".join(filter(None, (short, unsaid))))


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
    """Return why money is unknown, or that what is judged is not what is priced; nothing of what is bought itself."""
    if made.deal and made.deal.system != made.system and not math.isnan(point.cost_usd.value):
        text = f"money: priced as {made.deal.system}, while {made.system} is judged, of which nobody sells so many"
        return (Bind("money", text),)
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
    mixed = states_text(made.branches)
    setting, catalog = made.setting, facts.load()
    order = schedule_text(spec, point.stack, setting.hardware.vendor, int(setting.layout.schedule), catalog)
    alone = [name for name in made.unstated if not (mixed and name == "states")]
    return (
        *settings_texts([point], spec, alone),
        *filter(None, [network_text(setting.hardware), order, mixed]),
        *filter(None, [changes_text(made.branches), possible_text(made.possible)]),
    )


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
        rest = _but_for(made.branches, lambda one: bool(one.host_bytes <= point.host_limit_bytes))
        word = f"{point.fits_word}{rest}"
        return f"host memory: {need:,.0f} GiB are offloaded where a host has {has:,.0f}; it {word}; offload less"
    held, limit = point.memory_bytes, point.memory_limit_bytes
    least, need, has = (value / GIB_BYTES for value in (held.low, held.high, limit))
    match fit_word(held.low, held.high, limit):
        case vocabulary.FITS | "":
            return ""
        case vocabulary.DOES_NOT_FIT:
            return f"memory: {least:.0f} GiB or more where a device has {has:.0f}; it {point.fits_word}"
    likely = f"{point.fits_share:.0%} of what is possible fits"
    rest = _but_for(made.branches, lambda one: one.interval.high <= limit)
    return f"memory: up to {need:.0f} GiB where a device has {has:.0f}; {likely}: it {point.fits_word}{rest}"


def _but_for(branches: Sequence[Branch], fits: Callable[[Branch], bool]) -> str:
    """Return the widths of states with which a configuration fits, or else those with which it does not."""
    shown = [one for one in branches if not one.changed]
    able = [one.states for one in shown if fits(one)]
    if len(able) == len(shown):
        wrong = dict.fromkeys(one.changed[0] for one in branches if len(one.changed) == 1 and not fits(one))
        return f" with {' or '.join(wrong)} but fits as shown" if wrong else ""
    return f" but for states {' or '.join(able)}" if able else ""
