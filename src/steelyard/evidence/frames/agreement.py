"""Do the figures of a row agree? TFLOP/s and MFU, times a step's seconds, must be its FLOPs under some convention.

A row states what its figures count, or does not; where its step time is known too, the two can be held against each
other. What agrees under no convention, or under another than the stated one, is said of the row and never picked.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from steelyard.evidence.frames.conventions import attention_flop, matrix_params, run_convention
from steelyard.evidence.frames.frame import RunFrame
from steelyard.evidence.frames.shapes import RowsShape
from steelyard.evidence.runs.run import Run, is_known
from steelyard.workload import Architecture

COUNTS_AGREE = 0.06
"""Counts that differ by less are one: frameworks leave out norms, biases, routers, or count the embedding: chosen."""

FROZEN = 2 / 3
"""Of a step's FLOPs, what is left where frozen weights need no gradients: a forward and half a backward pass."""

_ATTENTION = {"no attention": 0.0, "causal attention": 0.5, "full attention": 1.0}


_CLOSE = 0.05
"""Where a convention is silent about attention and its two readings differ by less, their mean is used."""


@dataclass(frozen=True, slots=True)
class CountedFlop:
    """The FLOPs of a step under one convention."""

    convention: str
    flop: float
    attention: float
    recompute: float


def figure_notes(found: RunFrame, index: int, step_s: float) -> tuple[str, ...]:
    """Return what a row's published figures say against each other; nothing where they agree as the row states.

    Args:
        found: the frame.
        index: the row.
        step_s: the measured seconds of a step [s]; NaN where only TFLOP/s or MFU are given.
    """
    run, arch = found.runs[index], found.architectures[index]
    if of_samples(found, index) or not isinstance(arch, Architecture):
        return ()
    peak = _of_row(found, found.machine.peak_flop_per_s, index)
    notes = [peak_note(run, peak)]
    if np.isfinite(step_s) and (is_known(run.step_time_s) or is_known(run.tokens_per_s_per_device)):
        tokens = _of_row(found, found.job.batch_samples, index) * _of_row(found, found.job.workload.tokens, index)
        counts = list(step_counts(run, arch, tokens))
        measured = [("TFLOP/s", run.tflops_per_device, 1e12), ("MFU", run.mfu, peak)]
        for name, value, unit in measured:
            if is_known(value) and value > 0 and run.devices > 0:
                total = value * unit * run.devices * step_s
                notes.append(
                    figure_note(run, name, total, counts, COUNTS_AGREE + _rounding(value) + _rounding(run.step_time_s))
                )
    return tuple(note for note in notes if note)


def step_counts(run: Run, arch: Architecture, tokens: float) -> Iterator[CountedFlop]:
    """Yield the FLOPs of a step under every convention that may have been used: attention, recompute, adapters, N."""
    sizes = {"": matrix_params(arch), ", embeddings counted": float(arch.active_params)}
    if is_known(run.params):
        sizes[", N as published"] = run.params
    factors = {"": 1.0}
    if run.recompute != "none":
        factors[", recompute counted"] = 4 / 3
    if run.task in ("lora", "qlora"):
        factors[", frozen weights without gradients"] = FROZEN
    scores = attention_flop(arch, run.sequence_tokens)
    for words, share in _ATTENTION.items():
        for more, factor in factors.items():
            for size, params in sizes.items():
                yield CountedFlop(
                    f"{words}{more}{size}", (6 * params + share * scores) * factor * tokens, share, factor
                )


def figure_note(run: Run, name: str, total: float, counts: list[CountedFlop], close: float) -> str:
    """Return what a total of FLOPs, from a figure and the step time, says against a row's convention, or nothing."""
    agreeing = [one for one in counts if abs(total / one.flop - 1) <= close]
    if not agreeing:
        nearest = min(counts, key=lambda one: abs(np.log(total / one.flop)))
        return f"{name} and step time agree under no convention: {total / nearest.flop:.2f} of {nearest.convention}"
    stated, _ = run_convention(run)
    if stated is None or any(
        one.attention in stated.attention and one.recompute in (stated.recompute, FROZEN) for one in agreeing
    ):
        return ""
    best = min(agreeing, key=lambda one: abs(np.log(total / one.flop)))
    return f"{name} and step time agree with {best.convention}, not with the stated convention"


def peak_note(run: Run, peak: float) -> str:
    """Return what TFLOP/s and MFU of one row say of the peak that it was divided by; empty where that is the dense one.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> peak_note(blank_run(tflops_per_device=400.0, mfu=0.2), 989e12)
    'MFU is a share of 2,000 TFLOP/s, the dense peak is 989: x2.02'
    >>> peak_note(blank_run(tflops_per_device=400.0, mfu=0.404), 989e12)
    ''
    """
    if not (run.tflops_per_device > 0 and run.mfu > 0):
        return ""
    implied = run.tflops_per_device * 1e12 / run.mfu
    if abs(implied / peak - 1) <= COUNTS_AGREE + _rounding(run.mfu) + _rounding(run.tflops_per_device):
        return ""
    return (
        f"MFU is a share of {implied / 1e12:,.0f} TFLOP/s, the dense peak is {peak / 1e12:,.0f}: x{implied / peak:.2f}"
    )


def _rounding(value: float) -> float:
    """Return by how much the last printed digit of a figure may be off, as a share of it.

    >>> round(_rounding(0.38), 4), _rounding(float("nan"))
    (0.0132, 0.0)
    """
    if not is_known(value) or value <= 0:
        return 0.0
    digits = len(f"{value:.6g}".partition(".")[2]) if "e" not in f"{value:.6g}" else 0
    return 0.5 * 10.0**-digits / value


def published_flop(found: RunFrame, index: int) -> tuple[float, str]:
    """Return the FLOPs of one step as the row's convention counts them, or NaN and the reason."""
    run = found.runs[index]
    counts, _ = run_convention(run)
    if counts is None:
        return np.nan, f"FLOP convention not stated ({run.flop_convention or 'blank'})"
    job = found.job
    arch = found.architectures[index]
    if isinstance(arch, RowsShape) or of_samples(found, index):
        flop = _of_row(found, job.workload.model_flop, index) * _of_row(found, job.batch_samples, index)
        return flop * counts.recompute, ""
    sequence = _of_row(found, job.workload.tokens, index)
    tokens = _of_row(found, job.batch_samples, index) * sequence
    no_attention = counts.attention == (0.0,)
    params = run.params if no_attention and is_known(run.params) else matrix_params(arch)
    scores = attention_flop(arch, sequence)
    low, high = (
        float((6 * params + share * scores) * counts.recompute * tokens)
        for share in (min(counts.attention), max(counts.attention))
    )
    if high / low - 1 > _CLOSE:
        return np.nan, f"FLOP convention not stated: attention is {high / low - 1:.0%} of it ({run.flop_convention})"
    return (low + high) / 2, ""


def _of_row(found: RunFrame, column: ArrayLike, index: int) -> float:
    """Return the number of one row of a column, or the one that all rows have."""
    return float(np.broadcast_to(column, len(found))[index])


def of_samples(found: RunFrame, index: int) -> bool:
    """Tell whether a run's model is trained on anything but tokens: images, or what its rows say."""
    arch = found.architectures[index]
    return isinstance(arch, RowsShape) or bool(arch.patches)
