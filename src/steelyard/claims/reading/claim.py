"""A claim: whatever a paper, a model card, a blog or a bill states of one run, every field of it optional.

    title: Evolved Transformer NAS        hardware: 8x P100         energy: 656 MWh        scope: search
    source: arXiv 1906.02243, Table 3     hours: 274,120 h          co2e: 626,155 lbs      pue: 1.58

Numbers keep the digits they were printed with (`PrintedNumber`); names and kinds are words. What is not stated is
not there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from steelyard.claims.reading.hardware import ClaimHardware
from steelyard.claims.reading.printed import PrintedNumber
from steelyard.vocabulary import CO2E_KINDS, hyphenated

CLAIM_SCOPES = (
    "training",
    "fine-tuning",
    "search",
    "development",
    "inference",
    "life-cycle",
    "embodied",
    "idle",
)
"""What a total is of. A total of one scope is not a total of another."""

BOUNDARIES = ("accelerator", "it", "facility")
"""Where energy or power was measured: the devices, with their hosts, with the building (PUE)."""

POWER_KINDS = ("measured", "tdp", "assumed", "modelled")
CARBON_KINDS = tuple(hyphenated(kind) for kind in CO2E_KINDS)

ClaimNumbers = Mapping[str, PrintedNumber]


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A line beside the claim or part of it: another row of the same table, or one line of a total."""

    name: str
    scope: str
    numbers: ClaimNumbers
    hardware: ClaimHardware | None = None

    def value(self, quantity: str) -> float | None:
        """Return a number in SI, None where it is not stated."""
        found = self.numbers.get(quantity)
        return None if found is None else found.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One account of one run."""

    title: str = ""
    source: str = ""
    date: str = ""  # when it was stated: YYYY-MM-DD, or the beginning of it
    quote: str = ""
    note: str = ""
    scope: str = ""
    model: str = ""
    precision: str = ""
    place: str = ""
    power_kind: str = ""
    power_boundary: str = ""
    energy_boundary: str = ""
    co2e_boundary: str = ""
    co2e_kind: str = ""
    purchase: str = ""
    hardware: ClaimHardware | None = None
    numbers: ClaimNumbers = field(default_factory=lambda: MappingProxyType({}))
    work: ClaimNumbers = field(default_factory=lambda: MappingProxyType({}))  # factors of the work, by their names
    parts: tuple[ClaimRow, ...] = ()  # lines that add up to the totals
    beside: tuple[ClaimRow, ...] = ()  # other rows of the same table
    restated: ClaimNumbers = field(default_factory=lambda: MappingProxyType({}))  # printed again elsewhere
    same_work_on: ClaimRow | None = None  # the same work on other hardware
    notes: tuple[str, ...] = ()  # of the reader: what could not be read, or was read in one of two ways

    def value(self, quantity: str) -> float | None:
        """Return a number in SI, None where it is not stated."""
        found = self.numbers.get(quantity)
        return None if found is None else found.value

    @property
    def name(self) -> str:
        """What to call it."""
        return self.title or self.model or self.source or "the claim"
