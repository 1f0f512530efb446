"""Writing `stacks_memory.csv` (each constant with its source and spread) and `held_out_memory.csv`."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from fit.memory.scores import UNSEEN, Rows
from fit.memory.structure import FIELDS, facts
from steelyard.catalog import load
from steelyard.catalog.peaks import PeakSpread

PACKAGE = Path(__file__).parents[2] / "src/steelyard"
TARGET = PACKAGE / "catalog/data/stacks_memory.csv"
HELD_OUT = PACKAGE / "evidence/score/held_out_memory.csv"
HEADER = (
    *("entity", "precision", "quantity", "value", "unit", "log_sd"),
    *("rows", "groups", "source", "command", "checked", "note"),
)
COMMAND = "python -m fit.memory --write"
CHECKED = "2026-11-21"
ANY = "any"
WHOLE = "reserved_scale"
"""The constant beside which the spread of the whole peak stands: every stack has a row of it."""

PEAK_NOTE = "log_sd: of the whole peak, on rows left out of the fit"
SPREAD = TARGET.with_name("peak_spread.csv")
SEEN = "published runs in evidence/runs/published, each row with its source"
Line = dict[str, str]
Prediction = tuple[str, str, float, float, float, float]
"""Id, metric, predicted, low and high end, and what the whole fit predicts."""


@dataclass(frozen=True)
class Found:
    """One fitted constant of one stack."""

    value: float
    log_sd: float


@dataclass(frozen=True)
class Fits:
    """What the fit found, by stack; `any` is what is shared."""

    constants: Mapping[str, Mapping[str, Found]]  # those that the stack's rows can tell
    spreads: Mapping[str, float]  # log sd of the whole peak on rows left out of the fit
    groups: Mapping[str, Mapping[str, int]]  # rows of each group behind a stack


def write(fits: Fits) -> None:
    """Write what is fitted of every stack; what a stack has not is in its file, else `any`'s."""
    known = sorted({*load().stack_files, *fits.groups} - {ANY})
    lines = [line for stack in (ANY, *known) for line in _stack(stack, fits)]
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, HEADER, lineterminator="\n")
        out.writeheader()
        out.writerows(lines)
    print(f"\nwrote {len(lines)} constants to {TARGET.name}")


def write_spread(spread: PeakSpread, rows: Rows) -> None:
    """Write the parts of the spread of peaks."""
    groups = rows.frame.labels.group[rows.scored]
    counts = {"rows": str(len(groups)), "groups": str(len(set(groups))), "command": COMMAND}
    with SPREAD.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, HEADER, lineterminator="\n")
        out.writeheader()
        for one in fields(PeakSpread):
            out.writerow(_line(ANY, one.name, getattr(spread, one.name), SEEN) | counts | {"unit": "1"})


def write_held_out(rows: list[Prediction]) -> None:
    """Write what a fit without a case's source predicts for it, low and high end, and what the whole fit does."""
    with HELD_OUT.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["id", "metric", "predicted", "low", "high", "fitted"])
        out.writerows([name, metric, *(f"{value:.5g}" for value in values)] for name, metric, *values in rows)
    print(f"wrote {len(rows)} predictions to {HELD_OUT.name}")


def _stack(stack: str, fits: Fits) -> Iterator[Line]:
    file = load().stack_files.get(stack)
    documented = facts(stack)
    own, relative = fits.constants.get(stack, {}), file.relative if file is not None else ""
    counts = fits.groups.get(stack, {})
    seen = {"rows": str(sum(counts.values())), "groups": str(len(counts)), "command": COMMAND}
    behind = "every group with a peak memory" if stack == ANY else ", ".join(sorted(counts))
    for name in FIELDS:
        whole = {"log_sd": f"{fits.spreads.get(stack, fits.spreads[UNSEEN]):.3f}"} if name == WHOLE else {}
        if name in own:
            sure = f"known to {own[name].log_sd:.2f} of its logarithm; the whole peak's spread covers it"
            yield _line(stack, name, own[name].value, f"fitted to {behind}") | seen | {"note": sure} | whole
        elif name in fits.constants.get(relative, {}) and name not in documented:
            borrowed = fits.constants[relative][name]
            yield _line(stack, name, borrowed.value, f"no rows of its own: borrowed from {relative}") | whole
        elif name == WHOLE:
            known, usual = documented.get(name) or facts(ANY)[name], fits.constants[ANY].get(name)
            shared = usual.value / facts(ANY)[name].value if usual is not None else 1.0
            told = known.source if usual is None else f"{known.source}; times what all stacks' rows make of it"
            yield _line(stack, name, known.value * shared, told) | seen | whole | {"note": PEAK_NOTE}


def _line(stack: str, name: str, value: float, source: str, precision: str = ANY) -> Line:
    return dict.fromkeys(HEADER, "") | {
        "entity": stack,
        "precision": precision,
        "quantity": name,
        "value": f"{value:.4g}",
        "unit": "byte" if name.endswith("_bytes") else "",
        "log_sd": "0",
        "rows": "0",
        "groups": "0",
        "source": source,
        "checked": CHECKED,
    }
