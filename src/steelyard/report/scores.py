"""How right the predictions are, on paper: errors by group beside the naive baselines."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import RenderableType

from steelyard.report.figures import percent
from steelyard.report.page import blank, bullets, heading, paragraph, table

METRICS: Final = {
    "time": "Step time, predicted from the layout as published",
    "memory": "Peak memory of the heaviest device",
}


def scores(found: Mapping[str, Any], by: str) -> list[RenderableType]:
    """Return the page of a validation, given as the mapping that `--json` prints."""
    page: list[RenderableType] = []
    for metric, title in METRICS.items():
        rows = [row for row in found["groups"] if row["kind"] == metric]
        if rows:
            page += [heading(title), _groups(rows, by, metric), *_summary(found["summary"][metric], metric), blank()]
    page += _fits(found["summary"].get("fits") or {})
    return [*page, *_left_out(found["cases"])]


def _groups(rows: Sequence[Mapping[str, Any]], by: str, metric: str) -> RenderableType:
    columns = [by, ">cases", ">median", ">mean", ">p90", ">bias", ">in 90 %"]
    rivals = ["constant_error", "six_nd_error"] if metric == "time" else []
    columns += [">constant", ">6ND 40 %"] if rivals else []
    return table(
        columns,
        [
            [
                str(row["group"]),
                f"{row['n']:,}",
                *(percent(row[key]) for key in ("median_error", "mean_error", "p90_error")),
                f"{100 * row['bias']:+.0f} %",
                *(percent(row[key]) for key in ("coverage", *rivals)),
            ]
            for row in rows
        ],
    )


def _summary(row: Mapping[str, Any], metric: str) -> list[RenderableType]:
    text = (
        f"Mean of the medians of {row['groups']} groups ({row['cases']:,} cases): "
        f"{percent(row['mean_of_medians'], 3)}; mean of the 90th percentiles {percent(row['mean_p90'])}; "
        f"{percent(row['mean_coverage'])} of the measurements lie in the 90 % interval."
    )
    if metric == "time":
        text += (
            f" Baselines: one utilisation per chip and precision {percent(row['constant_mean_of_medians'], 3)}, "
            f"6ND at 40 % of the peak {percent(row['six_nd_mean_of_medians'], 3)}."
        )
    return [blank(), paragraph(text)]


def _fits(shares: Mapping[str, float]) -> list[RenderableType]:
    if not shares:
        return []
    text = (
        f"Of {shares['ran_out']:,.0f} runs that ran out of memory {percent(shares['ran_out_refused'])} are predicted "
        f"not to fit; of {shares['ran']:,.0f} that ran, {percent(shares['ran_allowed'])} are predicted to fit."
    )
    return [heading("Does it fit"), paragraph(text), blank()]


def _left_out(cases: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """Say how many cases were not predicted, by reason; `--json` lists each."""
    reasons: dict[str, int] = {}
    for case in cases:
        if case["predicted"] is None:
            reasons[case["reason"]] = reasons.get(case["reason"], 0) + 1
    lines = [f"{count:,}: {reason}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1])]
    more = [f"{len(lines) - MOST} more reasons; `--json` lists every case"] if len(lines) > MOST else []
    return [heading("Not predicted"), bullets(lines[:MOST] + more)] if lines else []


MOST: Final = 12
"""Reasons that are printed."""
