"""What fits of memory that saw less say of measured peaks: without a group, a stack, a convention or a stack's name."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fit import hierarchy
from fit.conventions import conventions
from fit.hierarchy import Array, Problem
from fit.memory.intervals import CONVENTION, PeakResiduals
from fit.memory.model import KINDS, Factor, fitted_stack, on_rows, predictor, unnamed
from fit.memory.scores import ANY, Rows
from steelyard.catalog import load
from steelyard.catalog.peaks import PeakSpread
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.frames.predicted import predict_step
from steelyard.evidence.runs.exclusions import counted
from steelyard.evidence.runs.reader import user_runs
from steelyard.evidence.score.intervals import run_peak_traits
from steelyard.evidence.score.lock import locked, owner
from steelyard.step import memory, stage_job
from steelyard.tables import StepMemory

Mask = NDArray[np.bool_]


def user_rows(locked_third: bool = False) -> Rows:
    """Return users' runs with a measured peak, which weigh nothing in a fit: the unlocked ones, or the locked."""
    found = run_frame([run for run in user_runs() if locked(run) == locked_third], load(), predict_step)
    seen = measured(found)
    bytes_ = np.where(seen.memory_bytes > 0, seen.memory_bytes, np.nan)
    scored = counted(found.runs, "memory") & np.isfinite(bytes_)
    nothing, every = np.zeros(len(found)), np.ones(len(found), dtype=bool)
    return Rows(found, seen.memory_metric, np.log(bytes_), nothing, scored, every)


NAMELESS = "stack's name left out"
"""The split in which every row is predicted as if nobody had named its stack."""


def left_out_gaps(rows: Rows, problem: Problem) -> dict[str, Array]:
    """Return log predicted over measured of every row with its group, its stack, and its stack's name left out."""
    labels = rows.frame.labels
    by = {"group left out": labels.group, "stack left out": labels.stack}
    gaps = {split: hierarchy.held_out(problem, label) - rows.log_bytes for split, label in by.items()}
    return gaps | {NAMELESS: unnamed(rows)}


def every_residual(
    rows: Rows, parts: Sequence[Factor], problem: Problem, theta: Array, gaps: dict[str, Array]
) -> Iterator[PeakResiduals]:
    """Yield the residuals of every split.

    Args:
        rows: what a fit of memory sees; those that are scored count.
        parts: its factors.
        problem: the fit.
        theta: its result, by which the traits of peaks are told.
        gaps: log predicted over measured by split: a group, a stack and a stack's name left out.
    """
    held = held_by(rows, parts, theta)
    for split, gap in gaps.items():
        yield residuals(rows, held, gap, rows.scored & np.isfinite(gap), split)
    for name, mask in conventions(rows.frame).items():
        if not (rows.scored & mask).any():
            continue
        gap = problem.predict(hierarchy.without(problem, mask)) - rows.log_bytes
        yield residuals(rows, held, gap, rows.scored & mask, CONVENTION, name)
    yield of_users(parts, theta)


def of_users(parts: Sequence[Factor], theta: Array, locked_third: bool = False) -> PeakResiduals:
    """Return the residuals of users' runs, which are in no fit: of the unlocked ones, or the locked.

    Args:
        parts: the factors of a fit of memory.
        theta: its result.
        locked_third: whether those of the locked third are asked for.
    """
    apart = user_rows(locked_third)
    own = on_rows(parts, apart)
    gap = predictor(apart, own)(theta) - apart.log_bytes
    return residuals(apart, held_by(apart, own, theta), gap, apart.scored, "users")


def residuals(rows: Rows, held: StepMemory, gap: Array, keep: Mask, split: str, group: str = "") -> PeakResiduals:
    """Return the residuals of some rows; `group` is what they are counted as, their own groups where it is empty."""
    count = len(rows.frame)
    traits = run_peak_traits(rows.frame, held, measured_total(rows, held))
    return PeakResiduals(
        gap=gap,
        traits=replace(traits, unseen=np.ones(count)) if split == CONVENTION else traits,
        unnamed=np.full(count, float(split == NAMELESS)),
        split=np.full(count, split),
        group=np.full(count, group) if group else rows.frame.labels.group,
        owner=np.array([owner(run) for run in rows.frame.runs]),
    ).part(keep)


def held_by(rows: Rows, parts: Sequence[Factor], theta: Array) -> StepMemory:
    """Return where the bytes of every row go by the fitted constants."""
    found = rows.frame
    return memory(stage_job(found.job, found.layout), found.machine, fitted_stack(rows, parts, theta))


def measured_total(rows: Rows, held: StepMemory) -> Array:
    """Return the total of each row's peak that it measured."""
    totals = [np.broadcast_to(getattr(held, f"{kind}_bytes"), len(rows.frame)) for kind in KINDS]
    return np.select([rows.metric == kind for kind in KINDS], totals, default=np.nan)


def spread_of_rows(rows: Rows, held: StepMemory, spread: PeakSpread) -> Array:
    """Return the log sd of the total that each row measured."""
    traits = run_peak_traits(rows.frame, held, measured_total(rows, held))
    nameless = rows.frame.labels.stack == ANY
    return np.where(nameless, spread.of_unnamed().log_sd(traits), spread.log_sd(traits))
