"""What a search may choose from, as numbers and names: machines, stacks, deals, sites, and how a run is operated."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steelyard.catalog.peaks import PeakSpread
from steelyard.catalog.spread import StepSpread
from steelyard.catalog.stacks import Capability
from steelyard.tables import Job, Kernels, Layout, Machine, Offer, Policy, Site, Stack
from steelyard.units import Array


@dataclass(frozen=True, slots=True)
class HardwareOption:
    """A machine with its calibrated kernels: systems whose numbers are all equal share one."""

    accelerator: str
    vendor: str
    machine: Machine
    kernels: Kernels
    kernels_log_sd: Mapping[str, float] = field(default_factory=dict)  # of the fields that are uncertain
    calibrated: bool = True  # False: its kernels are those of any chip
    family: str = ""  # of chips that share kernels
    networks: tuple[float, ...] = ()  # lowest, median and highest rate of its family where its own is unknown


@dataclass(frozen=True, slots=True)
class StackOption:
    """A software stack: what it makes of a layout, and what it can run."""

    name: str
    stack: Stack
    capability: Capability
    peaks: PeakSpread  # how far its predicted peaks may be off
    stack_log_sd: Mapping[str, float] = field(default_factory=dict)
    spread: StepSpread | None = None  # what else widens its steps, by what they are; None: nothing, it is calibrated
    shift_log_sd: float = math.nan  # what steps of one's own leave open of their shift; NaN: none were measured
    written: str = ""  # how the job writes it, where that is not its name
    narrow: float = 0.0  # 1: its fp8 and fp4 products are not those of Transformer Engine
    unpaired_log_sd: Mapping[str, float] = field(default_factory=dict)  # by family of chips: no run of it is on those
    only_on: str = ""  # the accelerator on which its steps were measured, whose shift it has; empty: no such
    not_on: frozenset[str] = frozenset()  # accelerators on which a shifted one of its name stands for it

    def runs_on(self, accelerator: str) -> bool:
        """Tell whether it is the one of its name that stands for a stack on an accelerator of its vendors."""
        return self.only_on in {"", accelerator} and accelerator not in self.not_on


@dataclass(frozen=True, slots=True)
class SiteOption:
    """A site with the values that rival sources or methods give for it."""

    name: str
    site: Site
    spread: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # by field of `Site`, the used one included
    possible_sites: int = 0  # regions that it may be, where it is not known which
    provider: str = ""  # whose place it is, where it is not known which


@dataclass(frozen=True, slots=True)
class Deal:
    """One way to get machines: an offer at a site, bought in one way."""

    offer: str
    system: str
    provider: str
    hardware: int  # index into `Market.hardware`
    site_index: int  # index into `Market.sites`
    policy: int  # index into `Market.policies`
    unit: int  # devices of one instance: counts are multiples of it
    most: int  # devices that one job can get
    purchase: str
    usd_per_device_s: float
    site: str = ""
    price_date: str = ""
    price_source: str = ""
    term_s: float = 0.0  # commitment that is paid whether used or not
    term_per_use: float = 1.0
    usd_per_facility_j: float = 0.0  # electricity billed beside the devices
    storage_usd_per_s: float = 0.0
    moving_usd: float = 0.0
    flags: tuple[str, ...] = ()  # what is doubtful or unknown about the price
    tariffs: tuple[tuple[str, str], ...] = ()  # provider and quantity of the rows of `tariffs.csv` that are in the bill

    @property
    def price(self) -> Offer:
        """What a run is billed for under this deal."""
        return Offer(
            self.usd_per_device_s,
            self.term_s,
            self.term_per_use,
            self.usd_per_facility_j,
            self.storage_usd_per_s,
            self.moving_usd,
        )


@dataclass(frozen=True, slots=True)
class MeasuredSteps:
    """What measured steps make of candidates, where there are any."""

    scales: Callable[[Job, Layout, Sequence[HardwareOption], Sequence[StackOption]], Array]
    """What the seconds of a step of each candidate are multiplied by: job, layouts, machine and stack, a row each."""
    setting: Callable[[Any], Any]
    """A setting (`reasons.draws.Setting`) as it, or what is like it, was measured."""


@dataclass(frozen=True, slots=True)
class Market:
    """Everything to choose from."""

    hardware: tuple[HardwareOption, ...]
    stacks: tuple[StackOption, ...]
    sites: tuple[SiteOption, ...]
    policies: tuple[Policy, ...]
    policy_log_sd: tuple[Mapping[str, float], ...]  # a mapping a policy
    deals: tuple[Deal, ...]
    stacks_of_vendor: Mapping[str, tuple[int, ...]]  # by vendor, indices into `stacks`
    notes: tuple[str, ...] = ()  # what was left out, and why
    layout_log_sd: float = 0.0  # spread of a layout's own time, of that of its stack: what two layouts do not share
    measured: MeasuredSteps | None = None  # None: no step was measured
