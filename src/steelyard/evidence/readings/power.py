"""Published watts of training, of accelerators alone and of nodes, beside what a step's own composition predicts.

`power_published.csv` holds one metered mean a row: `watts` of one device (`chip`) or of one device with its share of
the node (`node`). `power_runs.csv` holds, under the same ids and in the columns of `case`, the runs whose model and
batch are published: their composition comes from the time model. Others count as `TYPICAL`. A strong-scaled run says
its `work_share`, throughput of a device over that of one node alone; the rest of its time is communication.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources

import numpy as np

from steelyard.catalog import Accelerator, Catalog, kernels_rows, load
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.predicted import predict_step
from steelyard.evidence.runs.reader import parse_runs
from steelyard.run import state_w, wait_w
from steelyard.step import stage_job, time
from steelyard.units import NORMAL_90


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of a step by what draws the power; they sum to 1."""

    compute: float
    memory: float
    communication: float
    waiting: float

    def scaled(self, work_share: float) -> "Mix":
        """Return the mix of a run that does its work in a share of the time and communicates in the rest.

        >>> Mix(0.5, 0.25, 0.25, 0.0).scaled(0.5)
        Mix(compute=0.25, memory=0.125, communication=0.625, waiting=0.0)
        """
        parts = {field.name: work_share * getattr(self, field.name) for field in fields(self)}
        return Mix(**parts | {"communication": parts["communication"] + 1.0 - work_share})


TYPICAL = Mix(compute=0.85, memory=0.13, communication=0.01, waiting=0.01)
"""The median case of one node among the shipped runs, rounded; for runs whose composition is not known."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One row, as published."""

    id: str
    node_type: str  # what is left out together
    accelerator: str
    devices: int
    workload: str
    boundary: str  # chip or node
    watts: float  # of one device
    work_share: float  # NaN: not a strong-scaled run
    source: str
    note: str


@dataclass(frozen=True, slots=True)
class PowerScore:
    """One reading beside its prediction and the 90 % interval of that."""

    reading: Reading
    mix: Mix
    predicted_w: float
    low_w: float
    high_w: float

    @property
    def error(self) -> float:
        """Relative difference, signed."""
        return self.predicted_w / self.reading.watts - 1

    @property
    def covered(self) -> bool:
        """Whether the interval holds what was measured."""
        return self.low_w <= self.reading.watts <= self.high_w


Shares = Mapping[str, tuple[float, float]]
"""Quantity (`compute_power` …) → share of the TDP and the sd of its logarithm."""


@cache
def readings() -> tuple[Reading, ...]:
    """Return every published reading.

    >>> len({one.node_type for one in readings() if one.boundary == "node"})
    10
    """
    file = resources.files("steelyard.evidence.readings") / "power_published.csv"
    return tuple(_reading(row) for row in csv.DictReader(file.read_text("utf-8").splitlines()))


def mixes(catalog: Catalog) -> dict[str, Mix]:
    """Return the composition of every reading: from the time model where the run is known, else the typical one."""
    known = _predicted_mixes(catalog)
    found = {}
    for one in readings():
        mix = known.get(one.id, TYPICAL)
        found[one.id] = mix if math.isnan(one.work_share) else mix.scaled(one.work_share)
    return found


def predicted_watts(reading: Reading, mix: Mix, shares: Shares, accelerator: Accelerator) -> tuple[float, float]:
    """Return watts of one device at the reading's boundary, and the sd of their logarithm.

    The parts' spreads are taken as independent; of the states the spread of their mean is used.
    """
    idle_w = wait_w(accelerator.facts.value("idle_power"), accelerator.tdp_w, shares["idle_power"][0])
    parts = []
    for state in ("compute", "memory", "communication", "waiting"):
        share, log_sd = shares[f"{state}_power"]
        parts.append((getattr(mix, state) * float(state_w(accelerator.tdp_w, share, idle_w)), log_sd))
    if reading.boundary == "node":
        share, log_sd = shares["host_power"]
        parts.append((accelerator.tdp_w * share, log_sd))
    watts = sum(part for part, _ in parts)
    return watts, math.sqrt(sum((part * log_sd) ** 2 for part, log_sd in parts)) / watts


def power_scores(catalog: Catalog | None = None) -> tuple[PowerScore, ...]:
    """Predict every published reading from a catalog's shares, each with its 90 % interval.

    >>> bool(np.median([abs(one.error) for one in power_scores() if one.reading.boundary == "node"]) < 0.06)
    True
    """
    catalog = catalog or load()
    found = mixes(catalog)
    return tuple(_scored(one, found[one.id], catalog) for one in readings())


def _scored(reading: Reading, mix: Mix, catalog: Catalog) -> PowerScore:
    accelerator = catalog.accelerator(reading.accelerator)
    rows = kernels_rows(accelerator, accelerator.precisions[0], catalog)
    watts, log_sd = predicted_watts(
        reading, mix, {name: (row.value, row.log_sd) for name, row in rows.items()}, accelerator
    )
    half = math.exp(NORMAL_90 * log_sd)
    return PowerScore(reading, mix, watts, watts / half, watts * half)


def _reading(row: dict[str, str]) -> Reading:
    numbers = {
        "devices": int(row["devices"]),
        "watts": float(row["watts"]),
        "work_share": float(row["work_share"] or "nan"),
    }
    return Reading(**{**row, **numbers})  # type: ignore[arg-type]  # the columns are the fields


def _predicted_mixes(catalog: Catalog) -> dict[str, Mix]:
    """Compose the steps of the known runs from the time model."""
    content = (resources.files("steelyard.evidence.readings") / "power_runs.csv").read_bytes()
    found = run_frame(parse_runs(content, "power_runs.csv"), catalog, predict_step)
    step = time(stage_job(found.job, found.layout), found.machine, found.kernels, found.stack)
    exposed = step.tp_s + step.cp_s + step.ep_s + step.pp_s + step.dp_s
    columns = [
        np.broadcast_to(np.asarray(part / step.total_s, dtype=float), len(found))
        for part in (step.pointwise_s + step.optimizer_s, exposed, step.bubble_s + step.host_s)
    ]
    rows = zip(found.runs, *columns, strict=True)
    return {
        run.id: Mix(float(1 - bound - traffic - waits), float(bound), float(traffic), float(waits))
        for run, bound, traffic, waits in rows
    }
