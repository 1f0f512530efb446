"""Fit what software stacks and whole chips make of the step model, from published step times.

Every constant is a product of a shared factor and one of its stack, chip or chip family, with Gaussian priors: an
entity with few rows stays near its neighbours, an unseen one keeps the shared value and gets a wider spread. A source
group of n rows weighs n^(1/2). Scores and spreads are made with the whole group left out.

    python -m fit.stacks [--write]
"""

import argparse
import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fit import hierarchy
from fit.hierarchy import Array, Predict
from steelyard.catalog import load
from steelyard.evidence.frames.frame import RunFrame, frame_subset, run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.frames.predicted import predict_step
from steelyard.evidence.runs.exclusions import counted
from steelyard.evidence.runs.reader import published_runs
from steelyard.step import stage_job, time
from steelyard.units import NORMAL_90

COMMAND = "python -m fit.stacks --write"
DATA = Path(__file__).parents[1] / "src/steelyard/catalog/data"
HELD_OUT = Path(__file__).parents[1] / "src/steelyard/evidence/score/held_out.csv"
HEADER = ["entity", "precision", "quantity", "value", "unit", "log_sd"]
HEADER += ["rows", "groups", "source", "command", "checked", "note"]
CHECKED = "2026-11-21"
GROUP_POWER = 0.5  # a source group of n rows weighs n^(1-power)
SOURCE = "published runs in evidence/runs/published, each row with its source"
Line = list[str]
Rows = NDArray[np.bool_]

# field: (unit, start shared by all stacks, sd of the shared log factor, sd of a stack's own)
STACK_FIELDS: dict[str, tuple[str, float, float, float]] = {
    "time_scale": ("1", 1.2, 0.30, 0.20),
    "layer_host_s": ("s", 1.5e-3, 0.7, 0.7),
    "moe_host_s": ("s", 2e-3, 0.7, 0.5),
    "expert_host_s": ("s", 2e-4, 0.7, 0.5),
    "step_host_s": ("s", 0.02, 0.7, 0.5),
    "doubling_loss": ("1", 0.01, 0.5, 0.3),
    "vocab_exposed": ("1", 0.5, 0.3, 0.0),
    "loss_bytes": ("byte", 16.0, 0.3, 0.0),
    "pointwise_passes": ("1", 12.0, 0.3, 0.5),
    "adapter_passes": ("1", 8.0, 0.5, 1.0),
    "tp_exposed": ("1", 0.7, 0.3, 0.6),
    "dp_exposed": ("1", 0.15, 0.5, 0.5),
    "ep_exposed": ("1", 0.7, 0.4, 0.4),
    "pp_exposed": ("1", 0.6, 0.4, 0.0),
}
FAMILY_SD, ACCELERATOR_SD, NARROW_SD, CONGESTION = 0.2, 0.07, 0.2, ("nic_congestion", 0.2, 0.7)


@dataclass(frozen=True)
class Factor:
    """One log factor: the entity it belongs to, the field that it multiplies, its rows and prior sd (mean 0)."""

    entity: str
    precision: str
    field: str
    rows: NDArray[np.bool_]
    sd: float


def factors(data: RunFrame) -> list[Factor]:
    """Return every factor of the fit, the shared ones first."""
    everything = np.ones(len(data), dtype=bool)
    labels = data.labels
    found = [Factor("any", "any", name, everything, row[2]) for name, row in STACK_FIELDS.items()]
    found.append(Factor("any", "any", CONGESTION[0], everything, CONGESTION[2]))
    for stack in sorted(set(labels.stack) - {"any"}):
        own = [(name, row[3]) for name, row in STACK_FIELDS.items() if row[3]]
        found += [Factor(stack, "any", name, labels.stack == stack, sd) for name, sd in own]
    for family in sorted(set(labels.family)):
        rows = labels.family == family
        found.append(Factor(f"family:{family}", "any", "chip", rows, FAMILY_SD))
        for precision in sorted({"fp8", "fp4", "fp32", "tf32"} & set(labels.precision[rows])):
            narrow = rows & (labels.precision == precision)
            found.append(Factor(f"family:{family}", precision, "chip", narrow, NARROW_SD))
    for accelerator in sorted(set(labels.accelerator)):
        found.append(Factor(accelerator, "any", "chip", labels.accelerator == accelerator, ACCELERATOR_SD))
    return found


