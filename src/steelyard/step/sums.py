"""Sums over the parts of a model, without an addition to nothing."""

from collections.abc import Iterable
from functools import reduce
from operator import add

from steelyard.units import Count


def added(values: Iterable[Count]) -> Count:
    """Return the sum of some quantities, 0 where there is none; of one it is that itself, not a copy.

    >>> added((1.0, 2.0, 3.0)), added(())
    (6.0, 0.0)
    """
    some = list(values)
    return reduce(add, some) if some else 0.0
