"""How right the predictions are, on paper: errors by group beside the naive baselines."""

import math
import re
from collections.abc import Sequence
from typing import Final

from rich.console import RenderableType

from steelyard.evidence.score.agreed import BoardRow
from steelyard.evidence.score.feasibility import Feasibility
from steelyard.evidence.score.groups import GroupScore, ScoreSummary
from steelyard.evidence.score.outcomes import RunOutcome
from steelyard.evidence.score.ranking import Ranking
from steelyard.evidence.score.validation import Validation
from steelyard.formatting.figures import percent
from steelyard.report.page import blank, bullets, heading, paragraph, table
from steelyard.report.validation.left_out import MOST_REASONS, left_out_lines, listed_cases
from steelyard.report.validation.user_rows import are_few, row_by_row, row_counts

METRICS: Final = {
    "time": "Step time, predicted from the layout as published",
    "memory": "Peak memory of the heaviest device",
}


def validation_page(
    found: Validation, by: str, board: Sequence[BoardRow] = (), own: bool = False
) -> list[RenderableType]:
    """Return the page of a validation, with agreed figures where they are asked for; of one's own runs, each row."""
    page, scored = _start(found, own)
    for metric, rows in scored.items():
        summary = getattr(found, f"{metric}_summary")
        page += [heading(METRICS[metric]), _groups(rows, by, metric), *_summary(summary, metric), blank()]
    page += _ranking(found.ranking, by)
    page += _fits(found.fits)
    page += _bars(board)
    lost = row_counts(found.cases, len(found.cases)) if own else _left_out(found.cases)
    return [*page, *lost, *_notes(found.cases)]


def _start(found: Validation, own: bool) -> tuple[list[RenderableType], dict[str, Sequence[GroupScore]]]:
    """Return how a page begins: a few rows of one's own each by itself, else nothing but the groups of each metric."""
    if own and are_few(found.cases):
        return row_by_row(found.cases), {}
    return [], {metric: rows for metric in METRICS if (rows := getattr(found, metric))}


def short_validation_page(
    found: Validation, by: str, board: Sequence[BoardRow] = (), own: bool = False
) -> list[RenderableType]:
    """Return the short page: means over groups, the worst, agreed figures missed; of own runs what is left out."""
    page, scored = _start(found, own)
    for metric, rows in scored.items():
        page += [heading(METRICS[metric]), *_summary(getattr(found, f"{metric}_summary"), metric)[1:]]
        page += [paragraph(f"{worst_groups(rows)} (median error by {by})."), blank()]
    page += [*_regrets(found.ranking, by), *_fits(found.fits)]
    missed = [row for row in board if not row.met]
    if board:
        page.append(paragraph(f"{len(board) - len(missed)} of {len(board)} agreed figures are met.", 0))
    page += _bars(missed, "Agreed figures that are missed")
    if own:
        page += [*row_counts(found.cases), *_notes(found.cases)]
    more = f"--details: every {by}, {'every row' if own else 'every agreed figure'}, the reasons. --json: every case."
    return [*page, paragraph(more if own else f"{counted_cases(found)} {more}", 0)]


def counted_cases(found: Validation) -> str:
    """Return how many cases are left out, and how many no fit has seen: one's own, and those published since."""
    lost = sum(not case.scored for case in listed_cases(found.cases))
    new = round(sum((1 - row.left_out - row.in_sample) * row.n for row in (*found.time, *found.memory)))
    return f"Left out: {lost:,} of {len(listed_cases(found.cases)):,} cases; new, as your own are: {new:,}."


def worst_groups(rows: Sequence[GroupScore]) -> str:
    """Return the groups of enough cases with the largest median errors, and the best one.

    >>> some = [GroupScore(name, 9, error, *[0.0] * 10) for name, error in (("a", 0.1), ("b", 0.4), ("c", 0.2))]
    >>> worst_groups(some)
    'Worst: b 40 %, c 20 %, a 10 %'
    """
    some = sorted((row for row in rows if row.n >= ENOUGH), key=lambda row: -row.median_error) or list(rows)
    return "Worst: " + ", ".join(f"{row.group} {percent(row.median_error)}" for row in some[:WORST])


