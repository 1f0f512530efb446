"""`steelyard estimate`: one pinned configuration."""

from typing import Any

import click

from steelyard.cli.options import (
    CARBON_OPTION,
    JOB_OPTIONS,
    OFFER_OPTIONS,
    PIN_OPTIONS,
    calibrated,
    given_options,
    given_values,
    job_argument,
)
from steelyard.cli.printing import details_option, json_option, print_json, print_page


@click.command("estimate", short_help="One pinned configuration: where its seconds, bytes, joules and dollars go.")
@job_argument
@given_options(PIN_OPTIONS, JOB_OPTIONS, OFFER_OPTIONS)
@CARBON_OPTION
@calibrated
@details_option
@json_option
def estimate_command(job: str, carbon: str | None, details: bool, as_json: bool, **given: Any) -> None:
    """Predict one configuration of JOB: time, memory, power, energy, CO2e and money, each with where it goes.

    Where seconds and bytes go is drawn, the rest is a line each; --details draws all of it. What does not fit in memory
    is estimated all the same, and said so.
    """
    from steelyard import planner

    found = planner.estimate(job, carbon=carbon, **given_values(given))
    if as_json:
        print_json(found)
        return
    from steelyard.report.estimate_page import estimate_page, short_estimate_page

    page = estimate_page if details else short_estimate_page
    print_page(page(found))
