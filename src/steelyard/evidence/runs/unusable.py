"""Why a file of measured runs tells nothing."""

from collections.abc import Sequence

FEW_REFUSED = 5
"""Rows that are named with their reasons."""


def unusable_text(source: str, refused: Sequence[tuple[str, str]]) -> str:
    """Return that a file holds no run that can be used, with the reasons of the first rows.

    Args:
        source: name of the file.
        refused: id and reason of each row.

    >>> unusable_text("runs.csv", [("one", "no step time is given")])
    'runs.csv: no usable run (one: no step time is given)'
    """
    if not refused:
        return f"{source}: holds no run; give a row for each run with its model, accelerator, layout and step time"
    listed = "; ".join(f"{name}: {reason}" for name, reason in refused[:FEW_REFUSED])
    more = f"; and {len(refused) - FEW_REFUSED} more" if len(refused) > FEW_REFUSED else ""
    return f"{source}: no usable run ({listed}{more})"
