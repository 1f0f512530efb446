"""Fit kernel and collective speeds to operator timings and write catalog/data/kernels.csv: `make fit`.

    python -m fit.kernels --data DIR [--scores]

DIR holds `measured/` (gemm.csv.gz, ops.csv.gz, collectives.csv.gz). The same input gives the same file.
`--scores` also leaves each chip out, prints the errors and writes docs/kernels.md.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from fit.kernels import data, facts, fits, network, scores
from fit.kernels.fits import RatedAccelerator
from fit.kernels.pool import ANY, Estimate, Pooled, Spread, pool

CHECKED = "2026-11-21"
COMMAND = "python -m fit.kernels --data DIR"
TARGET = Path(__file__).parents[2] / "src/steelyard/catalog/data/kernels.csv"
PAGE = Path(__file__).parents[2] / "docs/kernels.md"
COLUMNS = [
    "entity",
    "precision",
    "quantity",
    "value",
    "unit",
    "log_sd",
    "rows",
    "groups",
    "source",
    "command",
    "checked",
    "note",
]
UNITS = {"_s": "s"}
SIXTEEN = ("bf16", "fp16")

# Prior spreads of the logarithm: between sources of one chip, chips of a family, families.
SPREADS = {
    "gemm_efficiency": Spread(0.05, 0.08, 0.15),
    "gemm_launch_s": Spread(0.3, 0.3, 0.4),
    "gemm_half_width": Spread(0.2, 0.2, 0.3),
    "attention_efficiency": Spread(0.10, 0.10, 0.25),
    "attention_half_tokens": Spread(0.2, 0.2, 0.3),
    "attention_half_dim": Spread(0.2, 0.2, 0.4),
    "memory_efficiency": Spread(0.05, 0.06, 0.08),
    "link_efficiency": Spread(0.06, 0.10, 0.20),
    "link_hop_s": Spread(0.2, 0.2, 0.4),
    "nic_efficiency": Spread(0.05, 0.10, 0.10),
    "nic_hop_s": Spread(0.2, 0.4, 0.4),
}
HARNESS = Spread(0.2, 0.2, 0.3)  # the fixed cost of a timed call: scored with, never shipped
Key = tuple[str, str]  # (precision class, quantity)


def estimates(folder: Path, accelerators: dict[str, RatedAccelerator]) -> dict[Key, list[Estimate]]:
    """Return every fitted constant of every sample, by precision and quantity."""
    found: dict[Key, list[Estimate]] = defaultdict(list)
    for key, estimate in [*_gemm(folder, accelerators), *_others(folder, accelerators), *facts.estimates(accelerators)]:
        found[key].append(estimate)
    for key, estimate in network.estimates(folder, accelerators, pooled(found)):
        found[key].append(estimate)
    return found


def _gemm(folder: Path, accelerators: dict[str, RatedAccelerator]) -> Iterator[tuple[Key, Estimate]]:
    for sample in data.products(folder):
        sixteen = sample.precision in SIXTEEN
        priors = fits.NARROW if sample.precision in ("fp8", "fp4") else fits.GEMM
        fitted = fits.fit(fits.gemm_model, priors, [sample], accelerators[sample.accelerator])
        for name, (log, se) in fitted.items():
            if name == "memory_efficiency" and not (sixteen and sample.source.startswith("ai-dynamo")):
                continue  # products of other samples are too large to show it
            precision = ANY if sixteen or name == "memory_efficiency" else sample.precision
            yield (precision, name), _estimate(sample, accelerators[sample.accelerator], (log, se), name)


def _others(folder: Path, accelerators: dict[str, RatedAccelerator]) -> Iterator[tuple[Key, Estimate]]:
    kinds = (
        ("fused attention", data.attention(folder), fits.attention_model, fits.ATTENTION),
        (
            "element-wise",
            data.pointwise(folder, data.ELEMENTWISE),
            fits.pointwise_model,
            fits.POINTWISE,
        ),
    )
    for kind, samples, model, priors in kinds:
        for sample in samples:
            for name, (log, se) in fits.fit(model, priors, [sample], accelerators[sample.accelerator]).items():
                key = ("any", f"{kind}: {name}" if name == "overhead_s" else name)
                yield key, _estimate(sample, accelerators[sample.accelerator], (log, se), name)
    for group in data.by_accelerator(data.collectives(folder)):
        accelerator, rows = accelerators[group[0].accelerator], sum(len(sample.time_s) for sample in group)
        for name, (log, se) in fits.fit(fits.link_model, fits.LINK, group, accelerator).items():
            yield (ANY, name), _estimate(group[0], accelerator, (log, se), name, rows)


def _estimate(
    sample: data.Sample, accelerator: RatedAccelerator, found: tuple[float, float], name: str, rows: int | None = None
) -> Estimate:
    beyond = name == "gemm_efficiency" and found[0] > 0  # matrix units, where the catalog rates the vector units
    realm = "vector" if beyond else facts.realm_of(accelerator, name)
    count = len(sample.time_s) if rows is None else rows
    return Estimate(accelerator.id, accelerator.family, *found, count, sample.source, realm=realm)


def pooled(found: dict[Key, list[Estimate]]) -> dict[Key, dict[str, Pooled]]:
    """Return every entity's value by precision and quantity."""
    return {key: pool(rows, SPREADS.get(key[1], HARNESS)) for key, rows in found.items() if rows}


def table(values: dict[Key, dict[str, Pooled]], accelerators: dict[str, RatedAccelerator]) -> list[dict[str, str]]:
    """Return the rows of kernels.csv, those stated in `kernel_facts` included."""
    rows = [
        _line(entity, precision, quantity, row)
        for (precision, quantity), entities in values.items()
        if quantity in SPREADS and (precision, quantity) != ("fp32", "gemm_launch_s")
        for entity, row in entities.items()
        if entity == ANY or not (quantity.startswith("nic_") or entity.startswith(f"{ANY} "))
    ]
    rows += [_given(row) for row in facts.given_rows(values, accelerators) if not row.entity.startswith(f"{ANY} ")]
    return sorted(rows, key=lambda row: (row["quantity"], row["precision"], row["entity"]))


def _line(entity: str, precision: str, quantity: str, row: Pooled) -> dict[str, str]:
    return {
        "entity": entity,
        "precision": precision,
        "quantity": quantity,
        "value": f"{np.exp(row.log):.4g}",
        "unit": "s" if quantity.endswith("_s") else "",
        "log_sd": f"{row.sd:.3f}",
        "rows": str(row.rows),
        "groups": str(row.groups),
        "source": "; ".join(row.sources),
        "command": COMMAND,
        "checked": CHECKED,
        "note": row.note,
    }


def _given(row: facts.GivenValue) -> dict[str, str]:
    source = row.source or "derived: rows of this table"
    pooled_row = Pooled(float(np.log(row.value)), row.log_sd, 0, 0, (source,), row.note)
    return _line(row.entity, row.precision, row.quantity, pooled_row)


def write(rows: Iterable[dict[str, str]], target: Path) -> None:
    """Write the rows, and keep those that another command made."""
    kept: list[dict[str, str]] = []
    if target.exists():
        with target.open(newline="") as file:
            kept = [row for row in csv.DictReader(file) if row["command"] != COMMAND]
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, *kept])


def main() -> None:
    """Fit, write the table and, if asked, the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scores", action="store_true")
    asked = parser.parse_args()
    accelerators = facts.rated_accelerators()
    measured = asked.data / "measured"
    found = estimates(measured, accelerators)
    write(table(pooled(found), accelerators), TARGET)
    if asked.scores:
        PAGE.write_text(scores.report(measured, accelerators, found, pooled))
