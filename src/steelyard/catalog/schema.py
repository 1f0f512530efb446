"""What a row of the catalog is: frozen, typed, and never without a source.

Facts are kept long: one quantity a row, with unit, conditions, source and date, so that two sources that disagree are
two rows. `Facts.fact` picks one of them by one rule; the others stay visible in `Facts.rivals`.

The rule (docs/decisions/0002-conflicting-sources.md): rows that no training job meets (`unused:`) are out; of the rest
the smaller rank wins (nearest place, then the rank of the source: the vendor and what drivers report, databases,
lists); then the younger year; then the row that stands first in the file.
"""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

UNUSED = "unused:"
"""A fact whose conditions start so is kept for the record and never picked (sparse peaks, FP16 accumulation)."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where figures come from, and what may be done with them."""

    id: str
    what: str
    locator: str
    version: str
    licence: str
    attribution: str
    checked: str
    rank: int  # smaller is preferred where sources disagree


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of one quantity of one thing, as one source gives it, in the unit of that source."""

    entity: str
    quantity: str
    value: float
    unit: str
    conditions: str
    source: str
    checked: str
    note: str
    rank: int
    si: float  # the value in SI (bytes, bytes/s, FLOP/s, W, kg/J ...)
    year: int = 0  # the year the figure is about; 0: not a yearly figure

    @property
    def used(self) -> bool:
        """True unless the conditions say that no training job meets this value."""
        return not self.conditions.startswith(UNUSED)


def preferred(facts: tuple[Fact, ...]) -> tuple[Fact, ...]:
    """Order rival facts by the rule of this module, the one to use first; unused ones are left out."""
    return tuple(sorted((fact for fact in facts if fact.used), key=lambda fact: (fact.rank, -fact.year)))


@dataclass(frozen=True, slots=True)
class Facts:
    """A thing with facts: all rows of each quantity, the preferred one first."""

    by_quantity: Mapping[str, tuple[Fact, ...]]

    def fact(self, quantity: str) -> Fact | None:
        """Return the fact to use, or None where no source gives one."""
        rows = preferred(self.by_quantity.get(quantity, ()))
        return rows[0] if rows else None

    def rivals(self, quantity: str) -> tuple[Fact, ...]:
        """Return every row of the quantity that is not the one to use."""
        chosen = self.fact(quantity)
        return tuple(row for row in self.by_quantity.get(quantity, ()) if row is not chosen)

    def value(self, quantity: str) -> float:
        """Return the value to use in SI; NaN where no source gives one."""
        chosen = self.fact(quantity)
        return math.nan if chosen is None else chosen.si


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One kind of device, to the exact variant (form factor and memory)."""

    id: str
    vendor: str
    architecture: str
    family: str  # chips that share calibrated kernels
    form: str
    year: int
    aliases: tuple[str, ...]
    source: str
    note: str
    facts: Facts

    def peak(self, precision: str) -> float:
        """Return the dense matrix peak in FLOP/s; NaN where the chip has none at this precision."""
        return self.facts.value(f"peak_{precision}")

    @property
    def memory_bytes(self) -> float:
        """Memory that a job can fit in: what a program gets where it is known, else the driver's or maker's figure."""
        runtime = self.facts.value("memory_runtime")
        return self.facts.value("memory") if runtime != runtime else runtime  # noqa: PLR0124  # NaN

    @property
    def tdp_w(self) -> float:
        """Rated (or, for some TPUs, measured maximum) power of one device."""
        return self.facts.value("tdp")

    @property
    def precisions(self) -> tuple[str, ...]:
        """Precisions with a dense peak in the catalog."""
        return tuple(sorted(name.removeprefix("peak_") for name in self.facts.by_quantity if name.startswith("peak_")))


