"""What a search answers: points with intervals, what binds them, why rivals lost, or what to relax."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from steelyard.search.world import Chip, Deal, Place, Tool
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
class Dot:
    """One candidate in short."""

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
class Bind:
    """What holds a point where it is."""

    what: str  # a limit, memory, or step
    text: str
    without: Dot | None = None  # what would win without this limit
    missed: bool = False  # the upper end of the interval is beyond this limit


@dataclass(frozen=True, slots=True)
class Tie:
    """Another choice that a point cannot be told apart from: their order is not certain."""

    dot: Dot
    ratio: float  # its objective over the point's
    better: float  # share of shared draws in which the point is the better one
    text: str


@dataclass(frozen=True, slots=True)
class Preference:
    """The exact optimum, passed over for a simpler layout that is as good for all that is known."""

    over: Dot
    ratio: float  # the objective of the point over the optimum's
    better: float  # share of shared draws in which the optimum is the better one
    text: str


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
class Rival:
    """The best of another kind, beside a named point."""

    label: str  # the point it lost to
    text: str
    dot: Dot
    ratios: Mapping[str, float]  # by objective: its figure over the point's
    factors: Mapping[str, float]  # of the objective of the label: their product is its ratio
    dominated_by: Dot | None  # None: it is on the frontier itself
    better: float  # share of shared draws in which the point is the better one


@dataclass(frozen=True, slots=True)
class Shift:
    """Another winner of a point, once an input has moved."""

    label: str
    input: str
    change: float  # share of itself by which the input moves
    dot: Dot | None  # None: nothing is feasible any more
    chance: float  # that the input turns out so far off or farther, by its spread; NaN: chosen or quoted, not estimated
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
    own: tuple[Mapping[str, Any], ...] = ()  # machines of one's own beside rent, see `buying.Buying`

    @property
    def feasible(self) -> bool:
        """Whether any candidate respects every limit."""
        return bool(self.points)

    @property
    def partial(self) -> bool:
        """Whether the search was interrupted: this is the best so far."""
        return self.counts.unseen > 0
