"""How wide the intervals of step times are: parts of a spread, fitted to residuals of fits that saw less.

Residuals are those of two splits together, an owner left out, and with it the families of its chips. Every group weighs
the same. The likelihood is normal: wild rows do set the width, and its 90 % intervals score better than those of
Student's t with five degrees of freedom (docs/log.md).
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from scipy.optimize import minimize

from fit import hierarchy
from fit.hierarchy import Array, Labels
from fit.stacks.factors import Rows
from steelyard.catalog.spread import StepSpread, Traits
from steelyard.evidence.score.groups import LEAST_ROWS
from steelyard.units import NORMAL_90

GIVEN = {"narrow": 0.28}
"""What is not fitted: three sources alone have fp8 or fp4 outside Transformer Engine, and no two are alike."""

START = {
    "base": 0.05,
    "evidence": 0.5,
    "waiting": 0.37,
    "moe": 0.18,
    "untuned": 0.11,
    "adapters": 0.17,
    "guessed": 0.10,
}
"""Standard deviations that the fit starts from: those of its parts that are not given."""

MISSED = 20.0
"""Weight of what lies beyond a 90 % interval in its score, 2 / (1 - 0.9) (Gneiting and Raftery 2007, Journal of the
American Statistical Association 102, section 6.2)."""


def interval_score(gap: Array, half: Array) -> Array:
    """Return the score of each 90 % interval in the logarithm: its width, and `MISSED` times what lies beyond it.

    >>> interval_score(np.array([0.1, -0.3]), np.array([0.2, 0.2])).round(6).tolist()
    [0.4, 2.4]
    """
    return np.asarray(2 * half + MISSED * np.maximum(np.abs(gap) - half, 0.0))


@dataclass(frozen=True)
class Residuals:
    """Log predicted over measured of fits that saw less, with the traits of each row."""

    gap: Array
    traits: Traits
    group: Labels  # that weigh the same
    owner: Labels

    def part(self, keep: Rows) -> "Residuals":
        """Return some rows."""
        traits = {one.name: getattr(self.traits, one.name)[keep] for one in fields(Traits)}
        return Residuals(self.gap[keep], Traits(**traits), self.group[keep], self.owner[keep])


def together(some: Iterable[Residuals]) -> Residuals:
    """Return the residuals of several splits as one."""
    parts = list(some)
    traits = {one.name: np.concatenate([getattr(part.traits, one.name) for part in parts]) for one in fields(Traits)}
    gap, group, owner = (np.concatenate([getattr(part, name) for part in parts]) for name in ("gap", "group", "owner"))
    return Residuals(gap, Traits(**traits), group, owner)


def fitted_spread(seen: Residuals) -> StepSpread:
    """Return the spread under which the residuals are likeliest."""
    weight = hierarchy.balanced(seen.group, 1.0)
    names = list(START)

    def spread(logs: Array) -> StepSpread:
        return StepSpread(**GIVEN, **dict(zip(names, np.exp(logs), strict=True)))

    def loss(logs: Array) -> float:
        log_sd = np.log(spread(logs).log_sd(seen.traits))
        return float(np.sum(weight * (log_sd + seen.gap**2 / np.exp(2 * log_sd) / 2)))

    limits = [(np.log(0.01), np.log(2.0))] * len(names)
    return spread(minimize(loss, np.log(list(START.values())), method="L-BFGS-B", bounds=limits).x)


def cross_fitted(seen: Residuals) -> Array:
    """Return the half-width of each row's 90 % interval by a spread that saw no residual of its owner."""
    return NORMAL_90 * cross_log_sds(seen, seen)


def cross_log_sds(seen: Residuals, rows: Residuals) -> Array:
    """Return the spread of each row by what was seen of other owners alone."""
    found = np.empty(len(rows.gap))
    for name in sorted(set(rows.owner)):
        mine = rows.owner == name
        found[mine] = fitted_spread(seen.part(seen.owner != name)).log_sd(rows.part(mine).traits)
    return found


def large(group: Labels) -> Rows:
    """Return the rows of groups of at least `LEAST_ROWS` rows: fewer say little of a width, as of a median."""
    names, counts = np.unique(group, return_counts=True)
    return np.isin(group, names[counts >= LEAST_ROWS])


def report_intervals(splits: dict[str, Residuals], before: dict[str, Array], users: Rows) -> StepSpread:
    """Fit the spread to the large groups of all splits, print its parts and what its intervals hold, and return it.

    `before` are the half-widths by stack alone, that intervals are held to.
    """
    keep = large(next(iter(splits.values())).group)
    parts = [seen.part(keep) for seen in splits.values()]
    every = together(parts)
    spread, half = fitted_spread(every), cross_fitted(every)
    print("spread:", ", ".join(f"{one.name} {getattr(spread, one.name):.3f}" for one in fields(StepSpread)))
    for name, seen, wide in zip(splits, parts, np.split(half, len(parts)), strict=True):
        for kind, rows in kinds(seen, users[keep]).items():
            if rows.any():
                gap, group = seen.gap[rows], seen.group[rows]
                print(f"{name} left out, {kind}: {held(gap, wide[rows], group)}")
                print(f"    before: {held(gap, before[name][keep][rows], group)}")
    return spread


def kinds(seen: Residuals, users: Rows) -> dict[str, Rows]:
    """Return the rows of each kind of run whose intervals are looked at by themselves."""
    moe, adapters = (np.greater(one, 0) for one in (seen.traits.moe, seen.traits.adapters))
    return {"developers": ~users, "users": users, "MoE": moe, "adapters": adapters, "dense": ~moe & ~adapters}


@dataclass(frozen=True)
class Held:
    """What intervals hold, every group weighing the same."""

    groups: int
    coverage: float
    score: float  # mean of width + `MISSED` x what lies beyond, in the logarithm
    half_width: float

    def __str__(self) -> str:
        """Return it as a line of a report has it."""
        wide = f"half-width {self.half_width:.2f}, {self.groups} groups"
        return f"hold {self.coverage:.1%}, score {self.score:.3f}, {wide}"


def held(gap: Array, half: Array, group: Labels) -> Held:
    """Return what intervals hold.

    >>> held(np.array([0.1, 0.3]), np.array([0.2, 0.2]), np.array(["a", "b"]))
    Held(groups=2, coverage=0.5, score=1.4, half_width=0.2)
    """
    weight = hierarchy.balanced(group, 1.0)
    score = interval_score(gap, half)
    means = (float(np.average(one, weights=weight).round(6)) for one in (np.abs(gap) <= half, score, half))
    return Held(len(set(group)), *means)
