"""Planning from a job's description and the catalog."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from steelyard import catalog as facts
from steelyard.errors import BadInput
from steelyard.job import JobSpec, job_table
from steelyard.job.unstated.choices import unstated_settings
from steelyard.market.build import market_of
from steelyard.market.options import Market
from steelyard.planner.answers import Plan
from steelyard.planner.assembly import Preface, assembled
from steelyard.planner.engine import ENGINE, limits_of
from steelyard.planner.grounds import calibration_behind, calibration_texts, settings_texts, sources_behind, trained_job
from steelyard.planner.measured.answer import current_step
from steelyard.planner.measured.exact import with_measured
from steelyard.planner.measured.narrowing import one_step
from steelyard.planner.ownership import Explore, check_unsaved, owned_against_rent
from steelyard.planner.saved.replay import first_configuration
from steelyard.reasons.relaxations import Relaxation
from steelyard.search.batches import explore_batches
from steelyard.search.engine import Limits, Progress
from steelyard.search.explore import Exploration
from steelyard.tables import Job
from steelyard.vocabulary import LOCATION_GROSS

USUAL_MOST = 1024
"""Devices up to which a plan looks when nobody says and the deadline does not ask for more."""

FILTERS = (
    "accelerators", "regions", "providers", "deny_accelerators", "deny_regions", "deny_providers", "residency",
    "devices", "max_devices", "layout", "stack",
)  # fmt: skip
_FREE: Mapping[str, Any] = {"devices": None, "max_devices": None, "layout": {}, "stack": None}
"""What a filter is when it filters nothing; an empty tuple for the rest."""


def plan_job(spec: JobSpec, progress: Progress | None = None, carbon: str = LOCATION_GROSS) -> Plan:
    """Return the plan of a job over the whole catalog, or over what the job allows of it.

    A job that no candidate satisfies is a `Plan` without points: `feasible` is False and `relaxations` says what to
    change. Input that cannot be read is a `BadInput`.
    """
    job = job_table(spec)
    check_unsaved(spec, lambda saved: first_configuration(plan_job(saved, progress, carbon), saved))
    allowed = with_measured(market_of(spec, facts.load()))
    limits = replace(limits_of(spec, most_devices(spec, job, allowed)), carbon=carbon)
    found = explore_batches(job, spec.batches, allowed, limits, ENGINE, progress)
    made = assembled(job, allowed, limits, ENGINE, found, preface(spec, limits, allowed))
    if not made.partial:
        again: Explore = lambda some, free: explore_batches(job, spec.batches, some, free, ENGINE)  # noqa: E731
        made = replace(made, own=owned_against_rent(spec, job, allowed, limits, ENGINE, again))
    if not made.partial and not made.feasible:
        made = replace(made, relaxations=made.relaxations + dropped_filters(spec, carbon))
    return grounded(made, spec)


def grounded(made: Plan, spec: JobSpec) -> Plan:
    """Return a plan with what it stands on: the job, the sources of its rows, the user's own calibrations."""
    local = calibration_behind(made.points, spec)
    first = made.points[0] if made.points else None
    return replace(
        made,
        measured_step=current_step(),
        one_step=one_step(first.accelerator, first.stack, spec) if first else None,
        assumptions=(
            *made.assumptions,
            *settings_texts(made.points, spec, unstated_settings(spec)),
            *calibration_texts(local),
        ),
        calibration=local,
        sources=sources_behind(made.points, spec),
        job=trained_job(spec),
        request=spec,
    )


def preface(spec: JobSpec, limits: Limits, allowed: Market) -> Preface:
    """Return the words of a plan: what is trained, and what was assumed."""
    assumed = [*spec.assumptions]
    if spec.max_devices is None and spec.devices is None:
        assumed.append(f"at most {limits.max_devices} devices: give max_devices to look further")
    assumed.append(f"CO2e is operational, {limits.carbon.replace('_', ' ')}: embodied carbon is a line of its own")
    assumed.append("prices are as quoted on their date; storage is billed while the job runs; no tax")
    return Preface(f"{spec.model.name} on {spec.size_text}", tuple(assumed), allowed.notes,
                   work="samples" if spec.tokens is None else "tokens")  # fmt: skip


def most_devices(spec: JobSpec, job: Job, allowed: Market) -> int:
    """Return how many devices a plan looks at: 1,024, or four times what the fastest peak needs by the deadline."""
    if spec.deadline_s is None:
        return USUAL_MOST
    flop = float(job.workload.model_flop) * float(job.samples)
    peak = max(float(chip.machine.peak_flop_per_s) for chip in allowed.hardware)
    needed = 4 * flop / (peak * float(spec.deadline_s))
    return max(USUAL_MOST, 1 << math.ceil(math.log2(max(needed, 1.0))))


def dropped_filters(spec: JobSpec, carbon: str) -> tuple[Relaxation, ...]:
    """Return which filters of the job could be left out so that something is feasible, each tried on its own."""
    made = []
    for name in FILTERS:
        if getattr(spec, name):
            free = replace(spec, **{name: _FREE.get(name, ())})
            found = _feasible(free, carbon)
            if found is not None and found.feasible:
                dollars = found.candidates.points[found.front, 1].min()
                made.append(
                    Relaxation({}, (name,), f"leave out {name}: then something is feasible from ${dollars:,.0f}")
                )
    return tuple(made)


def _feasible(spec: JobSpec, carbon: str) -> Exploration | None:
    job = job_table(spec)
    try:
        allowed = with_measured(market_of(spec, facts.load()))
    except BadInput:
        return None
    limits = replace(limits_of(spec, most_devices(spec, job, allowed)), carbon=carbon)
    return explore_batches(job, spec.batches, allowed, limits, ENGINE)
