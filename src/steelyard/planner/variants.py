"""What if: one field of a job takes several values; one search does for all values that leave the candidates alike.

Limits and axes choose among the candidates of a search, so one search without limits serves all of their values. The
number of tokens scales every run and leaves the survivors what they are (`reduce`), so figures alone are predicted
anew. A higher bound on devices only adds candidates, so one search of the highest serves the lower ones. Every other
field has a search of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from steelyard import catalog as facts
from steelyard.formatting.answer import Answer
from steelyard.job import JobSpec, job_table
from steelyard.job.unstated.choices import unstated_settings
from steelyard.market.build import market_of
from steelyard.market.options import Market
from steelyard.planner.answers import HEAD, NO_COUNTS, CalibratedConstant, CitedSource, Counts, Plan, Point, row_of
from steelyard.planner.assembly import assembled
from steelyard.planner.engine import ENGINE, limits_of
from steelyard.planner.grounds import calibration_behind, calibration_texts, settings_texts, sources_behind
from steelyard.planner.measured.exact import with_measured
from steelyard.planner.planning import most_devices, preface
from steelyard.reasons.relaxations import Relaxation
from steelyard.reasons.summaries import Summary
from steelyard.search.batches import explore_batches
from steelyard.search.candidates import OBJECTIVES, Candidates, frontier_rows, objectives, predicted_candidates
from steelyard.search.engine import Limits, Progress
from steelyard.search.explore import Exploration
from steelyard.search.family import BLOCK
from steelyard.search.rows import job_of_layout
from steelyard.tables import Job
from steelyard.vocabulary import LOCATION_GROSS


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Variant(Answer):
    """One value of a field of the job, and the points that it makes."""

    value: str
    feasible: bool = True
    partial: bool = False
    points: tuple[Point, ...] = ()
    frontier: tuple[Summary, ...] = ()
    counts: Counts = NO_COUNTS
    reason: str = ""
    relaxations: tuple[Relaxation, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WhatIf(Answer):
    """The answer to `what_if`: a variant for each value of a field."""

    summary: str
    what_if: str
    carbon_kind: str = LOCATION_GROSS
    rows: tuple[Variant, ...] = ()
    assumptions: tuple[str, ...] = ()  # those of every value, as the notes
    notes: tuple[str, ...] = ()
    sources: tuple[CitedSource, ...] = ()
    calibration: tuple[CalibratedConstant, ...] = ()

    def headline(self) -> str:
        """Return the question."""
        return self.summary

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return the points of each value, a row each."""
        rows = [(row.value, *row_of(point)) for row in self.rows for point in row.points]
        return ((self.what_if, *HEAD), *rows)


def plan_variants(
    field: str,
    specs: Sequence[tuple[str, JobSpec]],
    progress: Progress | None = None,
    carbon: str = LOCATION_GROSS,
    today: date | None = None,
) -> WhatIf:
    """Return the points of a job for each value of one of its fields: what `plan` finds, without the explanations.

    Args:
        field: the field of the job that takes the values
        specs: the values as they were given, each with the job that it makes
        progress: called with the candidates weighed and all there are, over all searches
        carbon: which kind of carbon is weighed
        today: the day that ages of prices are counted to
    """
    plans = variant_plans(specs, progress, carbon, today)
    points = [point for plan in plans for point in plan.points]
    local = calibration_behind(points, specs[0][1])
    sources = [row for plan, (_, spec) in zip(plans, specs, strict=False) for row in sources_behind(plan.points, spec)]
    shared = [text for text in plans[0].assumptions if all(text in plan.assumptions for plan in plans)]
    return WhatIf(
        summary=_summary(field, [value for value, _ in specs[: len(plans)]], specs[0][1]),
        what_if=field,
        carbon_kind=carbon,
        rows=tuple(_variant(value, plan) for (value, _), plan in zip(specs, plans, strict=False)),
        assumptions=(*shared, *calibration_texts(local)),
        notes=tuple(text for text in plans[0].notes if all(text in plan.notes for plan in plans)),
        sources=tuple({row.id: row for row in sources}.values()),
        calibration=local,
    )


def _summary(field: str, values: Sequence[str], spec: JobSpec) -> str:
    """Return the question in words."""
    size = "samples" if spec.tokens is None else "tokens"
    fixed = [text for key, text in (("model", spec.model.name), (size, f"on {spec.size_text}")) if key != field]
    return " ".join([*fixed, f"if {field} is {', '.join(values[:-1])} or {values[-1]}"])


