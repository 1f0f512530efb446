"""Conventions that runs follow, each left out whole: what a way of training that no fit has seen costs."""

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog.stack_names import EAGER_SCALE
from steelyard.evidence.frames.frame import RunFrame
from steelyard.evidence.frames.recipes import run_loss
from steelyard.evidence.frames.stacks import run_slow_kernels
from steelyard.evidence.runs.reader import user_runs
from steelyard.evidence.runs.run import Run

Mask = NDArray[np.bool_]


def conventions(found: RunFrame) -> dict[str, Mask]:
    """Return which runs follow each convention."""
    count, tasks = len(found), np.array([run.task for run in found.runs])
    master, interleaved, devices = (
        np.broadcast_to(one, count) for one in (found.job.master_bytes, found.layout.vpp, found.layout.devices)
    )
    kernels = [
        run_slow_kernels(run, rule, str(width))
        for run, rule, width in zip(found.runs, found.rules, found.labels.precision, strict=True)
    ]
    users = {run.group for run in user_runs()}
    return {
        "states of 16 bits": (master == 0) & (tasks != "qlora") & (tasks != "lora"),
        "losses in chunks or fused": np.array([_loss(run) in ("chunked", "fused-linear") for run in found.runs]),
        "interleaved schedules": interleaved > 1,
        "eager kernels": np.array([EAGER_SCALE in slow for slow in kernels]),
        "quantised bases": tasks == "qlora",
        "adapters": tasks == "lora",
        "single devices": devices == 1,
        "users' runs": np.array([run.group in users for run in found.runs], dtype=bool),
    }


def _loss(run: Run) -> str:
    kind = run_loss(run)
    return kind.name if kind else ""
