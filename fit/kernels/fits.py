"""Fit each kind of kernel on one sample: the logarithm of every constant with its standard error."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from fit.kernels.data import ELEMENT_BYTES, Sample
from steelyard.step.kernels.attention import attention_s
from steelyard.step.kernels.gemm import gemm_s
from steelyard.step.kernels.pointwise import pointwise_s
from steelyard.step.network.collectives import all_gather_s, all_reduce_s
from steelyard.step.network.placement import group_bytes_per_s

Array = NDArray[np.float64]
Prior = tuple[float, float]

NOISE = 0.10
"""Scatter of one timing around a smooth curve, in the logarithm; beyond it the loss grows slowly (soft L1)."""


@dataclass(frozen=True)
class RatedAccelerator:
    """The rated figures that a fit divides by, in SI."""

    id: str
    family: str
    peaks: Mapping[str, float]
    memory_bytes_per_s: float
    link_bytes_per_s: float
    on_slot: bool  # no fast links of its own: collectives cross PCIe
    starved: bool  # powered by the slot alone (75 W): cannot hold its clock in matrix products


GEMM: dict[str, Prior] = {
    "gemm_efficiency": (0.75, 0.3),
    "gemm_launch_s": (4e-6, 0.7),
    "gemm_half_width": (130.0, 0.5),
    "memory_efficiency": (0.75, 0.15),
}
NARROW = {name: prior for name, prior in GEMM.items() if name != "memory_efficiency"} | {"narrow_memory": (0.4, 0.5)}
"""Below 16 bits: with the kernel that casts the left matrix, both at one share of the memory bandwidth."""
ATTENTION: dict[str, Prior] = {
    "attention_efficiency": (0.8, 0.5),
    "attention_half_tokens": (900.0, 0.7),
    "attention_half_dim": (40.0, 0.7),
    "overhead_s": (20e-6, 0.7),
}
POINTWISE: dict[str, Prior] = {"memory_efficiency": (0.8, 0.3), "overhead_s": (10e-6, 0.7)}
LINK: dict[str, Prior] = {"link_efficiency": (0.7, 0.5), "link_hop_s": (10e-6, 1.0)}

Constants = Mapping[str, float]


def gemm_model(sample: Sample, accelerator: RatedAccelerator, with_: Constants) -> Array:
    """Seconds of each product, casts of the left matrix included."""
    width = ELEMENT_BYTES[sample.precision]
    memory = with_["memory_efficiency"] if width >= 2 else with_["narrow_memory"]
    rows, inner = sample["rows"], sample["inner"]
    product = gemm_s(
        rows,
        inner,
        sample["outer"],
        width,
        accelerator.peaks[sample.precision],
        accelerator.memory_bytes_per_s,
        with_["gemm_efficiency"],
        with_["gemm_launch_s"],
        with_["gemm_half_width"],
        memory,
    )
    if width >= 2:
        return product
    return product + pointwise_s(rows * inner * (2 + width), accelerator.memory_bytes_per_s, memory)


def attention_model(sample: Sample, accelerator: RatedAccelerator, with_: Constants) -> Array:
    """Seconds of each fused attention, with the fixed cost of the library's call that timed it."""
    return with_["overhead_s"] + attention_s(
        sample["flop"],
        sample["sequence"],
        sample["head_dim"],
        accelerator.peaks["bf16"],
        with_["attention_efficiency"],
        with_["attention_half_tokens"],
        with_["attention_half_dim"],
    )


def pointwise_model(sample: Sample, accelerator: RatedAccelerator, with_: Constants) -> Array:
    """Seconds of each memory-bound operator, with the fixed cost of the call that timed it."""
    return with_["overhead_s"] + pointwise_s(
        sample["moved_bytes"], accelerator.memory_bytes_per_s, with_["memory_efficiency"]
    )


def link_model(sample: Sample, accelerator: RatedAccelerator, with_: Constants) -> Array:
    """Seconds of each collective inside one domain."""
    formula = all_reduce_s if sample["sides"][0] == 2 else all_gather_s
    rate = group_bytes_per_s(accelerator.link_bytes_per_s * with_["link_efficiency"], sample["ranks"], sample["sides"])
    return formula(sample["payload_bytes"], sample["ranks"], rate, with_["link_hop_s"])


Model = Callable[[Sample, RatedAccelerator, Constants], Array]


def fit(
    model: Model, priors: Mapping[str, Prior], samples: list[Sample], accelerator: RatedAccelerator
) -> dict[str, tuple[float, float]]:
    """Return (log, standard error) of each constant; a weak prior holds those that the rows say nothing about."""
    names = list(priors)
    start = np.log([priors[name][0] for name in names])
    widths = np.array([priors[name][1] for name in names])
    times = np.log(np.concatenate([sample.time_s for sample in samples]))

    def residuals(logs: Array) -> Array:
        constants = dict(zip(names, np.exp(logs), strict=True))
        predicted = np.log(np.concatenate([model(sample, accelerator, constants) for sample in samples]))
        return np.concatenate([(predicted - times) / NOISE, (logs - start) / widths])

    found = least_squares(residuals, start, loss="soft_l1", x_scale=widths)
    covariance = np.linalg.inv(found.jac.T @ found.jac)
    return {
        name: (float(log), float(np.sqrt(var)))
        for name, log, var in zip(names, found.x, np.diag(covariance), strict=True)
    }
