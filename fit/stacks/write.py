"""The tables of the catalog that the fit of step times makes, and the predictions of each source left out."""

import csv
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import numpy as np

from fit.hierarchy import Array
from fit.stacks.factors import (
    ACCELERATOR_SD,
    CONGESTION,
    FAMILY_SD,
    NARROW,
    NARROW_SD,
    OUTSIDE,
    SLOW_FIELDS,
    STACK_FIELDS,
    Factor,
    Rows,
)
from fit.stacks.scores import is_stack
from steelyard.catalog import load
from steelyard.catalog.spread import STACK_EVIDENCE, StepSpread
from steelyard.catalog.stack_names import CORE_SCALE, EAGER_SCALE
from steelyard.catalog.stacks import OTHER
from steelyard.evidence.frames.frame import RunFrame

COMMAND = "python -m fit.stacks --write"
DATA = Path(__file__).parents[2] / "src/steelyard/catalog/data"
HELD_OUT = Path(__file__).parents[2] / "src/steelyard/evidence/score/held_out.csv"
HEADER = ["entity", "precision", "quantity", "value", "unit", "log_sd"]
HEADER += ["rows", "groups", "source", "command", "checked", "note"]
CHECKED = "2026-11-21"
PUBLISHED = "published runs in evidence/runs/published, each row with its source"
Line = list[str]


def stack_table(
    data: RunFrame, parts: list[Factor], theta: Array, sds: Array, wide: dict[str, float]
) -> Iterable[Line]:
    """Yield the catalog rows of stacks: values in place of factors."""
    shared = {part.field: value for part, value in zip(parts, theta, strict=True) if part.entity == "any"}
    for part, value, sd in zip(parts, theta, sds, strict=True):
        if part.field not in STACK_FIELDS or part.precision != "any":
            continue
        unit, start, *_ = STACK_FIELDS[part.field]
        base = 0.0 if part.entity == "any" else shared[part.field]
        width = wide[part.entity] if part.field == "time_scale" else sd
        yield _line(part.entity, "any", part.field, start * np.exp(base + value), unit, width, data, part.rows)

    yield from _slow_kernels(data, parts, theta, sds)
    yield from _narrow_kernels(data, parts, theta, wide)


def _slow_kernels(data: RunFrame, parts: list[Factor], theta: Array, sds: Array) -> Iterable[Line]:
    """Yield what kernels that are not fused, or in fp32, take of the stacks whose rules have them."""
    for part, value, sd in zip(parts, theta, sds, strict=True):
        if part.field in SLOW_FIELDS:
            unit, start, _ = SLOW_FIELDS[part.field]
            width = "fp16" if part.field == CORE_SCALE else "any"
            for name, one in sorted(load().stack_files.items()):
                if any(rule.kernels == "eager" if part.field == EAGER_SCALE else rule.upcast for rule in one.rules):
                    yield _line(name, width, part.field, start * np.exp(value), unit, sd, data, part.rows)


def _narrow_kernels(data: RunFrame, parts: list[Factor], theta: Array, wide: dict[str, float]) -> Iterable[Line]:
    """Yield the residual factor of each stack whose fp8 and fp4 are not those of Transformer Engine, at both."""
    values = {(part.entity, part.precision): value for part, value in _of(parts, "time_scale", theta)}
    rows = next(part.rows for part in parts if part.entity == OUTSIDE)
    unit, start, *_ = STACK_FIELDS["time_scale"]
    for name, one in sorted(load().stack_files.items()):
        if one.narrow_kernels == OTHER:
            own = (("any", "any"), (name, "any"), (OUTSIDE, "narrow"), (name, "narrow"))
            scale = start * np.exp(sum(values.get(key, 0.0) for key in own))
            for width in NARROW:
                yield _line(name, width, "time_scale", scale, unit, wide.get(name, wide["any"]), data, rows)


