"""Fit what software stacks make of the memory model, from published peaks, and predict each source left out.

Every constant is what the stack documents (`memory_structure`) times a shared factor and one of the stack's own, with
Gaussian priors: a stack with few rows stays near the others, an unseen one keeps the shared value and gets a wider
spread. Rows come from `validation`: the same cases, conventions and exclusions that the scores are made of.

    python -m fit.memory [--write | --unlocked]

Choices are made on what `--unlocked` prints: nothing of the locked third is in those fits, nor in what they print.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fit import hierarchy
from fit.hierarchy import Array
from fit.memory.intervals import report_spread, together
from fit.memory.model import Factor, factors, hiding, on_metric, predictor, problem_of, rows_of_cases
from fit.memory.residuals import every_residual, held_by, left_out_gaps, spread_of_rows
from fit.memory.scores import ANY, Bounds, Rows, feasibility, show, spreads
from fit.memory.structure import documented
from fit.memory.write import Fits, Found, Prediction, write, write_held_out, write_spread
from steelyard.catalog.peaks import ends_on_device
from steelyard.evidence.score.lock import locked
from steelyard.units import NORMAL_90

NARROWED = 0.97  # of its prior's spread: a factor whose rows narrow it less is not told by them


@dataclass(frozen=True)
class LeftOut:
    """Log predictions of one kind of peak: with a row's source left out, and with nothing left out."""

    predicted: Array
    fitted: Array
    log_sd: Array


def fits_of(rows: Rows, parts: Sequence[Factor], theta: Array, sds: Array, wide: dict[str, float]) -> Fits:
    """Return the constants that each stack's rows can tell: those whose spread the rows narrow."""
    labels = rows.frame.labels
    shared = {part.field: (value, sd) for part, value, sd in zip(parts, theta, sds, strict=True) if part.stack == ANY}
    found: dict[str, dict[str, Found]] = {}
    for part, value, sd in zip(parts, theta, sds, strict=True):
        if part.stack != ANY and sd > NARROWED * part.sd:
            continue
        start = documented(np.array([part.stack]), np.array([ANY]))[part.field][0]
        base = shared[part.field][0] if part.stack != ANY else 0.0
        found.setdefault(part.stack, {})[part.field] = Found(float(start * np.exp(base + value)), float(sd))
    groups: dict[str, dict[str, int]] = {}
    for stack, group in zip(labels.stack[rows.weight > 0], labels.group[rows.weight > 0], strict=True):
        for name in {str(stack), ANY}:
            counts = groups.setdefault(name, {})
            counts[str(group)] = counts.get(str(group), 0) + 1
    return Fits(found, wide, groups)


def bounds(device: LeftOut, needed: LeftOut, memory_bytes: Array) -> Bounds:
    """Return what a device shows with the ends of its interval, as `estimate` has them."""
    shown, most = ((np.exp(one.predicted), one.log_sd) for one in (device, needed))
    return Bounds(shown[0], *ends_on_device(shown, most, memory_bytes))


def held_out_lines(rows: Rows, peak: LeftOut, device: LeftOut, shown: Bounds) -> list[Prediction]:
    """Return id, metric, prediction with the ends of its interval, and what the whole fit predicts.

    `peak` is of the measured metric, `device` of the whole device, `shown` its ends.
    """
    found: list[Prediction] = []
    low, high = (np.exp(peak.predicted + side * NORMAL_90 * peak.log_sd) for side in (-1, 1))
    for index, name in enumerate(map(str, rows.frame.labels.id)):
        if np.isfinite(rows.log_bytes[index]):
            ends = np.exp(peak.predicted[index]), low[index], high[index], np.exp(peak.fitted[index])
            found.append((name, "peak_memory_bytes", *map(float, ends)))
        ends = shown.predicted[index], shown.low[index], shown.high[index], np.exp(device.fitted[index])
        found.append((name, "device_memory_bytes", *map(float, ends)))
    return found


def main() -> None:
    """Fit, score, print and, where asked, write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--write", action="store_true", help="replace the catalog's tables and held_out_memory.csv")
    options.add_argument("--unlocked", action="store_true", help="fit to the unlocked rows, and score them alone")
    given = options.parse_args()
    if given.write and given.unlocked:
        options.error("what is stored is fitted to all rows")
    rows = rows_of_cases()
    if given.unlocked:
        rows = hiding(rows, np.array([locked(run) for run in rows.frame.runs]))
    parts = factors(rows)
    problem = problem_of(rows, parts)
    theta = hierarchy.fit(problem)
    group, gaps = rows.frame.labels.group, left_out_gaps(rows, problem)
    folds = hierarchy.folds(problem, group)
    fits = {"blind": problem.predict(np.zeros(len(parts))), "fit": problem.predict(theta)}
    show(rows, {name: log - rows.log_bytes for name, log in fits.items()} | gaps)
    spread = report_spread(together(every_residual(rows, parts, problem, theta, gaps)))

    def left_out(metric: str) -> LeftOut:
        """Return one kind of peak of every row; the one that was measured where none is named."""
        some = on_metric(rows, metric) if metric else rows
        predict = predictor(some, parts)
        wide = spread_of_rows(some, held_by(some, parts, theta), spread)
        return LeftOut(hierarchy.gather(predict, folds, group), predict(theta), wide)

    device = left_out("device")
    shown = bounds(device, left_out("needed"), np.asarray(rows.frame.machine.memory_bytes))
    feasibility(rows, shown)
    if given.write:
        wide = spreads(rows, *gaps.values())
        write(fits_of(rows, parts, theta, hierarchy.spread(problem, theta), wide))
        write_spread(spread, rows)
        write_held_out(held_out_lines(rows, left_out(""), device, shown))
