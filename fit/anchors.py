"""What a few measured runs of an unseen source are worth: `steelyard calibrate`, scored on the source's other runs.

Each source is left out of the fit, its catalog rows are made anew, some of its runs are given to `calibrate`, and the
others are predicted with the rows that it writes: by its shift of step times and the steps measured alone, and by the
whole of it. Anchors are spread evenly over the predicted times: 3 of a source of at least 6 runs, in three choices, or
every second one; where one is given, five runs are it in turn. A score is the mean over choices.

    python -m fit.anchors [--anchors 1,3]

scores the unlocked two thirds of the sources, with all tables of an owner left out: runs of developers, and of users.
The last lines estimate the two spreads of the law of the shift (`catalog.local.step_shift`) from the same rows.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fit import hierarchy
from fit.hierarchy import Array
from fit.stacks.factors import (
    Factor,
    Rows,
    factors,
    of_users,
    owners,
    problem_of,
    training_rows,
    unlocked,
)
from fit.stacks.scores import spreads
from fit.stacks.write import CHECKED, HEADER, accelerator_table, stack_table
from steelyard.catalog import Catalog, load
from steelyard.catalog.local.layer import Layer
from steelyard.catalog.read import parse_fitted
from steelyard.errors import BadInput
from steelyard.evidence.calibration import calibrate_constants
from steelyard.evidence.calibration.constants import LEVEL
from steelyard.evidence.frames.frame import RunFrame, frame_subset, run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.frames.predicted import measured_alike, predict_step, step_seconds
from steelyard.evidence.score.intervals import time_log_sd
from steelyard.units import NORMAL_90

LEAST, ANCHORS = 6, 3
TURNS = {1: 5, ANCHORS: 3}
"""Choices of so many anchors that are tried: what one choice makes of a source moves by as much as it gains."""

HALVES = ("vtrain-multi", "vtrain-single")


@dataclass(frozen=True)
class Score:
    """Errors of the runs of one source that were no anchors."""

    group: str
    runs: int
    new: bool  # no other source has its stack, or its family of chips
    before: Array  # |predicted / measured - 1| by the fit without the source
    alone: Array  # by the shift of step times alone
    after: Array  # by the whole of the calibration
    inside: Rows  # whether the calibrated 90 % interval holds the measurement
    half: tuple[float, float]  # half of the 90 % interval in the logarithm, before and after: the median


@dataclass(frozen=True)
class Left:
    """The fit without one label: its catalog."""

    label: str
    catalog: Catalog


def labels_of(data: RunFrame, by: str) -> hierarchy.Labels:
    """Return the label of every row that a split leaves out by: a field of the frame's labels, or its owner."""
    return owners(data) if by == "owner" else getattr(data.labels, by)


def left_out(data: RunFrame, log_s: Array, by: str) -> Iterator[Left]:
    """Yield the catalog of every fit that has not seen one label."""
    parts = factors(data)
    problem = problem_of(data, log_s, parts)
    labels = labels_of(data, by)
    thetas = hierarchy.folds(problem, labels)
    gap = gaps(problem, labels, thetas)
    for label, theta in thetas.items():
        seen = labels != label
        wide = spreads(gap[seen], frame_subset(data, seen))
        wide |= dict.fromkeys(set(data.labels.stack) - wide.keys(), wide["any"])
        covariance = hierarchy.covariance(hierarchy.hiding(problem, ~seen), theta)
        yield Left(str(label), load().over(layer(data, parts, theta, covariance, wide)))


def gaps(problem: hierarchy.Problem, labels: hierarchy.Labels, thetas: dict[str, Array]) -> Array:
    """Return log predicted over measured of every row by the fit that did not see it."""
    made = np.empty(len(labels))
    for label, theta in thetas.items():
        made[labels == label] = (problem.predict(theta) - problem.measured)[labels == label]
    return made


def layer(data: RunFrame, parts: list[Factor], theta: Array, covariance: Array, wide: dict[str, float]) -> Layer:
    """Return the rows of one fit; a chip that it has not seen is as sure as its family, and its own difference."""
    sds = hierarchy.sds_of(covariance)
    tables = [accelerator_table(data, parts, theta, covariance), stack_table(data, parts, theta, sds, wide)]
    accelerators, tools = ([parse_fitted(dict(zip(HEADER, line, strict=True))) for line in table] for table in tables)
    return Layer(*({(row.entity, row.precision, row.quantity): row for row in rows} for rows in (accelerators, tools)))


def scored(data: RunFrame, left: Left, by: str, count: int) -> Iterator[Score]:
    """Yield the score of every large enough source of one label, by every choice of anchors."""
    inside = labels_of(data, by) == left.label
    for group in sorted(set(data.labels.group[inside])):
        rows = inside & (data.labels.group == group)
        picked = count or int(rows.sum()) // 2
        if rows.sum() >= max(LEAST, picked + ANCHORS):
            yield from scores(frame_subset(data, rows), left.catalog, picked, new(data, rows))


def new(data: RunFrame, rows: Rows) -> bool:
    """Tell whether some rows' stack, or family of chips, occurs nowhere else."""
    labels = data.labels
    return not (
        set(labels.stack[rows]) & set(labels.stack[~rows]) and set(labels.family[rows]) & set(labels.family[~rows])
    )


def scores(data: RunFrame, catalog: Catalog, count: int, is_new: bool) -> Iterator[Score]:
    """Calibrate on some runs of a source and predict the others; of a choice of no use there is no score."""
    found = run_frame(data.runs, catalog, predict_step)
    order = np.argsort(step_seconds(found), kind="stable")
    for chosen in choices(count, len(found)):
        try:
            yield score(found, catalog, np.isin(np.arange(len(found)), order[chosen]), is_new)
        except BadInput:
            continue  # its anchors are no measurements by this fit


