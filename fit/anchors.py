"""What a few measured runs of an unseen source are worth: `steelyard calibrate`, scored on the source's other runs.

Each source is left out of the fit, its catalog rows are made anew, some of its runs are given to `calibrate`, and the
others are predicted with the rows that it writes. Anchors are spread evenly over the predicted times: 3 of a source of
at least 6 runs, or every second one.

    python -m fit.anchors [--anchors N]
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fit import hierarchy
from fit.hierarchy import Array
from fit.stacks.factors import ACCELERATOR_SD, Factor, Rows, factors, problem_of, training_rows
from fit.stacks.scores import spreads
from fit.stacks.write import CHECKED, HEADER, accelerator_table, stack_table
from steelyard.catalog import Catalog, Fitted, load
from steelyard.catalog.local.layer import Layer
from steelyard.catalog.read import parse_fitted
from steelyard.evidence.calibration import calibrate_constants
from steelyard.evidence.frames.frame import RunFrame, frame_subset, run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.frames.predicted import predict_step
from steelyard.evidence.runs.reader import published_runs
from steelyard.evidence.score import validation
from steelyard.evidence.score.intervals import time_log_sd
from steelyard.units import NORMAL_90

LEAST, ANCHORS = 6, 3
HALVES = ("vtrain-multi", "vtrain-single")


@dataclass(frozen=True)
class Score:
    """Errors of the runs of one source that were no anchors."""

    group: str
    runs: int
    new: bool  # no other source has its stack, or its family of chips
    before: Array  # |predicted / measured - 1| by the fit without the source
    after: Array
    inside: Array  # whether the calibrated 90 % interval holds the measurement


@dataclass(frozen=True)
class Left:
    """The fit without one label: its catalog."""

    label: str
    catalog: Catalog


def left_out(data: RunFrame, log_s: Array, by: str) -> Iterator[Left]:
    """Yield the catalog of every fit that has not seen one label."""
    parts = factors(data)
    problem = problem_of(data, log_s, parts)
    labels = getattr(data.labels, by)
    thetas = hierarchy.folds(problem, labels)
    gap = gaps(problem, labels, thetas)
    if by == "group":
        noise(gap, data)
    for label, theta in thetas.items():
        seen = labels != label
        wide = spreads(gap[seen], frame_subset(data, seen))
        wide |= dict.fromkeys(set(data.labels.stack) - wide.keys(), wide["any"])
        sds = hierarchy.spread(replace(problem, weight=np.where(seen, problem.weight, 0.0)), theta)
        yield Left(str(label), load().over(layer(data, seen, parts, theta, sds, wide)))


def gaps(problem: hierarchy.Problem, labels: hierarchy.Labels, thetas: dict[str, Array]) -> Array:
    """Return log predicted over measured of every row by the fit that did not see it."""
    made = np.empty(len(labels))
    for label, theta in thetas.items():
        made[labels == label] = (problem.predict(theta) - problem.measured)[labels == label]
    return made


def layer(data: RunFrame, seen: Rows, parts: list[Factor], theta: Array, sds: Array, wide: dict[str, float]) -> Layer:
    """Return the rows of one fit; a chip that it has not seen is as sure as its family, and its own difference."""
    tables = [accelerator_table(data, parts, theta, sds), stack_table(data, parts, theta, sds, wide)]
    accelerators, tools = ([parse_fitted(dict(zip(HEADER, line, strict=True))) for line in table] for table in tables)
    family = dict(zip(data.labels.accelerator, data.labels.family, strict=True))
    sure = {row.entity: row.log_sd for row in accelerators if row.precision == "any" and row.quantity == "time_scale"}
    known = {*data.labels.accelerator[seen], *(name for name in sure if name.startswith("family:")), "any"}

    def widened(row: Fitted) -> Fitted:
        if row.entity in known:
            return row
        return replace(row, log_sd=float(np.hypot(sure[f"family:{family[row.entity]}"], ACCELERATOR_SD)))

    return Layer(
        {(row.entity, row.precision, row.quantity): widened(row) for row in accelerators},
        {(row.entity, row.precision, row.quantity): row for row in tools},
    )


def scored(data: RunFrame, left: Left, by: str, count: int) -> Iterator[Score]:
    """Yield the score of every large enough source of one label."""
    inside = getattr(data.labels, by) == left.label
    for group in sorted(set(data.labels.group[inside])):
        rows = inside & (data.labels.group == group)
        picked = count or int(rows.sum()) // 2
        if rows.sum() >= max(LEAST, picked + ANCHORS):
            yield score(frame_subset(data, rows), left.catalog, picked, new(data, rows))


def new(data: RunFrame, rows: Rows) -> bool:
    """Tell whether some rows' stack, or family of chips, occurs nowhere else."""
    labels = data.labels
    return not (
        set(labels.stack[rows]) & set(labels.stack[~rows]) and set(labels.family[rows]) & set(labels.family[~rows])
    )


