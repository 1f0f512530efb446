"""What a disclosure holds: lines that are never mixed, each figure in SI with how it is known.

Training, search, development, failed runs, idling and inference are lines of their own. What nobody gave is unknown,
and says what is missing; it is never 0.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from steelyard.formatting.answer import Answer
from steelyard.formatting.figures import ENERGY, MASS, amount
from steelyard.vocabulary import CO2E_KINDS

RUN = ("training", "fine-tuning", "failed", "idle")
"""Lines of the run that made the model: together they are what a model card means by training."""

LINE_SCOPES = ("training", "fine-tuning", "failed", "idle", "development", "search", "inference")
"""Every line that a disclosure says something of, known or not."""

_ENERGIES = ("accelerator_j", "it_j", "facility_j")
SHORT_KINDS = {kind: kind.removeprefix("location_") for kind in CO2E_KINDS}
"""What a kind of CO2e is called in the names of figures."""

CARBON_FIGURES = tuple(f"{short}_kg" for short in SHORT_KINDS.values())
INTENSITY_FIGURES = tuple(f"{short}_kg_per_j" for short in SHORT_KINDS.values())

CLAIM_FIGURES: Mapping[str, str] = MappingProxyType(
    {
        "count": "devices",
        "wall": "wall_s",
        "device_time": "device_s",
        "pue": "pue",
        "intensity": "gross_kg_per_j",
        "net_intensity": "net_kg_per_j",
        "net_co2e": "net_kg",
        "water": "water_m3",
        "money": "usd",
        "tokens": "tokens",
        "samples": "samples",
        "flop": "flop",
        "speed": "flop_per_s",
        "parameters": "parameters",
        "active_parameters": "active_parameters",
    }
)
"""Quantities of a claim, by the names of the ledger; its energy and CO2e have a boundary and a kind of their own."""

SURENESS = ("measured", "stated", "catalog", "follows", "corrected", "estimated", "predicted")
"""How a figure is known, the surest first: what follows from several figures is as sure as the least of them."""


@dataclass(frozen=True, slots=True)
class LedgerFigure:
    """One number in SI, the ends of its interval, how it is known, and what it rests on or what is missing."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    how: str = "unknown"
    why: str = ""

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return math.isfinite(self.value)

    def times(self, factor: float) -> "LedgerFigure":
        """Return the figure that many times as large.

        >>> LedgerFigure(2.0, 1.0, 3.0, "measured").times(2.0)
        LedgerFigure(value=4.0, low=2.0, high=6.0, how='measured', why='')
        """
        return LedgerFigure(self.value * factor, self.low * factor, self.high * factor, self.how, self.why)


_UNKNOWN = LedgerFigure(why="not stated")

_Numbers = Mapping[str, LedgerFigure]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger, its numbers in SI: wall_s devices accelerator_j it_j facility_j gross_kg net_kg ..."""

    scope: str
    title: str = ""
    numbers: _Numbers = field(default_factory=lambda: MappingProxyType({}))
    uses: float = 1.0  # of what a search or a development found
    saved_kg: float = math.nan  # CO2e that each use saves
    queries: float = math.nan
    note: str = ""

    def of(self, name: str) -> LedgerFigure:
        """Return a figure; an unknown one where it is not there."""
        return self.numbers.get(name, _UNKNOWN)


@dataclass(frozen=True, slots=True)
class Cited:
    """One source of a figure."""

    id: str
    what: str
    locator: str
    version: str = ""
    checked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Disclosure(Answer):
    """Everything that can be said of a model's footprint, whatever it was read from."""

    title: str
    basis: str  # predicted, metered, audited
    model: str = ""
    hardware: str = ""  # as people write it: 64 x H100-80GB-SXM
    accelerator: str = ""  # a row of the catalog
    place: str = ""
    location: str = ""  # in words
    task: str = "training"
    precision: str = ""
    sample: str = ""  # what one pass through the model takes, in the singular: image; empty: it is trained on tokens
    meter: str = ""  # what measured, predicted or stated it
    date: str = ""
    lines: tuple[Line, ...] = ()
    sources: tuple[Cited, ...] = ()
    notes: tuple[str, ...] = ()
    audit: Mapping[str, Any] | None = None  # as `audit --json` prints it

    def headline(self) -> str:
        """Return what is disclosed, and how it is known."""
        return f"{self.title}, {self.basis}"

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return the lines, a row each: energy at the facility's meter, location-based CO2e."""
        rows = [(line.scope, line.of("facility_j").value, line.of("gross_kg").value) for line in self.lines]
        return (("line", "energy", "CO2e"), *((scope, amount(j, ENERGY), amount(kg, MASS)) for scope, j, kg in rows))

    @property
    def main(self) -> Line:
        """The line that the disclosure is about."""
        return next((line for line in self.lines if line.scope in {"training", "fine-tuning"}), self.lines[0])

    @property
    def work(self) -> str:
        """Name of the figure that its training is counted in: tokens, or samples of a model without tokens."""
        return "samples" if self.sample else "tokens"

    @property
    def work_unit(self) -> str:
        """What its training is counted in, in the plural: tokens, images."""
        return f"{self.sample}s" if self.sample else "tokens"

    @property
    def run(self) -> tuple[Line, ...]:
        """The lines of the run that made the model; of a search or a development on its own, that line."""
        return tuple(line for line in self.lines if line.scope in RUN) or (self.main,)

    @property
    def trains(self) -> bool:
        """Whether anything is said of the run that made the model."""
        return any(line.scope in RUN for line in self.lines)

    def total(self, name: str) -> LedgerFigure:
        """Return a figure of the whole run."""
        return figure_sum([(line.title or line.scope, line.of(name)) for line in self.run])

    @property
    def unstated(self) -> tuple[str, ...]:
        """Scopes of which nothing is said; one kind of training is enough."""
        stated = {line.scope for line in self.lines}
        stated |= {"training", "fine-tuning"} if stated & {"training", "fine-tuning"} else set()
        return tuple(scope for scope in LINE_SCOPES if scope not in stated)


