"""One account made complete: what follows from what is stated, in every direction, each number with its rounding.

    device time = count x wall        energy at the device = device time x power
    facility energy = PUE x energy    CO2e = intensity x facility energy

A total that follows from more precise numbers replaces its own rounded print where the two agree; where they do not,
both stay and the difference is the account's own arithmetic. A stated 0 has no ratio: it stands apart, and nothing that
follows takes its place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from steelyard.claims.reading.claim import Claim
from steelyard.claims.reading.printed import PrintedNumber

ROUNDING_SLACK = 0.01
"""Relative difference that nobody should mind beyond rounding: the tables of Patterson et al. 2021 agree to 1 %."""

TREE = (
    ("device_time", ("count", "wall")),
    ("energy_it", ("device_time", "power")),
    ("energy_facility", ("energy_it", "pue")),
    ("co2e", ("energy_facility", "intensity")),
)
"""Each total as the product of what it is made of."""


@dataclass(frozen=True, slots=True)
class AccountFigure:
    """A number of an account: its value in SI, its rounding, and whether it was stated or follows."""

    value: float
    rounding: float
    text: str  # as stated; empty: it follows


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of one run, by quantity."""

    known: Mapping[str, AccountFigure]  # none of them 0
    claim: Claim
    zeros: Mapping[str, AccountFigure]  # what is stated to be 0

    def value(self, quantity: str) -> float | None:
        """Return a number in SI, None where nothing gives it."""
        found = self.known.get(quantity)
        return None if found is None else found.value


def complete_account(claim: Claim) -> Account:
    """Return the account of a claim, completed.

    >>> from steelyard.claims.reading.files import read_claim
    >>> made = complete_account(read_claim({"hardware": "512 TPU v3", "days": 20, "power": 310, "pue": "1.12"}))
    >>> round(made.value("energy_facility") / 3.6e9, 1)
    85.3
    """
    stated = {name: AccountFigure(one.value, one.rounding, one.text) for name, one in _numbers(claim).items()}
    known = {name: one for name, one in stated.items() if one.value > 0}
    zeros = {name: one for name, one in stated.items() if one.value == 0}
    _complete(known, zeros)
    for total, parts in TREE:
        _settle(known, total, parts)
    _complete(known, zeros)
    return Account(MappingProxyType(known), claim, MappingProxyType(zeros))


def _numbers(claim: Claim) -> dict[str, PrintedNumber]:
    """Return the stated numbers; energy under the name of its boundary, facility where none is stated."""
    found = dict(claim.numbers)
    energy = found.pop("energy", None)
    if energy is not None:
        found["energy_it" if claim.energy_boundary in {"accelerator", "it"} else "energy_facility"] = energy
    if "device_time" not in found and claim.work and (counted := found.get("count")):
        spans = [one for one in claim.work.values() if _is_time(one)]
        if len(spans) == 1 and "steps" in found:
            found["device_time"] = PrintedNumber(
                counted.value * found["steps"].value * spans[0].value, found["steps"].rounding + counted.rounding, ""
            )
    if claim.co2e_boundary in {"accelerator", "it"} and "pue" in found:
        del found["pue"]
    return found


def _is_time(one: PrintedNumber) -> bool:
    return one.text.rstrip().endswith(("h", "s", "hours", "hour", "min", "days", "seconds"))


def _complete(known: dict[str, AccountFigure], zeros: Mapping[str, AccountFigure]) -> None:
    """Fill in what follows from the rest until nothing more does."""
    changed = True
    while changed:
        changed = False
        for total, parts in TREE:
            missing = [name for name in (total, *parts) if name not in known]
            if len(missing) == 1 and missing[0] not in zeros:
                known[missing[0]] = _follows(known, total, parts, missing[0])
                changed = True


def _follows(known: Mapping[str, AccountFigure], total: str, parts: tuple[str, ...], wanted: str) -> AccountFigure:
    """Return one number of a product from the others."""
    value, rounding = (1.0, 0.0) if wanted == total else (known[total].value, known[total].rounding)
    for name in parts:
        if name != wanted:
            value = value * known[name].value if wanted == total else value / known[name].value
            rounding += known[name].rounding
    return AccountFigure(value, rounding, "")


def _settle(known: dict[str, AccountFigure], total: str, parts: tuple[str, ...]) -> None:
    """Let the least precise of numbers that agree give way to what the others make of it."""
    names = (total, *parts)
    if any(name not in known for name in names):
        return
    follows = _follows(known, total, parts, total)
    allowed = sum(known[name].rounding for name in names) + ROUNDING_SLACK
    if abs(known[total].value / follows.value - 1) > allowed:
        return
    loosest = max(names, key=lambda name: known[name].rounding)
    known[loosest] = AccountFigure(
        _follows(known, total, parts, loosest).value, known[loosest].rounding, known[loosest].text
    )
