"""Fit the network between fast domains: share of the adapters' rate, and what each further domain adds."""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from fit.kernels.fits import NOISE, RatedAccelerator
from fit.kernels.pool import Estimate, Pooled, lookup
from steelyard.step.network.collectives import (
    hierarchical_all_gather_s,
    hierarchical_all_reduce_s,
    hierarchical_all_to_all_s,
)

Array = NDArray[np.float64]
Key = tuple[str, str]

FORMULAS = {"AllReduce": hierarchical_all_reduce_s, "All2All": hierarchical_all_to_all_s}
BYTES = {"MiB": 2.0**20, "GiB": 2.0**30, "GB": 1e9}
LEAST_BYTES = 2.0**18
PRIOR = {"nic_efficiency": (0.8, 0.4), "nic_hop_s": (60e-6, 1.0)}

# system in the tables: chip, fabric, bytes/s of one device's share of the adapters
FABRICS = {
    "2x p5.48xlarge (H100, EFA 3200Gb/s per node)": ("H100-80GB-SXM", "EFA", 50e9),
    "2x p4de.24xlarge (A100-80GB, EFA 400Gb/s per node)": ("A100-80GB-SXM", "EFA", 6.25e9),
    "16x p5-class nodes (see README)": ("H100-80GB-SXM", "EFA", 50e9),
    "H100-80GB 8/node, AWS EFA (HF cluster)": ("H100-80GB-SXM", "EFA, shared cluster", 50e9),
    "H100-80GB, NVLink + 8x400Gb IB (Nebius)": ("H100-80GB-SXM", "InfiniBand", 50e9),
    "H100-80GB, 1 GPU per node, one 400Gb IB NIC (Nebius)": ("H100-80GB-SXM", "InfiniBand", 50e9),
    "GB200 NVL72 GCP A4X, 2 domains": ("GB200", "RoCE", 50e9),
    "4x p6-b200.48xlarge": ("B200-180GB-SXM", "EFA", 50e9),
}
# bytes and bus bandwidth (GB/s) of an all-reduce over 4 x 8 B200: stas00/ml-engineering@744d01e1 network/README.md
P6 = ((2.0**20, 5.4), (2.0**24, 64.0), (2.0**27, 198.0), (2.0**30, 362.0), (2.0**34, 382.0))


@dataclass(frozen=True)
class Run:
    """One collective over several domains."""

    system: str
    source: str
    collective: str
    ranks: float
    domains: float
    payload_bytes: float
    time_s: float


def estimates(
    folder: Path, accelerators: dict[str, RatedAccelerator], values: dict[Key, dict[str, Pooled]]
) -> Iterator[tuple[Key, Estimate]]:
    """Return the constants of each fabric; the links inside a domain are those already fitted."""
    runs = list(_runs(folder))
    for system, (accelerator, fabric, _) in FABRICS.items():
        mine = [run for run in runs if run.system == system]
        found = least_squares(
            _residuals,
            np.log([start for start, _ in PRIOR.values()]),
            args=(mine, accelerators[accelerator], values),
            loss="soft_l1",
        )
        spread = np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac)))
        for name, log, se in zip(PRIOR, found.x, spread, strict=True):
            yield ("any", name), Estimate(system, fabric, float(log), float(se), len(mine), mine[0].source)


def errors(
    logs: Array,
    folder: Path,
    system: str,
    accelerators: dict[str, RatedAccelerator],
    values: dict[Key, dict[str, Pooled]],
) -> Array:
    """Return the logarithm of predicted over measured time of each run on a fabric."""
    mine = [run for run in _runs(folder) if run.system == system]
    return _errors(logs, mine, accelerators[FABRICS[system][0]], values)


def _errors(logs: Array, runs: list[Run], accelerator: RatedAccelerator, values: dict[Key, dict[str, Pooled]]) -> Array:
    return np.array([np.log(_time_s(run, accelerator, values, *np.exp(logs)) / run.time_s) for run in runs])


def _residuals(
    logs: Array, runs: list[Run], accelerator: RatedAccelerator, values: dict[Key, dict[str, Pooled]]
) -> Array:
    prior = [(log - np.log(start)) / sd for log, (start, sd) in zip(logs, PRIOR.values(), strict=True)]
    return np.concatenate([_errors(logs, runs, accelerator, values) / NOISE, prior])


def _time_s(
    run: Run, accelerator: RatedAccelerator, values: dict[Key, dict[str, Pooled]], efficiency: float, hop_s: float
) -> float:
    link, start = (
        float(np.exp(lookup(values["any", name], accelerator.id, accelerator.family, "").log))
        for name in ("link_efficiency", "link_hop_s")
    )
    near = run.ranks / run.domains
    rate = accelerator.link_bytes_per_s * link
    nic = FABRICS[run.system][2] * efficiency
    formula = FORMULAS.get(run.collective, hierarchical_all_gather_s)
    return float(formula(run.payload_bytes, near, run.domains, rate, nic, start, hop_s))


def _runs(folder: Path) -> Iterator[Run]:
    for run in [*_timed(folder), *_given(folder), *_p6()]:
        if run.system in FABRICS and run.domains > 1 and run.payload_bytes >= LEAST_BYTES:
            yield run


def _timed(folder: Path) -> Iterator[Run]:
    with gzip.open(folder / "collectives.csv.gz", "rt", newline="") as file:
        for row in csv.DictReader(file):
            if row["system"] in FABRICS and float(row["busbw_gbs"]) > 0:
                source, size = row["source"].split(":")[0], float(row["bytes"])
                ranks, domains = float(row["n_ranks"]), float(row["n_nodes"])
                yield _run(row["system"], source, "AllReduce", ranks, domains, size, float(row["busbw_gbs"]))


def _given(folder: Path) -> Iterator[Run]:
    with (folder / "collectives_measured.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["system"] in FABRICS:
                count, unit = row["message"].split()
                ranks, domains = float(row["gpus"]), float(row["nodes"] or 2)
                size, rate = float(count) * BYTES[unit], float(row["busbw_gb_s"])
                yield _run(row["system"], _plain(row["source"]), row["collective"], ranks, domains, size, rate)


def _plain(source: str) -> str:
    return source.split(":", maxsplit=1)[0].split(" (", maxsplit=1)[0]


def _p6() -> Iterator[Run]:
    for size, rate in P6:
        yield _run("4x p6-b200.48xlarge", "stas00/ml-engineering@744d01e1", "AllReduce", 32, 4, size, rate)


def _run(system: str, source: str, collective: str, ranks: float, domains: float, size: float, rate: float) -> Run:
    """Undo the bus bandwidth of nccl-tests: sides (n-1)/n bytes over the rate."""
    sides = 2 if collective == "AllReduce" else 1
    return Run(system, source, collective, ranks, domains, size, sides * (ranks - 1) / ranks * size / rate / 1e9)