def figure_sum(figures: Iterable[tuple[str, LedgerFigure]]) -> LedgerFigure:
    """Return the sum of named figures: of the known ones, with the names of those that are missing from it.

    >>> figure_sum([("training", LedgerFigure(3.0, how="measured")), ("idle", LedgerFigure(why="not metered"))])
    LedgerFigure(value=3.0, low=nan, high=nan, how='measured', why='without idle: not metered')
    """
    rows = list(figures)
    known = [one for _, one in rows if one.known]
    if not known:
        return rows[0][1] if rows else _UNKNOWN
    missing = "; ".join(f"without {name}: {one.why or 'unknown'}" for name, one in rows if not one.known)
    if len(known) == 1 and not missing:
        return known[0]
    ends = [one if math.isfinite(one.low) else LedgerFigure(one.value, one.value, one.value) for one in known]
    spread = any(math.isfinite(one.low) for one in known)
    low, high = (sum(one.low for one in ends), sum(one.high for one in ends)) if spread else (math.nan, math.nan)
    why = missing or "; ".join(dict.fromkeys(one.why for one in known if one.why))
    return LedgerFigure(sum(one.value for one in known), low, high, least_sure(known), why)


def least_sure(figures: Iterable[LedgerFigure]) -> str:
    """Return how the least sure of some figures is known.

    >>> least_sure([LedgerFigure(1.0, how="measured"), LedgerFigure(2.0, how="estimated")])
    'estimated'
    """
    return max((one.how for one in figures), key=SURENESS.index)


def figure_product(over: Iterable[LedgerFigure], under: Iterable[LedgerFigure], why: str) -> LedgerFigure:
    """Return a product of known figures over others; its ends are the products of their ends.

    >>> figure_product([LedgerFigure(10.0, 8.0, 12.0, "measured"), LedgerFigure(1.5, how="stated")], [], "energy x PUE")
    LedgerFigure(value=15.0, low=12.0, high=18.0, how='follows', why='energy x PUE')
    """
    top, bottom = list(over), list(under)
    value = math.prod(one.value for one in top) / math.prod(one.value for one in bottom)
    spread = any(math.isfinite(one.low) for one in (*top, *bottom))
    low = math.prod(_low(one) for one in top) / math.prod(_high(one) for one in bottom) if spread else math.nan
    high = math.prod(_high(one) for one in top) / math.prod(_low(one) for one in bottom) if spread else math.nan
    weakest = least_sure([*top, *bottom])
    return LedgerFigure(
        value, low, high, weakest if SURENESS.index(weakest) > SURENESS.index("follows") else "follows", why
    )


def _low(one: LedgerFigure) -> float:
    return one.low if math.isfinite(one.low) else one.value


def _high(one: LedgerFigure) -> float:
    return one.high if math.isfinite(one.high) else one.value


def cost_per_use(cost: float, uses: float) -> float:
    """Return what one use of a search's result bears of it.

    Source: Patterson et al. 2021, arXiv 2104.10350, section 4.1 (a search is paid once and used often).

    >>> cost_per_use(3.2e3, uses=16)
    200.0
    """
    return cost / uses


def payback_ratio(cost: float, saved: float, uses: float = 1.0) -> float:
    """Return what a search saves over what it costs: above 1 it has paid for itself.

    Source: Patterson et al. 2021, arXiv 2104.10350, section 4.1: the search for the Evolved Transformer emitted 3.2 t,
    and its use in training Meena alone saved 48.5 t, 15 to 1.

    >>> round(payback_ratio(cost=3.2e3, saved=48.5e3), 1)
    15.2
    """
    return saved * uses / cost
