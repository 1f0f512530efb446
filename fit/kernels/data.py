"""Read the operator and collective timings that kernels are fitted to, in SI: a sample per chip, precision, source.

Devices are named as the catalog names them. Rows outside the shapes of training (a handful of rows or a width below 64)
time the launch rather than the kernel and are left out.
"""

import csv
import gzip
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ACCELERATORS = {
    "NVIDIA A100-SXM4-80GB": "A100-80GB-SXM",
    "NVIDIA H100 80GB HBM3": "H100-80GB-SXM",
    "NVIDIA H200": "H200-141GB-SXM",
    "NVIDIA B200": "B200-180GB-SXM",
    "NVIDIA GB200": "GB200",
    "NVIDIA A100-PCIE-40GB": "A100-40GB-PCIe",
    "NVIDIA A100 80GB PCIe": "A100-80GB-PCIe",
    "Tesla V100-PCIE-32GB": "V100-32GB-PCIe",
    "Tesla P100-PCIE-16GB": "P100-16GB-PCIe",
    "Tesla T4": "T4",
    "NVIDIA L4": "L4",
    "AMD Instinct MI100": "MI100",
    "NV_V100": "V100-16GB-SXM2",  # above the PCIe card's fp32 peak
    "NV_T4": "T4",
}
PRECISIONS = {
    "bfloat16": "bf16",
    "fp16in_fp32acc": "fp16",
    "fp32": "fp32",
    "fp8": "fp8",
    "nvfp4": "fp4",
}
ELEMENT_BYTES = {"bf16": 2.0, "fp16": 2.0, "fp32": 4.0, "fp8": 1.0, "fp4": 0.5}
ELEMENTWISE = {"add": 3, "mul": 3, "div": 3, "addu": 2, "mulu": 2, "divu": 2, "relu": 2, "tanh": 2, "gelu": 2}
"""Passes over memory; powers are bound by arithmetic and left out."""
ROWWISE = {"ln": 2, "softmax": 2}
DOMAINS = {
    "8x A100-SXM4-40GB (1 node)": "A100-40GB-SXM",
    "a100_sxm (1 NVLink/PCIe domain)": "A100-80GB-SXM",
    "h100_sxm (1 NVLink/PCIe domain)": "H100-80GB-SXM",
    "h200_sxm (1 NVLink/PCIe domain)": "H200-141GB-SXM",
    "b200_sxm (1 NVLink/PCIe domain)": "B200-180GB-SXM",
    "gb200 (1 NVLink/PCIe domain)": "GB200",
    "rtx_pro_6000_server (1 NVLink/PCIe domain)": "RTX-PRO-6000-Server",
}
SHARE_SIDES = {"all_reduce": 2.0, "all_gather": 1.0, "reduce_scatter": 1.0, "all_to_all": 1.0}