def accelerator_table(data: RunFrame, parts: list[Factor], theta: Array, sds: Array) -> Iterable[Line]:
    """Yield the catalog rows of whole chips; a chip repeats each precision of its family, which it would hide.

    The spread of a chip is that of its family, its own and that of the precision; a family stands for chips that no fit
    has seen, and `any` for such families.
    """
    values = {(part.entity, part.precision): value for part, value in _of(parts, "chip", theta)}
    widths = {(part.entity, part.precision): sd for part, sd in _of(parts, "chip", sds)}
    labels, family_of = data.labels, dict(zip(data.labels.accelerator, data.labels.family, strict=True))
    for width in ("any", *NARROW):
        narrow, open_sd = values.get(("any", width), 0.0), widths.get(("any", width), 0.0)
        rows = labels.accelerator != "" if width == "any" else labels.precision == width
        wide = _hypot(FAMILY_SD, ACCELERATOR_SD, open_sd, NARROW_SD if width in NARROW else 0.0)
        yield _line("any", width, "time_scale", np.exp(narrow), "1", wide, data, rows)
    for entity, precision in values:
        if entity == "any" or precision != "any":
            continue
        family = entity if entity.startswith("family:") else f"family:{family_of[entity]}"
        own = 0.0 if family == entity else values[entity, "any"]
        rows = (labels.family == family.removeprefix("family:")) if family == entity else labels.accelerator == entity
        chip = ACCELERATOR_SD if family == entity else widths[entity, "any"]
        for width in ("any", *sorted({*NARROW, *_precisions(values, family)})):
            shared, narrow = values.get(("any", width), 0.0), values.get((family, width), 0.0)
            kept = rows if width == "any" else rows & (labels.precision == width)
            scale = np.exp(values[family, "any"] + own) * (1.0 if width == "any" else np.exp(shared + narrow))
            unseen = NARROW_SD if width in NARROW else 0.0
            wide = _hypot(widths[family, "any"], chip, widths.get(("any", width), 0.0))
            wide = wide if width == "any" else _hypot(wide, widths.get((family, width), unseen))
            yield _line(entity, width, "time_scale", scale, "1", wide, data, kept)
    for part, value, sd in zip(parts, theta, sds, strict=True):
        if part.field == CONGESTION[0]:
            yield _line("any", "any", part.field, CONGESTION[1] * np.exp(value), "1", sd, data, part.rows)


def spread_table(data: RunFrame, parts: list[Factor], sds: Array, spread: StepSpread) -> Iterable[Line]:
    """Yield the catalog rows of the spread of steps, and what is left open of each stack's residual factor."""
    everything = data.labels.id != ""
    for one in fields(StepSpread):
        yield _line("any", "any", one.name, getattr(spread, one.name), "1", 0.0, data, everything)
    prior = STACK_FIELDS["time_scale"][3]
    yield _line("any", "any", STACK_EVIDENCE, prior, "1", 0.0, data, everything & False)
    for part, sd in zip(parts, sds, strict=True):
        if is_stack(part):
            yield _line(part.entity, "any", STACK_EVIDENCE, float(sd), "1", 0.0, data, part.rows)


def write(path: Path, lines: Iterable[Line]) -> None:
    """Write one catalog table."""
    with path.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(HEADER)
        rows.writerows(lines)


def write_held_out(data: RunFrame, predicted: Array, fitted: Array, half: Array) -> None:
    """Write what each shipped case is predicted to take by a fit that never saw its group, and by the whole fit.

    `half` is the half-width in the logarithm of its interval, as wide as that of a stranger.
    """
    with HELD_OUT.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(["id", "metric", "predicted", "low", "high", "fitted"])
        for name, value, width, whole in zip(data.labels.id, predicted, half, fitted, strict=True):
            logs = (value, value - width, value + width, whole)
            rows.writerow([name, "step_time_s", *(f"{np.exp(one):.5g}" for one in logs)])


def _of(parts: list[Factor], field: str, values: Array) -> list[tuple[Factor, float]]:
    return [(part, float(value)) for part, value in zip(parts, values, strict=True) if part.field == field]


def _hypot(*sds: float) -> float:
    return float(np.sqrt(np.sum(np.square(sds))))


def _precisions(values: dict[tuple[str, str], float], family: str) -> list[str]:
    return [precision for entity, precision in values if entity == family and precision != "any"]


def _line(
    entity: str, precision: str, quantity: str, value: float, unit: str, sd: float, data: RunFrame, rows: Rows
) -> Line:
    counts = [str(int(rows.sum())), str(len(set(data.labels.group[rows])))]
    named = [entity, precision, quantity, f"{value:.4g}", unit, f"{sd:.3f}"]
    return [*named, *counts, PUBLISHED, COMMAND, CHECKED, ""]
