"""What a search answers: points with intervals, what binds them, why rivals lost, or what to relax."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from steelyard.market.options import Deal, HardwareOption, SiteOption, StackOption
from steelyard.reasons.binds import Bind
from steelyard.reasons.order import Tie
from steelyard.reasons.relaxations import Relaxation
from steelyard.reasons.rivals import Rival
from steelyard.reasons.sensitivity import Shift
from steelyard.reasons.simpler import Preference
from steelyard.reasons.summaries import Dot
from steelyard.tables import Layout, Policy, Prediction


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
    hardware: HardwareOption
    stack: StackOption
    site: SiteOption
    deal: Deal | None  # None: judged without an offer
    system: str
    policy: Policy
    prediction: Prediction  # the whole of it, plain numbers
    price_age_days: float  # NaN: the source gives no date
    operation: Mapping[str, float]  # what interruptions make of it, see `bill.operated`
    binds: tuple[Bind, ...] = ()
    ties: tuple[Tie, ...] = ()  # the likeliest first
    preferred: Preference | None = None  # None: the point is the exact optimum

    @property
    def devices(self) -> int:
        """How many devices run the job."""
        return int(self.layout.devices)

    @property
    def fits(self) -> bool:
        """Whether the upper end of the memory interval is within the device's."""
        return self.memory_bytes.high <= self.memory_limit_bytes

    def named(self, label: str, binds: tuple[Bind, ...]) -> "Point":
        """Return the same point under another label."""
        return replace(self, label=label, binds=binds)


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
    unseen: int = 0  # not looked at: the search was interrupted


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer to `plan`: named points, or relaxations where there is none."""

    summary: str
    points: tuple[Point, ...]
    frontier: tuple[Dot, ...]
    rivals: tuple[Rival, ...]
    order: Mapping[str, tuple[tuple[str, ...], ...]]  # by axis: labels from the least up, unsure ones together
    shifts: tuple[Shift, ...]  # which input, moved by 10%, changes which winner
    moved: tuple[str, ...]  # every input that was moved
    reason: str  # why nothing is feasible
    relaxations: tuple[Relaxation, ...]
    counts: Counts
    carbon: str  # the kind of carbon weighed
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]
    own: tuple[Mapping[str, Any], ...] = ()  # machines of one's own beside rent, see `buying.Ownership`

    @property
    def feasible(self) -> bool:
        """Whether any candidate respects every limit."""
        return bool(self.points)

    @property
    def partial(self) -> bool:
        """Whether the search was interrupted: this is the best so far."""
        return self.counts.unseen > 0
