"""What was measured, in one unit: the seconds of a step and the bytes of a device, or why they cannot be told.

A published step time is taken as it stands; tokens or samples a second give it through the batch; TFLOP/s and MFU only
where neither is published, and only under a FLOP convention that the row names (`conventions`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog.stack_names import StackRule
from steelyard.evidence.frames.agreement import figure_notes, of_samples, published_flop
from steelyard.evidence.frames.conventions import run_convention
from steelyard.evidence.frames.frame import RunFrame
from steelyard.evidence.frames.models import nearest_models
from steelyard.evidence.frames.siblings import SIZE_ALONE
from steelyard.evidence.runs.columns import unreadable
from steelyard.evidence.runs.run import MEMORY_METRICS, Run, is_known
from steelyard.units import Array

TIME_METRICS = ("step_time_s", "tokens_per_s_per_device", "samples_per_second", "tflops_per_device", "mfu")
DIFFER = 0.10
"""Step time and rate of one row that differ by more contradict each other: rounding never does that."""

UNPRINTED = "the shape of its model is not printed: predicted as a sibling of its size, not scored"
"""Of a model that the catalog does not know, and of which only the size is written; with the nearest names it knows."""

NO_TIME = "no step time, throughput or utilisation that a run can have is given: a number above zero is needed"
NO_PEAK = "no peak memory above zero is given"

ALMOST_PEAK = 0.95
"""No training step reaches this share of the dense matrix peak; a row above it has a wrong unit or a wrong count."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One entry a row of the frame; NaN (with a reason) where nothing can be compared."""

    time_metric: NDArray[np.str_]  # the published figure that is compared; empty: none
    time_value: Array  # in its own unit
    step_s: Array
    per_step: Array  # published figure = per_step / seconds (1 · seconds for a step time, see `in_metric`)
    time_reason: tuple[str, ...]
    memory_metric: NDArray[np.str_]  # allocated, reserved or device
    metric_known: NDArray[np.bool_]  # the row itself says which
    memory_bytes: Array
    memory_reason: tuple[str, ...]
    assumed: tuple[frozenset[str], ...]  # what the time rests on and its row does not say
    notes: tuple[tuple[str, ...], ...]  # what the figures of a row say against each other (`agreement`)


def measured(found: RunFrame) -> Measured:
    """Return the measurements of a frame's runs, in its order."""
    flop = found.job.workload.model_flop * found.job.batch_samples
    size = len(found)
    peak = np.broadcast_to(found.machine.peak_flop_per_s, size)
    tokens = np.broadcast_to(found.job.batch_samples * found.job.workload.tokens / found.layout.devices, size)
    batch = np.broadcast_to(found.job.batch_samples, size)
    held = [StepWork(*map(float, of)) for of in zip(tokens, batch, peak, strict=True)]
    times = [_time(found, index, held[index]) for index in range(size)]
    seconds = np.array([one[2] for one in times], dtype=float)
    used = np.broadcast_to(flop, size) / (seconds * found.layout.devices * peak)
    reasons = tuple(
        f"{share:.0%} of the dense peak: no step reaches that" if share > ALMOST_PEAK else one[4]
        for one, share in zip(times, used, strict=True)
    )
    wrong = used > ALMOST_PEAK
    memories = [
        (one[0], np.nan, unprinted_text(run.model)) if SIZE_ALONE in assumed and one[0] else one
        for run, one, assumed in zip(found.runs, map(_memory, found.runs, found.rules), found.assumed, strict=True)
    ]
    return Measured(
        time_metric=np.array(["" if bad else one[0] for one, bad in zip(times, wrong, strict=True)], dtype=np.str_),
        time_value=np.array([one[1] for one in times], dtype=float),
        step_s=np.where(wrong, np.nan, seconds),
        per_step=np.array([one[3] for one in times], dtype=float),
        time_reason=reasons,
        memory_metric=np.array([one[0] for one in memories], dtype=np.str_),
        metric_known=np.array([run.memory_metric != "unknown" for run in found.runs], dtype=bool),
        memory_bytes=np.array([one[1] for one in memories], dtype=float),
        memory_reason=tuple(one[2] for one in memories),
        assumed=tuple(_assumed(run, one[0]) for run, one in zip(found.runs, times, strict=True)),
        notes=tuple(figure_notes(found, index, step_s) for index, step_s in enumerate(seconds)),
    )


def in_metric(metrics: NDArray[np.str_], per_step: Array, seconds: Array) -> Array:
    """Return seconds of a step as the published figure: itself, or what a step holds over its seconds."""
    return np.where(metrics == "step_time_s", seconds, per_step / seconds)