def predictor(data: RunFrame, parts: list[Factor]) -> Predict:
    """Return theta → log seconds of a step of every row."""
    start = {name: np.full(len(data), np.log(row[1])) for name, row in STACK_FIELDS.items()}
    staged = stage_job(data.job, data.layout)
    timed = data.stack.step_host_s > 0  # the row counts the whole step
    start |= {"chip": np.zeros(len(data)), CONGESTION[0]: np.full(len(data), np.log(CONGESTION[1]))}

    def log_seconds(theta: Array) -> Array:
        logs = dict(start)
        for part, value in zip(parts, theta, strict=True):
            if value:
                logs[part.field] = logs[part.field] + value * part.rows
        values = {name: np.exp(one) for name, one in logs.items()}
        values["step_host_s"] = values["step_host_s"] * timed
        kernels = replace(data.kernels, time_scale=values.pop("chip"), nic_congestion=values.pop(CONGESTION[0]))
        stack = replace(data.stack, **values)
        return np.asarray(np.log(time(staged, data.machine, kernels, stack).total_s))

    return log_seconds


def training_rows() -> tuple[RunFrame, Array]:
    """Return the shipped cases that are scored on time, and the logarithm of their measured seconds."""
    found = run_frame(published_runs(), load(), predict_step)
    seconds = measured(found).step_s
    keep = np.isfinite(seconds) & counted(found.runs, "time")
    return frame_subset(found, keep), np.log(seconds[keep])


def score(predicted: Array, measured: Array, group: NDArray[np.str_], least: int = 5) -> list[tuple[str, int, Array]]:
    """Return (group, rows, (median, p90, signed median)) of the groups with at least so many rows, worst first."""
    gap = predicted - measured
    error = np.abs(np.expm1(gap))
    found = []
    for name in sorted(set(group)):
        rows = group == name
        if rows.sum() >= least:
            figures = np.median(error[rows]), np.quantile(error[rows], 0.9), np.median(gap[rows])
            found.append((str(name), int(rows.sum()), np.array(figures)))
    return sorted(found, key=lambda one: -one[2][0])


def report(title: str, rows: list[tuple[str, int, Array]], most: int = 60) -> None:
    """Print one split."""
    mean = np.mean([figures for _, _, figures in rows], axis=0)
    print(f"{title}: {len(rows)} groups, mean of medians {mean[0]:.1%}, mean p90 {mean[1]:.1%}")
    for name, count, figures in rows[:most]:
        print(f"  {name:30s} {count:5d}  median {figures[0]:6.1%}  p90 {figures[1]:6.1%}  bias {figures[2]:+6.1%}")


def spreads(gap: Array, data: RunFrame) -> dict[str, float]:
    """Return the log sd of each stack's prediction from left-out residuals, each group weighing the same.

    A stack known from one group alone was unseen when that group was left out: its residuals, with those of all such
    stacks, make the spread of `any`, and its own spread falls between, like any factor's. One common factor then makes
    the intervals of all stacks together hold 90 %.
    """
    labels = data.labels
    groups = {stack: len(set(labels.group[labels.stack == stack])) for stack in sorted(set(labels.stack))}
    lone = np.array([groups[stack] == 1 for stack in labels.stack]) | (labels.stack == "any")
    found = {"any": _width(gap[lone], labels.group[lone])}
    for stack, count in groups.items():
        if stack != "any":
            rows, share = labels.stack == stack, count / (count + 2)
            found[stack] = share * _width(gap[rows], labels.group[rows]) + (1 - share) * found["any"]
    pulls = gap / np.array([found[stack] for stack in labels.stack])
    common = _width(pulls, labels.group)
    return {stack: width * common for stack, width in found.items()}


def _width(gap: Array, group: NDArray[np.str_]) -> float:
    """Return the log sd whose 90 % interval holds 90 % of the residuals, every group weighing the same."""
    return hierarchy.balanced_quantile(np.abs(gap), group, 0.9) / NORMAL_90


def stack_table(
    data: RunFrame, parts: list[Factor], theta: Array, sds: Array, wide: dict[str, float]
) -> Iterable[Line]:
    """Yield the catalog rows of stacks: values in place of factors."""
    shared = {part.field: value for part, value in zip(parts, theta, strict=True) if part.entity == "any"}
    for part, value, sd in zip(parts, theta, sds, strict=True):
        if part.field not in STACK_FIELDS:
            continue
        unit, start, *_ = STACK_FIELDS[part.field]
        base = 0.0 if part.entity == "any" else shared[part.field]
        width = wide[part.entity] if part.field == "time_scale" else sd
        yield _line(part.entity, "any", part.field, start * np.exp(base + value), unit, width, data, part.rows)


