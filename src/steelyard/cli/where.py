"""`steelyard where`: the sites to run at."""

from typing import Any

import click

from steelyard.cli.options import configuration_options, given_values
from steelyard.cli.printing import print_json, print_page, progress_bar


@click.command(
    "where", short_help="The sites to run at: price, PUE, water, CO2e of every kind, and what a cleaner one costs."
)
@configuration_options(
    click.option(
        "--all", "every", is_flag=True, help="List every site, not only the cheapest and those worth their money."
    ),
)
def where_command(job: str, label: str | None, every: bool, carbon: str | None, as_json: bool, **given: Any) -> None:
    """Compare the sites that sell the machines of one configuration of JOB, location- and market-based CO2e apart.

    With --on the configuration is the one pinned; else it is the point of the plan that --label names; JOB may be what
    `plan --json` or `estimate --json` printed. Each site stands with its cheapest offer, and with its premium over the
    cheapest site in dollars, hours and CO2e.
    """
    from steelyard import planner

    with progress_bar("weighing candidates") as tick:
        found = planner.where(job, label, carbon=carbon, progress=tick, **given_values(given))
    if as_json:
        print_json(found)
        return
    from steelyard.report.where_page import where_page

    print_page(where_page(found, every))
