"""Rows of a table of candidates: one layout of them, its own batch, and those that a label names."""

from dataclasses import replace

import numpy as np

from steelyard.search.pareto import Points, Rows, knee
from steelyard.tables import Job, Layout, each, take
from steelyard.vocabulary import POINT_LABELS

LEAST = {"cheapest": (1, 0, 3, 2), "fastest": (0, 1, 3, 2), "leanest": (2, 1, 0, 3), "cleanest": (3, 1, 0, 2)}
"""Objectives that a label makes least, the first one first; the others decide between equals."""


def labelled_rows(points: Points, front: Rows, axes: tuple[int, ...] = (0, 1, 2, 3)) -> dict[str, int]:
    """Return the row of each label on the frontier: one for each axis, and the knee.

    Leanest, the least energy, is named where CO2e is no axis: on one site they are the same. No row is leanest or
    cleanest where none is known. Balanced is the knee: the row nearest to the best of all axes at once, each on a
    logarithmic scale from its best to its worst on the frontier, among the rows where all are known (time and money
    where none is). Energy counts in it only where CO2e does not. With a single axis there is no knee.
    """
    values = points[front]
    weighed = tuple(axis for axis in axes if axis != 2 or 3 not in axes)
    found = {}
    for label, order in LEAST.items():
        if order[0] in weighed and not np.isnan(values[:, order[0]]).all():
            found[label] = _least(values, order)
    if len(weighed) > 1:
        known = np.flatnonzero(~np.isnan(values[:, weighed]).any(axis=1))
        usable = known if known.size else np.arange(front.size)
        found["balanced"] = int(usable[knee(values[usable][:, weighed])])
    return {label: int(front[found[label]]) for label in POINT_LABELS if label in found}


def job_of_layout(job: Job, layout: Layout) -> Job:
    """Return the job with the global batch that a layout runs.

    >>> layout = Layout(*[2.0] * len(Layout.__slots__))
    >>> job_of_layout(Job(*[1.0] * len(Job.__slots__)), layout).batch_samples
    8.0
    """
    return replace(job, batch_samples=layout.dp * layout.micro_batch * layout.micro_batches)


def single_layout(layouts: Layout, row: int) -> Layout:
    """Return one layout of a table as plain numbers."""
    return each(take(layouts, row), float)


def _least(values: Points, columns: tuple[int, ...]) -> int:
    """Return the row with the smallest first column; ties go to the next columns. Unknown is never smallest."""
    keys = np.where(np.isnan(values), np.inf, values)
    return int(np.lexsort([keys[:, column] for column in reversed(columns)])[0])