def _variant(value: str, plan: Plan) -> Variant:
    return Variant(
        value=value,
        feasible=plan.feasible,
        partial=plan.partial,
        points=plan.points,
        frontier=plan.frontier,
        counts=plan.counts,
        reason=plan.reason,
        relaxations=plan.relaxations,
    )


def variant_plans(
    specs: Sequence[tuple[str, JobSpec]], progress: Progress | None, carbon: str, today: date | None
) -> list[Plan]:
    """Return the plan of each job, those after an interrupted one left out."""
    groups: dict[int, list[int]] = {}
    alike = [_alike(spec) for _, spec in specs]
    for index, spec in enumerate(alike):
        groups.setdefault(alike.index(spec), []).append(index)
    made: dict[int, Plan] = {}
    for place, some in enumerate(groups.values()):
        tick = _part(progress, place, len(groups)) if progress else None
        made |= _searched(specs, some, tick, carbon, today or datetime.now(UTC).date())
        if any(plan.partial for plan in made.values()):
            break  # interrupted: the other searches are left
    return [made[index] for index in sorted(made)]


def _searched(
    specs: Sequence[tuple[str, JobSpec]], some: Sequence[int], progress: Progress | None, carbon: str, today: date
) -> dict[int, Plan]:
    """Return the plans of jobs that one search serves."""
    jobs = [job_table(specs[index][1]) for index in some]
    allowed = with_measured(market_of(specs[some[0]][1], facts.load(), today))
    limits = [
        replace(limits_of(specs[index][1], most_devices(specs[index][1], job, allowed)), carbon=carbon)
        for index, job in zip(some, jobs, strict=True)
    ]
    most = max(limit.max_devices for limit in limits)
    free = Limits(
        devices=limits[0].devices, counts=limits[0].counts, layout=limits[0].layout, max_devices=most, carbon=carbon
    )
    found = explore_batches(jobs[0], specs[some[0]][1].batches, allowed, free, ENGINE, progress)
    made = {}
    for index, job, limit in zip(some, jobs, limits, strict=True):
        own = _of(found, jobs[0], job, allowed, limit)
        opening = preface(specs[index][1], limit, allowed)
        one = assembled(job, allowed, limit, ENGINE, own, opening, today, explained=False)
        texts = settings_texts(one.points, specs[index][1], unstated_settings(specs[index][1]))
        made[index] = replace(one, assumptions=(*one.assumptions, *texts))
    return made


def _alike(spec: JobSpec) -> JobSpec:
    """Return a job without what leaves its candidates alike: equal results share a search."""
    return replace(
        spec,
        samples=0.0,
        deadline_s=None,
        budget_usd=None,
        energy_max_j=None,
        co2e_max_kg=None,
        axes=(),
        max_devices=None,
        assumptions=(),
    )


def _of(found: Exploration, first: Job, job: Job, allowed: Market, limits: Limits) -> Exploration:
    """Return what a search of a first job says of another that differs in tokens and limits."""
    candidates = found.candidates
    if limits.devices is None:
        candidates = candidates.pick(np.flatnonzero(_counted(candidates, allowed, limits)))
    if job.samples != first.samples:
        candidates = _after(candidates, job, allowed, limits)
    return replace(found, candidates=candidates, front=frontier_rows(candidates, limits))


def _counted(candidates: Candidates, allowed: Market, limits: Limits) -> NDArray[np.bool_]:
    """Return which rows take no more devices than the limit; a number fixed for an accelerator stands."""
    fixed = np.array([chip.accelerator in limits.counts for chip in allowed.hardware], dtype=bool)
    counted: NDArray[np.bool_] = np.asarray(candidates.layouts.devices) <= limits.max_devices
    counted |= fixed[candidates.hardware]
    return counted


def _after(candidates: Candidates, job: Job, allowed: Market, limits: Limits) -> Candidates:
    """Return the candidates of a table of candidates with the figures of another number of tokens."""
    points = np.empty((candidates.count, len(OBJECTIVES)))
    for start in range(0, candidates.count, BLOCK):
        part = np.arange(start, min(start + BLOCK, candidates.count))
        some = candidates.pick(part)
        found = predicted_candidates(
            job_of_layout(job, some.layouts), allowed, ENGINE, some.layouts, some.hardware, some.stack, some.deal
        )
        points[part] = objectives(found, limits.carbon)
    return replace(candidates, points=points)


def _part(progress: Progress, place: int, parts: int) -> Progress:
    """Return the progress of one of several searches of about equal size."""
    return lambda done, total: progress(done + place * total, parts * total)
