"""A few runs → the shift of step times, the constants that they move, how far, and the rows of a local layer."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog import Catalog, Fitted, open_log_sds, stacks
from steelyard.catalog.local.layer import CALIBRATED_TABLES, COMMAND, FittedKey, Layer
from steelyard.catalog.local.step_shift import PUBLISHER_LOG_SD
from steelyard.errors import BadInput
from steelyard.evidence.calibration.constants import Constant, constants, unmended_noise
from steelyard.evidence.calibration.exactly import measured_rows
from steelyard.evidence.calibration.fitting import Fitting
from steelyard.evidence.calibration.posterior import Posterior
from steelyard.evidence.calibration.sample import (
    ALLOCATED,
    Sample,
    carried_by,
    sample_of,
    shifted_predictions,
    stack_names,
    weighted_allocator,
)
from steelyard.evidence.calibration.shift import names_of_new_stacks, pairs_of
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.predicted import predict_step, row_text
from steelyard.evidence.runs.run import Run
from steelyard.evidence.runs.unusable import unusable_text
from steelyard.formatting.answer import Shown, refused_as_input
from steelyard.formatting.decode import decode

FOLDS = 10
"""Parts that runs are left out in, to show what the calibration does for a run that it has not seen."""

MOVED, NARROWED = 0.005, 0.99
"""A constant is written where its logarithm moved by more, or its spread shrank below this share."""


@dataclass(frozen=True, slots=True)
class CalibratedRun:
    """One measurement, and its errors: predicted / measured - 1."""

    id: str
    metric: str
    measured: float
    before: float  # by the shipped fit
    after: float  # by the calibration
    unseen: float  # by a calibration that was made without this run; NaN where it is the only one


@dataclass(frozen=True, slots=True)
class ConstantShift:
    """One constant that moved."""

    table: str
    entity: str
    precision: str
    quantity: str
    unit: str
    before: float
    after: float
    log_sd_before: float
    log_sd_after: float


@dataclass(frozen=True, slots=True, repr=False)
class Calibration(Shown):
    """What runs make of the shipped fit."""

    label: str
    source: str  # what the runs are
    runs: tuple[CalibratedRun, ...]
    refused: tuple[tuple[str, str], ...]  # id and reason of runs that could not be used
    shifts: tuple[ConstantShift, ...]
    new_stacks: tuple[str, ...]  # that the shipped fit lacks: named by the runs
    layer: Layer
    notes: tuple[str, ...] = ()  # what of the runs is not read, each with how many it is of

    def headline(self) -> str:
        """Return what it was made of, and how much it moved."""
        return f"{self.label}, {len(self.runs)} measurements of {self.source}, {len(self.shifts)} constants moved"

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return the constants that moved, a row each."""
        rows = [(one.quantity, one.entity, f"{one.before:.4g}", f"{one.after:.4g}", one.unit) for one in self.shifts]
        return (("constant", "of", "before", "after", "unit"), *rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the mapping that `--json` prints."""
        return {
            "label": self.label,
            "source": self.source,
            "runs": [_plain(asdict(run)) for run in self.runs],
            "refused": [{"id": name, "reason": reason} for name, reason in self.refused],
            "shifts": [asdict(shift) for shift in self.shifts],
            "new_stacks": list(self.new_stacks),
            "notes": list(self.notes),
            "layer": {name: [asdict(row) for row in getattr(self.layer, name).values()] for name in CALIBRATED_TABLES},
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """Return the calibration that `to_dict` was made of; `BadInput` where it is none."""
        with refused_as_input():
            return cls._of_fields(found)

    @classmethod
    def _of_fields(cls, found: Mapping[str, Any]) -> Self:
        given = decode(Mapping[str, Any], found)
        if absent := sorted({one.name for one in fields(cls)} - given.keys()):
            message = f"it is no {cls.__name__}: it lacks {', '.join(absent)}"
            raise ValueError(message)
        rows = decode(Mapping[str, tuple[Fitted, ...]], given["layer"])
        refused = decode(tuple[Mapping[str, str], ...], given["refused"])
        return cls(
            label=decode(str, given["label"]),
            source=decode(str, given["source"]),
            runs=decode(tuple[CalibratedRun, ...], given["runs"]),
            refused=tuple((one.get("id", ""), one.get("reason", "")) for one in refused),
            shifts=decode(tuple[ConstantShift, ...], given["shifts"]),
            new_stacks=decode(tuple[str, ...], given["new_stacks"]),
            notes=decode(tuple[str, ...], given["notes"]),
            layer=Layer(*({_key(row): row for row in rows.get(name, ())} for name in CALIBRATED_TABLES)),
        )


def calibrate_constants(
    runs: Sequence[Run], catalog: Catalog, label: str, source: str, today: str, folds: int = FOLDS
) -> Calibration:
    """Return the calibration of some runs; BadInput where none of them can be used.

    One shift of step times comes first, from a single run on (`catalog.local.step_shift`). Constants of memory move by
    measured peaks; other constants of time move on what the shift leaves, the farther the more runs there are. What
    both leave of a run is told of those that are alike (`planner.measured.alike`).

    Args:
        runs: measured runs, as `validation.read` reads them.
        catalog: the shipped fit, which the constants shrink towards.
        label: name of the calibration.
        source: what the runs are, for the rows: the file's name.
        today: date of the rows.
        folds: parts that runs are left out in, to tell what the calibration does for an unseen one.
    """
    of = sample_of(run_frame(runs, catalog, predict_step))
    if not len(of.measured):
        raise BadInput(unusable_text(source, of.refused))
    names = stack_names(of.found, label)
    allocated = np.isin(np.arange(len(of.found)), of.owner[of.metric == ALLOCATED])
    parts = weighted_allocator(of, constants(of.found, names, catalog, allocated))
    shipped = shifted_predictions(of, parts, np.zeros(len(parts)))
    pairs = pairs_of(of, names)
    texts = tuple(row_text(of.found, row, str(names[row]), catalog) for row in range(len(of.found)))
    fitting = Fitting(of, parts, pairs, texts, shipped, open_log_sds(sorted(set(pairs.tolist())), catalog))
    others, unseen = fitting.unseen(folds)
    made = fitting.made(np.ones(len(of.measured), dtype=bool), others)
    before, seen = shipped / of.measured - 1, made.predicted * np.exp(made.alike) / of.measured - 1
    blank = _blank(of, label, source, today)
    rows = _rows(of, parts, made.constants, names, blank)
    shifts = made.shifts.rows(blank)
    named = names_of_new_stacks(of, names, catalog, blank)
    return Calibration(
        label=label,
        source=source,
        runs=tuple(
            CalibratedRun(
                of.found.runs[row].id, str(of.metric[i]), *(float(v[i]) for v in (of.measured, before, seen, unseen))
            )
            for i, row in enumerate(of.owner)
        ),
        refused=of.refused,
        shifts=(*map(_step_shift, shifts), *(_shift(part, row) for part, row in rows)),
        new_stacks=tuple(sorted(set(names[of.owner].tolist()) - set(stacks(catalog)))),
        layer=Layer(
            kernels={_key(row): row for part, row in rows if part.table == "kernels"},
            stacks={_key(row): row for row in (*named, *(row for part, row in rows if part.table == "stacks"))},
            steps={_key(row): row for row in (*shifts, *measured_rows(fitting, made, blank))},
        ),
        notes=_notes(of),
    )


def _blank(of: Sample, label: str, source: str, today: str) -> Fitted:
    """Return what all rows of a calibration have in common."""
    count = len(set(of.owner.tolist()))
    runs = f"calibration {label}: {count} run{'s' * (count > 1)} of {source}"
    return Fitted("", "", "", 0, "", 0, 0, 1, runs, COMMAND, today, "")


def _notes(of: Sample) -> tuple[str, ...]:
    """Return what of the runs is not read, each once with the number of runs that say it; the commonest first."""
    told = Counter(note for notes in of.found.notes for note in notes)
    return tuple(f"{note} ({count} run{'s' * (count > 1)})" for note, count in told.most_common())


def _rows(
    of: Sample, parts: list[Constant], after: Posterior, names: NDArray[np.str_], blank: Fitted
) -> list[tuple[Constant, Fitted]]:
    """Return the local row of every constant that moved or became surer, and of every new stack."""
    made = []
    for i, part in enumerate(parts):
        shift, sd = float(after.shift[i]), float(after.sd[i])
        sure = part.row.log_sd > 0 and sd < NARROWED * part.sd
        new = part.carrier and part.row.entity != part.entity and part.entity in set(names[of.owner])
        if abs(shift) <= MOVED and not sure and not new:
            continue
        wide = _whole_sd(of, parts, after, i) if part.carrier else min(sd, part.row.log_sd)
        row = replace(
            blank,
            entity=part.entity,
            precision=part.precision,
            quantity=part.field,
            value=part.value(shift),
            unit=part.row.unit,
            log_sd=round(min(wide, part.row.log_sd), 4),
            rows=len(set(of.owner[part.rows[of.owner]].tolist())),
            note=f"shipped: {part.row.value:.4g} of {part.row.entity}, log sd {part.row.log_sd:.3f}",
        )
        made.append((part, row))
    return made


def _whole_sd(of: Sample, parts: list[Constant], after: Posterior, i: int) -> float:
    """Return the spread of a stack's whole peak: all its constants together at its least sure run, and noise."""
    part = parts[i]
    mine, least = carried_by(of, part), unmended_noise(part.row)
    if not mine.any():
        return part.row.log_sd
    return math.sqrt(float(after.predictive_variance[mine].max()) + least**2)


def _key(row: Fitted) -> FittedKey:
    return row.entity, row.precision, row.quantity


def _step_shift(row: Fitted) -> ConstantShift:
    return ConstantShift(
        table="steps",
        entity=row.entity,
        precision=row.precision,
        quantity=row.quantity,
        unit="",
        before=1.0,
        after=row.value,
        log_sd_before=PUBLISHER_LOG_SD,
        log_sd_after=row.log_sd,
    )


def _shift(part: Constant, row: Fitted) -> ConstantShift:
    return ConstantShift(
        table=part.table,
        entity=row.entity,
        precision=row.precision,
        quantity=row.quantity,
        unit="" if row.unit == "1" else row.unit,
        before=part.row.value,
        after=row.value,
        log_sd_before=part.row.log_sd,
        log_sd_after=row.log_sd,
    )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