def accelerator_table(data: RunFrame, parts: list[Factor], theta: Array, sds: Array) -> Iterable[Line]:
    """Yield the catalog rows of whole chips; a chip repeats each precision of its family, which it would hide."""
    values = {(part.entity, part.precision): value for part, value in _of(parts, "chip", theta)}
    widths = {(part.entity, part.precision): sd for part, sd in _of(parts, "chip", sds)}
    labels, family_of = data.labels, dict(zip(data.labels.accelerator, data.labels.family, strict=True))
    yield _line("any", "any", "time_scale", 1.0, "1", FAMILY_SD, data, labels.accelerator != "")
    for entity, precision in values:
        family = entity if entity.startswith("family:") else f"family:{family_of[entity]}"
        own = 0.0 if family == entity else values[entity, "any"]
        rows = (labels.family == family.removeprefix("family:")) if family == entity else labels.accelerator == entity
        for width in [precision] if family == entity else ["any", *_precisions(values, family)]:
            narrow = 0.0 if width == "any" else values[family, width]
            kept = rows if width == "any" else rows & (labels.precision == width)
            scale = np.exp(values[family, "any"] + own + narrow)
            yield _line(entity, width, "time_scale", scale, "1", widths[entity, precision], data, kept)
    for part, value, sd in zip(parts, theta, sds, strict=True):
        if part.field == CONGESTION[0]:
            yield _line("any", "any", part.field, CONGESTION[1] * np.exp(value), "1", sd, data, part.rows)


def write(path: Path, lines: Iterable[Line]) -> None:
    """Write one catalog table."""
    with path.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(HEADER)
        rows.writerows(lines)


def write_held_out(data: RunFrame, predicted: Array, fitted: Array, wide: dict[str, float]) -> None:
    """Write what each shipped case is predicted to take by a fit that never saw its group, and by the whole fit."""
    half = NORMAL_90 * np.array([wide[stack] for stack in data.labels.stack])
    with HELD_OUT.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(["id", "metric", "predicted", "low", "high", "fitted"])
        for name, value, width, whole in zip(data.labels.id, predicted, half, fitted, strict=True):
            logs = (value, value - width, value + width, whole)
            rows.writerow([name, "step_time_s", *(f"{np.exp(one):.5g}" for one in logs)])


def _of(parts: list[Factor], field: str, values: Array) -> list[tuple[Factor, float]]:
    return [(part, float(value)) for part, value in zip(parts, values, strict=True) if part.field == field]


def _precisions(values: dict[tuple[str, str], float], family: str) -> list[str]:
    return [precision for entity, precision in values if entity == family and precision != "any"]


def _line(
    entity: str, precision: str, quantity: str, value: float, unit: str, sd: float, data: RunFrame, rows: Rows
) -> Line:
    counts = [str(int(rows.sum())), str(len(set(data.labels.group[rows])))]
    named = [entity, precision, quantity, f"{value:.4g}", unit, f"{sd:.3f}"]
    return [*named, *counts, SOURCE, COMMAND, CHECKED, ""]


def main() -> None:
    """Fit, print the scores, and with --write replace the catalog's tables and the held-out predictions."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--write", action="store_true", help="replace the tables of stacks and accelerators")
    options.add_argument("--by", default="group", choices=["group", "publisher", "family"], help="what is left out")
    chosen = options.parse_args()
    data, log_s = training_rows()
    parts = factors(data)
    problem = hierarchy.Problem(
        measured=log_s,
        weight=hierarchy.balanced(data.labels.group, GROUP_POWER),
        predict=predictor(data, parts),
        rows=np.stack([part.rows for part in parts]),
        sd=np.array([part.sd for part in parts]),
    )
    theta = hierarchy.fit(problem)
    group = data.labels.group
    report("in sample", score(problem.predict(theta), log_s, group), 0)
    by = getattr(data.labels, chosen.by)
    left_out = hierarchy.held_out(problem, by)
    report(f"{chosen.by} left out", score(left_out, log_s, group))
    report("every group", score(left_out, log_s, group, 1), 0)
    wide = spreads(left_out - log_s, data)
    if chosen.write and chosen.by == "group":
        sds = hierarchy.spread(problem, theta)
        write(DATA / "stacks.csv", stack_table(data, parts, theta, sds, wide))
        write(DATA / "accelerators_steps.csv", accelerator_table(data, parts, theta, sds))
        write_held_out(data, left_out, problem.predict(theta), wide)


if __name__ == "__main__":
    main()