def score(data: RunFrame, catalog: Catalog, count: int, is_new: bool) -> Score:
    """Calibrate on some runs of a source and predict the others."""
    found = run_frame(data.runs, catalog, predict_step)
    order = np.argsort(seconds(found), kind="stable")
    anchors = np.zeros(len(found), dtype=bool)
    anchors[order[((np.arange(count) + 0.5) / count * len(found)).astype(int)]] = True
    runs = [run for run, anchor in zip(found.runs, anchors, strict=True) if anchor]
    made = calibrate_constants(runs, catalog, "anchors", "anchors", CHECKED, folds=0)
    after = catalog.over(catalog.local | made.layer)
    again = run_frame(found.runs, after, predict_step)
    truth = measured(found).step_s
    gap = np.log(seconds(again) / truth)
    return Score(
        group=str(data.labels.group[0]),
        runs=len(found),
        new=is_new,
        before=np.abs(seconds(found) / truth - 1)[~anchors],
        after=np.abs(np.expm1(gap))[~anchors],
        inside=(np.abs(gap) <= NORMAL_90 * time_log_sd(again, after))[~anchors],
    )


def seconds(found: RunFrame) -> Array:
    """Return the predicted seconds of a step of every run."""
    return predict_step(found.job, found.layout, found.machine, found.kernels, found.stack)[0]


def report(title: str, found: list[Score], *, rows: bool) -> None:
    """Print one table."""
    if rows:
        for one in sorted(found, key=lambda one: -float(np.median(one.after))):
            print(f"  {one.group:30s} {one.runs:5d} {'new' if one.new else '   '} {figures([one])}")
    print(f"{title}: {len(found)} sources, {figures(found)}")


def figures(found: list[Score]) -> str:
    """Return the means over sources."""
    medians = [[float(np.median(values)) for values in (one.before, one.after)] for one in found]
    means = [[float(np.mean(values)) for values in (one.before, one.after)] for one in found]
    (before, after), (mean_before, mean_after) = np.mean(medians, axis=0), np.mean(means, axis=0)
    held = np.mean([one.inside.mean() for one in found])
    return f"median {before:5.1%} -> {after:5.1%}, mean {mean_before:5.1%} -> {mean_after:5.1%}, {held:4.0%} in 90 %"


def noise(gap: Array, data: RunFrame) -> None:
    """Print how far runs scatter about the median of their source: what `calibration/noise.py` states."""
    times = scatter(gap, data.labels.group)
    rows = [
        one for one in validation.scored_runs(published_runs()).cases if one.scored and one.metric.startswith("peak")
    ]
    peaks = scatter(np.log1p([one.error for one in rows]), np.array([one.group for one in rows]))
    print(f"scatter within a source, log sd, median over sources: step time {times:.3f}, peak memory {peaks:.3f}")


def scatter(gap: Array, group: hierarchy.Labels) -> float:
    """Return the median over groups of the sd about each group's median."""
    parts = [gap[group == name] for name in sorted(set(group))]
    return float(np.median([np.std(part - np.median(part)) for part in parts if len(part) >= LEAST]))


def main() -> None:
    """Print the scores."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--anchors", type=int, default=ANCHORS, help="runs of each source to calibrate on")
    chosen = options.parse_args()
    data, log_s = training_rows()
    for by in ("group", "family"):
        found, halves = [], []
        for left in left_out(data, log_s, by):
            found += scored(data, left, by, chosen.anchors)
            if left.label in HALVES:
                halves += scored(data, left, by, 0)
        report(f"{chosen.anchors} anchors, {by} left out", found, rows=True)
        unseen = [one for one in found if one.new or by == "family"]
        report(f"{chosen.anchors} anchors, unseen stack or chip, {by} left out", unseen, rows=False)
        for one in halves:
            report(f"half as anchors, {one.group}", [one], rows=False)


if __name__ == "__main__":
    main()
