"""`steelyard estimate`: one pinned configuration."""

from typing import Any

import click

from steelyard.cli.local import behind, calibrated, said, told
from steelyard.cli.options import CARBON, JOB_OPTIONS, OFFER_OPTIONS, given_options, job_argument
from steelyard.cli.points import PIN_OPTIONS, described, pinned, sources_of, trained
from steelyard.cli.say import details_option, json_option, say, tell


@click.command(short_help="One pinned configuration: where its seconds, bytes, joules and dollars go.")
@job_argument
@given_options(PIN_OPTIONS, JOB_OPTIONS, OFFER_OPTIONS)
@CARBON
@calibrated
@details_option
@json_option
def estimate(job: str, carbon: str, details: bool, as_json: bool, **given: Any) -> None:
    """Predict one configuration of JOB: time, memory, power, energy, CO2e and money, each with where it goes.

    Where seconds and bytes go is drawn, the rest is a line each; --details draws all of it. What does not fit in memory
    is estimated all the same, and said so.
    """
    from steelyard.formatting.encode import plain

    pin = {name: given.pop(name) for name in ("on", "layout", "site", "offer")}
    spec, point = pinned(job, carbon, pin, given)
    local = behind([point], spec)
    headline = described(point) | {"carbon_kind": carbon, "assumptions": [*spec.assumptions, *said(local)]}
    headline["calibration"] = told(local)
    headline |= {"sources": sources_of([point], spec), "job": trained(spec)}
    if as_json:
        tell(headline | plain(point.prediction))
        return
    from steelyard.report import estimate as pages

    page = pages.estimate if details else pages.short
    say(page(spec.model.name, spec.tokens, headline, point.prediction))
