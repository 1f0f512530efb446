"""What a search answers: points with intervals, what binds them, why rivals lost, or what to relax."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from steelyard.layout.literal import RECOMPUTE
from steelyard.search.bill import billed
from steelyard.search.world import Chip, Deal, Place, Tool
from steelyard.tables import Layout, Policy, Prediction
from steelyard.units import HOUR_S, KWH_J


@dataclass(frozen=True, slots=True)
class Figure:
    """A value and the 90% interval it lies in; NaN: unknown."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> "Figure":
        """Return the figure in another unit."""
        return Figure(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class Point:
    """One configuration with everything that is known of it."""

    label: str
    time_s: Figure
    cost_usd: Figure
    energy_j: Figure  # at the facility's meter
    co2e_kg: Figure
    memory_bytes: Figure  # one device
    memory_limit_bytes: float
    layout: Layout  # one layout, plain numbers
    layout_text: str
    chip: Chip
    tool: Tool
    place: Place
    deal: Deal | None  # None: judged without an offer
    system: str
    policy: Policy
    prediction: Prediction  # the whole of it, plain numbers
    price_age_days: float  # NaN: the source gives no date
    operation: Mapping[str, float]  # what interruptions make of it, see `bill.operated`
    binds: tuple[str, ...] = ()

    @property
    def devices(self) -> int:
        """How many devices run the job."""
        return int(self.layout.devices)

    @property
    def fits(self) -> bool:
        """Whether the upper end of the memory interval is within the device's."""
        return self.memory_bytes.high <= self.memory_limit_bytes

    def named(self, label: str, binds: tuple[str, ...]) -> "Point":
        """Return the same point under another label."""
        return replace(self, label=label, binds=binds)


@dataclass(frozen=True, slots=True)
class Rival:
    """The best of another kind, beside a named point."""

    label: str  # the point it lost to
    text: str


@dataclass(frozen=True, slots=True)
class Relaxation:
    """A change that makes the job feasible: new limits, or a filter to drop."""

    limits: Mapping[str, float]  # by field of `Limits`: the value needed
    drop: tuple[str, ...]  # fields of the job to leave out
    text: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How many candidates went where."""

    considered: int
    out_of_memory: int
    dominated: int  # needlessly recomputing
    bounded: int  # of frames that a bound rules out
    predicted: int
    offered: int  # with an offer and a site each
    within_limits: int
    frontier: int


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of the frontier in short, for a chart."""

    time_s: float
    cost_usd: float
    energy_j: float
    co2e_kg: float
    devices: int
    accelerator: str
    stack: str
    offer: str
    layout_text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer to `plan`: named points, or relaxations where there is none."""

    summary: str
    points: tuple[Point, ...]
    frontier: tuple[Dot, ...]
    rivals: tuple[Rival, ...]
    reason: str  # why nothing is feasible
    relaxations: tuple[Relaxation, ...]
    counts: Counts
    carbon: str  # the kind of carbon weighed
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]
    own: tuple[Mapping[str, Any], ...] = ()  # machines of one's own beside rent, see `buying.Buying`

    @property
    def feasible(self) -> bool:
        """Whether any candidate respects every limit."""
        return bool(self.points)


def plan_mapping(plan: Plan) -> dict[str, Any]:
    """Return a plan as the object that `--json` prints: keys end in their unit, unknown is NaN (null in JSON)."""
    shared = {
        "summary": plan.summary,
        "carbon_kind": plan.carbon,
        "counts": plan.counts,
        "assumptions": list(plan.assumptions),
        "notes": list(plan.notes),
    }
    if not plan.feasible:
        return {
            **shared,
            "frontier": [],
            "reason": plan.reason,
            "relaxations": [row.text for row in plan.relaxations],
            "relaxed_limits": [dict(row.limits) for row in plan.relaxations],
        }
    return {
        **shared,
        "frontier": [point_mapping(point) for point in plan.points],
        "points": [dot_mapping(dot) for dot in plan.frontier],
        "rivals": [f"{rival.label}: {rival.text}" for rival in plan.rivals],
        "own": list(plan.own),
    }


def point_mapping(point: Point) -> dict[str, Any]:
    """Return one point, every figure with its interval."""
    figures = {
        "time_s": point.time_s,
        "cost_usd": point.cost_usd,
        "energy_facility_kwh": point.energy_j.scaled(1 / KWH_J),
        "co2e_kg": point.co2e_kg,
        "memory_bytes": point.memory_bytes,
    }
    ends = {f"{key}{end}": getattr(figure, name) for key, figure in figures.items() for end, name in ENDS}
    deal = point.deal
    return {
        "label": point.label,
        **ends,
        "memory_limit_bytes": point.memory_limit_bytes,
        "fits": point.fits,
        "devices": point.devices,
        "accelerator": point.chip.accelerator,
        "system": point.system,
        "stack": point.tool.name,
        "layout": layout_mapping(point.layout),
        "layout_text": point.layout_text,
        "offer": deal.offer if deal else "",
        "purchase": deal.purchase if deal else "",
        "price_usd_per_device_h": deal.usd_per_device_s * HOUR_S if deal else math.nan,
        "price_date": deal.price_date if deal else "",
        "price_age_days": point.price_age_days,
        **billed(point.prediction.money, deal),
        **point.operation,
        "site": point.place.name,
        "binds": "; ".join(point.binds),
    }


ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))


def dot_mapping(dot: Dot) -> dict[str, Any]:
    """Return one point of the frontier in short."""
    return {
        "time_s": dot.time_s,
        "cost_usd": dot.cost_usd,
        "energy_facility_kwh": dot.energy_j / KWH_J,
        "co2e_kg": dot.co2e_kg,
        "devices": dot.devices,
        "accelerator": dot.accelerator,
        "stack": dot.stack,
        "offer": dot.offer,
        "layout_text": dot.layout_text,
    }


def layout_mapping(layout: Layout) -> dict[str, Any]:
    """Return a layout's degrees as whole numbers, recomputation as a word."""
    numbers = {name: int(getattr(layout, name)) for name in Layout.__slots__}
    return numbers | {"recompute": RECOMPUTE[numbers["recompute"]]}