def choices(count: int, runs: int) -> list[list[int]]:
    """Return the places of anchors among runs in order, choice by choice.

    >>> choices(1, 10), choices(3, 9), choices(2, 4)
    ([[1], [3], [5], [7], [9]], [[0, 3, 6], [1, 4, 7], [2, 5, 8]], [[1, 3]])
    """
    turns = TURNS.get(count, 1)
    shares = [(np.arange(count) + (turn + 0.5) / turns) / count for turn in range(turns)]
    return [list(one) for one in sorted({tuple((share * runs).astype(int).tolist()) for share in shares})]


def score(found: RunFrame, catalog: Catalog, anchors: Rows, is_new: bool) -> Score:
    """Calibrate on the anchors of a source and predict its other runs."""
    runs = [run for run, anchor in zip(found.runs, anchors, strict=True) if anchor]
    made = calibrate_constants(runs, catalog, "anchors", "anchors", CHECKED).layer
    names = {key: row for key, row in made.stacks.items() if row.quantity == LEVEL}  # of stacks that only the runs name
    alone, after = (catalog.over(catalog.local | one) for one in (Layer(stacks=names, steps=made.steps), made))
    frames = [found, run_frame(found.runs, alone, predict_step), run_frame(found.runs, after, predict_step)]
    known = (catalog, alone, after)
    taken = [step_seconds(one) * measured_alike(one, of).scale for one, of in zip(frames, known, strict=True)]
    gaps = [np.log(one / measured(found).step_s)[~anchors] for one in taken]
    half = [NORMAL_90 * time_log_sd(frames[i], one)[~anchors] for i, one in ((0, catalog), (2, after))]
    before, shifted, now = (np.abs(np.expm1(gap)) for gap in gaps)
    return Score(
        group=str(found.labels.group[0]),
        runs=len(found),
        new=is_new,
        before=before,
        alone=shifted,
        after=now,
        inside=np.abs(gaps[2]) <= half[1],
        half=(float(np.median(half[0])), float(np.median(half[1]))),
    )


def report(title: str, found: list[Score]) -> None:
    """Print one table: each source, and the mean over them."""
    groups = {name: [one for one in found if one.group == name] for name in sorted({one.group for one in found})}
    rows = [(name, some[0].runs, figures(some)) for name, some in groups.items()]
    for name, count, values in sorted(rows, key=lambda row: -row[2][2]):
        print(f"  {name:30s} {count:5d} {figures_text(values)}")
    if rows:
        print(f"{title}: {len(rows)} sources, {figures_text(np.mean([values for *_, values in rows], axis=0))}")


def figures(found: list[Score]) -> Array:
    """Return the means over choices of anchors: medians before, by the shift, after; p90 after; held; half-widths."""
    rows = [
        [
            *(float(np.median(values)) for values in (one.before, one.alone, one.after)),
            float(np.quantile(one.after, 0.9)),
            float(one.inside.mean()),
            *one.half,
        ]
        for one in found
    ]
    return np.asarray(np.mean(rows, axis=0))


def figures_text(values: Array) -> str:
    """Return them in words."""
    before, alone, after, p90, held, half, halved = values
    return (
        f"median {before:5.1%} -> {alone:5.1%} by the shift, {after:5.1%} with constants (p90 {p90:5.1%}), "
        f"{held:4.0%} in 90 %, half-width {half:.2f} -> {halved:.2f}"
    )


def noise(gap: Array, data: RunFrame) -> None:
    """Print the two spreads of the law of the shift: of owners' offsets, and of runs about their source's."""
    by, group = owners(data), data.labels.group
    offsets = np.array(
        [
            np.mean([np.median(gap[group == name]) for name in sorted(set(group[by == owner]))])
            for owner in sorted(set(by))
        ]
    )
    robust = 1.4826 * float(np.median(np.abs(offsets)))
    print(f"offsets of {len(offsets)} owners, log sd {np.sqrt(np.mean(offsets**2)):.3f}, robust {robust:.3f}")
    print(f"scatter within a source, log sd, median over sources: {scatter(gap, group):.3f}")


def scatter(gap: Array, group: hierarchy.Labels) -> float:
    """Return the median over groups of the sd about each group's median."""
    parts = [gap[group == name] for name in sorted(set(group))]
    return float(np.median([np.std(part - np.median(part)) for part in parts if len(part) >= LEAST]))


def main() -> None:
    """Print the scores."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--anchors", default=f"1,{ANCHORS}", help="runs of each source to calibrate on, as 1,3")
    chosen = options.parse_args()
    data, log_s = training_rows()
    keep = unlocked(data)
    data, log_s = frame_subset(data, keep), log_s[keep]
    users = of_users(data)
    who = {"developers": frame_subset(data, ~users), "users": frame_subset(data, users)}
    counts = [int(one) for one in chosen.anchors.split(",")]
    found: dict[tuple[int, str], list[Score]] = {(count, name): [] for count in counts for name in who}
    gap = np.empty(len(data))
    for left in left_out(data, log_s, "owner"):
        mine = owners(data) == left.label
        part = run_frame(frame_subset(data, mine).runs, left.catalog, predict_step)
        gap[mine] = np.log(step_seconds(part) / measured(part).step_s)
        for (count, name), some in found.items():
            some.extend(scored(who[name], left, "owner", count))
    for (count, name), some in found.items():
        report(f"{count} anchors, owner left out, {name}", some)
    noise(gap[~users], who["developers"])


if __name__ == "__main__":
    main()
