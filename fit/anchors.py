"""What a few measured runs of an unseen owner are worth: `steelyard calibrate`, scored on the other runs of each group.

Every owner of the unlocked two thirds is left out of the fit, with all tables of its, and the catalog's rows are made
anew; some runs of each of its groups are given to `calibrate`, and the others are predicted with the rows that it
writes: by the shift of step times alone, and by the whole of them. Anchors are spread evenly over the predicted times;
where one is given, five runs are it in turn, and the mean of the five counts. Groups of at least 6 runs are scored, and
those with 3 more than the anchors.

    python -m fit.anchors [--anchors 1,3] [--users FILE]

Runs of users are those of the origin `users`, or of a file in the columns of `steelyard validate --cases`. The last
lines estimate the two spreads of the law of the shift (`catalog.local.own_step`) from the same left-out rows.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np

from fit import hierarchy
from fit.hierarchy import Array
from fit.stacks.factors import ACCELERATOR_SD, Factor, Rows, factors, owners, problem_of, training_rows, unlocked
from fit.stacks.scores import spreads
from fit.stacks.write import CHECKED, HEADER, accelerator_table, stack_table
from steelyard.catalog import Catalog, Fitted, load
from steelyard.catalog.local.layer import Layer
from steelyard.catalog.read import parse_fitted
from steelyard.errors import BadInput
from steelyard.evidence.calibration import calibrate_constants
from steelyard.evidence.calibration.constants import LEVEL
from steelyard.evidence.frames.frame import RunFrame, frame_subset, run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.frames.predicted import predict_step
from steelyard.evidence.runs.exclusions import counted
from steelyard.evidence.runs.reader import parse_runs, read_runs
from steelyard.evidence.runs.run import Run
from steelyard.evidence.score.intervals import time_log_sd
from steelyard.evidence.score.lock import locked
from steelyard.units import NORMAL_90

LEAST, MORE, ANCHORS, TURNS = 6, 3, "1,3", 5


@dataclass(frozen=True)
class Score:
    """Figures of the runs of one group that were no anchors."""

    group: str
    user: bool
    runs: int
    medians: tuple[float, float, float]  # of |predicted / measured - 1|: before, by the shift, by the calibration
    p90: float  # by the calibration
    held: tuple[float, float]  # share of runs in the 90 % interval: before, after
    half: tuple[float, float]  # half of the 90 % interval, in the logarithm: before, after


@dataclass(frozen=True)
class Left:
    """The fit that saw no row of one owner: its catalog, and which of its rows are whose."""

    owner: str
    catalog: Catalog


def left_out(data: RunFrame, log_s: Array, strangers: set[str]) -> Iterator[Left]:
    """Yield the catalog of every fit that saw no row of one owner: of the rows', and of strangers', who have none."""
    parts, by = factors(data), owners(data)
    problem = problem_of(data, log_s, parts)
    everything = hierarchy.fit(problem)
    thetas = {name: hierarchy.without(problem, by == name) for name in sorted(set(by))}
    gap = np.empty(len(by))
    for name, theta in thetas.items():
        gap[by == name] = (problem.predict(theta) - problem.measured)[by == name]
    for name in sorted({*thetas, *strangers}):
        seen, theta = by != name, thetas.get(name, everything)
        wide = spreads(gap[seen], frame_subset(data, seen))
        wide |= dict.fromkeys(set(data.labels.stack) - wide.keys(), wide["any"])
        sds = hierarchy.spread(replace(problem, weight=np.where(seen, problem.weight, 0.0)), theta)
        yield Left(str(name), load().over(layer(data, seen, parts, theta, sds, wide)))


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


def score(runs: list[Run], catalog: Catalog, count: int, user: bool) -> Score | None:
    """Calibrate on some runs of a group and predict the others; None where no choice of them can be used."""
    found = run_frame(runs, catalog, predict_step)
    order = np.argsort(seconds(found), kind="stable")
    truth, size = measured(found).step_s, len(found)
    places = [((np.arange(count) + 0.5) / count * size).astype(int)]
    if count == 1:
        places = [np.array([one]) for one in np.unique(((np.arange(TURNS) + 0.5) / TURNS * size).astype(int))]
    figures = []
    for place in places:
        anchors = np.isin(np.arange(size), order[place])
        try:
            made = calibrate_constants(
                [run for run, anchor in zip(found.runs, anchors, strict=True) if anchor], catalog, "a", "a", CHECKED
            )
        except BadInput:
            continue
        names = {key: row for key, row in made.layer.stacks.items() if row.quantity == LEVEL}
        states = [catalog, *(catalog.over(catalog.local | one)
                             for one in (Layer(stacks=names, steps=made.layer.steps), made.layer))]  # fmt: skip
        frames = [found, *(run_frame(found.runs, one, predict_step) for one in states[1:])]
        gaps = [np.log(seconds(one) / truth)[~anchors] for one in frames]
        half = [NORMAL_90 * time_log_sd(frames[i], states[i])[~anchors] for i in (0, 2)]
        figures.append(
            [
                *(np.median(np.abs(np.expm1(gap))) for gap in gaps),
                np.quantile(np.abs(np.expm1(gaps[2])), 0.9),
                *(np.mean(np.abs(gaps[i]) <= half[i // 2]) for i in (0, 2)),
                *map(np.median, half),
            ]
        )
    if not figures:
        return None
    mean = [float(value) for value in np.mean(figures, axis=0)]
    return Score(found.labels.group[0], user, size, (mean[0], mean[1], mean[2]), mean[3], (mean[4], mean[5]),
                 (mean[6], mean[7]))  # fmt: skip


def seconds(found: RunFrame) -> Array:
    """Return the predicted seconds of a step of every run."""
    return np.asarray(predict_step(found.job, found.layout, found.machine, found.kernels, found.stack)[0])


def report(title: str, found: list[Score], *, rows: bool) -> None:
    """Print one table: means over groups."""
    if not found:
        print(f"{title}: no group")
        return
    if rows:
        for one in sorted(found, key=lambda one: -one.medians[2]):
            print(f"  {one.group:30s} {one.runs:5d}  {figures([one])}")
    print(f"{title}: {len(found)} groups, {figures(found)}")


def figures(found: list[Score]) -> str:
    """Return the means over groups."""
    (before, alone, after), p90 = np.mean([one.medians for one in found], axis=0), np.mean([one.p90 for one in found])
    (held, holds), (half, halved) = (
        np.mean([getattr(one, name) for one in found], axis=0) for name in ("held", "half")
    )
    return (
        f"median {before:5.1%}, shift alone {alone:5.1%}, calibrated {after:5.1%} (p90 {p90:5.1%}); "
        f"in 90 % {held:4.0%} -> {holds:4.0%}, half-width {half:.2f} -> {halved:.2f}"
    )


def user_runs(file: str) -> list[Run]:
    """Return the runs of users: of a file, else those that are carried."""
    if file:
        return list(read_runs(file))
    carried = resources.files("steelyard.evidence.runs") / "published" / "users.csv"
    return list(parse_runs(carried.read_bytes(), "users")) if carried.is_file() else []


def timed_frame(runs: list[Run]) -> RunFrame:
    """Return the unlocked runs whose step time is scored."""
    found = run_frame([run for run in runs if not locked(run)], load(), predict_step)
    return frame_subset(found, np.isfinite(measured(found).step_s) & counted(found.runs, "time"))


def noise(gaps: dict[str, list[Array]]) -> None:
    """Print the two spreads of the law of the shift, given the log errors of each group of every owner."""
    offsets = np.array([np.mean([np.median(one) for one in some]) for some in gaps.values()])
    within = [np.std(one - np.median(one)) for some in gaps.values() for one in some if len(one) >= LEAST]
    robust = 1.4826 * np.median(np.abs(offsets))
    print(f"offsets of {len(offsets)} owners: rms {np.sqrt(np.mean(offsets**2)):.3f}, robust {robust:.3f} (s)")
    print(f"scatter within a group, median of {len(within)}: {np.median(within):.3f} (r)")


def main() -> None:
    """Print the scores."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--anchors", default=ANCHORS, help="runs of each group to calibrate on: 1,3")
    options.add_argument("--users", default="", help="a file of users' runs; default: those that are carried")
    chosen = options.parse_args()
    data, log_s = training_rows()
    keep = unlocked(data)
    data, log_s = frame_subset(data, keep), log_s[keep]
    users = timed_frame(user_runs(chosen.users))
    of_users, counts = set(users.labels.group), [int(one) for one in chosen.anchors.split(",")]
    scores: dict[int, list[Score]] = {count: [] for count in counts}
    gaps: dict[str, list[Array]] = {}
    for left in left_out(data, log_s, set(owners(users))):
        developers = [run for run, own in zip(data.runs, owners(data), strict=True) if own == left.owner]
        mine = [run for run, own in zip(users.runs, owners(users), strict=True) if own == left.owner]
        rows = mine + [run for run in developers if run.group not in of_users]
        for group in sorted({run.group for run in rows}):
            some = [run for run in rows if run.group == group]
            if group not in of_users:
                found = run_frame(some, left.catalog, predict_step)
                gaps.setdefault(left.owner, []).append(np.log(seconds(found) / measured(found).step_s))
            for count in counts:
                if len(some) >= max(LEAST, count + MORE):
                    one = score(some, left.catalog, count, group in of_users)
                    scores[count] += [one] if one else []
    for count, found in scores.items():
        for who, user in (("developers", False), ("users", True)):
            report(f"{count} anchors, {who}", [one for one in found if one.user == user], rows=True)
    noise(gaps)


if __name__ == "__main__":
    main()
