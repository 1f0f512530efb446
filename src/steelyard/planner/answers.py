"""What the planner answers: frozen types whose fields are the keys of their JSON, each key ending in its unit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from steelyard.formatting.answer import Answer
from steelyard.formatting.figures import MASS, TIME, amount, dollars
from steelyard.formatting.interval import Interval
from steelyard.job import JobSpec
from steelyard.planner.citations import Used
from steelyard.planner.measured.answer import ComparedStep, Narrowing
from steelyard.reasons.binds import Bind
from steelyard.reasons.order import Tie
from steelyard.reasons.relaxations import Relaxation
from steelyard.reasons.rivals import Rival
from steelyard.reasons.sensitivity import WinnerChange
from steelyard.reasons.simpler import Preference
from steelyard.reasons.summaries import Summary
from steelyard.reasons.terms import Term
from steelyard.tables import Carbon, Draw, Energy, Money, Prediction, StepMemory, StepTime
from steelyard.vocabulary import FITS, LOCATION_GROSS

UNKNOWN_INTERVAL = Interval()


@dataclass(frozen=True, slots=True)
class Bill:
    """What a run is billed for; NaN: unknown."""

    compute_usd: float = math.nan
    unused_usd: float = math.nan
    energy_usd: float = math.nan
    storage_usd: float = math.nan
    moving_usd: float = math.nan


@dataclass(frozen=True, slots=True)
class CitedSource:
    """A source of a catalog row behind an answer."""

    id: str
    what: str = ""
    locator: str = ""
    version: str = ""
    checked: str = ""


@dataclass(frozen=True, slots=True)
class CalibratedConstant:
    """A constant of the user's own calibration behind an answer."""

    entity: str
    precision: str
    quantity: str
    value: float
    unit: str
    log_sd: float
    source: str
    checked: str
    note: str
    runs: int


