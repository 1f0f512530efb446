"""`steelyard when`: the hours to run in."""

from pathlib import Path
from typing import Any

import click

from steelyard.cli.options import configuration_options, given_values
from steelyard.cli.printing import print_json, print_page, progress_bar


@click.command("when", short_help="The hours to run in: now, at the best start, or paused and resumed.")
@configuration_options(
    click.option(
        "--start", metavar="WHEN", help="Earliest start: 2027-01-13T18:00Z, or so long from now: 6h. Default: now."
    ),
    click.option(
        "--profile",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Hourly intensity of the site, a CSV: kg_per_kwh with month and hour, or with time; in UTC.",
    ),
    click.option(
        "--hold/--release",
        "held",
        default=None,
        help="Keep, or give back, the devices while nothing runs. Default: give back what is bought by the hour.",
    ),
)
def when_command(
    job: str, label: str | None, start: str | None, profile: Path | None, held: bool | None, carbon: str | None,
    as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Find the hours before the deadline (--by) in which JOB emits least: now, at the best start, paused and resumed.

    With --on the configuration is the one pinned; else it is the point of the plan that --label names; JOB may be what
    `plan --json` or `estimate --json` printed. Hours are chosen by marginal intensity where it is known, else by
    average; only marginal intensity says what is avoided.
    """
    from steelyard import planner

    options = given_values(given)
    with progress_bar("weighing candidates") as tick:
        found = planner.when(
            job, label, start=start, profile=profile, held=held, carbon=carbon, progress=tick, **options
        )
    if as_json:
        print_json(found)
        return
    from steelyard.report.when_page import when_page

    print_page(when_page(found))
