"""Count the runs of each stack on each family of chips, and measure what having none leaves open of a step.

python -m fit.pairs            print the rows of the catalog's step_pairs.csv
python -m fit.pairs --write    write them

What having none leaves open is what a group's offset scatters more where the families of its chips are left out as well
as its owner (`evidence/score/splits.csv`), over groups of owners that are not locked.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fit.stacks.write import PUBLISHED, write
from steelyard.catalog import load
from steelyard.catalog.local.step_shift import pair_name
from steelyard.catalog.spread import PAIR_RUNS, UNPAIRED
from steelyard.catalog.stack_names import FALLBACK
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.runs.reader import published_runs, user_runs
from steelyard.evidence.score.lock import locked
from steelyard.evidence.score.splits import split_part, splits
from steelyard.evidence.score.strangers import TIME

TARGET = Path(__file__).parents[1] / "src/steelyard/catalog/data/step_pairs.csv"
COMMAND = "python -m fit.pairs --write"
CHECKED = "2026-11-30"


def offsets(split: str, groups: set[str]) -> np.ndarray:
    """Return the logarithms of the offsets of some groups in a split of stored scores."""
    kept = [one.bias for one in split_part(splits(), TIME, split, 1) if one.group in groups]
    return np.log1p([bias for bias in kept if not np.isnan(bias)])


def unpaired_log_sd(groups: set[str]) -> tuple[float, int]:
    """Return what families that are left out add to the scatter of offsets, and over how many groups."""
    owner, both = offsets("publisher", groups), offsets("publisher and family", groups)
    return float(np.sqrt(max(0.0, np.mean(both**2) - np.mean(owner**2)))), len(both)


def lines() -> Iterator[list[str]]:
    """Yield the rows of the table."""
    runs = (*published_runs(), *user_runs())
    added, groups = unpaired_log_sd({run.group for run in runs if not locked(run)})
    note = (
        "offsets of groups with the families of their chips left out scatter so much more than with their owner alone"
    )
    yield ["any", "any", UNPAIRED, f"{added:.3f}", "1", "0", "0", str(groups), PUBLISHED, COMMAND, CHECKED, note]
    found = run_frame(runs, load())
    timed = np.isfinite(measured(found).step_s)
    labels = zip(found.labels.stack[timed], found.labels.family[timed], found.labels.group[timed], strict=True)
    counts: Counter[str] = Counter()
    sources: dict[str, set[str]] = {}
    for stack, family, group in labels:
        for name in (str(stack), FALLBACK):
            counts[pair_name(name, str(family))] += 1
            sources.setdefault(pair_name(name, str(family)), set()).add(str(group))
    for name in sorted(counts):
        count = str(counts[name])
        yield [name, "any", PAIR_RUNS, count, "1", "0", count, str(len(sources[name])), PUBLISHED, COMMAND, CHECKED, ""]


def main() -> None:
    """Print the table; write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the catalog's step_pairs.csv")
    made = list(lines())
    print("\n".join(",".join(row) for row in made))
    if parser.parse_args().write:
        write(TARGET, made)


if __name__ == "__main__":
    main()