@dataclass(frozen=True, slots=True)
class System:
    """A node, an instance, a rack or a pod slice: what `count` devices are bolted into. NaN: unknown."""

    id: str
    provider: str
    accelerator: str
    devices: int  # of one unit as sold: a node, a rack, one slice
    node_devices: int  # of one host
    domain_devices: int  # joined by the fast links
    max_devices: int  # largest job (one unit where its network is unknown); 0: no limit known
    topology: str  # nvswitch, nvlink-mesh, nvlink-rack, xgmi, roce, ici, neuronlink, pcie, single
    link_gb_per_s: float  # one device, one direction, where it differs from the device's own; NaN: the device's own
    nic_gb_per_s: float  # of one node, one direction, between fast domains; NaN: unknown, so one unit only
    max_power_w: float  # rated maximum of the unit
    host_w: float  # rated maximum less the devices' rated power, of the unit: an upper bound, not a draw
    idle_w: float  # of the unit
    price_usd: float
    reference: bool  # what `--on H100:64` means when no instance is named
    sources: tuple[str, ...]
    checked: str
    note: str


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars an hour for one unit of the system, with the day its source gives for it."""

    usd_per_hour: float
    date: str  # YYYY-MM-DD; empty: the source does not say
    source: str
    or_older: bool = False  # the source says only that it is of this day or before
    others: tuple["Price", ...] = ()  # what other sources say of the same cell

    def age_days(self, today: dt.date) -> float:
        """Return how old the price is, at least; NaN where its source does not say from when it is.

        >>> Price(55.04, "2026-07-20", "karpenter-aws").age_days(dt.date(2026, 11, 21))
        124.0
        """
        return float((today - dt.date.fromisoformat(self.date)).days) if self.date else math.nan

    def disagreement(self, tolerance: float) -> "Price | None":
        """Return what another source says where it is off by more than a share, the farthest; None: all agree.

        >>> other = Price(43.07, "2026-05-20", "anycloud")
        >>> Price(88.49, "2026-08-03", "karpenter-gcp", others=(other,)).disagreement(0.01).source
        'anycloud'
        """
        far = [other for other in self.others if abs(other.usd_per_hour / self.usd_per_hour - 1) > tolerance]
        return max(far, key=lambda other: abs(math.log(other.usd_per_hour / self.usd_per_hour)), default=None)


@dataclass(frozen=True, slots=True)
class OfferRow:
    """What one provider asks for one instance in one region."""

    provider: str
    instance: str
    region: str
    accelerator: str
    devices: int
    system: str  # id of a System
    site: str  # id of a Site; empty: the place is not known
    prices: Mapping[str, Price]  # by purchase: on-demand, spot, reserved-1y, reserved-3y
    quarantine: Mapping[str, str]  # purchase → why the price is not believed
    note: str
    earlier: Mapping[str, tuple[Price, ...]] = field(default_factory=dict)  # prices that a newer reading replaced

    @property
    def id(self) -> str:
        """The offer's name: `provider/region/instance`."""
        return f"{self.provider}/{self.region}/{self.instance}"

    @property
    def place(self) -> str:
        """Where it is sold, as `--regions` names it: `provider/region`."""
        return f"{self.provider}/{self.region}"


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A place to run: a cloud region, or a country, a state, a grid zone."""

    id: str
    provider: str
    region: str
    location: str
    country: str  # ISO 3166-1 alpha-2
    places: tuple[str, ...]  # where its grid figures are looked up, nearest first
    source: str
    note: str
    facts: Facts  # pue, location_gross, location_net, market, marginal, water_onsite, water_offsite


@dataclass(frozen=True, slots=True)
class Interruption:
    """How often spot instances were reclaimed: a band, as published."""

    instance: str
    region: str
    low: float  # share of instances a month
    high: float
    savings: float
    date: str
    source: str


@dataclass(frozen=True, slots=True)
class Fitted:
    """One calibrated number of kernels or of a software stack, with its spread and what it was fitted to."""

    entity: str
    precision: str
    quantity: str
    value: float
    unit: str
    log_sd: float
    rows: int
    groups: int
    source: str
    command: str
    checked: str
    note: str
