"""A calibration on paper: the runs before and after, which constants moved and how far, where it is kept."""

import math
from collections.abc import Sequence
from typing import Final

from rich.console import RenderableType

from steelyard.catalog.local.step_shift import ANYWHERE, RUN_LOG_SD, pair_of
from steelyard.evidence.calibration.calibrate import CalibratedRun, Calibration, ConstantShift
from steelyard.evidence.calibration.constants import ALLOCATOR, CARRIERS
from steelyard.evidence.calibration.fitting import LEAST_RUNS
from steelyard.evidence.calibration.noise import MEMORY_NOISE
from steelyard.planner.answers import CalibratedConstant
from steelyard.report.page import blank, bullets, heading, paragraph, table
from steelyard.units import GIB_BYTES

MEMORY_CONSTANTS = frozenset({*ALLOCATOR, *CARRIERS})
"""Constants that only peaks move."""

_MOST: Final = 40
"""Runs and constants that are printed; `--json` gives all."""


def calibration_page(found: Calibration, written: str | None) -> list[RenderableType]:
    """Return the page of a calibration."""
    runs, shifts = found.runs, sorted(found.shifts, key=_weight, reverse=True)
    parts: list[RenderableType] = [heading(f"Calibration {found.label}: {found.source}"), _runs(runs[:_MOST])]
    parts += _more(runs, "measurements")
    parts += [
        paragraph(
            "Errors are predicted / measured - 1: by the shipped fit, by the calibration, and for each run by a "
            "calibration made without it, which is what to expect of the next one."
        ),
        *([paragraph(level_text(found))] if any(one.table == "steps" for one in found.shifts) else []),
        blank(),
        heading("What moved"),
        _shifts(shifts[:_MOST]) if shifts else paragraph(_unmoved(runs)),
        *_more(shifts, "constants"),
    ]
    if found.refused:
        lines = [f"{name}: {reason}" for name, reason in found.refused]
        parts += [blank(), heading("Not used"), bullets(lines[:_MOST])]
    if found.notes:
        parts += [blank(), heading("Not read"), bullets(found.notes[:_MOST])]
    return [*parts, blank(), paragraph(_where(found, written), 0)]


def calibrations_page(found: Sequence[tuple[str, Sequence[CalibratedConstant]]], where: str) -> list[RenderableType]:
    """Return the list of calibrations in use, each a label with its constants.

    >>> from steelyard.report.page import render
    >>> print(render(calibrations_page([], "/data/steelyard")))
    No calibrations in /data/steelyard. Make one: steelyard calibrate runs.csv
    """
    if not found:
        return [paragraph(f"No calibrations in {where}. Make one: steelyard calibrate runs.csv", 0)]
    rows = []
    for label, constants in found:
        source, checked = (constants[0].source, constants[0].checked) if constants else ("", "")
        rows.append([label, source, checked, ", ".join(_entities([row.entity for row in constants]))])
    return [heading(f"Calibrations in {where}"), table(["|label", "made from", "|on", "constants of"], rows)]


def _entities(names: Sequence[str]) -> list[str]:
    """Return whose constants they are: a stack and a chip once, where their steps were measured together.

    >>> _entities(["fsdp2 on L4", "all others", "fsdp2", "L4", "weaver-3"])
    ['fsdp2 on L4', 'weaver-3']
    """
    paired = {part for name in names if all(pair_of(name)) for part in pair_of(name)}
    return [name for name in dict.fromkeys(names) if name not in {*paired, ANYWHERE}]


def calibration_lines(lines: Sequence[str]) -> list[RenderableType]:
    """Return what is said of calibrations under predictions; nothing where there are none.

    >>> calibration_lines([])
    []
    """
    return [blank(), heading("Calibrated on your own runs"), bullets(lines)] if lines else []


