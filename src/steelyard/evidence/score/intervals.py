"""How sure a prediction is: 90 % intervals from the spreads of the catalog, wider where a row had to be completed."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog import (
    Catalog,
    accelerator_log_sd,
    calibrated_log_sd,
    kind_log_sd,
    outside_transformer_engine,
    pair_log_sd,
    peak_spread,
    shift_log_sd,
    stack_evidence,
    step_spread,
)
from steelyard.catalog.local.step_shift import narrowed_log_sd
from steelyard.catalog.peaks import PeakTraits, device_ends, peak_traits, unseen_kind
from steelyard.catalog.spread import Traits, job_traits
from steelyard.evidence.frames.frame import RunFrame
from steelyard.evidence.frames.predicted import PEAK_KINDS, held_memory, step_times
from steelyard.evidence.runs.reader import published_runs, user_runs
from steelyard.evidence.runs.run import Run
from steelyard.evidence.score.lock import owner
from steelyard.step import waiting_share
from steelyard.tables import StepMemory
from steelyard.units import Array, Bytes

GUESSED = frozenset({"layout", "recompute", "micro-batch", "batch", "shape", "experts"})
TIME_GUESSED = frozenset({"layout", "micro-batch", "batch", "shape"})
"""What a row leaves open that widens its peak, and its time: recomputation that is assumed adds nothing to that."""

USUAL_KEPT = frozenset({"optimizer", "adapters", "attention", "quantisation", "precision"})
"""What a row leaves open of how its tensors are kept, so that the usual setting is taken; how its stack lays a job out
where nobody says otherwise is the stack's own default."""

ACCELERATOR_VENDORS = frozenset(
    {"NVIDIA", "NVIDIA-NeMo", "AI-Hypercomputer", "google", "Ascend", "HabanaAI", "intel", "AMD-AGI", "ROCm", "apple"}
)
"""Owners whose tables are of the vendor of the chip, tuned to it (Apple's axlearn is tuned with Google)."""


def time_log_sd(found: RunFrame, catalog: Catalog) -> Array:
    """Return the standard deviation of the logarithm of each predicted time: chip, stack, kind of model, what it is of.

    A stack or chip that the user has calibrated has the spread that its own runs leave, and no other.
    """
    if not len(found):
        return np.empty(0)
    labels, spread = found.labels, step_spread(catalog)
    hardware = (labels.accelerator, labels.precision)
    chips = _by_row(lambda name, width: accelerator_log_sd(catalog.accelerator(name), width, catalog), *hardware)
    own = _by_row(lambda name: calibrated_log_sd(name, catalog), labels.stack)
    evidence = _by_row(lambda name: stack_evidence(name, catalog), labels.stack)
    model = spread.log_sd(step_traits(found, evidence, waiting_shares(found), catalog))
    kind = _by_row(lambda name: kind_log_sd(name, catalog), labels.kind)
    measured = _by_row(
        lambda name, accelerator: shift_log_sd(name, accelerator, catalog), labels.stack, labels.accelerator
    )
    known = narrowed_log_sd(np.hypot(np.hypot(np.where(np.isnan(own), model, own), chips), kind), measured)
    pairs = _by_row(lambda name, family: pair_log_sd(name, family, catalog), labels.stack, labels.family)
    return np.hypot(known, np.where(np.isnan(measured), pairs, 0.0))


def step_traits(found: RunFrame, evidence: Array, waiting: Array, catalog: Catalog) -> Traits:
    """Return what the spreads of predicted times depend on.

    Args:
        found: the runs.
        evidence: posterior log sd of the factors of each run's stack, and of its chip where that is not drawn apart.
        waiting: share of each step in which the device waits.
        catalog: which stacks' narrow products are not those of Transformer Engine.
    """
    count = len(found)
    made = {name: np.broadcast_to(one, count) for name, one in job_traits(found.job).items()}
    narrow = np.array([outside_transformer_engine(str(name), catalog) for name in found.labels.stack])
    return Traits(
        evidence=evidence,
        waiting=np.broadcast_to(waiting, count).astype(float),
        moe=made["moe"],
        untuned=np.array([owner(run) not in ACCELERATOR_VENDORS for run in found.runs], dtype=float),
        adapters=made["adapters"],
        narrow=made["narrow"] * narrow,
        guessed=np.array([bool(assumed & TIME_GUESSED) for assumed in found.assumed], dtype=float),
    )


def waiting_shares(found: RunFrame) -> Array:
    """Return the share of each step in which its device waits, by the constants of the frame."""
    return np.asarray(waiting_share(step_times(found)))


def _by_row(of: Callable[..., float], *labels: NDArray[np.str_]) -> Array:
    """Return a figure of each row by its labels; each is looked up once."""
    known = cache(of)
    return np.array([known(*map(str, row)) for row in zip(*labels, strict=True)])


