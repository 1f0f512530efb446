"""A saved answer asked again: what it holds must be what this version computes, or it is refused by what differs.

Computed anew is everything that one configuration and its job determine: the point with its money and CO2e, the job,
the sources, the assumptions and, of an estimate, the tables of its prediction. What only a search tells (what binds a
point, its ties, what it is preferred over) is kept as saved. Prices age by the day, so an age is that of today.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from steelyard.catalog import load
from steelyard.catalog.local.layer import current_layer
from steelyard.errors import BadInput, Infeasible, UnknownName
from steelyard.formatting.encode import plain
from steelyard.job import JobSpec, job_table
from steelyard.market.build import market_of
from steelyard.planner.answers import Estimate, Plan, Point
from steelyard.planner.engine import limits_of
from steelyard.planner.estimating import estimate_of, point_of_configuration
from steelyard.planner.measured.answer import using
from steelyard.planner.measured.step import Place, compared_step
from steelyard.planner.planning import grounded, most_devices, preface
from steelyard.planner.points import Configuration
from steelyard.planner.saved.files import ANEW
from steelyard.planner.saved.replay import configuration_of
from steelyard.vocabulary import ESTIMATE_LABEL, POINT_LABELS

LARGEST_FIGURE = 1e16
"""No figure of a run is larger, in any unit that an answer is written in."""

_OF_THE_SEARCH = ("label", "bound_by", "ties", "preferred_over")
"""Fields of a point that say what its plan found beside it."""

_OF_TODAY = frozenset({"price_age_days"})
_GROUNDS = ("job", "assumptions", "calibration", "sources")
"""Fields of a plan that its job and its points determine, without a search."""

_NAMED = 3
"""Fields that differ of which a message says both values."""


@dataclass(frozen=True, slots=True)
class Replay:
    """One configuration of a saved answer as this version computes it."""

    answer: Plan | Estimate  # computed anew as far as one point determines it
    point: Point
    configuration: Configuration
    request: JobSpec


def replayed(answer: Plan | Estimate, label: str = "", name: str = "the saved answer") -> Replay:
    """Return the point of an answer that a label names (empty: its first), checked against what this version computes.

    `BadInput` names what differs, with both values.
    """
    if answer.request is None:
        raise BadInput(f"{name}: the answer holds no request, which is the job it answers; {ANEW}")
    if label:
        check_label(label)
    spec = answer.request
    point = answer if isinstance(answer, Estimate) else labelled(answer, label)
    _check_search(point, name)
    with using(compared_step(spec, place_of_answer(answer))):
        made = configuration_of(point, spec)
        now = as_of_now(point, made, answer.carbon_kind)
        fresh = _fresh(answer, point, now, made, spec)
    differing = list(_differing(plain(point), plain(now if isinstance(answer, Plan) else fresh)))
    for key in _GROUNDS if isinstance(answer, Plan) else ():
        differing += _differing(plain(getattr(answer, key)), plain(getattr(fresh, key)), key)
    if differing:
        text = _disagreement_text(differing, name, answer.carbon_kind)
        raise BadInput(text + calibration_text(bool(answer.calibration), current_layer().calibrated))
    return Replay(fresh, now, made, spec)


def place_of_answer(answer: Plan | Estimate) -> Place | None:
    """Return where a measured step of a saved answer was, unless it says so: an estimate's is of its configuration."""
    if not isinstance(answer, Estimate):
        return None
    own = answer.measured_step
    taken, stacks = (own.taken, own.stacks) if own else ((), ())
    return Place(answer.system, answer.devices, answer.layout_text, answer.stack, taken, stacks)


def check_label(label: str) -> None:
    """Refuse a name that no point of any plan has."""
    if label not in {*POINT_LABELS, ESTIMATE_LABEL}:
        raise UnknownName("point", label, POINT_LABELS)


def as_of_now(point: Point, made: Configuration, carbon: str) -> Point:
    """Return a saved point with the figures of its configuration, and what its plan said of it beside others."""
    return replace(point_of_configuration(made, carbon), **{name: getattr(point, name) for name in _OF_THE_SEARCH})


