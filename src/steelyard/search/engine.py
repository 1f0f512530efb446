"""What judges a candidate, and what a search must respect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from steelyard.tables import (
    Draw,
    DriveMemory,
    HostMemory,
    Job,
    Kernels,
    Layout,
    Machine,
    Offer,
    Policy,
    Prediction,
    Site,
    Stack,
    StepMemory,
)
from steelyard.vocabulary import LOCATION_GROSS

_Predict = Callable[[Job, Layout, Machine, Kernels, Stack, Policy, Site, Offer], Prediction]
"""`pipeline.predict`, or a stand-in of the same shape."""


Memory = Callable[[Job, Layout, Machine, Stack], StepMemory]
"""`pipeline.peak`, or a stand-in: bytes that do not depend on which machine of a kind it is."""


Floor = Callable[[Job, Layout, Machine, Kernels, Stack, Policy], Draw]
"""`pipeline.floor`, or a stand-in: what no sharding or offload of a layout, and no more recomputation, goes below."""


Host = Callable[[Job, Layout, Machine, Stack], HostMemory]
"""`pipeline.host`, or a stand-in: bytes in the memory of one host."""


OnNvme = Callable[[Job, Layout, Machine, Stack], DriveMemory]
"""`pipeline.drives`, or a stand-in: bytes on the NVMe drives of one host."""


Progress = Callable[[int, int], None]
"""Called with the candidates judged so far and all there are."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The functions that judge a candidate."""

    predict: _Predict
    memory: Memory
    floor: Floor
    host: Host | None = None  # None: what lies on hosts is not judged
    drives: OnNvme | None = None  # None: what lies on their drives is not judged


LIMITS = {
    "deadline": "deadline_s",
    "budget": "budget_usd",
    "energy limit": "energy_max_j",
    "CO2e limit": "co2e_max_kg",
}
"""Limits of the objectives, in the order of `candidates.OBJECTIVES`: what a reader calls them → fields of `Limits`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan must respect. None: no limit."""

    deadline_s: float | None = None
    budget_usd: float | None = None
    energy_max_j: float | None = None
    co2e_max_kg: float | None = None
    devices: int | None = None  # exactly so many
    max_devices: int = 1024
    counts: Mapping[str, int] = field(default_factory=dict)  # exactly so many, by accelerator
    layout: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # allowed values, by field of `Layout`
    carbon: str = LOCATION_GROSS  # which kind of carbon is weighed
    axes: tuple[str, ...] = ("time", "cost", "energy", "co2e")  # what the frontier weighs, of `candidates.OBJECTIVES`
