"""`steelyard validate`: how right the predictions are."""

from pathlib import Path
from typing import Any

import click

from steelyard.cli.options import calibrated
from steelyard.cli.printing import details_option, json_option, print_json, print_page

GROUPINGS = ("group", "publisher", "accelerator", "family", "stack", "precision")


@click.command("validate", short_help="How right the predictions are, against published runs.")
@click.option(
    "--cases", type=click.Path(path_type=Path), metavar="FILE", help="Measured runs: .csv or .jsonl, plain or .gz."
)
@click.option("--by", default="group", metavar="LABEL", help=f"Score by {', '.join(GROUPINGS)}.")
@calibrated
@details_option
@json_option
def validate_command(cases: Path | None, by: str, details: bool, as_json: bool) -> None:
    """Predict published runs and compare: step time, peak memory, the choice of layout, whether it fits.

    The means over groups are printed, the worst groups, and the agreed figures that are missed; with --details, per
    group: error, bias, 90th percentile, coverage of the 90 % interval, two naive baselines; whether the constants
    were fitted without the group (out), with it (in), or never saw it (new); for jobs in several layouts, rank
    correlation and regret. Without --cases the runs that Steelyard carries are used, by the shipped constants alone,
    and the agreed figures follow. With --json every case is listed with its interval, or with the reason why it is
    left out.

    A file has a row a run. Columns: model, accelerator, devices, sequence_tokens (of text), batch_samples (of one
    optimizer step, all devices; global_batch is the same), micro_batch, precision, stack, task, lora_rank,
    lora_targets, optimizer, tp, pp, dp, cp, ep, sharding, recompute, interconnect, note; and what was measured:
    step_time_s, tokens_per_s_per_device (of one device), samples_per_second (of all) or peak_memory_bytes with
    memory_metric (allocated, reserved or device). docs/evidence.md has all of them. Numbers may have units (12900
    ms, 70 GiB, 8x, 38 %); a decimal comma is refused; a row that cannot be read is left out with the reason.
    """
    from steelyard.catalog.local import layer
    from steelyard.evidence.score import agreed, splits
    from steelyard.planner.grounds import calibrated_constants, calibration_texts
    from steelyard.verbs import validate

    report = validate(cases, by)
    local = calibrated_constants(layer.current_layer()) if cases is not None else ()
    board = agreed.figures_board(agreed.figures_now(report, splits.splits())) if cases is None and by == "group" else ()
    if as_json:
        print_json(report.to_dict() | {"calibration": local} | ({"bars": board} if board else {}))
        return
    from steelyard.report.calibration_page import calibration_lines
    from steelyard.report.validation.page import short_validation_page, validation_page

    page = validation_page if details else short_validation_page
    shown = page(report, by, board, own=cases is not None)
    print_page([*shown, *calibration_lines(calibration_texts(local)), *left_lines(cases is None)])


def left_lines(published: bool) -> list[Any]:
    """Return that calibrations of one's own are left out of the published scores, where there are any."""
    from steelyard.catalog.local import layer
    from steelyard.report.page import blank, paragraph

    if not (published and layer.current_layer().calibrated):
        return []
    text = "The published scores are of the shipped constants: your calibrations are left out (--cases FILE uses them)."
    return [blank(), paragraph(text, 0)]
