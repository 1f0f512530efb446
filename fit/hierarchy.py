"""A hierarchical fit in the logarithm: factors with Gaussian priors, Cauchy loss, reweighted Gauss-Newton steps."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.str_]
Predict = Callable[[Array], Array]

ROBUST = 0.12
"""Log error at which a row starts to count less: the noise between releases of one stack (data/README)."""

STEPS, FOLD_STEPS, NUDGE, STRIDE = 8, 4, 0.01, 0.5


def fit(measured: Array, weight: Array, predict: Predict, sd: Array, start: Array, steps: int = STEPS) -> Array:
    """Return the factors that minimise the weighted Cauchy loss plus their priors (mean 0, sd given)."""
    theta = start
    for _ in range(steps):
        slope, residual, robust = _slope(measured, weight, predict, theta)
        normal = (slope * robust) @ slope.T + np.diag(1 / sd**2)
        step = np.linalg.solve(normal, (slope * robust) @ residual - theta / sd**2)
        theta = theta + np.clip(step, -STRIDE, STRIDE)
    return theta


def spread(measured: Array, weight: Array, predict: Predict, sd: Array, theta: Array) -> Array:
    """Return the posterior sd of every factor at the optimum."""
    slope, _, robust = _slope(measured, weight, predict, theta)
    normal = (slope * robust) @ slope.T + np.diag(1 / sd**2)
    return np.sqrt(np.diag(np.linalg.inv(normal)))


def held_out(measured: Array, weight: Array, predict: Predict, sd: Array, by: Labels, start: Array) -> Array:
    """Return log predictions of every row by a fit that never saw a row with its label."""
    out = np.empty(len(measured))
    for label in sorted(set(by)):
        rows = by == label
        theta = fit(measured, np.where(rows, 0.0, weight), predict, sd, start, FOLD_STEPS)
        out[rows] = predict(theta)[rows]
    return out


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


def _slope(measured: Array, weight: Array, predict: Predict, theta: Array) -> tuple[Array, Array, Array]:
    now = predict(theta)
    residual = measured - now
    robust = weight / (1 + (residual / ROBUST) ** 2) / ROBUST**2
    slope = np.stack([(predict(theta + NUDGE * one) - now) / NUDGE for one in np.eye(len(theta))])
    return slope, residual, robust
