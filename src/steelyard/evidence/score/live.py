"""Everything behind the stored figures, predicted now: by the code that runs and a catalog's constants.

Steps and peaks of the published runs, watts of the metered nodes, matrix products and collectives of every accelerator
that was timed. `fingerprints` holds the stored figures to it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from steelyard.catalog import Catalog, kernels, machine
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.frames.predicted import measured_peak, peak_bytes, predict_step, step_seconds
from steelyard.evidence.readings import power
from steelyard.evidence.runs.reader import published_runs, user_runs
from steelyard.evidence.score.intervals import memory_log_sd, time_log_sd
from steelyard.evidence.score.splits import splits
from steelyard.step.kernels.gemm import gemm_s
from steelyard.step.network.collectives import all_reduce_s
from steelyard.step.network.placement import group_bytes_per_s
from steelyard.units import NORMAL_90, Array

Key = tuple[str, str]
"""Metric and id."""

TIME, MEMORY, DEVICE, POWER = "step_time_s", "peak_memory_bytes", "device_memory_bytes", "node_power_w"
PRODUCTS, COLLECTIVES = "gemm_s", "collective_s"
"""The metrics of stored figures, whatever a published run itself gives."""

ELEMENT_BYTES = 2.0
_WIDTHS = (512.0, 2048.0, 8192.0)
"""Rows, inner dimension and columns of the square 16-bit products that stand for a chip's products."""

PAYLOADS_BYTES, RANKS, SIDES = (2.0**20, 2.0**26, 2.0**30), 8.0, 2.0
"""Payloads of the all-reduces over eight ranks that stand for a chip's collectives."""


@dataclass(frozen=True, slots=True)
class LivePrediction:
    """One prediction in SI units, and the standard deviation of its logarithm; 0 where none is claimed."""

    predicted: float
    log_sd: float


@lru_cache(maxsize=2)
def live_predictions(catalog: Catalog) -> Mapping[Key, LivePrediction]:
    """Return the predictions of a catalog by metric and id: of every published run, reading and timed accelerator.

    >>> from steelyard.catalog import load
    >>> found = live_predictions(load())
    >>> sorted({metric for metric, _ in found})
    ['collective_s', 'device_memory_bytes', 'gemm_s', 'node_power_w', 'peak_memory_bytes', 'step_time_s']
    """
    return MappingProxyType(dict([*_runs(catalog), *_watts(catalog), *_operators(catalog)]))


def _runs(catalog: Catalog) -> Iterator[tuple[Key, LivePrediction]]:
    found = run_frame((*published_runs(), *user_runs()), catalog, predict_step)
    peaks, kinds = peak_bytes(found), measured(found).memory_metric
    devices = np.full(len(found), "device")
    columns: dict[str, tuple[Array, Array]] = {
        TIME: (step_seconds(found), time_log_sd(found, catalog)),
        MEMORY: (measured_peak(measured(found), peaks), memory_log_sd(found, kinds, catalog)),
        DEVICE: (peaks["device"], memory_log_sd(found, devices, catalog)),
    }
    for metric, (values, spreads) in columns.items():
        for run, value, sd in zip(found.runs, values, spreads, strict=True):
            if math.isfinite(value):
                yield (metric, run.id), LivePrediction(float(value), float(sd))


def _watts(catalog: Catalog) -> Iterator[tuple[Key, LivePrediction]]:
    for one in power.power_scores(catalog):
        yield (
            (POWER, one.reading.id),
            LivePrediction(one.predicted_w, math.log(one.high_w / one.predicted_w) / NORMAL_90),
        )


def _operators(catalog: Catalog) -> Iterator[tuple[Key, LivePrediction]]:
    for metric, formula, sizes in ((PRODUCTS, _product_s, _WIDTHS), (COLLECTIVES, _all_reduce_s, PAYLOADS_BYTES)):
        for group in sorted({one.group for one in splits() if one.metric == metric}):
            accelerator, _, kind = group.partition("/")
            precision = kind if metric == PRODUCTS else "bf16"
            for size, seconds in zip(sizes, formula(accelerator, precision, catalog), strict=True):
                yield (metric, f"{group}/{size:.0f}"), LivePrediction(float(seconds), 0.0)


def _product_s(accelerator: str, precision: str, catalog: Catalog) -> Array:
    row, its = (
        kernels(catalog.accelerator(accelerator), precision, catalog),
        machine(catalog.system(accelerator), precision, catalog),
    )
    width = np.array(_WIDTHS)
    return np.asarray(
        gemm_s(
            width,
            width,
            width,
            ELEMENT_BYTES,
            its.peak_flop_per_s,
            its.memory_bytes_per_s,
            row.gemm_efficiency,
            row.gemm_launch_s,
            row.gemm_half_width,
            row.memory_efficiency,
        )
    )


def _all_reduce_s(accelerator: str, precision: str, catalog: Catalog) -> Array:
    row, its = (
        kernels(catalog.accelerator(accelerator), precision, catalog),
        machine(catalog.system(accelerator), precision, catalog),
    )
    rate = group_bytes_per_s(its.link_bytes_per_s * row.link_efficiency, RANKS, SIDES)
    return np.asarray(all_reduce_s(np.array(PAYLOADS_BYTES), RANKS, rate, row.link_hop_s))
