"""A shift of step times, then other constants on what it leaves, the farther the more runs there are."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from steelyard.evidence.calibration.constants import Constant
from steelyard.evidence.calibration.posterior import Posterior, posterior_of
from steelyard.evidence.calibration.sample import Sample, evidence_of, shifted_predictions
from steelyard.evidence.calibration.shift import StepGaps, StepShifts, step_shifts
from steelyard.planner.measured.alike import gap_logs
from steelyard.units import Array, Share

LEAST_RUNS = 3
"""Timed runs from which on constants of time move, and with which they go half of the way that their fit to the runs
asks for: of so few, half of it is what the runs have in common by chance. Chosen (docs/log.md)."""


@dataclass(frozen=True, slots=True)
class FittedShift:
    """What runs make of the shift and the constants, and what is then predicted of every measurement."""

    shifts: StepShifts
    constants: Posterior
    predicted: Array  # seconds or bytes, but for what runs that are alike tell
    alike: Array  # the logarithm of that, of every measurement


@dataclass(frozen=True, slots=True)
class Fitting:
    """A sample with what may move."""

    of: Sample
    parts: list[Constant]
    pairs: NDArray[np.str_]  # of stack and chip, of every run of the frame
    texts: tuple[str, ...]  # what decides the step of every run of the frame
    shipped: Array  # seconds or bytes of every measurement by the shipped fit
    open_log_sds: Mapping[str, float]  # by pair: how far the constants of its chip are open

    @property
    def timed(self) -> NDArray[np.bool_]:
        """Which measurements are of step time."""
        return np.asarray(self.of.metric == "step_time_s")

    def made(self, keep: NDArray[np.bool_], others: bool) -> FittedShift:
        """Return what some measurements set: the shift, and by those of memory, or by all, the constants.

        Args:
            keep: the measurements that are known
            others: whether constants of time move, too, on what the shift leaves
        """
        shifts = step_shifts(self._gaps(self.shipped, keep), self.open_log_sds)
        offset = np.where(self.timed, shifts.of(self.pairs)[self.of.owner], 0.0)
        found = posterior_of(evidence_of(self.of, self.parts, keep & ~self.timed, offset))
        if others:
            every = posterior_of(evidence_of(self.of, self.parts, keep, offset))
            count = len(set(self.of.owner[keep & self.timed].tolist()))
            found = replace(every, shift=found.shift + way_of(count) * (every.shift - found.shift))
        now = shifted_predictions(self.of, self.parts, found.shift) if found.shift.any() else self.shipped
        now = now * np.exp(offset)
        return FittedShift(shifts, found, now, self._alike(self._gaps(now, keep)))

    def _gaps(self, predicted: Array, keep: NDArray[np.bool_]) -> StepGaps:
        """Return how far measured steps are from predicted ones, with what they are of."""
        timed = np.flatnonzero(keep & self.timed)
        rows = self.of.owner[timed]
        texts = [self.texts[row] for row in rows]
        return StepGaps(np.log(self.of.measured[timed] / predicted[timed]), self.pairs[rows], texts)

    def _alike(self, known: StepGaps) -> Array:
        """Return what measured steps tell of every measurement of one, beyond what is predicted of them."""
        logs = gap_logs([self.texts[row] for row in self.of.owner], known.by_text())
        return np.where(self.timed, logs, 0.0)

    def unseen(self, folds: int) -> tuple[bool, Array]:
        """Return whether constants of time move, and each measurement's error by what was made without its run."""
        others = len(set(self.of.owner[self.timed].tolist())) >= LEAST_RUNS
        return others, self._left_out(folds, others)

    def _left_out(self, folds: int, others: bool) -> Array:
        """Return each measurement's error, predicted / measured - 1, by what was made without its run."""
        owners = sorted(set(self.of.owner.tolist()))
        errors = np.full(len(self.of.measured), math.nan)
        for fold in range(min(folds, len(owners)) if len(owners) > 1 else 0):
            out = np.isin(self.of.owner, owners[fold::folds])
            made = self.made(~out, others)
            errors[out] = (made.predicted * np.exp(made.alike) / self.of.measured - 1)[out]
        return errors


def way_of(runs: int) -> Share:
    r"""Return how far constants go of the way that their fit to some runs asks for.

    .. math:: n / (n + 3)

    Args:
        runs: timed ones, n.

    >>> way_of(3), way_of(27)
    (0.5, 0.9)
    """
    return runs / (runs + LEAST_RUNS)
