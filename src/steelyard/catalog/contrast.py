"""How wrong a predicted difference is: what two predictions do not share, so that it does not cancel between them."""

from functools import cache

from steelyard.catalog import read
from steelyard.catalog.load import DATA
from steelyard.catalog.schema import Fitted
from steelyard.errors import BadCatalog


@cache
def layout_row() -> Fitted:
    """Return the spread of the logarithm of a layout's time against other layouts of the same job, chip and stack.

    >>> layout_row().quantity, 0.05 < layout_row().value < 0.2
    ('layout_log_sd', True)
    """
    rows = [row for row in read.parsed_rows(DATA, "contrasts", read.parse_fitted) if row.quantity == "layout_log_sd"]
    if len(rows) != 1:
        raise BadCatalog("contrasts.csv needs one row layout_log_sd; write it with: python -m fit.contrasts --write")
    return rows[0]