ENOUGH: Final = 5
"""Cases that a group has before it is called the worst."""

WORST: Final = 5


def _regrets(rows: Sequence[Ranking], by: str) -> list[RenderableType]:
    """Return the regret of the chosen layout by group, in a line."""
    if not rows:
        return []
    shares = ", ".join(f"{row.group} {percent(row.mean_regret)} of {percent(row.chance_regret)}" for row in rows)
    title = "Choosing among measured layouts: mean regret, of that of a blind choice"
    return [heading(title), paragraph(f"{shares}."), blank()]


def _groups(rows: Sequence[GroupScore], by: str, metric: str) -> RenderableType:
    columns = [by, ">cases", ">median", ">in it", ">mean", ">p90", ">bias", ">in 90 %", ">width", "fit"]
    rivals = ["constant_error", "six_nd_error"] if metric == "time" else []
    columns += [">constant", ">6ND"] if rivals else []
    return table(
        columns,
        [
            [
                row.group,
                f"{row.n:,}",
                *(percent(getattr(row, key)) for key in ("median_error", "live_error", "mean_error", "p90_error")),
                _signed(row.bias),
                percent(row.coverage),
                f"±{row.log_half_width:.2f}",
                _fit(row),
                *(percent(getattr(row, key)) for key in rivals),
            ]
            for row in rows
        ],
    )


def _fit(row: GroupScore) -> str:
    """Say what the constants knew of a group's rows."""
    shares = {"out": row.left_out, "in": row.in_sample, "new": 1 - row.left_out - row.in_sample}
    return "+".join(name for name, share in shares.items() if share > 0.005)


def _signed(share: float) -> str:
    return f"{100 * share:+.0f} %"


def _summary(row: ScoreSummary, metric: str) -> list[RenderableType]:
    if not row.groups:
        return []
    text = (
        f"Mean of the medians of {row.groups} groups ({row.cases:,} cases): "
        f"{percent(row.mean_of_medians, 3)}{_in_sample(row)}; "
        f"mean of the 90th percentiles {percent(row.mean_p90)}; "
        f"{percent(row.mean_coverage)} of the measurements lie in the 90 % interval, whose half-width is "
        f"{row.mean_log_half_width:.2f} in the logarithm."
    )
    if metric == "time":
        text += (
            f" Baselines: one utilisation per accelerator and precision {percent(row.constant_mean_of_medians, 3)}, "
            f"6ND at 40 % of the peak {percent(row.six_nd_mean_of_medians, 3)}."
        )
    return [blank(), paragraph(text), paragraph(_known(row))]


def _in_sample(row: ScoreSummary) -> str:
    """Say, beside an error with the source left out, what the same cases show with nothing left out, predicted now."""
    return f" left out, {percent(row.live_mean_of_medians, 3)} in sample" if row.left_out > 0.0005 else ""


def _known(row: ScoreSummary) -> str:
    """Say which of these figures are left out of the fit and which are in its sample."""
    new = 1 - row.left_out - row.in_sample
    parts = [
        (row.left_out, "left out (out): predicted by constants fitted without the whole source group of the case"),
        (row.in_sample, "in sample (in): the constants were fitted to these cases too, so this is optimistic"),
        (new, "new: no fit has seen these cases"),
    ]
    return (
        "Of these cases " + "; ".join(f"{percent(share)} are {text}" for share, text in parts if share > 0.0005) + "."
    )


