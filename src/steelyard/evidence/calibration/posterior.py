r"""Constants that measurements move: a Gaussian prior, a linearised model, Gauss-Newton steps; numpy alone.

With :math:`y = f(\theta) + \varepsilon` in logarithms, :math:`\theta \sim N(0, S)` and slopes
:math:`J = \partial f / \partial \theta`, the posterior at the optimum is
:math:`C = (J^T W J + S^{-1})^{-1}`. Weights :math:`W` are those of a Student t of few degrees of freedom, so that one
run that went wrong does not move the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from steelyard.units import Array

_Predict = Callable[[Array], Array]

STEPS, PLAIN_STEPS, NUDGE, STRIDE = 10, 4, 0.01, 0.5
CELLS = 1 << 14
"""Predictions that are made at once: more no longer fit a core's cache."""

FREEDOM = 4.0
"""Degrees of freedom of the residuals: their tails as published runs show them (Lange, Little and Taylor 1989, JASA 84,
881-896, take 4 where nothing better is known)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured, and the model of it: an entry a measurement, all in logarithms."""

    measured: Array
    noise: Array  # sd of one measurement about the model
    predict: _Predict  # shifts of the constants, along the last axis → predictions, along the last axis
    sd: Array  # of the constants before


@dataclass(frozen=True, slots=True)
class Posterior:
    """The constants after: shifts of their logarithms, and how sure they are."""

    shift: Array
    covariance: Array
    slope: Array  # constants x measurements, at the optimum

    @property
    def sd(self) -> Array:
        """Return the sd of each constant."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    @property
    def predictive_variance(self) -> Array:
        """Return the variance of each measurement's prediction, its own noise apart."""
        return np.asarray(np.einsum("im,ij,jm->m", self.slope, self.covariance, self.slope))


def posterior_of(evidence: Evidence) -> Posterior:
    """Return the constants after the evidence.

    >>> runs = Evidence(np.log([1.2, 1.2]), np.array([0.1, 0.1]), lambda by: np.repeat(by, 2, -1), np.array([0.2]))
    >>> found = posterior_of(runs)
    >>> [round(float(np.exp(found.shift[0])), 2), round(float(found.sd[0]), 2)]
    [1.18, 0.07]
    """
    shift = np.zeros(len(evidence.sd))
    if not np.isfinite(evidence.noise).any():  # nothing was measured that tells of them
        return Posterior(shift, np.diag(evidence.sd**2), np.zeros((len(shift), len(evidence.noise))))
    prior = np.diag(1 / evidence.sd**2)
    for step in range(STEPS):
        slope, residual = slope_of(evidence, shift)
        weight = 1 / evidence.noise**2
        if step >= PLAIN_STEPS:
            weight = weight * (FREEDOM + 1) / (FREEDOM + (residual / evidence.noise) ** 2)
        normal = (slope * weight) @ slope.T + prior
        moved = np.linalg.solve(normal, (slope * weight) @ residual - shift / evidence.sd**2)
        shift = shift + np.clip(moved, -STRIDE, STRIDE)
    slope, _ = slope_of(evidence, shift)
    weight = np.minimum(weight, 1 / evidence.noise**2)
    covariance = np.linalg.inv((slope * weight) @ slope.T + prior)
    return Posterior(shift, np.asarray(covariance, dtype=np.float64), slope)


def slope_of(evidence: Evidence, shift: Array) -> tuple[Array, Array]:
    """Return how predictions change with each constant (constants x measurements), and what they miss, at a shift."""
    at_once = max(1, CELLS // max(1, len(evidence.measured)))
    shifts = np.vstack([shift, shift + NUDGE * np.eye(len(shift))])
    found = np.vstack([evidence.predict(shifts[first : first + at_once]) for first in range(0, len(shifts), at_once)])
    return (found[1:] - found[0]) / NUDGE, evidence.measured - found[0]
