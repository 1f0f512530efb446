"""Whether the predictor ranks the layouts of one job rightly, and what following it would have cost.

A set is one job on one machine, run in at least three layouts: same model, batch, sequence, accelerator, devices,
precision and stack, of one source. Rows whose degrees had to be imputed belong to no set. A layout that was run several
times counts once, with the geometric mean of its times.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.evidence.frames.frame import RunFrame
from steelyard.units import Array

LEAST_LAYOUTS = 3


@dataclass(frozen=True, slots=True)
class JobSet:
    """One job in several layouts."""

    group: str
    model: str
    accelerator: str
    devices: int
    batch_samples: int
    sequence_tokens: int
    layouts: int
    spearman: float  # NaN where all layouts are predicted, or measured, alike
    regret: float  # measured time of the chosen layout over that of the best measured one, minus 1
    chance_regret: float  # the same for a layout chosen blindly
    log_sd: float  # spread of predicted over measured time in the logarithm, what all layouts share taken out
    chosen: str  # a run of the layout that is predicted to be the fastest
    best: str  # a run of the layout that was measured to be the fastest


@dataclass(frozen=True, slots=True)
class Ranking:
    """The sets of one group together."""

    group: str
    sets: int
    layouts: int
    spearman: float  # mean over sets
    mean_regret: float
    median_regret: float
    worst_regret: float
    chance_regret: float  # mean over sets of a layout chosen blindly
    log_sd: float  # over all sets, each with a level of its own


def job_sets(found: RunFrame, labels: NDArray[np.str_], measured: Array, predicted: Array) -> tuple[JobSet, ...]:
    """Return every set, grouped by a label; rows with a NaN on either side belong to none."""
    layouts = _columns(found.layout, len(found))
    made = []
    for rows in _rows_of_jobs(found, np.isfinite(measured) & np.isfinite(predicted)):
        _, first, place = np.unique(layouts[rows], axis=0, return_index=True, return_inverse=True)
        if len(first) >= LEAST_LAYOUTS:
            counts = np.bincount(place.ravel())
            logs = (np.log(measured[rows]), np.log(predicted[rows]))
            times, guesses = (np.exp(np.bincount(place.ravel(), column) / counts) for column in logs)
            made.append(_set(found, str(labels[rows[0]]), rows[first], times, guesses))
    return tuple(made)


def rankings(sets: Sequence[JobSet]) -> tuple[Ranking, ...]:
    """Return rank correlation and regret by group, most sets first.

    >>> rankings(())
    ()
    """
    groups: dict[str, list[JobSet]] = {}
    for one in sets:
        groups.setdefault(one.group, []).append(one)
    made = [_ranking(name, mine) for name, mine in groups.items()]
    return tuple(sorted(made, key=lambda one: (-one.sets, one.group)))


def spearman(one: Array, other: Array) -> float:
    """Return the rank correlation of two columns; ties share their mean rank, NaN where a column is constant.

    >>> round(spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 9.0])), 3)
    0.8
    >>> spearman(np.array([1.0, 1.0, 2.0]), np.array([5.0, 5.0, 9.0]))
    1.0
    """
    first, second = (ranks(column) - (len(column) - 1) / 2 for column in (one, other))
    scale = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / scale) if scale > 0 else float("nan")


def ranks(values: Array) -> Array:
    """Return the rank of every value, from 0; ties share their mean rank.

    >>> ranks(np.array([10.0, 30.0, 10.0]))
    array([0.5, 2. , 0.5])
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count + 1) / 2)[place], dtype=float)


def _rows_of_jobs(found: RunFrame, usable: NDArray[np.bool_]) -> list[NDArray[np.int_]]:
    """Return the rows of each job on one machine that was run often enough."""
    labels = found.labels
    jobs = _columns(found.job, len(found))
    devices = np.broadcast_to(found.layout.devices, len(found))
    rows: dict[tuple[object, ...], list[int]] = {}
    for index, run in enumerate(found.runs):
        if usable[index] and "layout" not in found.assumed[index]:
            machine = (labels.accelerator[index], labels.precision[index], devices[index])
            model = (run.model, found.architectures[index], run.sequence_tokens)
            key = (run.group, *model, run.stack, *machine, jobs[index].tobytes())
            rows.setdefault(key, []).append(index)
    return [np.array(mine) for mine in rows.values() if len(mine) >= LEAST_LAYOUTS]


def _set(found: RunFrame, label: str, rows: NDArray[np.int_], times: Array, guesses: Array) -> JobSet:
    """Return a set, given one row, the measured and the predicted time of each of its layouts."""
    index = rows[0]
    chosen, best = int(np.argmin(guesses)), int(np.argmin(times))
    sizes = (found.layout.devices, found.job.batch_samples, found.job.workload.tokens)
    devices, batch, tokens = (round(float(np.broadcast_to(one, len(found))[index])) for one in sizes)
    return JobSet(
        group=label,
        model=found.runs[index].model,
        accelerator=str(found.labels.accelerator[index]),
        devices=devices,
        batch_samples=batch,
        sequence_tokens=tokens,
        layouts=len(rows),
        spearman=spearman(times, guesses),
        regret=float(times[chosen] / times[best] - 1),
        chance_regret=float(np.mean(times) / times[best] - 1),
        log_sd=float(np.std(np.log(guesses / times), ddof=1)),
        chosen=found.runs[rows[chosen]].id,
        best=found.runs[rows[best]].id,
    )


def _ranking(name: str, sets: Sequence[JobSet]) -> Ranking:
    regrets = [one.regret for one in sets]
    told = [one.spearman for one in sets if np.isfinite(one.spearman)]
    return Ranking(
        group=name,
        sets=len(sets),
        layouts=sum(one.layouts for one in sets),
        spearman=float(np.mean(told)) if told else float("nan"),
        mean_regret=float(np.mean(regrets)),
        median_regret=float(np.median(regrets)),
        worst_regret=float(np.max(regrets)),
        chance_regret=float(np.mean([one.chance_regret for one in sets])),
        log_sd=float(np.sqrt(np.average([one.log_sd**2 for one in sets], weights=[one.layouts - 1 for one in sets]))),
    )


def _columns(table: Any, size: int) -> Array:
    """Return the numbers of a table as rows, without those of nested tables."""
    values = [getattr(table, field.name) for field in fields(table)]
    plain = [np.asarray(value, dtype=float) for value in values if not is_dataclass(value)]
    return np.column_stack([np.broadcast_to(one, size) for one in plain])