def _ranking(rows: Sequence[Ranking], by: str) -> list[RenderableType]:
    if not rows:
        return []
    shown = table(
        [by, ">jobs", ">layouts", ">rank corr.", ">mean regret", ">median", ">worst", ">blind choice"],
        [
            [
                row.group,
                f"{row.sets:,}",
                f"{row.layouts:,}",
                "unknown" if math.isnan(row.spearman) else f"{row.spearman:+.2f}",
                *(percent(getattr(row, f"{kind}_regret")) for kind in ("mean", "median", "worst", "chance")),
            ]
            for row in rows
        ],
    )
    text = (
        "Same model, batch, sequence, accelerator, devices and stack in three layouts or more. Regret: how much longer "
        "the layout predicted fastest took than the best measured one; beside it, a layout chosen blindly."
    )
    return [heading("Choosing among measured layouts of one job"), shown, blank(), paragraph(text), blank()]


CALLS: Final = ("fits", "may_not", "does_not")


def _fits(shares: Feasibility) -> list[RenderableType]:
    rows = [
        [name, f"{getattr(shares, key):,.0f}", *(percent(getattr(shares, f"{key}_{call}")) for call in CALLS)]
        for key, name in (("ran_out", "ran out of memory"), ("ran", "ran"))
        if getattr(shares, key)
    ]
    if not rows:
        return []
    columns = ["measured", ">runs", ">called: fits", ">may not fit", ">does not fit"]
    return [heading("Does it fit, by the 90 % interval of device memory"), table(columns, rows), blank()]


def _bars(rows: Sequence[BoardRow], title: str = "Agreed figures") -> list[RenderableType]:
    """Return the agreed figures: what is asked, what is reached now."""
    if not rows:
        return []
    shown = table(
        ["figure", "|metric", ">bar", ">now", ""],
        [[row.what, row.metric, bar_text(row), percent(row.now, 3), "" if row.met else "missed"] for row in rows],
    )
    return [heading(title), shown, blank()]


def bar_verdict(row: BoardRow) -> str:
    """Return whether a bar is met: met, missed, or not measured.

    >>> bar_verdict(BoardRow(now=0.1, met=True)), bar_verdict(BoardRow())
    ('met', 'not measured')
    """
    return "not measured" if math.isnan(row.now) else "met" if row.met else "missed"


def bar_text(row: BoardRow) -> str:
    """Return what a bar asks.

    >>> bar_text(BoardRow(bar=0.084)), bar_text(BoardRow(bar=0.9, sense="within 0.05"))
    ('≤ 8.4 %', '85–95 %')
    >>> bar_text(BoardRow(bar=0.98, metric="mean interval score"))
    '≤ 0.98'
    """
    if "score" in row.metric:
        return f"{'≥' if row.sense == 'at least' else '≤'} {row.bar:.3g}"
    if row.sense.startswith("within"):
        reach = float(row.sense.split()[1])
        return f"{100 * (row.bar - reach):.0f}–{100 * (row.bar + reach):.0f} %"
    return f"{'≥' if row.sense == 'at least' else '≤'} {100 * row.bar:.3g} %"


def _left_out(cases: Sequence[RunOutcome]) -> list[RenderableType]:
    lines = left_out_lines(cases)
    count = len({case.id for case in listed_cases(cases) if not case.scored})
    title = f"Left out of the scores: {count:,} of {len({case.id for case in cases}):,} rows, by reason"
    return [heading(title), bullets(lines)] if lines else []


def _notes(cases: Sequence[RunOutcome]) -> list[RenderableType]:
    """Say what the figures of cases say against each other and what of their words is not read, by kind."""
    kinds: dict[str, int] = {}
    for case in cases:
        for note in case.notes:
            kind = re.sub(r"\d[\d.,]*", "#", note)
            kinds[kind] = kinds.get(kind, 0) + 1
    lines = [f"{count:,}: {kind}" for kind, count in sorted(kinds.items(), key=lambda item: -item[1])]
    more = [f"{len(lines) - MOST_REASONS} more kinds; `--json` lists every case"] if len(lines) > MOST_REASONS else []
    return [blank(), heading("Said of cases that are predicted"), bullets(lines[:MOST_REASONS] + more)] if lines else []
