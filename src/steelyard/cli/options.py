"""Options that several verbs share: fields of the job file, which win over it; a label, a pin; a user's own rows."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from steelyard.cli.printing import json_option
from steelyard.vocabulary import CO2E_KINDS, POINT_LABELS, hyphenated

_Command = Callable[..., None]

JOB_OPTIONS = (
    ("--tokens", "COUNT", "Tokens to train on: 20B, 300M, 1e9."),
    ("--samples", "COUNT", "Images (or sequences) to train on, instead of tokens: 115M."),
    ("--sequence", "COUNT", "Tokens of one sequence."),
    ("--document-length", "COUNT", "Mean tokens of documents masked from each other. Default: none is masked."),
    ("--global-batch", "COUNT", "Sequences or images of one optimizer step; '4M tokens' counts tokens."),
    ("--global-batch-min", "COUNT", "At least so many samples (or '1M tokens') a step; the plan chooses."),
    ("--global-batch-max", "COUNT", "At most so many samples (or '8M tokens') a step; the plan chooses."),
    ("--precision", "NAME", "bf16, fp16, fp8, fp4, tf32, fp32 or bf16-pure."),
    ("--optimizer", "NAME", "adamw, adam8bit, lion, muon, adafactor, sgd ..."),
    ("--task", "NAME", "pretrain, continued_pretrain, full_ft, lora or qlora."),
    ("--loss", "NAME", "Kind of loss: chunked, fused, unfused, eager, shifted ... Default: that of the stack."),
    ("--recipe", "LIST", "How tensors are kept, over the stack: states=16,gradients=fused,weights=host ..."),
    ("--nvme", "RATES", "Drives of a node, where no catalog knows them: read=25GB/s,write=12GB/s,capacity=30TB."),
    ("--host-memory", "SIZE", "Memory of the host of a node, where no catalog knows it: 1TB."),
    ("--stack", "NAME", "Software stack: megatron-core, fsdp2, deepspeed, maxtext ..."),
    ("--step-time", "SECONDS[@WHERE]", "A measured step, which shifts what is predicted: 11.2, or 11.2@H100:8,tp=2."),
    (
        "--rate",
        "RATE[@WHERE]",
        "The same as tokens/s or samples/s of one device, not of all: 3900, '1.2 samples/s@H100:8'.",
    ),
)
OFFER_OPTIONS = (
    ("--regions", "LIST", "Sites to consider: 'aws/us-*,gcp/europe-*'. Default: all."),
    ("--providers", "LIST", "Providers to consider: aws,gcp. Default: all."),
    ("--deny-regions", "LIST", "Sites to leave out: 'aws/cn-*'."),
    ("--deny-providers", "LIST", "Providers to leave out: vast."),
    ("--residency", "LIST", "Countries that it may run in: DE,FR; EU and EEA stand for their members."),
    ("--purchase", "LIST", "on-demand, spot, reserved-1y, reserved-3y, own; several with commas. Default: on-demand."),
    ("--reserved-used", "SHARE", "Share of a reservation's term that all jobs use. Default: this job alone."),
    ("--data", "SIZE@SITE", "Data to bring to the site and keep there: 10TB@aws/us-east-1."),
    ("--checkpoints", "COUNT", "Checkpoints kept, or no. Default: 2."),
    ("--max-price-age", "SPAN", "Prices older than this are flagged. Default: 180d."),
)
SPACE_OPTIONS = (
    ("--accelerators", "LIST", "Devices to consider: H100,H200:64,TPU-v5p. Default: all."),
    ("--deny-accelerators", "LIST", "Devices to leave out: L4,A100*."),
    ("--devices", "COUNT", "Exactly so many devices."),
    ("--max-devices", "COUNT", "At most so many devices."),
    *OFFER_OPTIONS,
)
LIMIT_OPTIONS = (
    ("--by", "WHEN", "Deadline: 7d, 12h, 2027-03-01, Fri."),
    ("--budget", "USD", "At most so much money in all: 5000, 1.2M."),
    ("--co2e-max", "MASS", "At most so much CO2e: 500kg, 2t."),
    ("--energy-max", "ENERGY", "At most so much energy at the facility's meter: 10MWh."),
)
AXES_OPTIONS = (("--axes", "LIST", "What the frontier weighs: time,cost,energy,co2e or some of them. Default: all."),)


CARBON_OPTION = click.option(
    "--carbon",
    type=click.Choice([hyphenated(kind) for kind in CO2E_KINDS]),
    help="Which kind of CO2e is weighed. Default: that of a saved answer, else location-gross.",
)


def given_options(*groups: tuple[tuple[str, str, str], ...]) -> Callable[[_Command], _Command]:
    """Return a decorator that adds the options of these groups, in their order."""

    def add(command: _Command) -> _Command:
        for flag, kind, text in reversed([option for group in groups for option in group]):
            command = click.option(flag, metavar=kind, help=text)(command)
        return command

    return add


def job_argument(command: _Command) -> _Command:
    """Add the JOB argument."""
    return click.argument("job", metavar="JOB")(command)


PIN_OPTIONS = (
    ("--on", "DEVICES", "Accelerator or system, and how many devices (not nodes): H100:64, p5.48xlarge:8."),
    ("--layout", "DEGREES", "Parallel layout: tp=2,pp=1,dp=32,mbs=2,zero=1; what is left out is filled in."),
    ("--site", "NAME", "Where it runs: aws/us-east-1, gcp/europe-north1, country/FR."),
    ("--offer", "NAME", "What is bought: aws/us-east-1/p5.48xlarge. Default: the cheapest that fits the options."),
)

label_option: Callable[[_Command], _Command] = click.option(
    "--label", type=click.Choice(POINT_LABELS), help="Which point of the plan. Default: cheapest."
)


def given_values(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given; a pin that was not is empty."""
    pins = {name: given[name] or "" for name in ("on", "layout", "site", "offer") if name in given}
    return {name: value for name, value in given.items() if value is not None} | pins


