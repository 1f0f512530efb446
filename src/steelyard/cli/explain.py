"""`steelyard explain`: one plan taken apart."""

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from steelyard.cli.local import behind, calibrated, said, told
from steelyard.cli.options import (
    AXES_OPTIONS,
    CARBON,
    JOB_OPTIONS,
    LIMIT_OPTIONS,
    SPACE_OPTIONS,
    given_options,
    job_argument,
    read,
)
from steelyard.cli.points import PIN_OPTIONS, described, pinned, rows_of, sources_of
from steelyard.cli.progress import progress
from steelyard.cli.say import details_option, json_option, say, tell
from steelyard.errors import Infeasible

if TYPE_CHECKING:
    from steelyard.job import JobSpec
    from steelyard.planner import Point

LABELS = ("cheapest", "fastest", "leanest", "cleanest", "balanced")


@click.command(short_help="One plan taken apart: every term with its formula, source and catalog rows.")
@job_argument
@click.option(
    "--label", type=click.Choice(LABELS), default="cheapest", help="Which point of the plan. Default: cheapest."
)
@given_options(PIN_OPTIONS, JOB_OPTIONS, LIMIT_OPTIONS, SPACE_OPTIONS, AXES_OPTIONS)
@CARBON
@calibrated
@details_option
@json_option
def explain(job: str, label: str, carbon: str, details: bool, as_json: bool, **given: Any) -> None:
    """Take one plan of JOB apart: every second, byte, joule, dollar and gram with its formula and its sources.

    With --on the configuration is the one pinned; else it is the point of the plan that --label names. Terms stand
    beside the names of their formulas; --details prints these with their sources, and every catalog row used.
    """
    from steelyard.report.terms import formula, terms

    pin = {name: given.pop(name) for name in ("on", "layout", "site", "offer")}
    spec, point = pinned(job, carbon, pin, given) if pin["on"] else chosen(job, label, carbon, given)
    parts = terms(point.prediction)
    rows = rows_of(point, spec)
    local = behind([point], spec)
    headline = described(point) | {"carbon_kind": carbon, "assumptions": [*spec.assumptions, *said(local)]}
    headline["calibration"] = told(local)
    headline["sources"] = sources_of([point], spec)
    if as_json:
        made = [dataclasses.asdict(part) | {"source": formula(part.formula)["source"]} for part in parts]
        tell(headline | {"terms": made, "rows": rows})
        return
    from steelyard.report import estimate as pages

    if details:
        say(pages.explanation(spec.model.name, spec.tokens, headline, point.prediction, rows))
    else:
        say(pages.dissected(spec.model.name, spec.tokens, headline, point.prediction))


def chosen(job: str, label: str, carbon: str, given: dict[str, Any]) -> "tuple[JobSpec, Point]":
    """Return the point of the plan that a label names."""
    from steelyard import planner

    spec = read(job, given)
    with progress("weighing candidates") as tick:
        found = planner.plan(spec, tick, carbon)
    if not found.feasible:
        message = f"nothing to explain: {found.reason}; see: steelyard plan"
        raise Infeasible(message)
    point = next((point for point in found.points if label in point.label.split(", ")), None)
    if point is None:
        message = f"the plan has no {label} point; it has: {', '.join(point.label for point in found.points)}"
        raise Infeasible(message)
    return spec, point
