"""The questions as people ask them: a job, or a saved answer, and options; what the command line and Python call."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

from steelyard.catalog import load
from steelyard.errors import BadInput
from steelyard.job import job_table
from steelyard.job.arguments import check_type, moment_of
from steelyard.job.what_if import parse_question
from steelyard.planner.answers import Estimate, Explanation, Plan
from steelyard.planner.choosing import JobSource, carbon_kind_of, chosen, job_of, pinned
from steelyard.planner.engine import ENGINE
from steelyard.planner.estimating import (
    Layouts,
    estimate_of,
    explanation_of,
    point_of_configuration,
)
from steelyard.planner.hours import When, Window, best_hours, hourly_profiles
from steelyard.planner.measured.answer import using
from steelyard.planner.measured.step import compared_step, compared_step_of_all
from steelyard.planner.planning import plan_job
from steelyard.planner.sites import Where, compare_sites
from steelyard.planner.variants import WhatIf, plan_variants
from steelyard.search.engine import Progress


def plan(source: JobSource, *, carbon: str | None = None, progress: Progress | None = None, **options: Any) -> Plan:
    """Return the exact frontier of time, money, energy and CO2e of a job, its named points, and the reasons.

    Args:
        source: a model's name, a job file or its fields, or a saved plan, whose job is planned anew
        carbon: the kind of CO2e that is weighed: location_gross, location_net, market or marginal; None: that of a
            saved answer, else location_gross
        progress: called with the candidates weighed and all there are
        options: fields of the job file on top, such as tokens="20B", by="7d", budget="5k", accelerators="H100"

    A job that nothing satisfies is a `Plan` without points: `reason` and `relaxations` say what to change.
    """
    kind, spec = carbon_kind_of(carbon, source), job_of(source, **options)
    with using(compared_step(spec)):
        return plan_job(spec, progress, kind)


def estimate(
    source: JobSource,
    on: str,
    *,
    layout: Layouts = "",
    site: str = "",
    offer: str = "",
    carbon: str | None = None,
    **options: Any,
) -> Estimate:
    """Return one pinned configuration: its figures, and the whole of its prediction.

    Args:
        source: what is trained
        on: an accelerator or system and how many devices, not nodes: "H100:64", "p5.48xlarge:8"
        layout: parallel degrees, such as "tp=2,pp=1,dp=32"; empty: the fastest that fits
        site: where it runs; empty: where its offer does
        offer: what is bought; empty: the cheapest that the options leave
        carbon: the kind of CO2e that the point's figure is of
        options: fields of the job file on top
    """
    kind = carbon_kind_of(carbon, source)
    spec, made, own = pinned(source, (on, layout, site, offer), options)
    with using(own):
        return estimate_of(point_of_configuration(made, kind, spec=spec), made, spec, kind)


def explain(
    source: JobSource,
    label: str | None = None,
    *,
    on: str = "",
    layout: Layouts = "",
    site: str = "",
    offer: str = "",
    carbon: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Explanation:
    """Return one configuration taken apart: the point of a plan that a label names, or the one pinned with `on`.

    `label` None is the cheapest point. What cannot act is refused: a label beside a pin, a site of no pin.
    """
    one = chosen(source, label, (on, layout, site, offer), carbon, progress, options)
    with using(one.measured_step):
        return explanation_of(estimate_of(one.point, one.configuration, one.spec, one.carbon_kind), one.spec)


def where(
    source: JobSource,
    label: str | None = None,
    *,
    on: str = "",
    layout: Layouts = "",
    site: str = "",
    offer: str = "",
    carbon: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Where:
    """Return one configuration at every site that sells its machines, and what a cleaner site costs."""
    one = chosen(source, label, (on, layout, site, offer), carbon, progress, options)
    with using(one.measured_step):
        found = compare_sites(one.configuration, one.spec, ENGINE, load(), one.carbon_kind)
    return replace(found, notes=(*found.notes, *one.notes))


def when(
    source: JobSource,
    label: str | None = None,
    *,
    start: str | None = None,
    profile: str | Path | None = None,
    held: bool | None = None,
    on: str = "",
    layout: Layouts = "",
    site: str = "",
    offer: str = "",
    carbon: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> When:
    """Return the hours before the job's deadline in which a configuration emits least.

    Args:
        source: what is trained, with a deadline: by="7d"
        label: the point of the plan, where nothing is pinned with `on`; None: the cheapest
        start: the earliest start, a moment or a span from now; None: now
        profile: a CSV of the hourly intensity of the site; None: the user's own catalog
        held: whether devices are kept while nothing runs; None: unless they are bought by the hour
        on: the configuration, as `estimate` takes it, with its layout, site and offer
        layout: see `estimate`
        site: see `estimate`
        offer: see `estimate`
        carbon: the kind of CO2e that the plan weighs
        progress: called with the candidates weighed and all there are
        options: fields of the job file on top
    """
    if profile is not None:
        check_type("profile", profile, (str, Path), "a CSV of the hourly intensity of the site")
    now = dt.datetime.now(dt.UTC)
    begin = moment_of(start, now)
    one = chosen(source, label, (on, layout, site, offer), carbon, progress, options)
    if one.spec.deadline_s is None:
        raise BadInput("give a deadline: --by 7d, --by 2027-03-01; without one no hour is too late")
    left_s = float(one.spec.deadline_s) - (begin - now).total_seconds()
    profiles = hourly_profiles(one.point.site, None if profile is None else Path(profile), begin, left_s)
    window = Window(now, begin, left_s)
    found = best_hours(one.configuration, one.point.time_s.high, job_table(one.spec), profiles, window, held)
    return replace(found, notes=(*found.notes, *one.notes))


def what_if(
    source: JobSource, asked: str, *, carbon: str | None = None, progress: Progress | None = None, **options: Any
) -> WhatIf:
    """Return the points of a job for each value of one of its fields: asked="tokens=10B,20B,40B"."""
    check_type("asked", asked, str, "a field with values, such as 'tokens=10B,20B'")
    kind = carbon_kind_of(carbon, source)
    field, values = parse_question(asked)
    specs = [(value, job_of(source, **(options | {field: value}))) for value in values]
    with using(compared_step_of_all([spec for _, spec in specs], field)) as own:
        found = plan_variants(field, specs, progress, kind)
    return replace(found, notes=(*found.notes, own.text)) if own else found
