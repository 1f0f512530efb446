"""How far left-out memory predictions lie from measured peaks: errors by group, spreads, coverage, feasibility."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fit import hierarchy
from fit.hierarchy import Array
from steelyard.evidence.frames.frame import RunFrame
from steelyard.units import NORMAL_90

ANY, UNSEEN = "any", "unseen"
"""A stack that nobody named; one that is named, and of which no fit has seen a row."""

FLOOR = 0.02  # no peak is known better: rounding of published figures and of allocations moves it by as much


@dataclass(frozen=True)
class Rows:
    """Cases with a measured peak (or that ran out of memory: NaN), as tables, and what is compared."""

    frame: RunFrame
    metric: NDArray[np.str_]  # allocated, reserved or device
    log_bytes: Array
    weight: Array  # 0: predicted, never fitted to
    scored: NDArray[np.bool_]
    settled: NDArray[np.bool_]  # layout and recompute are the row's own, not chosen by prediction


def show(rows: Rows, every: dict[str, Array]) -> None:
    """Print each group's error under each way of fitting: median, signed median and 90th percentile in per cent.

    `every` is log predicted over measured of each.
    """
    gaps = {name: gap[rows.scored] for name, gap in every.items()}
    group = rows.frame.labels.group[rows.scored]
    print(f"{'group (median, signed median, p90 in %)':39s}" + "".join(f"{name:>21s}" for name in gaps))
    names, counts = np.unique(group, return_counts=True)
    for name, count in sorted(zip(names, counts, strict=True), key=lambda one: -one[1]):
        print(f"{name:34s}{count:5d}" + "".join(f"{line(gap[group == name]):>21s}" for gap in gaps.values()))
    large = names[counts >= 5]
    means = [np.mean([np.median(np.abs(np.expm1(gap[group == name]))) for name in large]) for gap in gaps.values()]
    print(f"{'mean of group medians, n >= 5':39s}" + "".join(f"{mean:>20.1%} " for mean in means))


def line(gap: Array) -> str:
    """Format median, signed median and 90 % quantile of log errors in per cent."""
    size = np.abs(np.expm1(gap)) * 100
    return f"{np.median(size):5.1f} {np.expm1(np.median(gap)) * 100:+6.1f} {np.quantile(size, 0.9):5.0f}"


def spreads(rows: Rows, gap: Array, unseen: Array, unnamed: Array) -> dict[str, float]:
    """Return the log sd of each stack's predicted peak, from rows left out with their group: what a user's runs mend.

    Rows left out with their whole stack make the spread of one that no fit has seen (`UNSEEN`), and a stack's own falls
    between, the nearer to its own residuals the more groups it has. One common factor then makes all intervals together
    hold 90 %. Where nobody names the stack, its recipe is open as well: rows without their stack's name make the
    spread of `any`.
    """
    labels = rows.frame.labels
    settled = rows.scored & (rows.weight > 0)
    gap, stack, group = gap[settled], labels.stack[settled], labels.group[settled]
    count = {name: len(set(group[stack == name])) for name in sorted(set(stack))}
    found = {UNSEEN: width(unseen[settled], group)}
    for name in sorted(set(count) - {ANY}):
        share = count[name] / (count[name] + 1)
        found[name] = share * width(gap[stack == name], group[stack == name]) + (1 - share) * found[UNSEEN]
    common = width(gap / np.array([found.get(name, found[UNSEEN]) for name in stack]), group)
    named = {name: max(value * common, FLOOR) for name, value in found.items()}
    told = rows.scored & np.isfinite(unnamed)
    return named | {ANY: max(named[UNSEEN], width(unnamed[told], labels.group[told]))}


def width(gap: Array, group: NDArray[np.str_]) -> float:
    """Return the log sd whose 90 % interval holds 90 % of the residuals, every group weighing the same."""
    return hierarchy.balanced_quantile(np.abs(gap), group, 0.9) / NORMAL_90


@dataclass(frozen=True)
class Bounds:
    """What is predicted of a device's memory, with both ends of its interval, in bytes."""

    predicted: Array
    low: Array
    high: Array


def feasibility(rows: Rows, device: Bounds) -> None:
    """Print how the left-out prediction of a device's memory separates rows that ran from rows that did not."""
    limit = np.broadcast_to(rows.frame.machine.memory_bytes, len(rows.frame))
    out = rows.settled & ~np.isfinite(rows.log_bytes) & (rows.frame.labels.use != "context")
    ran = rows.scored & rows.settled
    for name, low, high in (("value", device.predicted, device.predicted), ("interval", device.low, device.high)):
        caught, refused, fits = (high > limit)[out], (low > limit)[ran], (high <= limit)[ran]
        print(
            f"{name:9s} of {out.sum()} rows that ran out {np.mean(caught):.0%} are not called fitting; "
            f"of {ran.sum()} that ran {1 - np.mean(refused):.0%} are not refused, {np.mean(fits):.0%} fit"
        )
