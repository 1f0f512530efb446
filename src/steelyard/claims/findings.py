"""What an audit finds: factors, checks, a verdict, an estimate."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

from steelyard.formatting.answer import Answer

SILENT, NOTE, DOUBT, CONTRADICTION = 0, 1, 2, 3
"""How much a check weighs: nothing, worth knowing, hard to believe, cannot be."""


@dataclass(frozen=True, slots=True)
class AuditFactor:
    """One factor between two accounts: how many times as large the claim has it, or makes of it."""

    name: str
    m: str  # Model, Machine, Mechanization, Map; Accounting for what is none of a run's choices
    value: float
    claimed: str = ""
    other: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class WaterfallStep:
    """One bar of the waterfall: what a factor adds to the total, and the total after it."""

    factor: AuditFactor
    added: float  # by the logarithmic mean: independent of the order
    left: float  # of the claim, this and all factors before it taken out


@dataclass(frozen=True, slots=True)
class FactorChain:
    """The claim's total over the other account's as an exact product."""

    quantity: str  # co2e, energy, device_time ...
    claimed: float
    other: float
    factors: tuple[AuditFactor, ...]
    steps: tuple[WaterfallStep, ...]

    @property
    def ratio(self) -> float:
        """The claim's total over the other's."""
        return self.claimed / self.other


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at, with its arithmetic."""

    name: str
    fired: bool
    arithmetic: str
    weight: int = SILENT
    finding: str = ""  # what it says, in a sentence
    factor: AuditFactor | None = None  # what the claim would have to be divided by
    settle: str = ""  # the one number from the authors that would settle it
    exact: bool = False  # a total beside what follows from other numbers, rather than a bound


@dataclass(frozen=True, slots=True)
class EstimatedRange:
    """A figure that was estimated, with the ends of its interval, in SI."""

    quantity: str
    value: float
    low: float
    high: float
    rests_on: str


@dataclass(frozen=True, slots=True)
class ClaimEstimate:
    """What the predictor supplies for what was not stated."""

    ranges: tuple[EstimatedRange, ...] = ()
    rests_on: tuple[str, ...] = ()
    refused: str = ""  # why there is none


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Audit(Answer):
    """One claim, audited."""

    title: str
    source: str
    verdict: str
    reasons: tuple[str, ...]  # in order of weight
    settle: str
    ratio: float
    factors: tuple[AuditFactor, ...]
    checks: tuple[Check, ...]
    chain: FactorChain | None = None  # against another account
    estimate: ClaimEstimate = ClaimEstimate()
    notes: tuple[str, ...] = ()
    stated: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def headline(self) -> str:
        """Return the claim and the verdict."""
        return f"{self.title}: {self.verdict}"

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return the factors, a row each."""
        rows = [(one.m, one.name, f"x{one.value:.4g}", one.claimed, one.other) for one in self.factors]
        return (("M", "factor", "times", "claimed", "held against"), *rows)

    @property
    def fired(self) -> tuple[Check, ...]:
        """The checks that fired, heaviest first."""
        return tuple(sorted((check for check in self.checks if check.fired), key=lambda check: -check.weight))


def audit_json(found: Audit) -> dict[str, Any]:
    """Return an audit as the object that `--json` prints."""
    return {
        "title": found.title,
        "source": found.source,
        "verdict": found.verdict,
        "reasons": list(found.reasons),
        "settle": found.settle,
        "ratio": found.ratio,
        "factors": [_factor(one) for one in found.factors],
        "waterfall": _waterfall(found.chain) if found.chain else None,
        "checks": [_check(one) for one in found.checks],
        "estimate": {
            "ranges": [asdict(one) for one in found.estimate.ranges],
            "rests_on": list(found.estimate.rests_on),
            "refused": found.estimate.refused,
        },
        "stated": dict(found.stated),
        "notes": list(found.notes),
    }


def _factor(one: AuditFactor) -> dict[str, Any]:
    found = asdict(one)
    return {"name": found.pop("name"), "M": found.pop("m"), **found}


def _waterfall(chain: FactorChain) -> dict[str, Any]:
    steps = [
        {"name": step.factor.name, "M": step.factor.m, "added": step.added, "left": step.left} for step in chain.steps
    ]
    return {"quantity": chain.quantity, "claimed": chain.claimed, "other": chain.other, "steps": steps}


def _check(one: Check) -> dict[str, Any]:
    names = ("name", "fired", "arithmetic", "weight", "finding", "settle")
    return {name: getattr(one, name) for name in names}
