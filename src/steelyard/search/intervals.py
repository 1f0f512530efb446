r"""How sure a point is: the pipeline once more under many draws of what is uncertain.

Each uncertain constant is multiplied by :math:`e^{\sigma z}` with its own spread :math:`\sigma` from the catalog; the
intervals run from the 5th to the 95th percentile. Drawn are the residual factors of chip and stack on a step (their
spread is what held-out runs show, so it already holds the spreads of the efficiencies underneath, which are therefore
not drawn again), the power shares, how a run is operated, and the values of PUE and intensity that equally near
sources give for the site (one of them each draw, all equally likely). Prices are quotes and are not drawn.

Draws are a Latin hypercube of a fixed seed: the same plan has the same intervals, and 200 draws place the percentiles
well.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, TypeVar

import numpy as np

from steelyard.search.candidates import Z90
from steelyard.search.market import objectives
from steelyard.search.world import Chip, Engine, Place, Tool
from steelyard.tables import Job, Layout, Offer, Policy
from steelyard.units import Array

DRAWS = 200
SEED = 2021
LOW, HIGH = 5.0, 95.0
KERNELS = (
    "time_scale",
    "compute_power",
    "memory_power",
    "communication_power",
    "waiting_power",
    "checkpoint_power",
    "idle_power",
    "host_power",
    "network_power",
)
STACK = ("time_scale",)

Table = TypeVar("Table")


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything that one point stands on."""

    job: Job
    layout: Layout
    chip: Chip
    tool: Tool
    policy: Policy
    policy_log_sd: Mapping[str, float]
    place: Place
    offer: Offer


class Hypercube:
    """Columns of numbers that fill (0, 1) evenly, each in an order of its own."""

    def __init__(self, draws: int, seed: int) -> None:
        self.draws = draws
        self.random = np.random.default_rng(seed)

    def uniform(self) -> Array:
        """Return the next column: one number from each of as many equal parts of (0, 1)."""
        return (self.random.permutation(self.draws) + 0.5) / self.draws

    def normal(self) -> Array:
        """Return the next column as standard normal numbers."""
        quantile = NormalDist().inv_cdf
        return np.array([quantile(share) for share in self.uniform()])


def intervals(setting: Setting, engine: Engine, carbon: str, draws: int = DRAWS) -> Array:
    """Return low and high of each objective: two rows, a column an objective; NaN where it is unknown."""
    cube = Hypercube(draws, SEED)
    chip, tool, place = setting.chip, setting.tool, setting.place
    found = engine.predict(
        setting.job,
        setting.layout,
        chip.machine,
        shaken(chip.kernels, chip.kernels_log_sd, KERNELS, cube),
        shaken(tool.stack, tool.stack_log_sd, STACK, cube),
        shaken(setting.policy, setting.policy_log_sd, tuple(setting.policy_log_sd), cube),
        replace(place.site, **{name: chosen(values, cube) for name, values in place.spread.items()}),
        setting.offer,
    )
    ends: Array = np.percentile(objectives(found, carbon), [LOW, HIGH], axis=0)
    return ends


def shaken(table: Table, log_sd: Mapping[str, float], names: tuple[str, ...], cube: Hypercube) -> Table:
    """Return a table whose uncertain fields are columns of draws; a spread of 0 leaves a field as it is."""
    drawn = {name: getattr(table, name) * np.exp(log_sd[name] * cube.normal()) for name in names if log_sd.get(name)}
    changed: Any = replace(table, **drawn)  # type: ignore[type-var]  # every Table is a dataclass
    made: Table = changed
    return made


def chosen(values: tuple[float, ...], cube: Hypercube) -> Array:
    """Return draws from rival values, all equally likely."""
    picked: Array = np.array(values)[(cube.uniform() * len(values)).astype(int)]
    return picked


def memory_interval(device_bytes: float, log_sd: float) -> tuple[float, float]:
    """Return low and high of a peak memory: the high end is what must fit.

    >>> low, high = memory_interval(100.0, 0.1)
    >>> round(low, 1), round(high, 1)
    (84.8, 117.9)
    """
    factor = math.exp(Z90 * log_sd)
    return device_bytes / factor, device_bytes * factor
