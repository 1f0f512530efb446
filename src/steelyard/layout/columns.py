"""Columns of a table of layouts on its way: crossed with further values, and filtered at once."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[np.int64]]

Asked = Mapping[str, Sequence[int]]
"""Values by field of `Layout` that are looked at instead of the usual ones, also beyond the bounds."""

NOTHING_ASKED: Asked = MappingProxyType({})


def cross(columns: Columns, name: str, values: Sequence[int]) -> Columns:
    """Repeat every row once for each value of a new column."""
    rows = np.size(columns["devices"])
    crossed = {known: np.repeat(column, len(values)) for known, column in columns.items()}
    crossed[name] = np.tile(np.asarray(values, dtype=np.int64), rows)
    return crossed


def keep(columns: Columns, mask: NDArray[np.bool_]) -> Columns:
    """Return the rows that a mask keeps."""
    return {name: column[mask] for name, column in columns.items()}
