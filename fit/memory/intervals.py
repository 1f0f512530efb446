"""How wide the intervals of peaks are: parts of a spread, fitted to residuals of fits that saw less.

Residuals are of rows whose group, stack or convention was left out, of rows whose stack nobody had named, and of users'
runs, which are in no fit of memory. Every group of every such split weighs the same, and every convention; groups of
less than five rows weigh as one together. The likelihood is Student's t with five degrees of freedom, so that a few
wild rows do not set the width; what is stored is the sd of the normal distribution with the same 90 % interval.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np
from scipy.optimize import minimize

from fit import hierarchy
from fit.hierarchy import Array, Labels
from fit.memory.scores import FLOOR
from fit.stacks.intervals import held
from steelyard.catalog.peaks import PeakSpread, PeakTraits
from steelyard.evidence.score.groups import LEAST_ROWS
from steelyard.units import NORMAL_90

DEGREES, STUDENT_90 = 5, 2.015
"""Degrees of freedom, and half of its 90 % interval in scales."""

AS_NORMAL = STUDENT_90 / NORMAL_90
"""Sd of a normal distribution over the scale of Student's t whose 90 % interval is the same."""

START = {
    "activations": 0.1,
    "momentary": 0.1,
    "outside": 0.3,
    "guessed": 0.1,
    "unstated": 0.1,
    "unseen": 0.1,
    "unnamed": 0.4,
}
"""Scales that the fit starts from; what all peaks have is given, as rounding alone (`FLOOR`)."""

CONVENTION = "convention left out"
"""The split in which no row of a row's convention is in the fit."""

LEAST, MOST = 0.01, 2.0
"""Limits of a scale."""


@dataclass(frozen=True)
class PeakResiduals:
    """Log predicted over measured of fits that saw less, with the traits of each row."""

    gap: Array
    traits: PeakTraits
    unnamed: Array  # 1: predicted as if nobody had named the stack
    split: Labels
    group: Labels  # that weigh the same: a group, or a convention
    owner: Labels

    def part(self, keep: Array) -> "PeakResiduals":
        """Return some rows."""
        traits = PeakTraits(**{name: column[keep] for name, column in self.columns().items()})
        rest = {one.name: getattr(self, one.name)[keep] for one in fields(self) if one.name != "traits"}
        return PeakResiduals(traits=traits, **rest)

    def columns(self) -> Mapping[str, Array]:
        """Return every trait, an entry a row."""
        count = len(self.gap)
        return {one.name: np.broadcast_to(getattr(self.traits, one.name), count) for one in fields(PeakTraits)}

    def balanced_by(self) -> Labels:
        """Return what weighs the same: the groups of a split, its small ones together."""
        pairs = np.array([f"{split}: {group}" for split, group in zip(self.split, self.group, strict=True)])
        names, counts = np.unique(pairs, return_counts=True)
        small = np.isin(pairs, names[counts < LEAST_ROWS])
        return np.where(small, np.array([f"{split}: few rows" for split in self.split]), pairs)


def together(parts: Iterable[PeakResiduals]) -> PeakResiduals:
    """Return the residuals of several splits as one."""
    some = list(parts)
    traits = {one.name: np.concatenate([part.columns()[one.name] for part in some]) for one in fields(PeakTraits)}
    names = [one.name for one in fields(PeakResiduals) if one.name != "traits"]
    rest = {name: np.concatenate([getattr(part, name) for part in some]) for name in names}
    return PeakResiduals(traits=PeakTraits(**traits), **rest)


def fitted_peak_spread(seen: PeakResiduals) -> PeakSpread:
    """Return the spread under which the residuals are likeliest, as sds of normal distributions of the same 90 %."""
    weight = hierarchy.balanced(seen.balanced_by(), 1.0)

    def loss(logs: Array) -> float:
        log_sd = np.log(log_sds(_spread(logs), seen) / AS_NORMAL)
        pull = seen.gap**2 / np.exp(2 * log_sd)
        return float(np.sum(weight * (log_sd + (DEGREES + 1) / 2 * np.log1p(pull / DEGREES))))

    limits = [(np.log(LEAST), np.log(MOST))] * len(START)
    return _spread(minimize(loss, np.log(list(START.values())), method="L-BFGS-B", bounds=limits).x)


def log_sds(spread: PeakSpread, seen: PeakResiduals) -> Array:
    """Return the spread of each row."""
    return np.where(seen.unnamed > 0, spread.of_unnamed().log_sd(seen.traits), spread.log_sd(seen.traits))


def _spread(logs: Array) -> PeakSpread:
    return PeakSpread(base=FLOOR, **dict(zip(START, map(float, np.exp(logs)), strict=True)))


def cross_fitted(seen: PeakResiduals) -> Array:
    """Return the spread of each row by a fit of spreads that saw no residual of its owner, nor of its convention."""
    found, left_out = np.empty(len(seen.gap)), np.where(seen.split == CONVENTION, seen.group, "")
    for name, convention in sorted(set(zip(seen.owner.tolist(), left_out.tolist(), strict=True))):
        of_owner, of_convention = seen.owner == name, left_out == convention
        unseen = of_owner | (of_convention if convention else False)
        mine = of_owner & of_convention
        found[mine] = log_sds(fitted_peak_spread(seen.part(~unseen)), seen.part(mine))
    return found


def report_spread(seen: PeakResiduals) -> PeakSpread:
    """Fit the spread, print its parts and what its intervals hold of each split, and return it.

    Before the slash by the spread that saw all residuals, behind it by one that saw none of the owner's.
    """
    spread = fitted_peak_spread(seen)
    print("spread of peaks:", ", ".join(f"{one.name} {getattr(spread, one.name):.3f}" for one in fields(spread)))
    by, own, strange = seen.balanced_by(), log_sds(spread, seen), cross_fitted(seen)
    for split in dict.fromkeys(seen.split.tolist()):
        rows = (seen.split == split) & ~np.char.endswith(by, "few rows")
        if rows.any():
            gap, group = seen.gap[rows], by[rows]
            print(f"{split}: {held(gap, NORMAL_90 * own[rows], group)} / {held(gap, NORMAL_90 * strange[rows], group)}")
    return spread
