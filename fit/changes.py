"""Print every prediction that is no longer what it was when the stored figures were made, the furthest first.

python -m fit.changes          comma-separated: metric, id, then and now, each with its spread, and the change
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, fields

from steelyard.catalog import load
from steelyard.evidence.score.fingerprints import ChangedPrediction, changed_predictions


def table(found: Iterable[ChangedPrediction]) -> str:
    """Return every prediction that is no longer what it was, as comma-separated lines, the furthest first."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow([*(field.name for field in fields(ChangedPrediction)), "change"])
    for one in sorted(found, key=lambda one: -abs(one.change)):
        lines.writerow([*astuple(one), f"{one.change:.3g}"])
    return out.getvalue()


if __name__ == "__main__":
    print(table(changed_predictions(load())), end="")
