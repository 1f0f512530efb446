"""What `estimate`, `explain`, `where` and `when` take: a point of a plan, or one pinned configuration."""

from collections.abc import Callable
from typing import Any

import click

from steelyard.cli.options import Command

LABELS = ("cheapest", "fastest", "leanest", "cleanest", "balanced")

PIN_OPTIONS = (
    ("--on", "DEVICES", "Accelerator or system, and how many: H100:64, p5.48xlarge:8."),
    ("--layout", "DEGREES", "Parallel layout: tp=2,pp=1,dp=32,mbs=2,zero=1; what is left out is filled in."),
    ("--site", "NAME", "Where it runs: aws/us-east-1, gcp/europe-north1, country/FR."),
    ("--offer", "NAME", "What is bought: aws/us-east-1/p5.48xlarge. Default: the cheapest that fits the options."),
)

label_option: Callable[[Command], Command] = click.option(
    "--label", type=click.Choice(LABELS), default="cheapest", help="Which point of the plan. Default: cheapest."
)


def given_values(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given; a pin that was not is empty."""
    pins = {name: given[name] or "" for name in ("on", "layout", "site", "offer") if name in given}
    return {name: value for name, value in given.items() if value is not None} | pins
