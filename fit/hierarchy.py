"""A hierarchical fit in the logarithm: factors with Gaussian priors, Cauchy loss, reweighted Gauss-Newton steps.

Each factor multiplies one field of the model on some rows, or the field to a power that is the row's own (its
*loading*), so a field's elasticity, the change of a log prediction for one of the logarithm of the field, times the
loading is the slope of all its factors: the model is evaluated once a field, not a factor.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.str_]
Predict = Callable[[Array], Array]

ROBUST = 0.12
"""Log error at which a row starts to count less: the noise between releases of one stack (data/README)."""

STEPS, NUDGE, STRIDE, SETTLED = 8, 0.01, 0.5, 0.002
"""Steps at most, what slopes are taken over, the longest step of a factor, and the longest of a fit that has ended."""


@dataclass(frozen=True)
class Problem:
    """What is fitted: log measurements with weights, theta → log predictions, each factor's loadings and prior sd."""

    measured: Array
    weight: Array
    predict: Predict
    loadings: Array  # factors x measurements: what one does to the logarithm of its field; 0 where it does not act
    fields: tuple[str, ...]  # that each factor multiplies
    sd: Array


def fit(problem: Problem) -> Array:
    """Return the factors that minimise the weighted Cauchy loss plus their priors (mean 0, sd given)."""
    theta, sd = np.zeros(len(problem.sd)), problem.sd
    for _ in range(STEPS):
        slope, residual, robust = _slope(problem, theta)
        normal = (slope * robust) @ slope.T + np.diag(1 / sd**2)
        step = np.linalg.solve(normal, (slope * robust) @ residual - theta / sd**2)
        theta = theta + np.clip(step, -STRIDE, STRIDE)
        if np.max(np.abs(step)) < SETTLED:
            break
    return theta


def covariance(problem: Problem, theta: Array) -> Array:
    """Return the posterior covariance of the factors at the optimum."""
    slope, _, robust = _slope(problem, theta)
    normal = (slope * robust) @ slope.T + np.diag(1 / problem.sd**2)
    return np.asarray(np.linalg.inv(normal))


def spread(problem: Problem, theta: Array) -> Array:
    """Return the posterior sd of every factor at the optimum."""
    return sds_of(covariance(problem, theta))


def sds_of(known: Array) -> Array:
    """Return the sd of every factor, given their covariance."""
    return np.sqrt(np.diag(known))


def hiding(problem: Problem, hidden: NDArray[np.bool_]) -> Problem:
    """Return a problem in which some rows weigh nothing."""
    return replace(problem, weight=np.where(hidden, 0.0, problem.weight))


def without(problem: Problem, hidden: NDArray[np.bool_]) -> Array:
    """Return the factors of a fit that never saw some rows: from the priors on, so nothing shows."""
    return fit(hiding(problem, hidden))


def folds(problem: Problem, by: Labels) -> dict[str, Array]:
    """Return, for every label, the factors of a fit that never saw its rows."""
    return {str(label): without(problem, by == label) for label in sorted(set(by))}


def gather(predict: Predict, factors: dict[str, Array], by: Labels) -> Array:
    """Return each row's prediction by the factors of its label's fold."""
    out = np.empty(len(by))
    for label, theta in factors.items():
        rows = by == label
        out[rows] = predict(theta)[rows]
    return out


def held_out(problem: Problem, by: Labels) -> Array:
    """Return log predictions of every row by a fit that never saw a row with its label."""
    return gather(problem.predict, folds(problem, by), by)


def balanced(by: Labels, power: float) -> Array:
    """Return row weights n^-power of each row's label, so that a table of n rows weighs n^(1-power)."""
    names, counts = np.unique(by, return_counts=True)
    size = dict(zip(names, counts, strict=True))
    return np.array([size[label] ** -power for label in by])


def balanced_quantile(values: Array, by: Labels, quantile: float) -> float:
    """Return a quantile in which every label weighs the same, however many rows it has."""
    order = np.argsort(values)
    weight = balanced(by, 1.0)[order]
    share = np.cumsum(weight) / weight.sum()
    return float(values[order][min(np.searchsorted(share, quantile), len(values) - 1)])


def _slope(problem: Problem, theta: Array) -> tuple[Array, Array, Array]:
    """Return d log prediction / d factor, residuals and robust weights."""
    now = problem.predict(theta)
    residual = problem.measured - now
    robust = problem.weight / (1 + (residual / ROBUST) ** 2) / ROBUST**2
    slope = np.empty(problem.loadings.shape)
    for name in sorted(set(problem.fields)):
        mine = [index for index, field in enumerate(problem.fields) if field == name]
        slope[mine] = _elasticity(problem, theta, now, mine) * problem.loadings[mine]
    return slope, residual, robust


def _elasticity(problem: Problem, theta: Array, now: Array, mine: list[int]) -> Array:
    """Return d log prediction / d log field of every row that some factor of the field moves, 0 of the others.

    Factors that share no row are nudged together, those that move most rows first.
    """
    loadings, acts = problem.loadings, problem.loadings != 0
    found, left = np.zeros(len(now)), np.any(acts[mine], axis=0)
    while left.any():
        nudged, reached = np.zeros(len(theta)), np.zeros(len(now))
        for index in sorted(mine, key=lambda one: -float(np.sum(np.abs(loadings[one]) * left))):
            if (acts[index] & left).any() and not (acts[index] & (reached != 0)).any():
                nudged[index] = NUDGE
                reached += loadings[index]
        now_reached = left & (reached != 0)
        moved = (problem.predict(theta + nudged) - now) / NUDGE
        found = np.divide(moved, reached, out=found, where=now_reached)
        left &= ~now_reached
    return found
