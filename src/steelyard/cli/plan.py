"""`steelyard plan`: the frontier of a job."""

from typing import Any

import click

from steelyard.cli.options import JOB_OPTIONS, LIMIT_OPTIONS, SPACE_OPTIONS, given_options, job_argument, read
from steelyard.cli.progress import progress
from steelyard.cli.say import json_option


@click.command(short_help="The exact frontier of time, money, energy and CO2e for a training job.")
@job_argument
@given_options(JOB_OPTIONS, LIMIT_OPTIONS, SPACE_OPTIONS)
@json_option
@click.pass_context
def plan(context: click.Context, job: str, as_json: bool, **given: Any) -> None:
    """Find the exact frontier of time, money, energy and CO2e for JOB.

    JOB is a model's name (llama-3-8b), a job file (job.yaml), or a config.json or its folder. Options win over the
    file. Exit code 3: nothing satisfies the job; what fails and the smallest relaxations are printed.
    """
    from steelyard import search

    spec = read(job, given)
    with progress("weighing candidates") as tick:
        found = search.plan(spec, tick)