def memory_log_sd(found: RunFrame, kinds: NDArray[np.str_], catalog: Catalog) -> Array:
    """Return the standard deviation of the logarithm of each predicted peak.

    Args:
        found: the runs.
        kinds: of the peak of each, of `PEAK_KINDS`; NaN is returned of any other.
        catalog: whose spreads of peaks hold (`peak_spread`).
    """
    found_sd, held = np.full(len(found), np.nan), held_memory(found)
    for (name, kind), rows in _by_stack(found, kinds).items():
        if kind in PEAK_KINDS:
            traits = run_peak_traits(found, held, getattr(held, f"{kind}_bytes"))
            found_sd[rows] = np.broadcast_to(peak_spread(name, catalog).log_sd(traits), len(found))[rows]
    return found_sd


def device_interval(found: RunFrame, catalog: Catalog) -> tuple[Array, Array]:
    """Return both ends of what the device of each run is predicted to show (`catalog.peaks.device_ends`)."""
    low, high = np.full(len(found), np.nan), np.full(len(found), np.nan)
    held, (guessed, unstated), unseen = held_memory(found), assumed_settings(found), unseen_kind(found.layout.schedule)
    for (name, _), rows in _by_stack(found, found.labels.stack).items():
        spread = peak_spread(name, catalog)
        ends = device_ends(held, spread, found.machine.memory_bytes, guessed, unstated, unseen)
        low[rows], high[rows] = (np.broadcast_to(end, len(found))[rows] for end in ends)
    return low, high


def run_peak_traits(found: RunFrame, held: StepMemory, total_bytes: Bytes) -> PeakTraits:
    """Return what the spread of a total of the peaks of some runs depends on."""
    return peak_traits(held, total_bytes, *assumed_settings(found), unseen_kind(found.layout.schedule))


def assumed_settings(found: RunFrame) -> tuple[Array, Array]:
    """Return which runs leave open what their layout or batch is, and which another setting, as 0 or 1."""
    guessed, unstated = (
        np.array([bool(assumed & words) for assumed in found.assumed], dtype=float) for words in (GUESSED, USUAL_KEPT)
    )
    return guessed, unstated


def _by_stack(found: RunFrame, kinds: NDArray[np.str_]) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """Return the rows of each stack and kind."""
    pairs = [(str(name), str(kind)) for name, kind in zip(found.labels.stack, kinds, strict=True)]
    return {pair: np.array([one == pair for one in pairs]) for pair in sorted(set(pairs))}


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A prediction of one shipped case by constants that were fitted without its source."""

    predicted: float  # seconds of a step, or bytes
    low: float
    high: float
    fitted: float  # by the same fit with nothing left out


@cache
def held_out_predictions() -> dict[tuple[str, str], HeldOut]:
    """Return the stored held-out predictions by (case id, metric); none where the fit stored none.

    Metrics are `step_time_s`, `peak_memory_bytes` and `device_memory_bytes` (all that the device shows, for rows that
    ran out of memory too), whatever the case itself published. Each fit writes its own `held_out*.csv`.
    """
    found = {}
    for file in sorted(resources.files("steelyard.evidence.score").iterdir(), key=lambda one: one.name):
        if file.name.startswith("held_out") and file.name.endswith(".csv"):
            for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines()):
                kept = (float(row[name]) for name in ("predicted", "low", "high", "fitted"))
                found[row["id"], row["metric"]] = HeldOut(*kept)
    return found


def stored_prediction(run: Run, metric: str) -> HeldOut | None:
    """Return the held-out prediction of a run if it is a shipped one, wherever it was read from."""
    kept = held_out_predictions().get((run.id, metric))
    own = _shipped().get(run.id) if kept else None
    return kept if own is not None and _identity(own) == _identity(run) else None


def seen_by_fit(run: Run, metric: str) -> str:
    """Return what the fit knew of a run: its source was left out, it is in the sample, or it was never seen.

    A published run that was added since the fit was never seen.
    """
    if stored_prediction(run, metric) is not None:
        return "left out"
    own = _shipped().get(run.id) if run.id in _fitted_ids() else None
    return "in sample" if own is not None and _identity(own) == _identity(run) else "unseen"


@cache
def _fitted_ids() -> frozenset[str]:
    return frozenset(name for name, _ in held_out_predictions())


@cache
def _shipped() -> dict[str, Run]:
    return {run.id: run for run in (*published_runs(), *user_runs())}


def _identity(run: Run) -> tuple[str, ...]:
    numbers = (run.devices, run.step_time_s, run.tokens_per_s_per_device, run.tflops_per_device, run.mfu)
    return (run.group, run.model, run.accelerator, *(f"{value:.4g}" for value in numbers))
