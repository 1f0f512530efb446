"""What no timing table covers: rated figures of the chips, single published measurements, and stated values."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fit.kernels.fits import RatedAccelerator
from fit.kernels.pool import ANY, PCIE, SLOT_POWER, Estimate, Pooled, lookup
from steelyard import catalog
from steelyard.catalog.schema import Accelerator

SLOT_W = 75.0
STAS = "stas00/ml-engineering@744d01e1"
VIDUR = "microsoft/vidur@7d47513"
AICONFIGURATOR = "ai-dynamo/aiconfigurator@095f58a5"
BEST_SHAPE = 1.04  # large-product efficiency over the best single shape, where both are known (A100, H100, B200)
MEDIAN_SHAPE = 1.11  # and over the median of shapes with m >= 2048 and n, k >= 4096

# chip, precision, quantity, measured, rated, correction, log sd, source, note
MEASURED = (
    ("MI300X", "any", "gemm_efficiency", 668.4, 1307.4, BEST_SHAPE, 0.08, STAS, "best shape 668 TFLOP/s"),
    ("MI325X", "any", "gemm_efficiency", 784.9, 1307.4, BEST_SHAPE, 0.08, STAS, "best shape 785 TFLOP/s"),
    ("MI355X", "any", "gemm_efficiency", 1565.0, 2516.6, BEST_SHAPE, 0.08, STAS, "best shape 1565 TFLOP/s"),
    ("Gaudi2", "any", "gemm_efficiency", 418.7, 432.0, 1.0, 0.08, STAS, "best shape 419 TFLOP/s"),
    ("Gaudi3", "any", "gemm_efficiency", 1243.0, 1677.0, 1.0, 0.08, STAS, "best shape 1243 TFLOP/s"),
    ("L40S", "any", "gemm_efficiency", 229.9, 362.0, MEDIAN_SHAPE, 0.08, AICONFIGURATOR, "300 shapes"),
    ("B300-SXM", "any", "gemm_efficiency", 1703.9, 2250.0, MEDIAN_SHAPE, 0.05, AICONFIGURATOR, "332 shapes"),
    ("GB300", "any", "gemm_efficiency", 1915.0, 2500.0, MEDIAN_SHAPE, 0.05, AICONFIGURATOR, "321 shapes"),
    ("A100-80GB-SXM", "any", "memory_efficiency", 1586.3, 2039.0, 1.0, 0.05, STAS, "copy inside the device"),
    ("H100-80GB-SXM", "any", "memory_efficiency", 2525.4, 3350.0, 1.0, 0.05, STAS, "copy inside the device"),
    ("GB200", "any", "memory_efficiency", 5816.7, 8000.0, 1.0, 0.05, STAS, "copy inside the device"),
    ("H100-80GB-PCIe", "any", "link_efficiency", 48.0, 63.0, 1.0, 0.1, VIDUR, "all-reduce of 64 MiB over 4"),
    ("MI300X", "any", "link_efficiency", 313.0, 448.0, 1.0, 0.1, STAS, "all-reduce of 4 GiB over 8"),
    ("GB200", "any", "link_efficiency", 687.9, 900.0, 1.0, 0.1, "GCP A4X guide", "all-gather of 16 GB over 72"),
)  # fmt: skip


PCIE_NOTE = "of the PCIe slot: cards timed on PCIe"
HEAD_WIDTH = 128.0
UNFUSED_NOTE = "gemm_efficiency / (1 + gemm_half_width / 128): batched products with a dimension of 64 to 128"


@dataclass(frozen=True)
class GivenValue:
    """A value that is not fitted here: from a source, or from other rows (no source of its own)."""

    entity: str
    precision: str
    quantity: str
    value: float
    log_sd: float
    source: str
    note: str


MAXTEXT = "AI-Hypercomputer/maxtext README (v5e, v5p, v6e tables)"
FA2 = "Dao 2023, arXiv 2307.08691 (FlashAttention-2)"
FA3 = "Shah et al. 2024, arXiv 2407.08608 (FlashAttention-3), figure 5"
FA4 = "Together AI, FlashAttention-4, 2026-03-05"
EARLIER = "no kernel of FlashAttention-2 before Ampere: 25 to 40 % of the peak for its 50 to 73, of 0.81 on Ampere"
GIVEN = (
    GivenValue(ANY, ANY, "time_scale", 1.0, 0.12, "", "no residual factor fitted to operators"),
    GivenValue(
        ANY,
        ANY,
        "nic_congestion",
        0.05,
        1.0,
        "",
        "none on 16 isolated nodes; a shared cluster starts later",
    ),
    GivenValue(ANY, ANY, "attention_legacy", 1.0, 0.0, FA2, "its kernels are those of Ampere"),
    *(
        GivenValue(family, ANY, "attention_efficiency", 0.43, 0.3, FA2, EARLIER)
        for family in ("family:nvidia-turing", "family:nvidia-volta")
    ),
    GivenValue("family:nvidia-hopper", ANY, "attention_legacy", 0.58, 0.1, FA3, "370 TFLOP/s beside 646, heads of 128"),
    GivenValue(
        "family:nvidia-blackwell-dc", ANY, "attention_legacy", 0.4, 0.2, FA4, "2.7 x faster than Triton's kernel"
    ),
    GivenValue("L4", ANY, "gemm_efficiency", 0.42, 0.25, "", "T4's 16-bit value, moved as L4 to T4 in fp32"),
    GivenValue("family:amd-cdna", ANY, "gemm_efficiency", 0.6, 0.2, "", "as MI300X, MI325X and MI355X"),
    GivenValue(
        "family:tpu", ANY, "gemm_efficiency", 0.9, 0.12, MAXTEXT, "published MFU under full recompute implies up to .88"
    ),
)


def rated_accelerators() -> dict[str, RatedAccelerator]:
    """Return the rated figures of every accelerator of the catalog."""
    held = catalog.load()
    return {row.id: _rated(row, held) for row in held.accelerators.values()}


def _rated(row: Accelerator, held: catalog.Catalog) -> RatedAccelerator:
    pcie = row.form == "PCIe"
    bus = row.facts.fact("pcie_generation")
    slot = held.buses[f"pcie/{bus.value:g}"].value("bandwidth_x16") if bus else np.nan
    return RatedAccelerator(
        id=row.id,
        family=row.family,
        peaks={precision: row.peak(precision) for precision in row.precisions},
        memory_bytes_per_s=row.facts.value("memory_bandwidth"),
        link_bytes_per_s=slot if pcie else row.facts.value("link_bandwidth"),
        on_slot=pcie,
        starved=bool(row.tdp_w <= SLOT_W),
    )


def realm_of(accelerator: RatedAccelerator, quantity: str) -> str:
    """Return which chips a quantity of this one can learn from: PCIe cards, cards on slot power, or all."""
    if quantity.startswith("link_"):
        return PCIE if accelerator.on_slot else ""
    return SLOT_POWER if accelerator.starved and quantity == "gemm_efficiency" else ""


def estimates(rated: dict[str, RatedAccelerator]) -> Iterator[tuple[tuple[str, str], Estimate]]:
    """Return the single published measurements as estimates."""
    for accelerator, precision, quantity, value, peak, correction, sd, source, note in MEASURED:
        log = float(np.log(value / peak * correction))
        realm = realm_of(rated[accelerator], quantity)
        yield (precision, quantity), Estimate(accelerator, rated[accelerator].family, log, sd, 1, source, note, realm)


def given_rows(
    values: dict[tuple[str, str], dict[str, Pooled]], rated: dict[str, RatedAccelerator]
) -> list[GivenValue]:
    """Return rows that follow from others or from a cited figure: TPUs, cards on PCIe, fabrics, narrow precisions."""
    derived = [row for precision in ("fp8", "fp4", "fp32", "tf32") for row in _precision(values, precision, rated)]
    unfused = [row for precision in (ANY, "fp32") for row in _unfused(values, precision, rated)]
    return [*GIVEN, *derived, *unfused, *_on_pcie(values, rated)]


def _unfused(
    values: dict[tuple[str, str], dict[str, Pooled]], precision: str, rated: dict[str, RatedAccelerator]
) -> Iterator[GivenValue]:
    """What batched products of heads of 128 reach: the width formula, which batched fp32 products follow."""
    widths = values[precision, "gemm_half_width"]
    for entity, row in values[precision, "gemm_efficiency"].items():
        family = rated[entity].family if entity in rated else entity.removeprefix("family:")
        width = lookup(widths, entity, family, "")
        value = float(np.exp(row.log) / (1 + np.exp(width.log) / HEAD_WIDTH))
        yield GivenValue(
            entity, precision, "unfused_efficiency", value, float(np.hypot(row.sd, 0.15)), "", UNFUSED_NOTE
        )


def _precision(
    values: dict[tuple[str, str], dict[str, Pooled]], precision: str, rated: dict[str, RatedAccelerator]
) -> Iterator[GivenValue]:
    """Efficiencies at a precision that a chip was not timed at: its family's, else its 16-bit one moved as others'."""
    known = values.get((precision, "gemm_efficiency"), {})
    sixteen = values["any", "gemm_efficiency"]
    timed = known.get(ANY)
    step = timed.log - sixteen[ANY].log if timed else 0.0
    extra = timed.sd if timed else 0.15
    note = f"its 16-bit value times {np.exp(step):.3f}, what {precision} makes of the chips timed at both"
    for entity, row in sixteen.items():
        accelerator = rated.get(entity)
        family = known.get(f"family:{accelerator.family}") if accelerator else None
        if entity in known or (accelerator and precision not in accelerator.peaks):
            continue
        if family:
            value = float(np.exp(family.log))
            yield GivenValue(entity, precision, "gemm_efficiency", value, family.sd, "", "its family's value")
        else:
            value, sd = float(np.exp(row.log + step)), float(np.hypot(row.sd, extra))
            yield GivenValue(entity, precision, "gemm_efficiency", value, sd, "", note)


def _on_pcie(
    values: dict[tuple[str, str], dict[str, Pooled]], rated: dict[str, RatedAccelerator]
) -> Iterator[GivenValue]:
    """Cards in PCIe slots, whose families are timed on their fast links or not at all."""
    known = values["any", "link_efficiency"]
    pooled = known[f"{ANY} {PCIE}"]
    for accelerator in rated.values():
        if accelerator.on_slot and accelerator.id not in known:
            yield GivenValue(
                accelerator.id, ANY, "link_efficiency", float(np.exp(pooled.log)), pooled.sd, "", PCIE_NOTE
            )
