"""`steelyard plan`: the frontier of a job."""

from typing import Any

import click

from steelyard.cli.app import INTERRUPTED
from steelyard.cli.options import (
    AXES_OPTIONS,
    CARBON_OPTION,
    JOB_OPTIONS,
    LIMIT_OPTIONS,
    SPACE_OPTIONS,
    calibrated,
    given_options,
    given_values,
    job_argument,
)
from steelyard.cli.printing import details_option, json_option, print_json, print_page, progress_bar

WHAT_IF = "Several values of one field in one table: tokens=10B,20B,40B; by=1d,3d,7d; layout=tp=2;tp=4."


@click.command("plan", short_help="The exact frontier of time, money, energy and CO2e for a training job.")
@job_argument
@given_options(JOB_OPTIONS, LIMIT_OPTIONS, SPACE_OPTIONS, AXES_OPTIONS)
@CARBON_OPTION
@calibrated
@click.option("--what-if", "question", metavar="FIELD=VALUES", help=WHAT_IF)
@details_option
@json_option
def plan_command(
    job: str, carbon: str | None, details: bool, as_json: bool, question: str | None, **given: Any
) -> None:
    """Find the exact frontier of time, money, energy and CO2e for JOB.

    JOB is a model's name (llama-3-8b), a job file (job.yaml), a config.json or its folder, a model by rows, or what
    `plan --json` printed: its job is planned anew. Options win over the file. Exit code 3: nothing satisfies the job;
    what fails and the smallest relaxations are printed.
    Exit code 130: interrupted (Ctrl-C); the best found until then is printed, marked as partial.
    """
    options = given_values(given)
    if question is not None:
        click.get_current_context().exit(answer_what_if(job, question, carbon, details, as_json, options))
    from steelyard import planner
    from steelyard.errors import Infeasible

    with progress_bar("weighing candidates") as tick:
        found = planner.plan(job, carbon=carbon, progress=tick, **options)
    if as_json:
        print_json(found)
    else:
        from steelyard.report.plan_page import infeasible_page, plan_page
        from steelyard.report.short_plan_page import short_plan_page

        page = plan_page if details else short_plan_page
        print_page(page(found) if found.feasible else infeasible_page(found))
    if found.partial:
        click.get_current_context().exit(INTERRUPTED)
    if not found.feasible:
        click.get_current_context().exit(Infeasible.exit_code)


def answer_what_if(
    job: str, question: str, carbon: str | None, details: bool, as_json: bool, options: dict[str, Any]
) -> int:
    """Print the points of a job for each value that a question names; return the exit code."""
    from steelyard import planner
    from steelyard.errors import Infeasible

    with progress_bar("weighing candidates") as tick:
        found = planner.what_if(job, question, carbon=carbon, progress=tick, **options)
    if as_json:
        print_json(found)
    else:
        from steelyard.report.what_if_page import what_if_page

        print_page(what_if_page(found, details))
    if any(row.partial for row in found.rows):
        return INTERRUPTED
    return 0 if any(row.points for row in found.rows) else Infeasible.exit_code
