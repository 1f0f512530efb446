"""Fit, print the scores, and with --write replace the catalog's tables and the held-out predictions.

python -m fit.stacks [--write] [--unlocked]
"""

import argparse

from fit import hierarchy
from fit.stacks.factors import factors, problem_of, training_rows, unlocked
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
    theta = hierarchy.fit(problem)
    group = data.labels.group
    fitted = problem.predict(theta)
    report("in sample", score(fitted, log_s, group), 0)
    report("owner left out", score(strangers(problem, data, families=False), log_s, group), 0)
    report("owner and family left out", score(strangers(problem, data, families=True), log_s, group), 0)
    left_out = hierarchy.held_out(problem, group)
    report("group left out", score(left_out, log_s, group))
    report("every group", score(left_out, log_s, group, 1), 0)
    if chosen.write and not chosen.unlocked:
        wide = spreads(left_out - log_s, data)
        sds = hierarchy.spread(problem, theta)
        write(DATA / "stacks.csv", stack_table(data, parts, theta, sds, wide))
        write(DATA / "accelerators_steps.csv", accelerator_table(data, parts, theta, sds))
        write_held_out(data, left_out, fitted, wide)


if __name__ == "__main__":
    main()
