"""Which cases of a validation are left out of the scores, and why: each row is scored or counted with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from steelyard.evidence.frames.measured import NO_PEAK, NO_TIME
from steelyard.evidence.score.outcomes import RunOutcome

MOST_REASONS: Final = 12
"""Reasons, and kinds of notes, that are printed."""

FEW_ROWS: Final = 4
"""Rows that are named for a reason."""


def listed_cases(cases: Sequence[RunOutcome]) -> list[RunOutcome]:
    """Return the cases without those that only say that a run whose memory was measured was not timed."""
    weighed = {case.id for case in cases if case.reason != NO_TIME}
    return [case for case in cases if case.reason != NO_TIME or case.id not in weighed]


def left_out_lines(cases: Sequence[RunOutcome]) -> list[str]:
    """Return why cases are left out of the scores, the commonest reason first, each with rows that it holds for.

    Args:
        cases: all of a validation.
    """
    reasons: dict[str, dict[str, None]] = {}
    for case in listed_cases(cases):
        if not case.scored:
            reasons.setdefault(case.reason, {})[case.id] = None
    lines = [
        f"{len(rows):,}: {reason} ({first_names(tuple(rows), FEW_ROWS)})"
        for reason, rows in sorted(reasons.items(), key=lambda item: -len(item[1]))
    ]
    more = [f"{len(lines) - MOST_REASONS} more reasons; `--json` lists every case"] if lines[MOST_REASONS:] else []
    return lines[:MOST_REASONS] + more


def first_names(names: Sequence[str], most: int) -> str:
    """Return names as a list, the first of many.

    >>> first_names(("a", "b", "c"), 2)
    'a, b, 1 more'
    """
    more = [f"{len(names) - most:,} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


@dataclass(frozen=True, slots=True)
class RowCount:
    """What became of every row that was read, for one kind of figure."""

    rows: int
    scored: int
    reasons: tuple[tuple[str, tuple[str, ...]], ...]  # why others are not, each with its rows, the commonest first

    @property
    def title(self) -> str:
        """The counts, which add up.

        >>> RowCount(6, 4, (("no peak", ("a", "b")),)).title
        '6 rows read, 4 scored, 2 not'
        """
        read = f"{self.rows:,} row{'s' * (self.rows != 1)} read"
        return f"{read}, {self.scored:,} scored, {sum(len(ids) for _, ids in self.reasons):,} not"

    def lines(self, most: int | None = None) -> list[str]:
        """Return a line each reason, with rows that it holds for; most: of each, None: a few."""
        made = [f"{len(ids):,}: {reason} ({first_names(ids, most or FEW_ROWS)})" for reason, ids in self.reasons]
        last = most or MOST_REASONS
        return made[:last] + ([f"{len(made) - last} more reasons; `--json` lists every case"] if made[last:] else [])


def row_count(cases: Sequence[RunOutcome], metric: str) -> RowCount:
    """Return how many of the rows are scored for a kind of figure, and why the others are not.

    Args:
        cases: all of a validation.
        metric: time or memory.
    """
    ids = dict.fromkeys(case.id for case in cases)
    own = {case.id: case for case in cases if case.metric.startswith("peak_memory") == (metric == "memory")}
    refused = {case.id: case.reason for case in cases if not case.accelerator}
    none = NO_PEAK if metric == "memory" else NO_TIME
    found: dict[str, list[str]] = {}
    for name in ids:
        case = own.get(name)
        if case is None or not case.scored:
            reason = refused.get(name) or (case.reason if case else none)
            found.setdefault(reason, []).append(name)
    lost = sorted(found.items(), key=lambda item: -len(item[1]))
    return RowCount(len(ids), len(ids) - sum(map(len, found.values())), tuple((why, tuple(rows)) for why, rows in lost))
