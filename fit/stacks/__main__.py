"""Fit, print the scores, and with --write replace the catalog's tables and the held-out predictions.

python -m fit.stacks [--write] [--unlocked]
"""

import argparse

import numpy as np

from fit import hierarchy
from fit.stacks.factors import as_strangers, factors, of_users, owners, problem_of, steps, training_rows, unlocked
from fit.stacks.intervals import Residuals, report_intervals
from fit.stacks.scores import flat, report, score, spreads, strangers
from fit.stacks.write import DATA, accelerator_table, spread_table, stack_table, write, write_held_out
from steelyard.catalog import load
from steelyard.evidence.frames.frame import frame_subset
from steelyard.evidence.score.intervals import step_traits
from steelyard.step import waiting_share
from steelyard.units import NORMAL_90


def main() -> None:
    """Run the fit."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--write", action="store_true", help="replace the tables of stacks and accelerators")
    options.add_argument("--unlocked", action="store_true", help="leave the locked third of the sources out of it all")
    chosen = options.parse_args()
    data, log_s = training_rows()
    if chosen.unlocked:
        keep = unlocked(data)
        data, log_s = frame_subset(data, keep), log_s[keep]
    parts = factors(data)
    problem = problem_of(data, log_s, parts)
    theta = as_strangers(parts, hierarchy.fit(problem))
    fitted, group = problem.predict(theta), data.labels.group
    every = hierarchy.folds(problem, group)
    folds = {name: as_strangers(parts, one) for name, one in every.items()}
    left_out = hierarchy.gather(problem.predict, folds, group)
    known = hierarchy.gather(problem.predict, every, group)
    far = {name: strangers(problem, data, parts, families=name != "owner") for name in ("owner", "owner and family")}
    splits = {"in sample": fitted, **{f"{name} left out": one.predicted for name, one in far.items()}}
    splits |= {"group left out": left_out, "group left out, owner known": known}
    users = of_users(data)
    for title, rows in (("developers", ~users), ("users", users)):
        for split, predicted in splits.items():
            most = 60 if split.startswith(("group left out", "owner left out")) else 0
            report(f"{title}, {split}", score(predicted[rows], log_s[rows], group[rows]), most)
    wide = spreads(left_out - log_s, data)
    waiting = np.asarray(waiting_share(steps(data, parts)(theta)[0]))
    seen = {
        name: Residuals(one.predicted - log_s, step_traits(data, one.evidence, waiting, load()), group, owners(data))
        for name, one in far.items()
    }
    before = {name: NORMAL_90 * flat(data, wide, families=name != "owner") for name in far}
    spread = report_intervals(seen, before, users)
    if chosen.write and not chosen.unlocked:
        known_by = hierarchy.covariance(problem, theta)
        sds = hierarchy.sds_of(known_by)
        write(DATA / "stacks.csv", stack_table(data, parts, theta, sds, wide))
        write(DATA / "accelerators_steps.csv", accelerator_table(data, parts, theta, known_by))
        write(DATA / "step_spread.csv", spread_table(data, parts, sds, spread))
        write_held_out(data, known, fitted, NORMAL_90 * spread.log_sd(seen["owner"].traits))


if __name__ == "__main__":
    main()
