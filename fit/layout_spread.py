"""Measure how wrong predicted differences are, from the jobs that were run in several layouts.

In a set (one job on one machine and stack in at least three layouts) the error that all layouts share cancels when two
of them are compared; what is left is a layout's own. Its spread is pooled over the sets of a group, and the row is the
median over groups. Constants are those fitted with the source left out wherever such are stored.

    python -m fit.layout_spread [--write]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fit.stacks.write import PUBLISHED, write
from steelyard.evidence.runs.reader import published_runs
from steelyard.evidence.score.ranking import Ranking
from steelyard.evidence.score.validation import scored_runs

TARGET = Path(__file__).parents[1] / "src/steelyard/catalog/data/layout_spread.csv"
COMMAND = "python -m fit.layout_spread --write"
CHECKED = "2026-11-21"


def layout_log_sd(ranking: Sequence[Ranking]) -> float:
    """Return the median over groups of the spread of a layout's own error."""
    return float(np.median([one.log_sd for one in ranking]))


def row(ranking: Sequence[Ranking]) -> tuple[str, ...]:
    """Return the catalog's row."""
    rows, sets = sum(one.layouts for one in ranking), sum(one.sets for one in ranking)
    spreads = ", ".join(f"{one.log_sd:.3f}" for one in sorted(ranking, key=lambda one: one.log_sd))
    note = f"median over groups of the spread within {sets} jobs run in three layouts or more; groups: {spreads}"
    value = f"{layout_log_sd(ranking):.3f}"
    return (
        "any",
        "any",
        "layout_log_sd",
        value,
        "1",
        "0",
        str(rows),
        str(len(ranking)),
        PUBLISHED,
        COMMAND,
        CHECKED,
        note,
    )


def main() -> None:
    """Print the row; write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the catalog's layout_spread.csv")
    made = row(scored_runs(published_runs()).ranking)
    print(",".join(made))
    if parser.parse_args().write:
        write(TARGET, [list(made)])


if __name__ == "__main__":
    main()
