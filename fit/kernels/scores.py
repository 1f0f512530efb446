"""Errors of the fitted kernels with each chip left out of the fit, beside a constant utilisation: docs/kernels.md."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fit.kernels import data, facts, fits
from fit.kernels import network as fabrics
from fit.kernels.data import Sample
from fit.kernels.fits import RatedAccelerator
from fit.kernels.pool import ANY, Estimate, Pooled, lookup

Array = NDArray[np.float64]
Key = tuple[str, str]
Pool = Callable[[dict[Key, list[Estimate]]], dict[Key, dict[str, Pooled]]]

MIB = 2.0**20
TEMPLATE = Path(__file__).parent / "page.md"


@dataclass(frozen=True)
class Score:
    """Absolute errors of one chip's timings of one kind, in percent."""

    kind: str
    accelerator: str
    precision: str
    rows: int
    fitted: float  # median, with the chip in the fit
    median: float  # with the chip left out
    mean: float
    bias: float  # median signed error
    naive: float  # median of a constant utilisation of the other chips
    naive_mean: float


@dataclass(frozen=True)
class Kind:
    """One kind of kernel: its samples, its model, the ideal time that a constant utilisation divides."""

    name: str
    groups: list[list[Sample]]
    model: fits.Model
    constants: tuple[str, ...]
    ideal: Callable[[Sample, RatedAccelerator], Array]


def kinds(folder: Path) -> list[Kind]:
    """Return what is scored: products, attention, memory-bound operators, collectives."""
    every = data.collectives(folder)
    large = [sample.keep(sample["payload_bytes"] > MIB) for sample in every]
    pointwise = [[one] for one in data.pointwise(folder, data.ELEMENTWISE)]
    rowwise = [[one] for one in data.pointwise(folder, data.ROWWISE)]
    link = (fits.link_model, tuple(fits.LINK), _wire_s)
    memory = (fits.pointwise_model, tuple(fits.POINTWISE), _moved_s)
    return [
        Kind(
            "matrix product",
            _groups(data.products(folder)),
            fits.gemm_model,
            (*fits.GEMM, "narrow_memory"),
            _product_s,
        ),
        Kind(
            "fused attention",
            _groups(data.attention(folder)),
            fits.attention_model,
            tuple(fits.ATTENTION),
            _scores_s,
        ),
        Kind("element-wise", pointwise, *memory),
        Kind("norm, softmax", rowwise, *memory),
        Kind("collective > 1 MiB", data.by_accelerator(large), *link),
        Kind("collective, all sizes", data.by_accelerator(every), *link),
    ]


def _groups(samples: list[Sample]) -> list[list[Sample]]:
    return [[one] for one in samples]


def _product_s(sample: Sample, accelerator: RatedAccelerator) -> Array:
    return 2 * sample["rows"] * sample["inner"] * sample["outer"] / accelerator.peaks[sample.precision]


def _scores_s(sample: Sample, accelerator: RatedAccelerator) -> Array:
    return sample["flop"] / accelerator.peaks["bf16"]


def _moved_s(sample: Sample, accelerator: RatedAccelerator) -> Array:
    return sample["moved_bytes"] / accelerator.memory_bytes_per_s


def _wire_s(sample: Sample, accelerator: RatedAccelerator) -> Array:
    ranks = sample["ranks"]
    return sample["sides"] * sample["payload_bytes"] * (ranks - 1) / ranks / accelerator.link_bytes_per_s


def score(
    kind: Kind, accelerators: dict[str, RatedAccelerator], found: dict[Key, list[Estimate]], pooled: Pool
) -> list[Score]:
    """Return the errors of one kind, chip by chip and precision by precision."""
    whole = pooled(found)
    ideal = {id(group): _log_ratio(kind.ideal, group, accelerators[group[0].accelerator]) for group in kind.groups}
    scores = []
    for group in kind.groups:
        accelerator, precision = accelerators[group[0].accelerator], group[0].precision
        without = pooled({key: [e for e in rows if e.accelerator != accelerator.id] for key, rows in found.items()})
        errors = [
            np.exp(_log_ratio(lambda sample, c, w=with_: kind.model(sample, c, w), group, accelerator)) - 1
            for with_ in (
                _constants(kind, whole, accelerator, precision),
                _constants(kind, without, accelerator, precision),
            )
        ]
        others = [
            np.median(ideal[id(other)])
            for other in kind.groups
            if other[0].accelerator != accelerator.id and _alike(other[0].precision, precision)
        ]
        naive = np.exp(ideal[id(group)] - np.mean(others)) - 1 if others else np.array([np.nan])
        scores.append(
            Score(
                kind.name,
                accelerator.id,
                _label(kind, group, accelerator),
                len(errors[0]),
                *(
                    100 * float(value)
                    for value in (
                        np.median(abs(errors[0])),
                        np.median(abs(errors[1])),
                        np.mean(abs(errors[1])),
                        np.median(errors[1]),
                        np.median(abs(naive)),
                        np.mean(abs(naive)),
                    )
                ),
            )
        )
    return scores


