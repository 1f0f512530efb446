"""`steelyard calibrate`: a few measured runs → a local layer of the catalog."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from steelyard.cli.printing import json_option, print_json, print_page

if TYPE_CHECKING:
    from steelyard.evidence.calibration import Calibration


@click.command("calibrate", short_help="Your own measured runs, so that later predictions are right on your machines.")
@click.argument("runs", required=False, type=click.Path(path_type=Path), metavar="[RUNS]")
@click.option("--name", metavar="LABEL", help="What to call the calibration. Default: the name of the file.")
@click.option("--dry-run", is_flag=True, help="Show what would move; write nothing.")
@click.option("--list", "listed", is_flag=True, help="Show the calibrations in use.")
@click.option("--forget", metavar="LABEL", help="Delete a calibration.")
@json_option
def calibrate_command(
    runs: Path | None, name: str | None, dry_run: bool, listed: bool, forget: str | None, as_json: bool
) -> None:
    """Shrink the fitted constants towards RUNS: measured step times and peak memories.

    RUNS is a .csv or a .jsonl (one JSON object a line), plain or .gz, with the columns of `validate --cases`: model,
    accelerator, devices, sequence_tokens, the layout, stack, and step_time_s, tokens_per_s_per_device or
    peak_memory_bytes. plan, estimate, explain and validate use the result from then on and say so. It is kept in
    $STEELYARD_CATALOG, else in the user's data folder.
    """
    if sum((runs is not None, listed, forget is not None)) != 1:
        raise click.UsageError("give one of: a file of runs, --list, --forget LABEL")
    if forget is not None:
        forget_calibration(forget, as_json)
    elif listed:
        list_calibrations(as_json)
    else:
        made, path = learn(runs or Path(), name, dry_run)
        written = None if path is None else str(path)
        if as_json:
            print_json(made.to_dict() | {"written": written})
            return
        from steelyard.report.calibration_page import calibration_page

        print_page(calibration_page(made, written))


def learn(runs: Path, name: str | None, dry_run: bool) -> "tuple[Calibration, Path | None]":
    """Return the calibration of a file of runs, and where it was written."""
    from steelyard.catalog import load
    from steelyard.catalog.local import layer
    from steelyard.errors import BadInput
    from steelyard.evidence.calibration import calibrate as run
    from steelyard.evidence.runs.reader import read_runs

    label = layer.slug(name if name is not None else runs.name.split(".")[0])
    if not label:
        message = f"--name {name!r}: no letter or digit in it; give a name such as cluster-a"
        raise BadInput(message)
    made = run(read_runs(runs), load(), label, runs.name, dt.datetime.now(dt.UTC).date().isoformat())
    return made, None if dry_run else layer.write_calibration(layer.layer_folder(), label, made.layer)


def forget_calibration(label: str, as_json: bool) -> None:
    """Delete one calibration."""
    from steelyard.catalog.local import layer
    from steelyard.errors import BadInput

    where = layer.layer_folder()
    known = layer.calibration_labels(where)
    if label not in known:
        message = f"no calibration {label!r} in {where}; there are: {', '.join(known) or 'none'}"
        raise BadInput(message)
    (where / f"{label}.csv").unlink()
    if as_json:
        print_json({"forgotten": label, "calibrations": [one for one in known if one != label]})
    else:
        click.echo(f"Forgotten: {label}. The shipped fit is in use again for what it covered.")


def list_calibrations(as_json: bool) -> None:
    """List the calibrations in use."""
    from steelyard.catalog.local import layer
    from steelyard.planner.grounds import calibrated_constants

    where = layer.layer_folder()
    found = [
        (label, calibrated_constants(layer.read_calibration(where, label))) for label in layer.calibration_labels(where)
    ]
    if as_json:
        print_json({"folder": str(where), "calibrations": [{"label": label, "rows": rows} for label, rows in found]})
        return
    from steelyard.report.calibration_page import calibrations_page

    print_page(calibrations_page(found, str(where)))
