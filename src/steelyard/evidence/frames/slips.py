"""Rows whose figures are no measurements of them: so far from what is predicted that a unit is wrong."""

import numpy as np

from steelyard.catalog.local.slips import unit_slip
from steelyard.evidence.frames.frame import RunFrame
from steelyard.evidence.frames.measured import Measured
from steelyard.evidence.runs.exclusions import excluded
from steelyard.units import Array


def slip_reasons(found: RunFrame, seen: Measured, seconds: Array, held: Array) -> tuple[str, ...]:
    """Return why each run's figures are no measurements of it: all of them are refused with one; empty: they may be.

    Args:
        found: the runs.
        seen: what was measured of them.
        seconds: of a step, predicted.
        held: bytes of the heaviest device, predicted.
    """
    ratios = np.broadcast(seen.step_s / seconds, seen.memory_bytes / held)
    return tuple(_reason(found, seen, index, float(a), float(b)) for index, (a, b) in enumerate(ratios))


def _reason(found: RunFrame, seen: Measured, index: int, time_ratio: float, memory_ratio: float) -> str:
    run, texts = found.runs[index], []
    for kind, what, metric, ratio in (
        ("time", "step time", str(seen.time_metric[index]), time_ratio),
        ("memory", "peak memory", "memory", memory_ratio),
    ):
        if ratio > 0 and not excluded(run, kind) and (slip := unit_slip(metric, ratio, run.devices)):
            texts.append(f"its {what} is {slip}")
    return f"{'; '.join(texts)}; correct the file, or leave the run out" if texts else ""
