r"""One figure of two candidates, factor by factor: the factors' product is the ratio of the figures.

A run of :math:`F` FLOPs on :math:`N` devices of peak :math:`P`, used to a share :math:`u` while it trains and training
a share :math:`g` of its time, takes

.. math:: T = \frac{F}{N\,P\,u\,g}, \quad \text{money} = N\,T\,p, \quad \text{energy} = N\,T\,w\,\mathrm{PUE},
    \quad \text{CO2e} = \text{energy} \cdot I

at a price :math:`p` of a device-second with all that is billed beside it, at watts :math:`w` of a device with its share
of the node, and at an intensity :math:`I`.

Source: definitions; the same identity as Patterson et al. 2021 (arXiv 2104.10350), section 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.reasons.draws import Setting, central_predictions
from steelyard.search.candidates import objectives
from steelyard.search.engine import Engine
from steelyard.units import Array

_TIME = ("devices", "peak", "utilisation", "goodput")
NAMES: Mapping[int, tuple[str, ...]] = {
    0: _TIME,
    1: ("price", *_TIME[1:]),
    2: ("power", "pue", *_TIME[1:]),
    3: ("intensity", "power", "pue", *_TIME[1:]),
}
"""The factors of time, money, energy and CO2e: devices cancel in all but time."""

DIVIDES = frozenset(_TIME)
"""Factors of which more makes a figure less."""


@dataclass(frozen=True, slots=True)
class RatioFactor:
    """One factor: its values, and what it makes of the figure."""

    name: str
    winner: float
    loser: float
    ratio: float  # by which it multiplies the loser's figure against the winner's


@dataclass(frozen=True, slots=True)
class Drivers:
    """What makes the figures of some candidates: arrays over them, SI."""

    devices: Array
    peak: Array  # FLOP/s of one device
    utilisation: Array  # of the peak, while training
    goodput: Array  # training time over wall time
    price: Array  # USD a device-second, everything that is billed
    power: Array  # W of one device with its share of the node, mean of the run
    pue: Array
    intensity: Array  # kg a joule at the facility's meter


def drivers(settings: Sequence[Setting], engine: Engine, carbon: str) -> Drivers:
    """Return what makes the figures of some candidates of one job."""
    found = central_predictions(settings, engine)
    points = objectives(found, carbon)
    count = np.array([float(one.layout.devices) for one in settings])
    peak = np.array([float(one.hardware.machine.peak_flop_per_s) for one in settings])
    steps = np.array([float(one.job.samples / one.job.batch_samples) for one in settings])
    held = count * points[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return Drivers(
            devices=count,
            peak=peak,
            utilisation=np.asarray(found.time.model_flop / (found.time.total_s * count * peak)),
            goodput=np.asarray(steps * found.time.total_s / points[:, 0]),
            price=points[:, 1] / held,
            power=np.asarray(found.energy.it_j / held),
            pue=points[:, 2] / np.asarray(found.energy.it_j),
            intensity=points[:, 3] / points[:, 2],
        )


def factors(made: Drivers, winner: int, loser: int, column: int) -> tuple[RatioFactor, ...]:
    """Return the factors of one objective, the one that counts most first; unknown ones are NaN."""
    found = []
    for name in NAMES[column]:
        one, other = (float(getattr(made, name)[row]) for row in (winner, loser))
        ratio = (one / other if name in DIVIDES else other / one) if one and other else float("nan")
        found.append(RatioFactor(name, one, other, ratio))
    return tuple(sorted(found, key=lambda factor: -abs(np.log(factor.ratio)) if factor.ratio > 0 else 0.0))
