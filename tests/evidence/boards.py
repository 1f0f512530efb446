"""Tables of docs/accuracy.md: the figures that were agreed on, and those of a stranger."""

import math
import re
from collections.abc import Callable, Iterable, Sequence

from tests.step import test_recipe, test_recipe_tensors

from steelyard.evidence.score.agreed import STRANGERS, BoardRow, figures_board, figures_now
from steelyard.evidence.score.splits import Split, splits
from steelyard.evidence.score.strangers import strangers_now
from steelyard.evidence.score.validation import Validation
from steelyard.report.validation.page import bar_text, bar_verdict

FACTS = (test_recipe, test_recipe_tensors)
"""Tests of exact facts, a parameter each: bytes of states, losses, kernels and phases, as their sources say."""

SILENT = re.compile(r"(is not|nor the global batch is) stated|mixes several accelerators")
"""Reasons for which a run is not predicted that are its own: it does not print what it was."""

STRANGERS_HEAD = """## As a stranger sees it

A planner's user is a stranger: of their runs no fit has seen a row, of their stack and chips perhaps none either. The
*owner* of runs is who ran them (the owner of the repository); left out means every table of that owner. A third of the
owners is *locked* ([why](decisions/0016-a-locked-third.md)): choices are made on the others' runs
alone. Means over groups hold theirs as well, each left out like any; by a fit to the others alone, which none of them
is in, they are predicted. It was opened once, on 2026-11-30, when step time was at 14.7 %, 90th percentile 35.5 %,
91 % held, and peaks at 12.1 %, 74 % held; what stands here is of the code of now, on which nothing is chosen by it.
Intervals are as wide as what was seen of other owners makes them. Runs of ordinary users are in no fit of memory.
"""


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share in per cent, nothing for an unknown one."""
    return "" if share is None or share != share else f"{100 * share:.{digits}f}"  # noqa: PLR0124  # NaN


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a column whose name starts with `>` is set to the right."""
    lines = ["| " + " | ".join(name.lstrip(">") for name in head) + " |"]
    lines.append("|" + "|".join("--:" if name.startswith(">") else "---" for name in head) + "|")
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def bars(report: Validation) -> str:
    """Return the agreed figures and which of them are missed."""
    rows = figures_board(figures_now(report, splits()))
    met = [row for row in rows if row.met]
    unknown = [row for row in rows if math.isnan(row.now)]
    missed = [row for row in rows if not row.met and not math.isnan(row.now)]
    shown = table(
        ["figure", "metric", ">bar", ">now", "", "best known elsewhere"],
        [[row.what, row.metric, bar_text(row), now(row), bar_verdict(row), row.best_known] for row in rows],
    )
    said = f"{len(met)} of {len(rows)} bars are met, {len(missed)} missed"
    said += f", {len(unknown)} not measured" if unknown else ""
    far = sorted(missed, key=lambda row: -row.now / row.bar)[:3]
    if far:
        said += ". Furthest off: " + "; ".join(
            f"{row.what} ({percent(row.now)} % where {bar_text(row)} is asked)" for row in far
        )
    return (
        f"## The agreed figures\n\n{shown}\n\n{said}. What is reached is held: a test fails when a figure gets worse "
        "than `evidence/score/agreed.csv` says by more than the tolerance it states.\n"
    )


def strangers(found: Sequence[Split], report: Validation) -> str:
    """Return the figures of runs of which no fit has seen a row, and which bars they miss."""
    rows = figures_board(strangers_now(found), STRANGERS)
    shown = table(
        ["figure", "metric", ">bar", ">now", ""],
        [[row.what, row.metric, bar_text(row), now(row), bar_verdict(row)] for row in rows],
    )
    met = sum(row.met for row in rows)
    return f"{STRANGERS_HEAD}\n{shown}\n\n{met} of {len(rows)} bars are met. {refusals(report)} {exact_facts()}\n"


def refusals(report: Validation) -> str:
    """Return how many outcomes are not predicted of rows that print what a prediction needs, beside their bar."""
    told = [one for one in report.cases if not SILENT.search(one.reason)]
    refused = sum(math.isnan(one.predicted) for one in told)
    return (
        f"Of {len(told):,} outcomes of runs whose inputs are printed, {percent(refused / len(told))} % are not "
        "predicted (≤ 3 % is asked)."
    )


def exact_facts() -> str:
    """Return how many facts of sources are tests of their own (`FACTS`), beside their bar."""
    tests = [test for module in FACTS for name, test in vars(module).items() if name.startswith("test_")]
    return f"{sum(map(_cases, tests))} exact facts of sources are tests, within 2 % each (40 are asked)."


def _cases(test: Callable[..., None]) -> int:
    """Return how often a test runs: over its parameters."""
    marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
    return math.prod(len(mark.args[1]) for mark in marks)


def now(row: BoardRow) -> str:
    """Return the figure of today."""
    if math.isnan(row.now):
        return ""
    return f"{row.now:.2f}" if "score" in row.metric else f"{percent(row.now)} %"
