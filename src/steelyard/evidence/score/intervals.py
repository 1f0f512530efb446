"""How sure a prediction is: 90 % intervals from the spreads of the catalog, wider where a row had to be completed."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from steelyard.catalog import Catalog, kernels_rows, kind_log_sd, stack_rows, stacks
from steelyard.evidence.frames.frame import RunFrame
from steelyard.evidence.runs.reader import published_runs
from steelyard.evidence.runs.run import Run
from steelyard.units import Array

GUESS_LOG_SD = 0.07
"""Added where a row leaves open what the prediction needs. Source: within their groups, residuals of such shipped rows
spread by 0.200 in the logarithm, those of complete rows by 0.189 (90th percentile over 1.645, mean over groups)."""

GUESSED = frozenset({"layout", "recompute", "micro-batch", "batch", "shape", "experts"})


def time_log_sd(found: RunFrame, catalog: Catalog) -> Array:
    """Return the standard deviation of the logarithm of each predicted time: chip, stack, kind of model and guesses."""
    labels = found.labels
    accelerator = [
        _kernel_sd(catalog, str(name), str(width))
        for name, width in zip(labels.accelerator, labels.precision, strict=True)
    ]
    stack = [
        _stack_sd(catalog, str(name), "time_scale", str(chip))
        for name, chip in zip(labels.stack, labels.accelerator, strict=True)
    ]
    kind = [kind_log_sd(str(name), catalog) for name in labels.kind]
    return _with_guesses(found, np.hypot(np.hypot(accelerator, stack), kind))


def memory_log_sd(found: RunFrame, catalog: Catalog) -> Array:
    """Return the standard deviation of the logarithm of each predicted peak.

    The fit keeps the spread of the whole peak, from rows left out of it, beside each stack's `reserved_scale`.
    """
    return _with_guesses(
        found, np.array([_stack_sd(catalog, str(name), "reserved_scale") for name in found.labels.stack])
    )


def _with_guesses(found: RunFrame, sd: Array) -> Array:
    guessed = np.array([bool(assumed & GUESSED) for assumed in found.assumed], dtype=float)
    return np.hypot(sd, GUESS_LOG_SD * guessed) if len(found) else np.empty(0)


@cache
def _kernel_sd(catalog: Catalog, accelerator: str, precision: str) -> float:
    return kernels_rows(catalog.accelerator(accelerator), precision, catalog)["time_scale"].log_sd


@cache
def _stack_sd(catalog: Catalog, name: str, quantity: str, accelerator: str = "") -> float:
    known = name if name in stacks(catalog) else "any"
    return stack_rows(known, catalog, accelerator=accelerator)[quantity].log_sd


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
    return {run.id: run for run in published_runs()}


def _identity(run: Run) -> tuple[str, ...]:
    numbers = (run.devices, run.step_time_s, run.tokens_per_s_per_device, run.tflops_per_device, run.mfu)
    return (run.group, run.model, run.accelerator, *(f"{value:.4g}" for value in numbers))
