"""A figure and the interval that it lies in."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and the ends of its 90 % interval; NaN: unknown.

    >>> Interval(3.6e6, 3.0e6, 4.5e6).scaled(1 / 3.6e6).value
    1.0
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan

    def scaled(self, factor: float) -> "Interval":
        """Return the figure in another unit."""
        return Interval(self.value * factor, self.low * factor, self.high * factor)
