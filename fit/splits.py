"""Score the fits with more than one source left out, and store the scores: `src/steelyard/evidence/score/splits.csv`.

    python -m fit.splits [--data FOLDER] [--open-locked]

What strangers see is scored by `strangers.py`. A few runs of a source that was left out are given to `calibrate`, and
its others are predicted. With FOLDER (that holds `measured/`) operators and collectives are scored with each device
left out as well, and nodes' power with each type of node. Rows of metrics that are not scored anew are kept, the locked
third's too where it is not opened.
"""

import argparse
import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from fit import anchors, strangers
from fit.kernels import facts
from fit.kernels import fitting as kernels
from fit.kernels import scores as kernel_scores
from fit.power import fitting as power_fit
from fit.stacks.factors import of_users, training_rows
from fit.strangers import TIME, USERS
from steelyard.catalog import load
from steelyard.evidence.score.splits import Split, split_mean, splits
from steelyard.units import NORMAL_90

TARGET = Path(__file__).parents[1] / "src/steelyard/evidence/score/splits.csv"


def anchored() -> Iterator[Split]:
    """Yield the scores of the other runs of a source, once `calibrate` has seen three of them, one, or half."""
    data, log_s = training_rows()
    apart = set(data.labels.group[of_users(data)])
    for by, split in (("group", "group"), ("family", "family"), ("owner", "publisher")):
        for left in anchors.left_out(data, log_s, by):
            for count, many in ((3, "three anchors"), (1, "one anchor")) if by == "owner" else ((3, "three anchors"),):
                for group, some in _by_group(anchors.scored(data, left, by, count)).items():
                    name = f"{group} ({left.label})" if by == "family" else group
                    kind = USERS if group in apart else ""
                    yield _anchored(some, f"{kind}{many}, {split}", name)
                    if some[0].new and by == "group":
                        yield _anchored(some, f"{kind}{many}, new", name)
            half = left.label in anchors.HALVES and by == "group"
            for group, some in _by_group(anchors.scored(data, left, by, 0) if half else ()).items():
                yield _anchored(some, "half as anchors", group)


def _by_group(found: Iterable[anchors.Score]) -> dict[str, list[anchors.Score]]:
    """Return the scores of each source, one for every choice of anchors."""
    scores: dict[str, list[anchors.Score]] = {}
    for one in found:
        scores.setdefault(one.group, []).append(one)
    return scores


def _anchored(found: list[anchors.Score], split: str, name: str) -> Split:
    """Return the mean score over choices of anchors."""
    nothing = float("nan")

    def mean(figure: Callable[[anchors.Score], Any]) -> float:
        return float(np.mean([figure(one) for one in found]))

    return Split(
        metric=TIME,
        split=split,
        group=name,
        n=len(found[0].after),
        median=mean(lambda one: np.median(one.after)),
        mean=mean(lambda one: np.mean(one.after)),
        p90=mean(lambda one: np.quantile(one.after, 0.9)),
        bias=nothing,
        coverage=mean(lambda one: np.mean(one.inside)),
        naive=nothing,
    )


def operators(folder: Path) -> Iterator[Split]:
    """Yield the scores of 16-bit matrix products and of large collectives inside a switched domain, by device."""
    accelerators = facts.rated_accelerators()
    found = kernels.estimates(folder, accelerators)
    names = {"matrix product": ("gemm_s", ("bf16", "fp16")), "collective > 1 MiB": ("collective_s", ("switched",))}
    for kind in kernel_scores.kinds(folder):
        metric, labels = names.get(kind.name, ("", ()))
        for one in kernel_scores.score(kind, accelerators, found, kernels.pooled) if labels else ():
            if one.precision in labels:
                median, mean_, bias, naive = (value / 100 for value in (one.median, one.mean, one.bias, one.naive))
                group = f"{one.accelerator}/{one.precision}"
                nothing = float("nan")
                yield Split(metric, "device", group, one.rows, median, mean_, nothing, bias, nothing, naive)


def power(folder: Path) -> Iterator[Split]:
    """Yield the scores of node power by node type, with the type in the fit and without."""
    rows = power_fit.score(power_fit.gathered(folder, load()))
    for name in sorted({one.reading.node_type for one in rows}):
        part = [one for one in rows if one.reading.node_type == name]
        inside = float(np.mean([abs(one.deviations) <= NORMAL_90 for one in part]))
        for split, errors in (
            ("none", np.array([one.fitted for one in part])),
            ("node type", np.array([one.left_out for one in part])),
        ):
            yield Split(
                metric="node_power_w",
                split=split,
                group=name,
                n=len(part),
                median=float(np.median(np.abs(errors))),
                mean=float(np.mean(np.abs(errors))),
                p90=float(np.quantile(np.abs(errors), 0.9)),
                bias=float(np.median(errors)),
                coverage=inside if split == "node type" else float("nan"),
                naive=float("nan"),
            )


def write(found: Iterable[Split]) -> None:
    """Store scores in place of those of the same metrics and splits; the others are kept."""
    new = list(found)
    renewed = {(one.metric, one.split) for one in new}
    rows = [one for one in splits() if (one.metric, one.split) not in renewed] + new
    with TARGET.open("w", newline="", encoding="utf-8") as out:
        table = csv.DictWriter(out, [field.name for field in fields(Split)], lineterminator="\n")
        table.writeheader()
        for row in sorted(rows, key=lambda one: (one.metric, one.split, one.group)):
            table.writerow({name: _cell(value) for name, value in asdict(row).items()})


def _cell(value: str | float) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.4g}"
    return str(value)


def main() -> None:
    """Score, store, and print the mean over groups."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="folder that holds measured/, to score operators as well")
    options.add_argument("--open-locked", action="store_true", help="score the locked third: once, all choices made")
    chosen = options.parse_args()
    data = chosen.data
    found = [*strangers.step_times(), *strangers.peaks(), *strangers.fits(), *anchored()]
    if chosen.open_locked:
        found += [*strangers.locked_steps(), *strangers.locked_peaks()]
    if data:
        found += [*operators(data / "measured"), *power(data / "measured")]
    write(found)
    for metric, split in sorted({(one.metric, one.split) for one in found}):
        large = [one for one in found if (one.metric, one.split) == (metric, split) and one.n >= 5]
        print(f"{metric}, {split} left out: {len(large)} groups, mean of medians {split_mean(large, 'median'):.1%}")


if __name__ == "__main__":
    main()