@dataclass(frozen=True, slots=True)
class StepWork:
    """What a step of one run holds."""

    tokens: float  # of one device
    samples: float  # of all devices
    peak: float  # of one device, flop/s

    def rates(self, run: Run) -> Iterator[tuple[str, float, float]]:
        """Yield each published rate with its name, and what a step holds of what it counts."""
        for name, held in (("tokens_per_s_per_device", self.tokens), ("samples_per_second", self.samples)):
            rate = getattr(run, name)
            if is_known(rate) and rate > 0:
                yield name, rate, held


def _time(found: RunFrame, index: int, held: StepWork) -> tuple[str, float, float, float, str]:
    """Return metric, published value, seconds, what one step holds of the metric, and the reason if there is none."""
    run = found.runs[index]
    if why := _untimed(found, index):
        return _none(why)
    if is_known(run.step_time_s) and run.step_time_s > 0:
        return _stated(run, held)
    for name, rate, amount in held.rates(run):
        return name, rate, amount / rate, amount, ""
    for metric, unit in (("tflops_per_device", 1e12), ("mfu", held.peak)):
        value = getattr(run, metric)
        if is_known(value) and value > 0:
            flop, reason = published_flop(found, index)
            amount = flop / run.devices / unit
            return (metric, value, amount / value, amount, "") if not reason else _none(reason)
    return _none(NO_TIME)


def unprinted_text(model: str) -> str:
    """Return why a run of a model of which only the size is known is not scored, with the nearest names that are known.

    >>> unprinted_text("Lama-3-8B")
    "the shape of its model is not printed: ... not scored (unknown model 'Lama-3-8B'; nearest: llama-3-8b, ..."
    """
    near = nearest_models(model)
    return UNPRINTED + (f" (unknown model {model[:40]!r}; nearest: {', '.join(near)})" if near else "")


def _untimed(found: RunFrame, index: int) -> str:
    """Return why what a row says of its time is not taken, whatever the figures are; empty where it may be."""
    run, faults = found.runs[index], dict(found.runs[index].faults)
    if SIZE_ALONE in found.assumed[index]:
        return unprinted_text(run.model)
    if of_samples(found, index) and is_known(run.tokens_per_s_per_device):
        return f"tokens/s are given, but {run.model} is not trained on tokens; give samples_per_second"
    first = next((name for name in TIME_METRICS if name in faults or getattr(run, name) > 0), "")
    return faults.get(first, "")


def _assumed(run: Run, metric: str) -> frozenset[str]:
    """Return what a time from TFLOP/s or MFU rests on that its row does not say: count, peak of a narrow type."""
    found = {"FLOP convention"} if metric in ("tflops_per_device", "mfu") and run_convention(run)[1] else set()
    narrow = metric == "mfu" and run.precision in ("fp8", "fp4")
    return frozenset(found | ({"peak of MFU"} if narrow and "peak" not in run.flop_convention.lower() else set()))


def _stated(run: Run, held: StepWork) -> tuple[str, float, float, float, str]:
    for name, rate, amount in held.rates(run) if is_known(run.batch_samples) else ():
        ratio = amount / rate / run.step_time_s
        if abs(ratio - 1) > DIFFER:
            unit = name.partition("_")[0]
            return _none(
                f"step time and {unit}/s contradict each other by {ratio:.2f} "
                f"({amount / rate:.4g} s by the {unit}, {run.step_time_s:.4g} s stated)"
            )
    return "step_time_s", run.step_time_s, run.step_time_s, 1.0, ""


def _none(reason: str) -> tuple[str, float, float, float, str]:
    return "", np.nan, np.nan, np.nan, reason


def memory_fault(run: Run) -> str:
    """Return why the peak of a row cannot be read: its number, or the word that says which peak; empty if it can.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> memory_fault(blank_run(peak_memory_bytes=7e10, memory_metric="heap"))
    "memory_metric is 'heap'; nearest: allocated, reserved, device, unknown"
    """
    if why := dict(run.faults).get("peak_memory_bytes"):
        return why
    unread = run.peak_memory_bytes > 0 and run.memory_metric not in MEMORY_METRICS
    return str(unreadable(run, "memory_metric")) if unread else ""


def _memory(run: Run, rule: StackRule) -> tuple[str, float, str]:
    """Return which memory is compared, its bytes, and the reason if there is none."""
    if why := memory_fault(run):
        return "", np.nan, why
    if not is_known(run.peak_memory_bytes) or run.peak_memory_bytes <= 0:
        return "", np.nan, "ran out of memory" if run.out_of_memory else NO_PEAK
    metric = next(one for one in (run.memory_metric, rule.memory_metric, "reserved") if one in MEMORY_METRICS[:3])
    return metric, run.peak_memory_bytes, ""
