"""A scatter of points in plain letters: the frontier at a glance."""

import math
from collections.abc import Callable, Sequence

_Point = tuple[float, float, str]
"""How far right, how far up, and the letter to draw."""


def scatter(
    points: Sequence[_Point],
    across: Callable[[float], str],
    up: Callable[[float], str],
    width: int = 60,
    height: int = 12,
) -> list[str]:
    r"""Return the lines of a scatter on logarithmic axes; later points cover earlier ones.

    >>> drawn = scatter([(1, 100, "A"), (10, 10, "B")], lambda v: f"{v:.0f} h", lambda v: f"${v:.0f}", 12, 3)
    >>> print("\n".join(drawn))
    $100 ┤A
         │
     $10 ┤           B
         └────────────
          1 h     10 h
    """
    shown = [point for point in points if _drawable(point)]
    if not shown:
        return []
    left, right = _range([x for x, _, _ in shown])
    low, high = _range([y for _, y, _ in shown])
    grid = [[" "] * width for _ in range(height)]
    for x, y, letter in shown:
        grid[height - 1 - _place(y, low, high, height)][_place(x, left, right, width)] = letter
    labels = {0: up(high), height - 1: up(low)}
    margin = max(len(label) for label in labels.values())
    lines = [
        f"{labels.get(row, ''):>{margin}} {'┤' if row in labels else '│'}{''.join(cells)}".rstrip()
        for row, cells in enumerate(grid)
    ]
    first, last = across(left), across(right)
    foot = first + last.rjust(max(0, width - len(first)))
    return [*lines, f"{'':>{margin}} └{'─' * width}", f"{'':>{margin}}  {foot}"]


def _drawable(point: _Point) -> bool:
    x, y, _ = point
    return math.isfinite(x) and math.isfinite(y) and x > 0 and y > 0


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _place(value: float, low: float, high: float, steps: int) -> int:
    """Choose the cell of a value; all in the first one where there is no range."""
    span = math.log(high) - math.log(low)
    return round((math.log(value) - math.log(low)) / span * (steps - 1)) if span > 0 else 0
