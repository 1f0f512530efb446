"""The tables of the catalog that the fit of step times makes, and the predictions of each source left out."""

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from fit import hierarchy
from fit.hierarchy import Array
from fit.stacks.factors import (
    ACCELERATOR_SD,
    CONGESTION,
    EVERYWHERE,
    FAMILY,
    FAMILY_SD,
    NARROW,
    NARROW_SD,
    OUTSIDE,
    POWER,
    POWER_SD,
    SLOW_FIELDS,
    STACK_FIELDS,
    Factor,
    Rows,
    power_loading,
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


def accelerator_table(data: RunFrame, parts: list[Factor], theta: Array, covariance: Array) -> Iterable[Line]:
    """Yield the catalog rows of whole chips; a chip repeats each precision of its family, which it would hide.

    Every chip of the catalog whose power and peak are known has rows, whether or not a fit has seen it; a family stands
    for its others, and `any` for families that no fit has seen.
    """
    known = _AcceleratorFactors(parts, theta, covariance)
    for entry in _entries(data, known):
        for width in ("any", *sorted({*NARROW, *known.precisions(entry.family)})):
            value, sd = known.of(entry, width)
            rows = entry.rows if width == "any" else entry.rows & (data.labels.precision == width)
            yield _line(entry.entity, width, "time_scale", np.exp(value), "1", sd, data, rows)
    sds = hierarchy.sds_of(covariance)
    for part, value, sd in zip(parts, theta, sds, strict=True):
        if part.field == CONGESTION[0]:
            yield _line("any", "any", part.field, CONGESTION[1] * np.exp(value), "1", sd, data, part.rows)


@dataclass(frozen=True)
class _Entry:
    """A chip, a family of them, or any: its rows, and the power that it has for its arithmetic."""

    entity: str
    family: str
    name: str
    rows: Rows
    loading: float = 0.0


class _AcceleratorFactors:
    """What a fit makes of chips: the sum of their factors, and how open it is."""

    def __init__(self, parts: list[Factor], theta: Array, covariance: Array) -> None:
        mine = [part.field == "chip" for part in parts]
        chips = [part for part in parts if part.field == "chip"]
        self.place = {(part.entity, part.precision): place for place, part in enumerate(chips)}
        self.theta, self.covariance = theta[mine], covariance[np.ix_(mine, mine)]

    def precisions(self, family: str) -> list[str]:
        """Return the precisions at which a family has a factor of its own."""
        return [precision for entity, precision in self.place if entity == family and precision != "any"]

    def of(self, entry: _Entry, width: str) -> tuple[float, float]:
        """Return the logarithm of a chip's factor at a precision, and its sd: a factor that no fit has its prior's."""
        terms = {(entry.family, "any"): (1.0, FAMILY_SD), (entry.name, "any"): (1.0, ACCELERATOR_SD)}
        terms[POWER, "any"] = (entry.loading, POWER_SD)
        if width != "any":
            terms |= {(EVERYWHERE, width): (1.0, 0.0)}
            terms |= {(entry.family, width): (1.0, NARROW_SD if width in NARROW else 0.0)}
        weights, unseen = np.zeros(len(self.theta)), 0.0
        for key, (weight, prior_sd) in terms.items():
            place = self.place.get(key)
            if place is None:
                unseen = math.hypot(unseen, weight * prior_sd)
            else:
                weights[place] += weight
        sd = math.hypot(unseen, math.sqrt(weights @ self.covariance @ weights))
        return float(weights @ self.theta), sd


def _entries(data: RunFrame, known: _AcceleratorFactors) -> Iterator[_Entry]:
    """Yield any chip, families that the fit has seen, then every chip whose power is known, or that it has seen."""
    labels = data.labels
    yield _Entry("any", "another family", "another chip", labels.accelerator != "")
    for entity in [one for one, precision in known.place if one.startswith(FAMILY) and precision == "any"]:
        yield _Entry(entity, entity, "another chip", labels.family == entity.removeprefix(FAMILY))
    for name, accelerator in sorted(load().accelerators.items()):
        loading = power_loading(accelerator)
        if loading or (name, "any") in known.place:
            yield _Entry(name, f"{FAMILY}{accelerator.family}", name, labels.accelerator == name, loading)


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


def _line(
    entity: str, precision: str, quantity: str, value: float, unit: str, sd: float, data: RunFrame, rows: Rows
) -> Line:
    counts = [str(int(rows.sum())), str(len(set(data.labels.group[rows])))]
    named = [entity, precision, quantity, f"{value:.4g}", unit, f"{sd:.3f}"]
    return [*named, *counts, PUBLISHED, COMMAND, CHECKED, ""]
