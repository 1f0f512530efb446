"""A calibration on paper: the runs before and after, which constants moved and how far, where it is kept."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import RenderableType

from steelyard.report.page import blank, bullets, heading, paragraph, table

MOST: Final = 40
"""Runs and constants that are printed; `--json` gives all."""


def calibration(found: Mapping[str, Any], written: str | None) -> list[RenderableType]:
    """Return the page of a calibration, given as the mapping that `--json` prints."""
    runs, shifts = found["runs"], sorted(found["shifts"], key=_weight, reverse=True)
    parts: list[RenderableType] = [heading(f"Calibration {found['label']}: {found['source']}"), _runs(runs[:MOST])]
    parts += _more(runs, "measurements")
    parts += [
        paragraph(
            "Errors are predicted / measured - 1: by the shipped fit, by the calibration, and for each run by a "
            "calibration made without it, which is what to expect of the next one."
        ),
        blank(),
        heading("What moved"),
        _shifts(shifts[:MOST]) if shifts else paragraph("Nothing: the runs are as the shipped fit predicts them."),
        *_more(shifts, "constants"),
    ]
    if found["refused"]:
        lines = [f"{row['id']}: {row['reason']}" for row in found["refused"]]
        parts += [blank(), heading("Not used"), bullets(lines[:MOST])]
    return [*parts, blank(), paragraph(_where(found, written), 0)]


def calibrations(found: Sequence[Mapping[str, Any]], where: str) -> list[RenderableType]:
    """Return the list of calibrations in use.

    >>> from steelyard.report.page import render
    >>> print(render(calibrations([], "/data/steelyard")))
    No calibrations in /data/steelyard. Make one: steelyard calibrate runs.csv
    """
    if not found:
        return [paragraph(f"No calibrations in {where}. Make one: steelyard calibrate runs.csv", 0)]
    rows = []
    for one in found:
        first = one["rows"][0] if one["rows"] else {"source": "", "checked": ""}
        entities = ", ".join(dict.fromkeys(row["entity"] for row in one["rows"]))
        rows.append([one["label"], str(first["source"]), str(first["checked"]), entities])
    return [heading(f"Calibrations in {where}"), table(["|label", "made from", "|on", "constants of"], rows)]


def in_use(lines: Sequence[str]) -> list[RenderableType]:
    """Return what is said of calibrations under predictions; nothing where there are none.

    >>> in_use([])
    []
    """
    return [blank(), heading("Calibrated on your own runs"), bullets(lines)] if lines else []


def _runs(runs: Sequence[Mapping[str, Any]]) -> RenderableType:
    columns = ["run", "measured", ">", ">before", ">after", ">left out"]
    return table(
        columns,
        [
            [
                str(run["id"]),
                str(run["metric"]).removesuffix("_s").removesuffix("_bytes").replace("_", " "),
                _amount(run),
                *(_error(run[key]) for key in ("before", "after", "unseen")),
            ]
            for run in runs
        ],
    )


def _shifts(shifts: Sequence[Mapping[str, Any]]) -> RenderableType:
    return table(
        ["constant", "of", "|at", ">before", ">after", "|unit", ">spread before", ">after"],
        [
            [
                str(row["quantity"]),
                str(row["entity"]),
                str(row["precision"]),
                f"{row['before']:.4g}",
                f"{row['after']:.4g}",
                str(row["unit"]),
                *(f"{100 * row[key]:.0f} %" if row[key] else "" for key in ("log_sd_before", "log_sd_after")),
            ]
            for row in shifts
        ],
    )


def _where(found: Mapping[str, Any], written: str | None) -> str:
    if written is None:
        return "Nothing was written (--dry-run)."
    new = ", ".join(f"--stack {name}" for name in found["new_stacks"])
    use = f" Your stack is planned with {new}." if new else ""
    return (
        f"Written to {written}; plan, estimate, explain and validate use it from now on and say so "
        f"(--no-calibration leaves it out, steelyard calibrate --forget {found['label']} deletes it).{use}"
    )


def _amount(run: Mapping[str, Any]) -> str:
    value = float(run["measured"])
    return f"{value:.4g} s" if run["metric"] == "step_time_s" else f"{value / 2**30:.4g} GiB"


def _error(value: float | None) -> str:
    return "" if value is None else f"{100 * value:+.1f} %"


def _weight(row: Mapping[str, Any]) -> float:
    ratio = float(row["after"]) / float(row["before"])
    return max(ratio, 1 / ratio)


def _more(rows: Sequence[Any], what: str) -> list[RenderableType]:
    return [paragraph(f"... and {len(rows) - MOST} more {what}: --json lists all")] if len(rows) > MOST else []