@dataclass(frozen=True)
class Sample:
    """Timings of one kind of kernel on one chip from one source."""

    accelerator: str
    precision: str
    source: str
    time_s: Array
    columns: dict[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    def keep(self, rows: NDArray[np.bool_]) -> "Sample":
        """Return the rows that the mask names."""
        cut = {name: column[rows] for name, column in self.columns.items()}
        return Sample(self.accelerator, self.precision, self.source, self.time_s[rows], cut)


Parsed = tuple[tuple[str, str, str], dict[str, float]]


def products(folder: Path) -> list[Sample]:
    """Return matrix products: rows, inner, outer; batched ones are left to `batched`."""
    samples = _samples(_read(folder / "gemm.csv.gz"), lambda row: _product(row, batched=False))
    return [sample.keep(_wide(sample)) for sample in samples]


def batched(folder: Path) -> list[Sample]:
    """Return batched matrix products of attention's shape: one of the three dimensions is 64 to 128."""
    samples = _samples(_read(folder / "gemm.csv.gz"), lambda row: _product(row, batched=True))
    cut = []
    for sample in samples:
        narrow, middle, _ = np.sort([sample["rows"], sample["inner"], sample["outer"]], axis=0)
        cut.append(sample.keep((narrow >= 64) & (narrow <= 128) & (middle >= 512)))
    return cut


def attention(folder: Path) -> list[Sample]:
    """Return causal fused attention, forward, with heads of 64 to 256 and at least 2,048 tokens in all."""
    samples = _samples(_read(folder / "ops.csv.gz"), _attention)
    return [
        sample.keep((sample["sequence"] >= 512) & (sample["tokens"] >= 2048) & (sample["head_dim"] <= 256))
        for sample in samples
    ]


def pointwise(folder: Path, passes: dict[str, int]) -> list[Sample]:
    """Return memory-bound operators on tensors that no cache holds (above 64 MB moved)."""
    samples = _samples(_read(folder / "ops.csv.gz"), lambda row: _pointwise(row, passes))
    return [sample.keep(sample["moved_bytes"] > 64e6) for sample in samples]


def collectives(folder: Path) -> list[Sample]:
    """Return collectives inside one domain: payload_bytes, ranks, sides (2: all-reduce)."""
    return _samples(_read(folder / "collectives.csv.gz"), _collective)


def _read(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)


def _samples(rows: Iterator[dict[str, str]], parse: Callable[[dict[str, str]], Parsed | None]) -> list[Sample]:
    found: dict[tuple[str, str, str], list[dict[str, float]]] = defaultdict(list)
    for row in rows:
        if (parsed := parse(row)) is not None:
            found[parsed[0]].append(parsed[1])
    return [
        Sample(
            *key, np.array([row.pop("time_s") for row in kept]), {k: np.array([r[k] for r in kept]) for k in kept[0]}
        )
        for key, kept in sorted(found.items())
    ]


def _source(row: dict[str, str]) -> str:
    return row["source"].split(":")[0]


def _product(row: dict[str, str], *, batched: bool) -> Parsed | None:
    accelerator, precision = ACCELERATORS.get(row["device"]), PRECISIONS.get(row["dtype"])
    if accelerator is None or precision is None or (row["op"] == "bmm") != batched:
        return None
    shape = {"rows": float(row["m"]), "inner": float(row["k"]), "outer": float(row["n"]), "batch": float(row["batch"])}
    return (accelerator, precision, _source(row)), {"time_s": float(row["time_us"]) * 1e-6, **shape}


def _wide(sample: Sample) -> NDArray[np.bool_]:
    return (sample["rows"] >= 128) & (sample["inner"] >= 64) & (sample["outer"] >= 64)


def _attention(row: dict[str, str]) -> Parsed | None:
    if row["op"] != "attention_fwd_causal" or row["device"] not in ACCELERATORS:
        return None
    batch, sequence, heads, width = (float(row[name]) for name in ("b", "seq", "heads", "head_dim"))
    values = {"flop": 2 * batch * sequence**2 * heads * width, "sequence": sequence, "head_dim": width}
    return (ACCELERATORS[row["device"]], "bf16", _source(row)), {
        "time_s": float(row["time_us"]) * 1e-6,
        "tokens": batch * sequence,
        **values,
    }


def _pointwise(row: dict[str, str], passes: dict[str, int]) -> Parsed | None:
    if row["op"] not in passes or row["device"] not in ACCELERATORS:
        return None
    moved = float(row["b"]) * float(row["h"]) * ELEMENT_BYTES[row["dtype"]] * passes[row["op"]]
    return (ACCELERATORS[row["device"]], "fp32", _source(row)), {
        "time_s": float(row["time_us"]) * 1e-6,
        "moved_bytes": moved,
    }


def _collective(row: dict[str, str]) -> Parsed | None:
    if row["system"] not in DOMAINS or row["collective"] not in SHARE_SIDES:
        return None
    values = {"payload_bytes": float(row["bytes"]), "ranks": float(row["n_ranks"])}
    key = (DOMAINS[row["system"]], row["collective"], _source(row))
    return key, {"time_s": float(row["time_us"]) * 1e-6, "sides": SHARE_SIDES[row["collective"]], **values}


def by_accelerator(samples: list[Sample]) -> list[list[Sample]]:
    """Group samples of one chip and source, whatever they time."""
    groups: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.accelerator, sample.source].append(sample)
    return list(groups.values())
