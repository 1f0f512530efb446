"""The questions as people ask them: a job, or a saved answer, and options; what the command line and Python call."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steelyard.catalog import load
from steelyard.errors import BadInput
from steelyard.job import JobSpec, job_table, literals, read_job, with_overrides
from steelyard.job.arguments import check_type, layout_argument, moment_of, parse_carbon_kind
from steelyard.job.what_if import parse_question
from steelyard.market.tools import as_asked
from steelyard.planner.answers import Estimate, Explanation, Plan, Point
from steelyard.planner.engine import ENGINE
from steelyard.planner.estimating import (
    Layouts,
    Pin,
    check_acting,
    check_count,
    configure,
    estimate_of,
    explanation_of,
    offer_named,
    point_of_configuration,
    system_sold,
)
from steelyard.planner.hours import When, Window, best_hours, hourly_profiles
from steelyard.planner.measured.answer import NOTHING, StepLayer, using
from steelyard.planner.measured.step import Place, compared_step, compared_step_of_all, same_place
from steelyard.planner.planning import plan_job
from steelyard.planner.points import Configuration
from steelyard.planner.saved.agreement import as_of_now, check_label, labelled, place_of_answer, replayed
from steelyard.planner.saved.files import ANEW, saved_answer
from steelyard.planner.saved.replay import configuration_of
from steelyard.planner.sites import Where, compare_sites
from steelyard.planner.variants import WhatIf, plan_variants
from steelyard.search.engine import Progress
from steelyard.vocabulary import LOCATION_GROSS, POINT_LABELS

JobSource = str | Path | Mapping[str, Any] | JobSpec | Plan | Estimate
"""What a question is about: a model's name, a job file or its fields, a job, a saved plan or estimate, its file."""

_TAKEN = "a model's name, the path of a job file, its fields as a mapping, or a plan or an estimate"


def job_of(source: JobSource, **options: Any) -> JobSpec:
    """Return the job of a source, with options on top: the fields of a job file, such as tokens="20B".

    >>> job_of("llama-3-8b", tokens="20B", by="7d").deadline_s
    604800.0
    """
    answer = _answer(source)
    if answer is not None:
        if answer.request is None:
            raise BadInput(f"{_name(source)}: the answer holds no request, which is the job it answers; {ANEW}")
        given = {name: value for name, value in options.items() if value is not None}
        return with_overrides(answer.request, **given) if given else answer.request
    check_type("source", source, (str, Path, Mapping, JobSpec), _TAKEN)
    if isinstance(source, JobSpec):
        return with_overrides(source, **options) if options else source
    return read_job(source, **options)  # type: ignore[arg-type]  # what is left of the kinds of sources


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
    kind, spec = _carbon_kind(carbon, source), job_of(source, **options)
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
        on: an accelerator or system and how many: "H100:64", "p5.48xlarge:8"
        layout: parallel degrees, such as "tp=2,pp=1,dp=32"; empty: the fastest that fits
        site: where it runs; empty: where its offer does
        offer: what is bought; empty: the cheapest that the options leave
        carbon: the kind of CO2e that the point's figure is of
        options: fields of the job file on top
    """
    kind = _carbon_kind(carbon, source)
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
    kind = _carbon_kind(carbon, source)
    field, values = parse_question(asked)
    specs = [(value, job_of(source, **(options | {field: value}))) for value in values]
    with using(compared_step_of_all([spec for _, spec in specs], field)) as own:
        found = plan_variants(field, specs, progress, kind)
    return replace(found, notes=(*found.notes, own.text)) if own else found


@dataclass(frozen=True, slots=True)
class Choice:
    """The configuration that a question is about, its figures, and the kind of CO2e that they weigh."""

    spec: JobSpec
    point: Point
    configuration: Configuration
    carbon_kind: str
    measured_step: StepLayer = NOTHING  # what a measured step sets, which the configuration has

    @property
    def notes(self) -> tuple[str, ...]:
        """What a measured step tells, where one was given."""
        return (self.measured_step.answer.text,) if self.measured_step.answer else ()


def chosen(
    source: JobSource,
    label: str | None,
    pin: Pin,
    carbon: str | None,
    progress: Progress | None,
    options: Mapping[str, Any],
) -> Choice:
    """Return the configuration that a question is about: pinned, saved, or the point of a plan that a label names."""
    kind = _carbon_kind(carbon, source)
    if label is not None:
        check_type("label", label, str, f"one of {', '.join(POINT_LABELS)}")
        check_label(label)
    check_acting(label, pin, options)
    label = label or "cheapest"
    if pin[0]:
        spec, made, own = pinned(source, pin, options)
        with using(own):
            return Choice(spec, point_of_configuration(made, kind, spec=spec), made, kind, own)
    spec, answer = job_of(source, **options), _answer(source)
    own = compared_step(spec, None if answer is None else place_of_answer(answer))
    if answer is None:
        with using(own):
            point = labelled(plan_job(spec, progress, kind), label)
            return Choice(spec, point, configuration_of(point, spec), kind, own)
    saved = replayed(answer, label, _name(source))
    if spec == saved.request and kind == answer.carbon_kind:
        return Choice(spec, saved.point, saved.configuration, kind, own)
    with using(own):
        made = configuration_of(saved.point, spec)
        return Choice(spec, as_of_now(saved.point, made, kind), made, kind, own)


def _carbon_kind(carbon: str | None, source: JobSource) -> str:
    """Return the kind of CO2e that is weighed: the one asked for, else that of a saved answer, else location-based."""
    if carbon is not None:
        return parse_carbon_kind(carbon)
    answer = _answer(source)
    return LOCATION_GROSS if answer is None else answer.carbon_kind


def pinned(source: JobSource, pin: Pin, options: Mapping[str, Any]) -> tuple[JobSpec, Configuration, StepLayer]:
    """Return the job, the one configuration that is pinned, and what a measured step sets.

    A step that was measured on the pinned devices is of the pinned configuration: of its stack and layout.
    """
    on, layout, site, offer = pin
    check_type("on", on, str, "an accelerator or system and how many, such as 'H100:64'")
    check_type("site", site, str, "a site's name, such as 'aws/us-east-1'")
    check_type("offer", offer, str, "an offer's name, as steelyard catalog offers lists them")
    degrees = layout_argument(layout)
    spec = job_of(source, **{**options, **({"regions": offer_named(offer).place} if offer else {})})
    if not on:
        raise BadInput("give --on: an accelerator or system and how many, such as --on H100:64")
    (name, count), *more = literals.parse_accelerators(on)
    if more:
        raise BadInput(f"--on takes one accelerator or system, not {on!r}; such as --on H100:64")
    check_count(on, count, spec, options)
    device = system_sold(offer, name) if offer else name
    found = compared_step(spec, Place(device, count, degrees))
    with using(found) as own:
        made = configure(spec, device, count, degrees, site)
        if own and same_place(own, made.setting.hardware.accelerator, made.devices):
            asked = replace(spec, stack=as_asked(spec.stack, own.stack, load()))
            made = configure(asked, device, count, degrees or own.layout_text, site)
    return spec, made, found


def _answer(source: JobSource) -> Plan | Estimate | None:
    if isinstance(source, Plan | Estimate):
        return source
    return saved_answer(source) if isinstance(source, str | Path) else None


def _name(source: JobSource) -> str:
    """Return what to call a saved answer: its file where it has one."""
    return str(source) if isinstance(source, str | Path) else "the saved answer"
