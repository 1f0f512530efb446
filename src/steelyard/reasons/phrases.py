"""Candidates in words: names, figures, differences."""

import numpy as np

from steelyard.formatting.figures import MASS, TIME, amount, dollars
from steelyard.market.options import Market
from steelyard.search.candidates import Candidates
from steelyard.units import KWH_J

_SAME = 1.005
MANY = 3.0
WORSE = ("slower", "dearer", "more energy", "more CO2e")
_BETTER = ("faster", "cheaper", "less energy", "less CO2e")


def candidate_text(found: Candidates, row: int, market: Market) -> str:
    """Return what a row is: how many of what, bought where, run with what."""
    deal = market.deals[found.deal[row]]
    devices = float(np.asarray(found.layouts.devices)[row])
    stack = market.stacks[found.stack[row]].name
    return f"{devices:.0f} × {market.hardware[found.hardware[row]].accelerator} ({deal.offer}, {stack})"


def figure_text(found: Candidates, row: int, column: int) -> str:
    """Return one objective of a row."""
    return objective_text(column, float(found.points[row, column]))


def objective_text(column: int, figure: float) -> str:
    """Return a figure of an objective in its unit.

    >>> objective_text(0, 7200.0), objective_text(1, 4812.3), objective_text(2, 3.6e9), objective_text(3, 12.0)
    ('2.0 h', '$4,812', '1,000 kWh', '12 kg')
    """
    if column == 0:
        return amount(figure, TIME)
    if column == 1:
        return dollars(figure)
    return f"{figure / KWH_J:,.0f} kWh" if column == 2 else amount(figure, MASS)


def difference_text(column: int, ratio: float) -> str:
    """Return how much worse or better an objective is.

    >>> difference_text(1, 1.07), difference_text(0, 0.9), difference_text(3, 4.2), difference_text(1, 1.001)
    ('7% dearer', '10% faster', '4.2 times the CO2e', 'the same within half a percent')
    """
    if 1 / _SAME < ratio < _SAME:
        return "the same within half a percent"
    if ratio < 1:
        return f"{1 - ratio:.0%} {_BETTER[column]}"
    return f"{ratio - 1:.0%} {WORSE[column]}" if ratio < MANY else f"{ratio:.1f} times {TIMES[column]}"


TIMES = ("the time", "the money", "the energy", "the CO2e")


def factor_text(ratio: float) -> str:
    """Return a factor as a change.

    >>> factor_text(1.42), factor_text(0.92), factor_text(4.28), factor_text(1.001)
    ('42% more', '8% less', '4.3 times the', 'the same')
    """
    if abs(ratio - 1) < _SAME - 1:
        return "the same"
    return f"{ratio:.1f} times the" if ratio > MANY else f"{abs(ratio - 1):.0%} {'more' if ratio > 1 else 'less'}"
