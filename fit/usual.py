"""Count which settings published runs have, owner by owner: what a setting that nobody states is drawn from.

python -m fit.usual            print the rows of the catalog's usual_settings.csv
python -m fit.usual --write    write them

Only rows that say which value they have count, and only those of owners that are not locked. Every owner counts the
same, however many rows it has. A micro-batch is in tokens of one device, by powers of two.
Attention is not counted: its kernels are fused in every stack's defaults of today, and who has others says so.
"""

import argparse
import csv
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from fit.stacks.write import PUBLISHED
from steelyard.catalog import load
from steelyard.catalog.stack_names import FALLBACK
from steelyard.catalog.stacks import LOGIT_BYTES
from steelyard.catalog.usual.rows import ADAPTED, WHOLE, UsualSetting
from steelyard.evidence.frames.frame import RunFrame, run_frame
from steelyard.evidence.runs.reader import published_runs, user_runs
from steelyard.evidence.score.lock import locked, owner
from steelyard.job.training import ADAPTERS
from steelyard.step.tensors.recipe import settled_entry

TARGET = Path(__file__).parents[1] / "src/steelyard/catalog/data/usual_settings.csv"
COMMAND = "python -m fit.usual --write"
CHECKED = "2026-11-30"

LEAST = 0.01
"""Share below which a value of a setting is left out: a run of a sweep."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One setting: which rows it can have, and which value each has."""

    value: Callable[[RunFrame, int], float]
    applies: Callable[[RunFrame, int], bool] = lambda found, row: True
    every_stack: bool = True  # all stacks have its values: one of few owners is filled up with the others'


def _recompute(found: RunFrame, row: int) -> float:
    """Return none, selective or full by number: a share of the blocks is the nearer of selective and full."""
    return float(min((0, 1, 2), key=lambda policy: abs(policy - found.layout.recompute[row])))


def _micro_batch_tokens(found: RunFrame, row: int) -> float:
    return float(2 ** round(math.log2(found.layout.micro_batch[row] * found.runs[row].sequence_tokens)))


def _logit_bytes(found: RunFrame, row: int) -> float:
    """Return the bytes of a logit at the peak; a silent run has the loss of its stack, as nobody says its default."""
    return float(np.broadcast_to(settled_entry(found.job.recipe, found.stack, LOGIT_BYTES), len(found))[row])


COUNTED: Mapping[str, Counted] = {
    "recompute": Counted(_recompute),
    "sequence parallelism": Counted(
        lambda found, row: float(found.layout.sp[row]), lambda found, row: found.layout.tp[row] > 1
    ),
    "loss": Counted(_logit_bytes, lambda found, row: float(found.job.workload.head.logits[row]) > 0, every_stack=False),
    "pipeline": Counted(lambda found, row: float(found.layout.pp[row] > 1)),
    "interleaving": Counted(
        lambda found, row: float(found.layout.vpp[row] > 1), lambda found, row: found.layout.pp[row] > 1
    ),
    "micro-batch": Counted(_micro_batch_tokens, lambda found, row: found.runs[row].sequence_tokens > 0),
}


def shares_of_owners(counts: Mapping[str, Counter[float]]) -> dict[float, float]:
    """Return the mean over owners of the share of their runs that have each value.

    >>> shares_of_owners({"one": Counter({0.0: 3, 2.0: 1}), "other": Counter({2.0: 100})})
    {0.0: 0.375, 2.0: 0.625}
    """
    values = sorted({value for each in counts.values() for value in each})
    return {value: sum(each[value] / each.total() for each in counts.values()) / len(counts) for value in values}


def counted_settings() -> Iterator[UsualSetting]:
    """Yield the rows of the table."""
    found = run_frame([run for run in (*published_runs(), *user_runs()) if not locked(run)], load())
    for name, one in COUNTED.items():
        counts: dict[tuple[str, str], dict[str, Counter[float]]] = {}
        for row, run in enumerate(found.runs):
            if name in found.assumed[row] or not one.applies(found, row):
                continue
            trained = ADAPTED if run.task in ADAPTERS else WHOLE
            for stack in {str(found.labels.stack[row]), *([FALLBACK] if one.every_stack else ())}:
                counts.setdefault((stack, trained), {}).setdefault(owner(run), Counter())[one.value(found, row)] += 1
        for (stack, trained), owners in sorted(counts.items()):
            for value, share in shares_of_owners(owners).items():
                if share >= LEAST:
                    yield UsualSetting(name, stack, trained, value, share, len(owners), PUBLISHED, COMMAND, CHECKED)


def main() -> None:
    """Print the table; write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the catalog's usual_settings.csv")
    names = [field.name for field in fields(UsualSetting)]
    made = [[getattr(row, name) for name in names] for row in counted_settings()]
    lines = [[f"{cell:.3g}" if isinstance(cell, float) and cell <= 2 else f"{cell}" for cell in row] for row in made]
    print("\n".join(",".join(row) for row in lines))
    if parser.parse_args().write:
        with TARGET.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([names, *lines])


if __name__ == "__main__":
    main()
