"""`steelyard plan`: the frontier of a job."""

from typing import Any

import click

from steelyard.cli.app import INTERRUPTED
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
from steelyard.cli.progress import progress
from steelyard.cli.say import details_option, json_option, say, tell

WHAT_IF = "Several values of one field in one table: tokens=10B,20B,40B; by=1d,3d,7d; layout=tp=2;tp=4."


@click.command(short_help="The exact frontier of time, money, energy and CO2e for a training job.")
@job_argument
@given_options(JOB_OPTIONS, LIMIT_OPTIONS, SPACE_OPTIONS, AXES_OPTIONS)
@CARBON
@calibrated
@click.option("--what-if", "question", metavar="FIELD=VALUES", help=WHAT_IF)
@details_option
@json_option
def plan(job: str, carbon: str, details: bool, as_json: bool, question: str | None, **given: Any) -> None:
    """Find the exact frontier of time, money, energy and CO2e for JOB.

    JOB is a model's name (llama-3-8b), a job file (job.yaml), or a config.json or its folder. Options win over the
    file. Exit code 3: nothing satisfies the job; what fails and the smallest relaxations are printed.
    Exit code 130: interrupted (Ctrl-C); the best found until then is printed, marked as partial.
    """
    if question is not None:
        from steelyard.cli.what_if import what_if

        click.get_current_context().exit(what_if(job, given, question, carbon, details, as_json))
    from steelyard import planner
    from steelyard.cli.points import described, sources_of, trained
    from steelyard.errors import Infeasible
    from steelyard.formatting.encode import plain

    spec = read(job, given)
    with progress("weighing candidates") as tick:
        found = planner.plan(spec, tick, carbon)
    points = [described(point) for point in found.points]
    mapping = plain(planner.plan_mapping(found)) | {"frontier": points, "sources": sources_of(found.points, spec)}
    local = behind(found.points, spec)
    mapping |= {
        "assumptions": [*mapping["assumptions"], *said(local)],
        "calibration": told(local),
        "job": trained(spec),
    }
    if as_json:
        tell(mapping)
    else:
        from steelyard.report import plan as pages
        from steelyard.report.glance import glance

        page = pages.plan if details else glance
        say(page(mapping) if found.feasible else pages.infeasible(mapping))
    if found.partial:
        click.get_current_context().exit(INTERRUPTED)
    if not found.feasible:
        click.get_current_context().exit(Infeasible.exit_code)