def labelled(found: Plan, label: str) -> Point:
    """Return the point of a plan that a label names, its first for none; `Infeasible` where there is none."""
    if not found.feasible:
        why = found.reason or "the plan holds no points"
        raise Infeasible(f"nothing to explain: {why}; plan the job anew with steelyard plan JOB")
    point = next((point for point in found.points if not label or label in point.label.split(", ")), None)
    if point is None:
        raise Infeasible(f"the plan has no {label} point; it has: {', '.join(one.label for one in found.points)}")
    return point


def _fresh(answer: Plan | Estimate, point: Point, now: Point, made: Configuration, spec: JobSpec) -> Plan | Estimate:
    """Return an answer computed anew as far as its job and one of its points determine it."""
    if isinstance(answer, Estimate):
        return estimate_of(now, made, spec, answer.carbon_kind)
    allowed = market_of(spec, load())
    limits = replace(limits_of(spec, most_devices(spec, job_table(spec), allowed)), carbon=answer.carbon_kind)
    points = tuple(now if one is point else one for one in answer.points)
    return grounded(replace(answer, points=points, assumptions=preface(spec, limits, allowed).assumptions), spec)


def _check_search(point: Point, name: str) -> None:
    """Refuse numbers that no run has in what only a search tells."""
    for field in ("bound_by", "ties", "preferred_over"):
        for number in _numbers(plain(getattr(point, field))):
            if not 0 <= number < LARGEST_FIGURE:
                raise BadInput(f"{name}: the point has {number:g} in {field}, which no run has; {ANEW}")


def _differing(saved: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield each value of plain objects that differs: its key, the saved one and the one of now."""
    if isinstance(saved, Mapping) and isinstance(now, Mapping):
        for name in dict.fromkeys([*saved, *now]):
            if name not in _OF_TODAY:
                yield from _differing(saved.get(name), now.get(name), f"{key}.{name}" if key else name)
    elif isinstance(saved, list) and isinstance(now, list) and len(saved) == len(now):
        for place, (one, other) in enumerate(zip(saved, now, strict=True)):
            yield from _differing(one, other, f"{key}.{place}")
    elif not _same(saved, now):
        yield key, saved, now


def _same(saved: Any, now: Any) -> bool:
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (saved, now))
    return math.isclose(saved, now, rel_tol=1e-6) if numbers else saved == now


def _disagreement_text(differing: list[tuple[str, Any, Any]], name: str, carbon: str) -> str:
    named = "; ".join(
        f"{key}{f' of kind {carbon}' if key.startswith('co2e_kg') else ''} is {_shown(saved)}, but this version "
        f"computes {_shown(now)}"
        for key, saved, now in differing[:_NAMED]
    )
    more = f"; {len(differing) - _NAMED} more differ" if len(differing) > _NAMED else ""
    return (
        f"{name}: {named}{more}. It was edited, or prices, grids, calibrations or the version are others now; "
        f"plan or estimate its job anew with --json"
    )


def calibration_text(saved: bool, now: bool) -> str:
    """Return the way out where a saved answer and the question about it differ in whether calibrations are used.

    >>> calibration_text(saved=False, now=True)
    '. It was answered without your calibrations, which are in use now: --no-calibration leaves them out'
    >>> calibration_text(saved=False, now=False)
    ''
    """
    if now and not saved:
        return ". It was answered without your calibrations, which are in use now: --no-calibration leaves them out"
    if saved and not now:
        return (
            ". It was answered on a calibration that is not in use now: calibrate again, or leave out --no-calibration"
        )
    return ". If a calibration came or went since, --no-calibration plans it on the shipped constants" if now else ""


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, Mapping | list):
        return f"{len(value)} entries"
    return f"{value:.10g}" if isinstance(value, float) else repr(value)[:60]


def _numbers(found: Any) -> Iterator[float]:
    """Yield every number inside of plain objects."""
    if isinstance(found, Mapping | list):
        for one in found.values() if isinstance(found, Mapping) else found:
            yield from _numbers(one)
    elif isinstance(found, int | float):
        yield float(found)
