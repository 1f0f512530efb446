"""What no timing table covers: rated figures of the chips, single published measurements, and stated values."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fit.kernel_fits import Chip
from fit.kernel_pool import ANY, Estimate, Pooled

FAMILIES = {
    "Pascal": "nvidia-pascal",
    "Volta": "nvidia-volta",
    "Turing": "nvidia-turing",
    "Ampere": "nvidia-ampere",
    "Ada": "nvidia-ada",
    "Hopper": "nvidia-hopper",
    "Hopper+Grace": "nvidia-hopper",
    "Blackwell": "nvidia-blackwell",
    "Blackwell+Grace": "nvidia-blackwell",
    "Blackwell Ultra": "nvidia-blackwell",
    "Blackwell Ultra+Grace": "nvidia-blackwell",
    "Blackwell (GB202)": "nvidia-blackwell-consumer",
}
PCIE_BYTES_PER_S = 63e9  # PCIe 5.0 x16, one direction

STAS = "stas00/ml-engineering@744d01e1"
AICONFIGURATOR = "ai-dynamo/aiconfigurator@095f58a5"
BEST_SHAPE = 1.04  # large-product efficiency over the best single shape, where both are known (A100, H100, B200)
MEDIAN_SHAPE = 1.11  # and over the median of shapes with m >= 2048 and n, k >= 4096

# chip, precision, quantity, measured, rated, correction, log sd, source, note
MEASURED = (
    ("MI300X", "any", "gemm_efficiency", 668.4, 1307.4, BEST_SHAPE, 0.08, STAS, "best shape 668 TFLOP/s"),
    ("MI325X", "any", "gemm_efficiency", 784.9, 1307.4, BEST_SHAPE, 0.08, STAS, "best shape 785 TFLOP/s"),
    ("Gaudi2", "any", "gemm_efficiency", 418.7, 432.0, 1.0, 0.08, STAS, "best shape 419 TFLOP/s"),
    ("Gaudi3", "any", "gemm_efficiency", 1243.0, 1677.0, 1.0, 0.08, STAS, "best shape 1243 TFLOP/s"),
    ("L40S", "any", "gemm_efficiency", 229.9, 362.0, MEDIAN_SHAPE, 0.08, AICONFIGURATOR, "300 shapes"),
    ("B300-SXM", "any", "gemm_efficiency", 1703.9, 2250.0, MEDIAN_SHAPE, 0.05, AICONFIGURATOR, "332 shapes"),
    ("GB300", "any", "gemm_efficiency", 1915.0, 2500.0, MEDIAN_SHAPE, 0.05, AICONFIGURATOR, "321 shapes"),
    ("A100-80GB-SXM", "any", "memory_efficiency", 1586.3, 2039.0, 1.0, 0.05, STAS, "copy inside the device"),
    ("H100-80GB-SXM", "any", "memory_efficiency", 2525.4, 3350.0, 1.0, 0.05, STAS, "copy inside the device"),
    ("GB200", "any", "memory_efficiency", 5816.7, 8000.0, 1.0, 0.05, STAS, "copy inside the device"),
    ("MI300X", "any", "link_efficiency", 313.0, 448.0, 1.0, 0.1, STAS, "all-reduce of 4 GiB over 8"),
    ("GB200", "any", "link_efficiency", 687.9, 900.0, 1.0, 0.1, "GCP A4X guide", "all-gather of 16 GB over 72"),
)  # fmt: skip


UNFUSED = 0.5
UNFUSED_NOTE = "half of gemm_efficiency: what batched products with one dimension of 64 to 128 reach"


@dataclass(frozen=True)
class Stated:
    """A value that is not fitted here: from a source, or from other rows (no source of its own)."""

    entity: str
    precision: str
    quantity: str
    value: float
    log_sd: float
    source: str
    note: str


MAXTEXT = "AI-Hypercomputer/maxtext README (v5e, v5p, v6e tables)"
NCCL = "awsome-distributed-training@7217859f; stas00/ml-engineering@744d01e1; Qwen3 experiments on 2x8 H100"
STATED = (
    Stated(ANY, ANY, "time_scale", 1.0, 0.12, "", "no residual factor fitted to operators"),
    Stated(ANY, ANY, "nic_efficiency", 0.8, 0.2, NCCL, "plateaus of .74 (4 x B200, EFA), .84, .87 (EFA), .93 (IB)"),
    Stated(ANY, ANY, "nic_hop_s", 60e-6, 0.6, NCCL, "35 us a node on InfiniBand, 50 to 100 us on EFA"),
    Stated(ANY, ANY, "nic_congestion", 0.1, 0.7, NCCL, "0 on isolated racks; 0.3 and more on a shared EFA cluster"),
    Stated("family:tpu", ANY, "gemm_efficiency", 0.9, 0.12, MAXTEXT, "published HFU with full recompute up to .88"),
    *(
        Stated(f"family:{family}", ANY, "link_efficiency", 0.45, 0.35, AICONFIGURATOR, "PCIe, as 8 RTX PRO 6000")
        for family in ("nvidia-ada", "nvidia-ampere-consumer", "nvidia-turing", "nvidia-pascal")
    ),
)


def chips(folder: Path) -> dict[str, Chip]:
    """Return the rated figures of every accelerator of the collected table."""
    with (folder / "accelerators.csv").open(newline="") as file:
        return {row["name"]: _chip(row) for row in csv.DictReader(file)}


def _chip(row: dict[str, str]) -> Chip:
    peaks = {
        name.removeprefix("tflops_"): float(value) * 1e12
        for name, value in row.items()
        if name.startswith("tflops_") and value
    }
    link = float(row["intra_link_gbs"] or "nan") * 1e9
    return Chip(
        row["name"], _family(row), peaks, float(row["mem_bw_gbs"]) * 1e9, PCIE_BYTES_PER_S if np.isnan(link) else link
    )


def _family(row: dict[str, str]) -> str:
    if row["arch"] == "Ampere" and not row["name"].startswith(("A100", "A30")):
        return "nvidia-ampere-consumer"
    vendors = {"AMD": "amd-cdna", "Google": "tpu", "Intel": "gaudi", "AWS": "trainium"}
    return FAMILIES.get(row["arch"]) or vendors.get(row["vendor"], row["arch"].lower())


def estimates(rated: dict[str, Chip]) -> Iterator[tuple[tuple[str, str], Estimate]]:
    """Return the single published measurements as estimates."""
    for chip, precision, quantity, value, peak, correction, sd, source, note in MEASURED:
        log = float(np.log(value / peak * correction))
        yield (precision, quantity), Estimate(chip, rated[chip].family, log, sd, 1, source, note)


def stated(values: dict[tuple[str, str], dict[str, Pooled]]) -> list[Stated]:
    """Return rows that follow from others or from a cited figure: TPUs, cards on PCIe, fabrics, narrow precisions."""
    sixteen = values["any", "gemm_efficiency"]
    derived = [row for precision in ("fp8", "fp4", "fp32", "tf32") for row in _precision(values, precision)]
    unfused = [
        Stated(entity, "any", "unfused_efficiency", np.exp(row.log) * UNFUSED, row.sd + 0.1, "", UNFUSED_NOTE)
        for entity, row in sixteen.items()
    ]
    return [*STATED, *derived, *unfused]


def _precision(values: dict[tuple[str, str], dict[str, Pooled]], precision: str) -> Iterator[Stated]:
    """Efficiencies at a precision that a chip was not timed at: its 16-bit one, moved as the measured chips' moved."""
    known = values.get((precision, "gemm_efficiency"), {})
    sixteen = values["any", "gemm_efficiency"]
    timed = known.get(ANY)
    step = timed.log - sixteen[ANY].log if timed else 0.0
    extra = timed.sd if timed else 0.15
    note = f"its 16-bit value times {np.exp(step):.3f}, what {precision} makes of the chips timed at both"
    for entity, row in sixteen.items():
        if entity not in known:
            value = float(np.exp(row.log + step))
            yield Stated(entity, precision, "gemm_efficiency", value, float(np.hypot(row.sd, extra)), "", note)
