"""Fit, print the scores, and with --write replace the catalog's tables and the held-out predictions.

python -m fit.stacks [--write] [--unlocked]
"""

import argparse

from fit import hierarchy
from fit.stacks.factors import as_strangers, factors, of_users, problem_of, training_rows, unlocked
from fit.stacks.scores import report, score, spreads, strangers
from fit.stacks.write import DATA, accelerator_table, stack_table, write, write_held_out
from steelyard.evidence.frames.frame import frame_subset


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
    folds = {name: as_strangers(parts, one) for name, one in hierarchy.folds(problem, group).items()}
    left_out = hierarchy.gather(problem.predict, folds, group)
    splits = {
        "in sample": fitted,
        "owner left out": strangers(problem, data, families=False),
        "owner and family left out": strangers(problem, data, families=True),
        "group left out": left_out,
    }
    for title, rows in (("developers", ~of_users(data)), ("users", of_users(data))):
        for split, predicted in splits.items():
            report(f"{title}, {split}", score(predicted[rows], log_s[rows], group[rows]), 60 if "group" in split else 0)
    if chosen.write and not chosen.unlocked:
        wide = spreads(left_out - log_s, data)
        sds = hierarchy.spread(problem, theta)
        write(DATA / "stacks.csv", stack_table(data, parts, theta, sds, wide))
        write(DATA / "accelerators_steps.csv", accelerator_table(data, parts, theta, sds))
        write_held_out(data, left_out, fitted, wide)


if __name__ == "__main__":
    main()
