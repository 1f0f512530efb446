"""`steelyard explain`: one plan taken apart."""

from typing import Any

import click

from steelyard.cli.options import configuration_options, given_values
from steelyard.cli.printing import details_option, print_json, print_page, progress_bar


@click.command("explain", short_help="One plan taken apart: every term with its formula, source and catalog rows.")
@configuration_options(axes=True, last=details_option)
def explain_command(
    job: str, label: str | None, carbon: str | None, details: bool, as_json: bool, **given: Any
) -> None:
    """Take one plan of JOB apart: every second, byte, joule, dollar and gram with its formula and its sources.

    With --on the configuration is the one pinned; else it is the point of the plan that --label names. JOB may be what
    `plan --json` or `estimate --json` printed: that answer is taken apart. Terms stand beside the names of their
    formulas; --details prints these with their sources, and every catalog row used.
    """
    from steelyard import planner

    with progress_bar("weighing candidates") as tick:
        found = planner.explain(job, label, carbon=carbon, progress=tick, **given_values(given))
    if as_json:
        print_json(found)
        return
    from steelyard.report.estimate_page import explanation_page, short_explanation_page

    page = explanation_page if details else short_explanation_page
    print_page(page(found))
