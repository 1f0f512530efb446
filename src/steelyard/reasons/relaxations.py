"""Nothing is feasible: which limit fails, and the smallest changes after which something is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from steelyard.formatting.figures import MASS, TIME, amount, dollars
from steelyard.search.candidates import Candidates, bounds_of, within_limits
from steelyard.search.engine import LIMITS, Limits
from steelyard.units import DAY_S, HOUR_S, KWH_J

OPTIONS = ("--by", "--budget", "--energy-max", "--co2e-max")
_FIELDS = tuple(LIMITS.values())
_NAMES = tuple(f"the {name}" for name in LIMITS)


@dataclass(frozen=True, slots=True)
class Relaxation:
    """A change that makes the job feasible: new limits, or a filter to drop."""

    limits: Mapping[str, float]  # by field of `Limits`: the value needed
    drop: tuple[str, ...]  # fields of the job to leave out
    text: str


def relaxations(found: Candidates, limits: Limits) -> tuple[Relaxation, ...]:
    """Return the smallest relaxations of limits: each limit alone where that is enough, else the fewest together.

    A limit alone: the least value of its objective among candidates that respect all others. Together: of the
    candidates that miss only those limits, the one that exceeds them by the smallest product of ratios.
    """
    bounds = bounds_of(limits)
    given = [int(index) for index in np.flatnonzero(np.isfinite(bounds))]
    for size in range(1, len(given) + 1):
        made = [row for some in combinations(given, size) if (row := _together(found, limits, some)) is not None]
        if made:
            return tuple(made)
    return ()


def failing_limits_text(found: Candidates, limits: Limits) -> str:
    """Return which limits fail, alone or together."""
    bounds = bounds_of(limits)
    alone = []
    for index in np.flatnonzero(np.isfinite(bounds)):
        known = found.points[:, index][~np.isnan(found.points[:, index])]
        least = float(known.min()) if known.size else math.nan
        if not least <= bounds[index]:
            best = _text(int(index), least) if known.size else "unknown for every candidate"
            alone.append(f"{_NAMES[index]} of {_text(int(index), float(bounds[index]))} (the least possible is {best})")
    if alone:
        return f"no candidate meets {' nor '.join(alone)}"
    failing = [_NAMES[index] for index in np.flatnonzero(np.isfinite(bounds))]
    return f"each limit can be met, but no candidate meets {' and '.join(failing)} together"


def _together(found: Candidates, limits: Limits, loose: tuple[int, ...]) -> Relaxation | None:
    bounds = bounds_of(limits)
    free = bounds.copy()
    free[list(loose)] = np.inf
    columns = found.points[:, loose]
    rows = np.flatnonzero(within_limits(found.points, free) & ~np.isnan(columns).any(axis=1))
    if not rows.size:
        return None
    with np.errstate(divide="ignore"):
        excess = np.log(np.maximum(columns[rows] / bounds[list(loose)], 1.0)).sum(axis=1)
    needed = found.points[rows[np.argmin(excess)]]
    values = {_FIELDS[index]: max(float(needed[index]), float(bounds[index])) for index in loose}
    return Relaxation(values, (), " and ".join(_phrase(index, values[_FIELDS[index]]) for index in loose))


def _phrase(index: int, value: float) -> str:
    return f"{OPTIONS[index]} {_rounded(index, value)}"


def _rounded(index: int, value: float) -> str:
    """Return a value as its option takes it, rounded up: what is printed must be enough.

    >>> _rounded(0, 86400 * 1.2341), _rounded(1, 5431.2), _rounded(3, 12.341)
    ('29.7h', '5440', '12.4kg')
    """
    size, unit = _unit(index, value)
    return f"{_up(value / size)}{unit}"


def _up(number: float) -> str:
    """Return a positive number with three significant digits, never below it."""
    exponent = math.floor(math.log10(number)) - 2 if number > 0 else 0
    step = 10.0**exponent
    rounded = math.ceil(number / step) * step
    rounded += step if rounded < number else 0.0
    return f"{rounded:.{max(0, -exponent)}f}"


def _unit(index: int, value: float) -> tuple[float, str]:
    spans = ((3 * DAY_S, DAY_S, "d"), (HOUR_S, HOUR_S, "h"), (0.0, 60.0, "min"))
    if index == 0:
        return next((size, unit) for least, size, unit in spans if value >= least)
    return ((1.0, ""), (KWH_J, "kWh"), (1.0, "kg"))[index - 1]


def _text(index: int, value: float) -> str:
    if index == 0:
        return amount(value, TIME)
    if index == 1:
        return dollars(value)
    return f"{value / KWH_J:,.0f} kWh" if index == 2 else amount(value, MASS)