@dataclass(frozen=True, slots=True)
class TrainedJob:
    """What is trained: the model with its parameters, the tokens with their FLOPs."""

    model: str = ""
    task: str = ""
    precision: str = ""
    parameters: float = math.nan
    active_parameters: float = math.nan
    tokens: float = math.nan  # NaN: it is trained on no text
    samples: float = math.nan
    sample: str = "sequence"  # what one pass takes: sequence, image
    flop: float = math.nan  # model FLOPs; of adapters without gradients of what is frozen (`workload.adapted_flop`)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Point(Answer):
    """One configuration, and what is known of it."""

    label: str
    time_s: Interval = UNKNOWN_INTERVAL
    cost_usd: Interval = UNKNOWN_INTERVAL
    energy_facility_kwh: Interval = UNKNOWN_INTERVAL
    co2e_kg: Interval = UNKNOWN_INTERVAL  # of the kind that is weighed
    memory_bytes: Interval = UNKNOWN_INTERVAL  # one device
    memory_limit_bytes: float = math.nan
    fits: bool | None = True  # ends of its memory within the device's, what is offloaded within the host and its drives
    fits_word: str = FITS  # fits, may not fit (`fits` is None) or does not fit; empty: unknown
    fits_shown: bool | None = True  # the same of the settings that are shown: `fits` is over all that nobody states
    fits_share: float = math.nan  # of what is possible that fits
    fits_reason: str = ""  # why it may not or does not
    fits_with: str = ""  # what does instead: settings, more devices; empty where it fits and where nobody looked
    host_bytes: float = 0.0  # kept in the memory of one host
    host_limit_bytes: float = math.nan  # NaN: unknown
    nvme_bytes: float = 0.0  # kept on the NVMe drives of one host
    nvme_limit_bytes: float = math.nan  # NaN: unknown; 0: it has none
    devices: int = 0
    accelerator: str = ""
    system: str = ""
    stack: str = ""  # whose constants it has
    stack_written: str = ""  # how the job writes it, where that is not its name
    layout: Mapping[str, int | str] = field(default_factory=dict)
    layout_text: str = ""
    offer: str = ""  # empty: judged without an offer
    purchase: str = ""
    price_usd_per_device_h: float = math.nan
    price_date: str = ""
    price_age_days: float = math.nan  # NaN: the source gives no date
    bill: Bill = Bill()
    price_source: str = ""
    price_doubts: tuple[str, ...] = ()
    tariffs: tuple[tuple[str, str], ...] = ()  # provider and quantity of the tariffs that are in the bill
    interruptions: float = math.nan
    interruption_mean_s: float = math.nan
    checkpoint_interval_s: float = math.nan
    checkpoint_bytes: float = math.nan
    goodput: float = math.nan
    lost_usd: float = math.nan
    site: str = ""  # empty: not known which
    site_candidates: int = 0  # sites that it may be, where it is not known which
    bound_by: tuple[Bind, ...] = ()
    ties: tuple[Tie, ...] = ()  # the likeliest first
    preferred_over: Preference | None = None  # None: the point is the exact optimum
    energy_accelerator_kwh: float = math.nan
    energy_it_kwh: float = math.nan
    co2e_location_gross_kg: float = math.nan
    co2e_location_net_kg: float = math.nan
    co2e_market_kg: float = math.nan
    co2e_marginal_kg: float = math.nan
    co2e_embodied_kg: float = math.nan
    water_m3: float = math.nan

    @property
    def binds(self) -> str:
        """What holds the point where it is, in one line."""
        return "; ".join(one.text for one in self.bound_by)

    def headline(self) -> str:
        """Return the point in one line."""
        figures = f"{dollars(self.cost_usd.value)}, {amount(self.time_s.value, TIME)}"
        return f"{self.label}, {figures}, {self.devices} × {self.accelerator}"

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return the point as a row under its head."""
        return (HEAD, row_of(self))


HEAD = ("point", "money", "time", "CO2e", "devices", "layout", "stack", "offer")


def row_of(point: Point) -> tuple[str, ...]:
    """Return a point as a row of a short table."""
    spent, taken, emitted = point.cost_usd.value, point.time_s.value, point.co2e_kg.value
    what = (f"{point.devices} × {point.accelerator}", point.layout_text, point.stack, point.offer)
    return (point.label, dollars(spent), amount(taken, TIME), amount(emitted, MASS), *what)


@dataclass(frozen=True, slots=True)
class CleanestPremium:
    """What the cleanest point costs over the cheapest, and what it emits less."""

    usd: float
    time_s: float
    less_co2e_kg: float
    usd_per_t: float


@dataclass(frozen=True, slots=True)
class Ownership:
    """Machines of one's own beside the cheapest rent. NaN: nothing to compare with."""

    own: str
    devices: int = 0
    used_share: float = math.nan
    own_usd: float = math.nan
    own_time_s: float = math.nan
    own_usd_per_device_h: float = math.nan  # at the used share, electricity by the meter in it
    rent: str = ""
    rent_usd: float = math.nan
    rent_time_s: float = math.nan
    break_even_share: float = math.nan  # used share from which owning is no dearer for this job; above 1: never
    same_rent: str = ""  # the cheapest rent of the same accelerator
    same_usd_per_device_h: float = math.nan
    same_break_even_share: float = math.nan  # against that rent, an hour of a device for an hour
    text: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many candidates went where."""

    considered: int = 0
    out_of_memory: int = 0
    dominated: int = 0  # needlessly recomputing
    bounded: int = 0  # of frames that a bound rules out
    predicted: int = 0
    offered: int = 0  # with an offer and a site each
    within_limits: int = 0
    frontier: int = 0
    unseen: int = 0  # not looked at: the search was interrupted


NO_COUNTS = Counts()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plan(Answer):
    """The answer to `plan`: named points of the exact frontier, or relaxations where there is none."""

    summary: str
    carbon_kind: str = LOCATION_GROSS
    points: tuple[Point, ...] = ()  # the named ones
    frontier: tuple[Summary, ...] = ()  # all of it, fastest first
    premium_of_cleanest: CleanestPremium | None = None
    counts: Counts = NO_COUNTS
    reason: str = ""  # why nothing is feasible
    relaxations: tuple[Relaxation, ...] = ()
    rivals: tuple[Rival, ...] = ()
    own: tuple[Ownership, ...] = ()
    sensitivity: tuple[WinnerChange, ...] = ()  # which input, moved by 10 %, changes which winner
    inputs_moved: tuple[str, ...] = ()
    order: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)  # by axis, unsure labels together
    assumptions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sources: tuple[CitedSource, ...] = ()
    calibration: tuple[CalibratedConstant, ...] = ()
    measured_step: ComparedStep | None = None  # what a measured step sets; None: none was given
    one_step: Narrowing | None = None  # what one of the first point would narrow; None: some are known
    job: TrainedJob = TrainedJob()
    request: JobSpec | None = None  # the job as it was understood: what a replay starts from
    partial: bool = False  # the search was interrupted: this is the best so far

    @property
    def feasible(self) -> bool:
        """Whether any candidate respects every limit."""
        return bool(self.points)

    def headline(self) -> str:
        """Return what was planned and its first point."""
        return f"{self.summary}: {self.points[0].headline() if self.points else self.reason}"

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return the named points, a row each."""
        return (HEAD, *map(row_of, self.points)) if self.points else ()


@dataclass(frozen=True, slots=True)
class OtherStack:
    """A stack that a job may be run on which names none, with its layout."""

    stack: str
    layout: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Estimate(Point):
    """The answer to `estimate`: one pinned configuration with the whole of its prediction."""

    carbon_kind: str = LOCATION_GROSS
    assumptions: tuple[str, ...] = ()
    unstated: tuple[str, ...] = ()  # settings that nobody stated: `assumptions` says what was taken of each
    other_stacks: tuple[OtherStack, ...] = ()  # that its intervals are of as well
    calibration: tuple[CalibratedConstant, ...] = ()
    measured_step: ComparedStep | None = None  # what a measured step sets; None: none was given
    one_step: Narrowing | None = None  # what one would narrow; None: some are known
    sources: tuple[CitedSource, ...] = ()
    job: TrainedJob = TrainedJob()
    request: JobSpec | None = None
    time: StepTime | None = None
    memory: StepMemory | None = None
    draw: Draw | None = None
    energy: Energy | None = None
    carbon: Carbon | None = None
    money: Money | None = None

    @property
    def prediction(self) -> Prediction:
        """The tables of the prediction; an error where the answer was read from JSON that lacks them."""
        names = ("time", "memory", "draw", "energy", "carbon", "money")
        lacking = [name for name in names if getattr(self, name) is None]
        if lacking:
            message = f"the estimate lacks {', '.join(lacking)}"
            raise ValueError(message)
        return Prediction(**{name: getattr(self, name) for name in names})


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Explanation(Estimate):
    """The answer to `explain`: one configuration taken apart to formulas and catalog rows."""

    terms: tuple[Term, ...] = ()
    rows: tuple[Used, ...] = ()
