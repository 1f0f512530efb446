"""Where a point runs, and figures of a place that have no interval."""

from collections.abc import Mapping
from typing import Any

from steelyard.formatting.figures import Ladder, amount

Point = Mapping[str, Any]


def site(point: Point) -> str:
    """Return where it runs; a place that nobody publishes is one of so many.

    >>> site({"site": "gcp/europe-north1"}), site({"site": "", "site_candidates": 18})
    ('gcp/europe-north1', 'not published: one of 18')
    """
    some = point.get("site_candidates")
    return str(point.get("site", "")) or (f"not published: one of {some}" if some else "")


def alone(point: Point, key: str, ladder: Ladder) -> str:
    """Return a figure without an interval; nothing where it is unknown."""
    value = point.get(key)
    return "" if value is None else amount(value, ladder)