def _label(kind: Kind, group: list[Sample], accelerator: RatedAccelerator) -> str:
    """Return what splits a kind in the summary: the precision of products, the wires of collectives."""
    if kind.name.startswith("collective"):
        return "PCIe" if accelerator.on_slot else "switched"
    return group[0].precision if kind.name == "matrix product" else ""


def _alike(one: str, other: str) -> bool:
    sixteen = ("bf16", "fp16")
    return one == other or (one in sixteen and other in sixteen) or one.startswith(("all_", "reduce_"))


def _log_ratio(
    model: Callable[[Sample, RatedAccelerator], Array], group: list[Sample], accelerator: RatedAccelerator
) -> Array:
    return np.concatenate([np.log(model(sample, accelerator) / sample.time_s) for sample in group])


def _constants(
    kind: Kind, values: dict[Key, dict[str, Pooled]], accelerator: RatedAccelerator, precision: str
) -> dict[str, float]:
    result = {}
    for name in kind.constants:
        keys = ((precision, name), (ANY, name), (ANY, f"{kind.name}: {name}"), (ANY, f"element-wise: {name}"))
        rows = next((values[key] for key in keys if key in values), None)
        if rows is not None:  # no cast above 8 bits
            found = lookup(rows, accelerator.id, accelerator.family, facts.realm_of(accelerator, name))
            result[name] = float(np.exp(found.log))
    return result


def report(
    folder: Path, accelerators: dict[str, RatedAccelerator], found: dict[Key, list[Estimate]], pooled: Pool
) -> str:
    """Return docs/kernels.md: what is fitted, how wrong it is with each chip left out, and where it fails."""
    scores = [one for kind in kinds(folder) for one in score(kind, accelerators, found, pooled)]
    fabrics = network(folder, accelerators, found, pooled)
    return TEMPLATE.read_text().format(
        summary="\n".join(_summary(scores)), accelerators="\n".join(_by_accelerator(scores)), fabrics="\n".join(fabrics)
    )


def network(
    folder: Path, accelerators: dict[str, RatedAccelerator], found: dict[Key, list[Estimate]], pooled: Pool
) -> list[str]:
    """Return one row of the page for each fabric: errors as fitted, and with the fabric left out."""
    whole, lines = pooled(found), []
    for system in fabrics.FABRICS:
        without = pooled({key: [e for e in rows if e.accelerator != system] for key, rows in found.items()})
        own = [next(e.log for e in found[ANY, name] if e.accelerator == system) for name in fabrics.PRIOR]
        rest = [without[ANY, name][ANY].log for name in fabrics.PRIOR]
        errors = [
            np.median(abs(np.expm1(fabrics.errors(np.array(logs), folder, system, accelerators, whole))))
            for logs in (own, rest)
        ]
        efficiency, hop = np.exp(own)
        lines.append(
            f"| {system} | {efficiency:.2f} | {hop * 1e6:.0f} | {100 * errors[0]:.0f} | {100 * errors[1]:.0f} |"
        )
    return lines


def _summary(scores: list[Score]) -> list[str]:
    lines = []
    for name in dict.fromkeys((one.kind, one.precision) for one in scores):
        mine = [one for one in scores if (one.kind, one.precision) == name]
        cells = np.mean([[one.fitted, one.median, one.mean, one.naive, one.naive_mean] for one in mine], axis=0)
        label = ", ".join(part for part in name if part)
        rows = sum(one.rows for one in mine)
        lines.append(f"| {label} | {len(mine)} | {rows:,} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
    return lines


def _by_accelerator(scores: list[Score]) -> list[str]:
    return [
        f"| {one.kind} | {one.accelerator} | {one.precision} | {one.rows:,} | {one.fitted:.1f} | {one.median:.1f} |"
        f" {one.mean:.1f} | {one.bias:+.1f} | {one.naive:.1f} | {one.naive_mean:.1f} |"
        for one in scores
    ]
