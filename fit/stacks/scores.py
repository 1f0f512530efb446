"""How far left-out step times lie from measured ones: errors and spreads, every group of rows weighing the same."""

from dataclasses import dataclass

import numpy as np

from fit import hierarchy
from fit.hierarchy import Array, Labels
from fit.stacks.factors import FAMILY_SD, STACK_FIELDS, Factor, as_strangers, owners
from steelyard.evidence.frames.frame import RunFrame
from steelyard.units import NORMAL_90


@dataclass(frozen=True)
class Strangers:
    """What fits that saw less predict of each row, and how little they know of its stack and chip."""

    predicted: Array
    evidence: Array  # posterior log sd of the factors of its stack and of its chip together


def strangers(
    problem: hierarchy.Problem, data: RunFrame, parts: list[Factor], *, families: bool, siblings: bool = True
) -> Strangers:
    """Return what is predicted of every group by a fit that saw no row of its owner, whatever the table.

    Args:
        problem: the fit
        data: its rows
        parts: its factors
        families: whether it saw no row of the families of chips of the group either
        siblings: whether its owner is left out at all
    """
    by, predicted, known = owners(data), np.empty(len(data)), np.empty(len(data))
    folds: dict[tuple[int, ...], tuple[Array, Array]] = {}
    for group in sorted(set(data.labels.group)):
        rows = data.labels.group == group
        hidden = np.isin(by, by[rows]) if siblings else rows
        if families:
            hidden |= np.isin(data.labels.family, data.labels.family[rows])
        key = tuple(np.flatnonzero(hidden).tolist())
        if key not in folds:
            seen = hierarchy.hiding(problem, hidden)
            theta = hierarchy.fit(seen)
            known_by = hierarchy.covariance(seen, theta)
            folds[key] = problem.predict(as_strangers(parts, theta)), evidence(parts, known_by)
        predicted[rows], known[rows] = (one[rows] for one in folds[key])
    return Strangers(predicted, known)


def evidence(parts: list[Factor], covariance: Array) -> Array:
    """Return the log sd of the factors of each row's stack and of its chip, as tables of the catalog have it.

    Those of one chip are told together, so that what its family has too much its own has too little; stack and chip
    are taken by themselves. A row whose stack nobody knows has the prior's.
    """
    named = np.any([part.rows for part in parts if is_stack(part)], axis=0)
    variance = np.where(named, 0.0, STACK_FIELDS["time_scale"][3] ** 2)
    for of in ([is_stack(part) for part in parts], [part.field == "chip" for part in parts]):
        member = np.stack([part.rows * part.loading for part, mine in zip(parts, of, strict=True) if mine])
        variance = variance + np.sum(member * (covariance[np.ix_(of, of)] @ member), axis=0)
    return np.asarray(np.sqrt(variance))


def is_stack(part: Factor) -> bool:
    """Tell whether a factor is the residual one of a stack."""
    return part.field == "time_scale" and part.precision == "any" and part.entity != "any"


def score(predicted: Array, measured: Array, group: Labels, least: int = 5) -> list[tuple[str, int, Array]]:
    """Return (group, rows, (median, p90, signed median)) of the groups with at least so many rows, worst first."""
    gap = predicted - measured
    error = np.abs(np.expm1(gap))
    found = []
    for name in sorted(set(group)):
        rows = group == name
        if rows.sum() >= least:
            figures = np.median(error[rows]), np.quantile(error[rows], 0.9), np.median(gap[rows])
            found.append((str(name), int(rows.sum()), np.array(figures)))
    return sorted(found, key=lambda one: -one[2][0])


def report(title: str, rows: list[tuple[str, int, Array]], most: int = 60) -> None:
    """Print one split."""
    mean = np.mean([figures for _, _, figures in rows], axis=0)
    print(f"{title}: {len(rows)} groups, mean of medians {mean[0]:.1%}, mean p90 {mean[1]:.1%}")
    for name, count, figures in rows[:most]:
        print(f"  {name:30s} {count:5d}  median {figures[0]:6.1%}  p90 {figures[1]:6.1%}  bias {figures[2]:+6.1%}")


def spreads(gap: Array, data: RunFrame) -> dict[str, float]:
    """Return the log sd of each stack's prediction from left-out residuals, each group weighing the same.

    A stack known from one group alone was unseen when that group was left out: its residuals, with those of all such
    stacks, make the spread of `any`, and its own spread falls between, like any factor's. One common factor then makes
    the intervals of all stacks together hold 90 %.
    """
    labels = data.labels
    groups = {stack: len(set(labels.group[labels.stack == stack])) for stack in sorted(set(labels.stack))}
    lone = np.array([groups[stack] == 1 for stack in labels.stack]) | (labels.stack == "any")
    found = {"any": _width(gap[lone], labels.group[lone])}
    for stack, count in groups.items():
        if stack != "any":
            rows, share = labels.stack == stack, count / (count + 2)
            found[stack] = share * _width(gap[rows], labels.group[rows]) + (1 - share) * found["any"]
    pulls = gap / np.array([found[stack] for stack in labels.stack])
    common = _width(pulls, labels.group)
    return {stack: width * common for stack, width in found.items()}


def flat(data: RunFrame, wide: dict[str, float], *, families: bool) -> Array:
    """Return the log sd of rows by their stacks alone, `any`'s where no other owner has one."""
    by, labels = owners(data), data.labels
    found = np.empty(len(data))
    for index, (stack, name) in enumerate(zip(labels.stack, by, strict=True)):
        found[index] = wide[stack if np.any((labels.stack == stack) & (by != name)) else "any"]
    return np.hypot(found, FAMILY_SD) if families else found


def _width(gap: Array, group: Labels) -> float:
    """Return the log sd whose 90 % interval holds 90 % of the residuals, every group weighing the same."""
    return hierarchy.balanced_quantile(np.abs(gap), group, 0.9) / NORMAL_90
