"""A quantity where a setting that it follows from is open: a mixture over the settings that exist, as one interval."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from steelyard.formatting.interval import Interval
from steelyard.units import NORMAL_90, Count, Share

_QUANTILES = 999
"""Into so many equal parts the distribution under each setting is cut: ends are exact to a thousandth of a spread."""


def mixture_interval(parts: Sequence[tuple[Share, Interval]]) -> Interval:
    r"""Return median and 90 % interval of a quantity that has one of several distributions.

    Each is lognormal on either side of its median, with the ends of its interval as its 5th and 95th percentiles.

    .. math:: F(x) = \sum_i w_i F_i(x), \qquad F(x_{0.05}) = 0.05, \; F(x_{0.5}) = 0.5, \; F(x_{0.95}) = 0.95

    Args:
        parts: of each distribution, its weight and its median with both ends; weights need not add up to 1.

    Source: the law of total probability.

    >>> one, other = Interval(80.0, 70.0, 90.0), Interval(160.0, 140.0, 180.0)
    >>> found = mixture_interval([(1.0, one), (1.0, other)])
    >>> 70 < found.low < 80, 90 < found.value < 140, 160 < found.high < 180
    (True, True, True)
    >>> round(mixture_interval([(3.0, one), (1.0, other)]).value)
    83
    """
    places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    normal = np.array([NormalDist().inv_cdf(place) for place in places]) / NORMAL_90
    values, shares = [], []
    for share, one in parts:
        side = np.where(normal > 0, one.high / one.value, one.value / one.low)
        values.append(one.value * side**normal)
        shares.append(np.full(_QUANTILES, share / _QUANTILES))
    order = np.argsort(np.concatenate(values))
    every, weight = np.concatenate(values)[order], np.concatenate(shares)[order]
    reached = (np.cumsum(weight) - weight / 2) / weight.sum()
    low, middle, high = (float(one) for one in np.interp([0.05, 0.5, 0.95], reached, every))
    within = (max(low, min(one.low for _, one in parts)), min(high, max(one.high for _, one in parts)))
    return Interval(min(max(middle, within[0]), within[1]), *within)


def share_within(one: Interval, limit: Count) -> Share:
    r"""Return the share of a distribution that is no more than a limit; NaN where a figure is unknown.

    It is lognormal on either side of its median, with the ends of the interval as its 5th and 95th percentiles.

    .. math:: \Phi\left(z_{0.95}\,\frac{\ln(x / m)}{\ln(e / m)}\right)

    Args:
        one: its median (m) with both ends (e: the one on the side of the limit).
        limit: of the quantity (x).

    Source: the definition of a lognormal distribution.

    >>> spread = Interval(100.0, 80.0, 150.0)
    >>> [round(share_within(spread, limit), 3) for limit in (50.0, 80.0, 100.0, 150.0, 400.0)]
    [0.0, 0.05, 0.5, 0.95, 1.0]
    >>> share_within(Interval(100.0, 100.0, 100.0), 99.0)
    0.0
    """
    if math.isnan(one.value + one.low + one.high + limit) or limit <= 0:
        return math.nan
    away = math.log(limit / one.value)
    width = math.log(one.high / one.value) if away > 0 else math.log(one.value / one.low)
    if width <= 0:
        return float(away >= 0)
    return NormalDist().cdf(NORMAL_90 * away / width)