def calibrated(command: _Command) -> _Command:
    """Run a verb on the catalog with the user's calibrations over it; `--no-calibration` leaves them out."""

    @wraps(command)
    def layered(*args: Any, no_calibration: bool, **given: Any) -> None:
        from steelyard.catalog.local import layer

        fits = layer.EMPTY if no_calibration else layer.read_calibrations(layer.layer_folder())
        with layer.using_layer(layer.current_layer() | fits):  # over what `refreshed` read
            command(*args, **given)

    return refreshed(
        click.option("--no-calibration", is_flag=True, help="Leave out your own calibrations (steelyard calibrate).")(
            layered
        )
    )


def refreshed(command: _Command) -> _Command:
    """Run a verb on the catalog with the user's refreshed rows over it; `--shipped` leaves them out."""

    @wraps(command)
    def layered(*args: Any, shipped: bool, **given: Any) -> None:
        from steelyard.catalog.local import layer

        with layer.using_layer(layer.EMPTY if shipped else layer.read_live(layer.layer_folder())):
            command(*args, **given)

    return click.option(
        "--shipped", is_flag=True, help="Leave out your own refreshed prices and grids (steelyard catalog refresh)."
    )(layered)


def configuration_options(
    *own: Callable[[_Command], _Command], axes: bool = False, last: Callable[[_Command], _Command] | None = None
) -> Callable[[_Command], _Command]:
    """Return a decorator for a verb that asks about one configuration: JOB, its label or pin, the job's options.

    Args:
        own: options of the verb, which stand after the label
        axes: whether the axes of the plan may be chosen
        last: an option that stands before --json
    """
    groups = (PIN_OPTIONS, JOB_OPTIONS, LIMIT_OPTIONS, SPACE_OPTIONS, *((AXES_OPTIONS,) if axes else ()))
    parts = (job_argument, label_option, *own, given_options(*groups), CARBON_OPTION, calibrated, last, json_option)

    def add(command: _Command) -> _Command:
        for part in reversed(parts):
            command = part(command) if part else command
        return command

    return add
