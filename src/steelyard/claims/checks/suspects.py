"""Which number is wrong: the one whose correction sets right the most of what does not hold.

Every stated number in a broken relation is tried: corrected by what the relation asks for, and by each slip that it is
prone to. The correction that leaves the fewest relations and bounds broken is named; of equals, a known slip goes
before an unexplained factor, a total that equals another row's before one that does not, what leaves a usual value
before an unusual one. Where several numbers would do, all of them are said.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from steelyard.claims.accounts.account import ROUNDING_SLACK
from steelyard.claims.checks.relations import Relation
from steelyard.claims.checks.slips import COPIED, SCOPE, SLIP_TOTALS, Slip, slips
from steelyard.claims.context import ClaimContext
from steelyard.claims.findings import CONTRADICTION
from steelyard.claims.quantity_text import quantity_text
from steelyard.claims.reading.claim import ClaimNumbers

ORDER = (
    "utilisation", "co2e", "net_co2e", "water", "money", "energy", "throughput", "samples_per_second", "device_time",
    "wall", "power", "tokens", "samples", "flop", "speed", "intensity", "net_intensity", "price", "count",
    "throughput_per_device", "samples_per_second_per_device", "steps", "examples", "active_parameters", "parameters",
    "batch_samples", "sequence", "epochs", "runs", "pue",
)  # fmt: skip
"""Of numbers that explain a difference equally well, the one to name: totals before what they are made of."""

_MOST = 3
LARGE, NEAR = 999.0, 2.5
"""A bound tells only slips from other factors that are so large, and so near to what it asks for."""

_STEP = 0.004
"""Difference of two slips' ratios from the one asked for that decides between them."""

SPLIT = 3.5
"""How many times count x hours device-hours must be to be those of another scope rather than a slip."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """One number that would explain what does not hold."""

    quantity: str
    ratio: float  # how many times too large it is
    slip: Slip | None
    left: int  # relations that stay broken
    unusual: int  # soft bounds that the corrected value breaks
    copied: str  # name of the row beside it that has the same total
    fixes: tuple[Relation, ...]
    along: tuple[str, ...] = ()  # totals that were computed from it, too large by as much
    apart: int = 0  # of the slip's ratio from the one asked for, in steps of what nobody should mind

    @property
    def rank(self) -> tuple[float, ...]:
        """Order of suspects, the likeliest first."""
        known = 0 if self.copied else 1 if self.slip else 2
        place = ORDER.index(self.quantity) if self.quantity in ORDER else len(ORDER)
        return (self.left, self.unusual, known, self.apart, place)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The likeliest suspect and those that would do as well."""

    suspect: Suspect
    others: tuple[str, ...]

    @property
    def check(self) -> str:
        """Name of the check that the slip belongs to; empty: none."""
        one = self.suspect
        if one.copied:
            return COPIED
        if one.slip is not None:
            return one.slip.check
        more = one.ratio if one.quantity == "device_time" else 1 / one.ratio if one.quantity == "wall" else 0.0
        return SCOPE if more > SPLIT and {relation.name for relation in one.fixes} <= {"hours"} else ""


def locate(context: ClaimContext, relations: Sequence[Relation], soft: Sequence[Relation]) -> list[Diagnosis]:
    """Return the wrong numbers, one after another, until everything holds or nothing helps."""
    numbers, found = context.numbers, list[Diagnosis]()
    for _ in range(_MOST):
        broken = [one for one in relations if one.weight >= CONTRADICTION and one.excess(numbers) > 0]
        broken = broken or [one for one in relations if one.excess(numbers) > 0]
        if not broken:
            break
        ranked = sorted(_suspects(context, numbers, broken, relations, soft), key=lambda one: one.rank)
        if not ranked or ranked[0].left >= sum(one.excess(numbers) > 0 for one in relations):
            break
        best = ranked[0]
        alike = [one.quantity for one in ranked if one.rank[:3] == best.rank[:3] and one.quantity != best.quantity]
        found.append(Diagnosis(best, tuple(dict.fromkeys(alike))))
        numbers = corrected(numbers, (best.quantity, *best.along), best.ratio)
    return found


FROM: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "energy": ("co2e", "net_co2e", "water"),
        "device_time": ("energy", "co2e", "net_co2e", "water", "money"),
        "power": ("energy", "co2e", "net_co2e", "water"),
        "intensity": ("co2e",),
        "net_intensity": ("net_co2e",),
        "price": ("money",),
    }
)
"""Totals that are computed from another one, and carry its slip along."""


def corrected(numbers: ClaimNumbers, quantities: Sequence[str], ratio: float) -> ClaimNumbers:
    """Return the numbers with some of them divided by how many times too large they are."""
    return MappingProxyType({**numbers, **{name: numbers[name].times(1 / ratio) for name in quantities}})


