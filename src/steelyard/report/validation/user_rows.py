"""One's own runs beside what is predicted of them: a row each while they are few, and what became of every row."""

from collections.abc import Sequence
from statistics import median
from typing import Final

from rich.console import RenderableType

from steelyard.evidence.score.outcomes import RunOutcome
from steelyard.formatting.figures import COUNT, MEMORY, TIME, Ladder, amount, interval, percent
from steelyard.report.page import blank, bullets, heading, paragraph, table
from steelyard.report.validation.left_out import row_count

MOST_ROWS: Final = 40
"""Rows that are listed one by one; of more their groups say more."""

FIGURE_KINDS: Final = {"time": "Step time", "memory": "Peak memory"}

_FIGURES: Final[dict[str, tuple[str, Ladder]]] = {
    "step_time_s": ("step", TIME),
    "tokens_per_s_per_device": ("tokens/s of a device", COUNT),
    "samples_per_second": ("samples/s", COUNT),
    "tflops_per_device": ("TFLOP/s of a device", COUNT),
    "peak_memory_allocated_bytes": ("allocated", MEMORY),
    "peak_memory_reserved_bytes": ("reserved", MEMORY),
    "peak_memory_device_bytes": ("device", MEMORY),
}


def are_few(cases: Sequence[RunOutcome]) -> bool:
    """Tell whether rows are few enough to list each."""
    return len({case.id for case in cases}) <= MOST_ROWS


def row_by_row(cases: Sequence[RunOutcome]) -> list[RenderableType]:
    """Return each figure that is scored: measured, predicted with its 90 % interval, the error, whether it lies inside.

    What a row left open, so that a usual setting was taken of it, stands below.
    """
    scored = [case for case in cases if case.scored]
    if not scored:
        return []
    columns = ["|run", "figure", ">measured", ">predicted (90 %)", ">error", "inside"]
    shown = table(columns, [_cells(case) for case in scored])
    parts = [heading("Each row, predicted beside what was measured"), shown, blank()]
    for kind, title in FIGURE_KINDS.items():
        some = [case for case in scored if _is_memory(case) == (kind == "memory")]
        if some:
            inside = sum(_inside(case) for case in some)
            middle = percent(median(abs(case.error) for case in some))
            parts.append(paragraph(f"{title}: median error {middle}; {inside} of {len(some)} inside the interval."))
    return [*parts, *_taken(scored), blank()]


def row_counts(cases: Sequence[RunOutcome], most: int | None = None) -> list[RenderableType]:
    """Return how many rows are scored for either kind of figure, and why the others are not; counts add up.

    Of peak memory nothing is counted where no row gives one.

    Args:
        cases: all of a validation.
        most: reasons, and rows of each, that are listed; None: a few.
    """
    parts: list[RenderableType] = []
    kinds = {kind: title for kind, title in FIGURE_KINDS.items() if kind == "time" or any(map(_is_memory, cases))}
    for kind, title in kinds.items():
        found = row_count(cases, kind)
        parts += [heading(f"{title}: {found.title}"), bullets(found.lines(most)), blank()]
    return parts


def _is_memory(case: RunOutcome) -> bool:
    return case.metric.startswith("peak_memory")


def _inside(case: RunOutcome) -> bool:
    return case.low <= case.measured <= case.high


def _cells(case: RunOutcome) -> list[str]:
    name, ladder = _FIGURES.get(case.metric, (case.metric, COUNT))
    return [
        case.id,
        name,
        amount(case.measured, ladder),
        interval(case.predicted, case.low, case.high, ladder),
        f"{100 * case.error:+.0f} %",
        "yes" if _inside(case) else "no",
    ]


def _taken(scored: Sequence[RunOutcome]) -> list[RenderableType]:
    """Return what was taken where rows say nothing, each line with the rows that it is of."""
    found: dict[str, dict[str, None]] = {}
    for case in scored:
        for text in case.taken:
            found.setdefault(text, {})[case.id] = None
    lines = [
        f"{text}; of {', '.join(names) if len(names) <= 4 else f'{len(names)} rows'}" for text, names in found.items()
    ]
    return [blank(), heading("Taken where rows say nothing"), bullets(lines)] if lines else []