def level_text(found: Calibration) -> str:
    """Return by what step times are multiplied, and whether any constant moved besides.

    >>> parts = [ConstantShift("steps", name, "any", "step_shift", "", 1, factor, 0.14, 0.09)
    ...          for name, factor in (("fsdp2 on L4", 1.12), ("all others", 1.1))]
    >>> from steelyard.catalog.local.layer import EMPTY
    >>> level_text(Calibration("ours", "runs.csv", (), (), tuple(parts), (), EMPTY))
    'Step times are multiplied by 1.12 (fsdp2 on L4), 1.10 (all others): what your runs are off by, shrunk by how much
    publishers differ and runs scatter. Exactly what was measured is predicted as measured. Other constants of time take
    3 runs.'
    """
    steps = [one for one in found.shifts if one.table == "steps"]
    factors = ", ".join(f"{one.after:.2f} ({one.entity})" for one in steps)
    level = (
        f"Step times are multiplied by {factors}: what your runs are off by, shrunk by how much publishers differ and "
        "runs scatter. Exactly what was measured is predicted as measured."
    )
    if len({one.id for one in found.runs if one.metric == "step_time_s"}) < LEAST_RUNS:
        return f"{level} Other constants of time take {LEAST_RUNS} runs."
    rest = [one for one in found.shifts if one not in steps]
    if any(one.table == "kernels" or one.quantity not in MEMORY_CONSTANTS for one in rest):
        return f"{level} Other constants move on what that leaves: they predict left-out runs better."
    return f"{level} No other constant of time moves: none would predict left-out runs better."


def _runs(runs: Sequence[CalibratedRun]) -> RenderableType:
    columns = ["run", "measured", ">", ">before", ">after", ">left out"]
    return table(
        columns,
        [
            [
                run.id,
                run.metric.removesuffix("_s").removesuffix("_bytes").replace("_", " "),
                _amount(run),
                *(_error(error) for error in (run.before, run.after, run.unseen)),
            ]
            for run in runs
        ],
    )


def _shifts(shifts: Sequence[ConstantShift]) -> RenderableType:
    return table(
        ["constant", "of", "|at", ">before", ">after", "|unit", ">spread before", ">after"],
        [
            [
                row.quantity,
                row.entity,
                row.precision,
                f"{row.before:.4g}",
                f"{row.after:.4g}",
                row.unit,
                *(f"{100 * spread:.0f} %" if spread else "" for spread in (row.log_sd_before, row.log_sd_after)),
            ]
            for row in shifts
        ],
    )


def _unmoved(runs: Sequence[CalibratedRun]) -> str:
    """Return why nothing moved: the runs are as predicted, or no constant that may move acts on what they measured."""
    worst = max(runs, key=lambda run: abs(math.log1p(run.before)))
    if abs(math.log1p(worst.before)) <= (RUN_LOG_SD if worst.metric == "step_time_s" else MEMORY_NOISE):
        return "Nothing: the runs are as the shipped fit predicts them, but for how far runs scatter."
    return (
        f"Nothing, though {worst.id} is {_error(worst.before)} off: no constant that a calibration may move acts on "
        "what was measured. The errors stay; check the layout of the runs, or measure step time or reserved memory."
    )


def _where(found: Calibration, written: str | None) -> str:
    if written is None:
        return "Nothing was written (--dry-run)."
    new = ", ".join(f"--stack {name}" for name in found.new_stacks)
    use = f" Your stack is planned with {new}." if new else ""
    return (
        f"Written to {written}; plan, estimate, explain and validate --cases use it from now on and say so "
        f"(--no-calibration leaves it out, steelyard calibrate --forget {found.label} deletes it).{use}"
    )


def _amount(run: CalibratedRun) -> str:
    return f"{run.measured:.4g} s" if run.metric == "step_time_s" else f"{run.measured / GIB_BYTES:.4g} GiB"


def _error(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:+.1f} %"


def _weight(row: ConstantShift) -> float:
    ratio = row.after / row.before
    return max(ratio, 1 / ratio)


def _more(rows: Sequence[object], what: str) -> list[RenderableType]:
    return [paragraph(f"... and {len(rows) - _MOST} more {what}: --json lists all")] if len(rows) > _MOST else []