def _suspects(
    context: ClaimContext,
    numbers: ClaimNumbers,
    broken: Sequence[Relation],
    relations: Sequence[Relation],
    soft: Sequence[Relation],
) -> Iterator[Suspect]:
    involved = {name for one in broken for name in one.quantities if name in context.claim.numbers}
    for quantity in sorted(involved):
        mine = [one for one in broken if quantity in one.quantities]
        asked = max(mine, key=lambda one: (one.exact, one.excess(numbers)))
        along = tuple(name for name in FROM.get(quantity, ()) if name in context.claim.numbers)
        tried = [Correction((quantity,), asked.suspect(quantity, numbers), None)]
        tried += [Correction((quantity, *along), tried[0].ratio, None)] if along and not asked.terms else []
        for slip in slips(quantity, context):
            if not asked.exact and not _is_large(slip.ratio, tried[0].ratio):
                continue
            if asked.excess(corrected(numbers, (quantity,), slip.ratio)) == 0.0:
                tried.append(Correction((quantity,), slip.ratio, slip, tried[0].ratio))
                tried += [Correction((quantity, *along), slip.ratio, slip, tried[0].ratio)] if along else []
        for one in tried:
            yield _judged(context, numbers, one, relations, soft)


def _is_large(slip: float, asked: float) -> bool:
    return abs(math.log(slip)) >= math.log(LARGE) and abs(math.log(slip / asked)) <= math.log(NEAR)


@dataclass(frozen=True, slots=True)
class Correction:
    """Numbers to divide by a ratio, and the slip that it stands for."""

    quantities: tuple[str, ...]
    ratio: float
    slip: Slip | None
    asked: float = 1.0  # the ratio that the relation asks for

    @property
    def apart(self) -> int:
        """Return how far the slip's ratio is from the one asked for, in steps of what nobody should mind."""
        return round(abs(math.log(self.ratio / self.asked)) / _STEP) if self.slip else 0


def _judged(
    context: ClaimContext,
    numbers: ClaimNumbers,
    tried: Correction,
    relations: Sequence[Relation],
    soft: Sequence[Relation],
) -> Suspect:
    quantity, *along = tried.quantities
    after = corrected(numbers, tried.quantities, tried.ratio)
    fixes = tuple(one for one in relations if one.excess(numbers) > 0 and one.excess(after) == 0.0)
    left = sum(one.excess(after) > 0 for one in relations)
    unusual = sum(one.excess(after) > 0 for one in soft)
    if quantity == "count" and abs(after["count"].value / max(round(after["count"].value), 1) - 1) > ROUNDING_SLACK:
        unusual += 1
    exact = any(one.weight >= CONTRADICTION for one in fixes)
    same = row_like(context, quantity) if exact and tried.slip is None else ""
    return Suspect(quantity, tried.ratio, tried.slip, left, unusual, same, fixes, tuple(along), tried.apart)


def row_like(context: ClaimContext, quantity: str) -> str:
    """Return the row beside the claim, or the sum of them, that has the same total; empty: none."""
    value, rounding = context.claim.value(quantity), context.claim.numbers[quantity].rounding
    if quantity not in SLIP_TOTALS or not value:
        return ""
    rows = [(row.name or "another row", row.value(quantity)) for row in context.claim.beside]
    known = [(name, one) for name, one in rows if one]
    if len(known) > 1:
        known.append(("the sum of the rows", sum(one for _, one in known)))
    close = min(rounding, 0.005) + 1e-9
    return next((name for name, one in known if math.isclose(one, value, rel_tol=close)), "")


def diagnosis_text(found: Diagnosis, context: ClaimContext) -> str:
    """Return what was found in a sentence: arithmetic, no blame."""
    one = found.suspect
    stated = quantity_text(one.quantity, context.numbers[one.quantity].value)
    fits = quantity_text(one.quantity, context.numbers[one.quantity].value / one.ratio)
    name = plain_name(one.quantity)
    text = f"{name}: {stated} stated, {fits} would agree with the rest (x{one.ratio:.4g})"
    if one.along:
        text += f", and {', '.join(plain_name(other) for other in one.along)} with it"
    if one.copied:
        return f"{text}; {stated} is the figure of {one.copied}"
    if one.slip is not None:
        return f"{text}; it is as if {one.slip.text}"
    if found.check == SCOPE:
        text += "; the two may be of different scopes, one run and all of them"
    if found.others:
        text += f"; or {', '.join(plain_name(other) for other in found.others[:3])} by as much"
    return text


def plain_name(quantity: str) -> str:
    """Return a quantity's name in words.

    >>> plain_name("wall"), plain_name("co2e"), plain_name("throughput_per_device")
    ('hours', 'co2e', 'throughput per device')
    """
    return {"wall": "hours", "device_time": "device hours"}.get(quantity, quantity).replace("_", " ")
