"""`steelyard calibrate`: a few measured runs → a local layer of the catalog."""

from pathlib import Path

import click

from steelyard.cli.printing import json_option, print_json, print_page


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
    """Learn from RUNS: one shift of step times from a single run on, then constants; peak memories, too.

    RUNS is a .csv or a .jsonl (one JSON object a line), plain or .gz, with the columns of `validate --cases`: model,
    accelerator, devices, sequence_tokens (of text), batch_samples, micro_batch, the layout, precision, task, stack, and
    step_time_s, tokens_per_s_per_device, samples_per_second or peak_memory_bytes. plan, estimate, explain, where, when
    and `validate --cases` use the result from then on and say so. It is kept in $STEELYARD_CATALOG, else in the user's
    data folder.
    """
    if sum((runs is not None, listed, forget is not None)) != 1:
        raise click.UsageError("give one of: a file of runs, --list, --forget LABEL")
    if forget is not None:
        forget_calibration(forget, as_json)
    elif listed:
        list_calibrations(as_json)
    else:
        from steelyard.verbs import calibrate

        made = calibrate(runs or Path(), name, write=not dry_run)
        written = None if dry_run else str(written_path(made.label))
        if as_json:
            print_json(made.to_dict() | {"written": written})
            return
        from steelyard.report.calibration_page import calibration_page

        print_page(calibration_page(made, written))


def written_path(label: str) -> Path:
    """Return where a calibration is kept."""
    from steelyard.catalog.local import layer

    return layer.layer_folder() / f"{label}.csv"


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
