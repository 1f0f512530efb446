r"""Two accounts of one run as an exact product of factors over Model x Machine x Mechanization x Map.

Every total is split into what it is made of as far as both accounts go; where one of them stops, the factor stays
whole. What a claim's own parts do not explain of its total is a factor, too (`arithmetic`), so the product is the
ratio of the totals to the last digit.

Ratios of products have no order. Tonnes have: taking out PUE first or last removes another number of tonnes. The bars
of the waterfall are therefore logarithmic-mean shares (LMDI I; Ang 2004, Energy Policy 32:1131), the one split that is
exact, leaves no residual and does not depend on the order:

.. math:: \Delta_i = \frac{A - B}{\ln A - \ln B} \ln f_i, \qquad \sum_i \Delta_i = A - B
"""

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from steelyard.claims.accounts.account import TREE, Account, AccountFigure
from steelyard.claims.findings import AuditFactor, FactorChain, WaterfallStep
from steelyard.claims.quantity_text import quantity_text
from steelyard.errors import BadInput

MODEL, MACHINE, MECHANIZATION, MAP, ACCOUNTING = "Model", "Machine", "Mechanization", "Map", "Accounting"

MS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("tokens", "samples", "active_parameters", "parameters", "steps", "runs", "work"), MODEL)
    | dict.fromkeys(("count", "wall", "device_time", "speed", "utilisation", "power", "energy_it"), MACHINE)
    | {"pue": MECHANIZATION, "energy_facility": MACHINE, "intensity": MAP}
    | dict.fromkeys(("scope", "arithmetic", "units", "copied", "co2e", "money", "water"), ACCOUNTING)
)
"""The choice that each factor belongs to."""

_TOTALS = (
    "co2e",
    "energy_facility",
    "energy_it",
    "device_time",
    "money",
    "water",
    "throughput",
    "samples_per_second",
    "utilisation",
)
WORK = ("runs", "steps", "tokens", "samples", "active_parameters")
_SAME = 1e-12


def factor_chain(claim: Account, other: Account) -> FactorChain:
    """Return the factors between two accounts, in the order of the flow from Model to Map.

    Raises:
        BadInput: the accounts have no total in common.

    >>> from steelyard.claims.accounts.account import complete_account
    >>> from steelyard.claims.reading.files import read_claim
    >>> found = factor_chain(complete_account(read_claim({"energy": "10 MWh", "intensity": "0.5", "pue": "1.5"})),
    ...               complete_account(read_claim({"energy": "4 MWh", "intensity": "0.25", "pue": "1.2"})))
    >>> [(factor.name, round(factor.value, 3)) for factor in found.factors], found.ratio
    ([('energy', 2.0), ('pue', 1.25), ('intensity', 2.0)], 5.0)
    """
    total = next((name for name in _TOTALS if name in claim.known and name in other.known), None)
    if total is None:
        raise BadInput(
            "the two accounts have no total in common; give both co2e, energy or device_hours, or what they follow from"
        )
    factors = [*_scope(claim, other, total), *_split(total, claim, other)]
    factors.sort(key=lambda factor: _ORDER.index(factor.m))
    first, last = claim.known[total].value, other.known[total].value
    return FactorChain(total, first, last, tuple(factors), tuple(waterfall_steps(first, last, factors)))


_ORDER = (ACCOUNTING, MODEL, MACHINE, MECHANIZATION, MAP)


def log_mean(first: float, second: float) -> float:
    r"""Return the logarithmic mean of two totals: :math:`(a - b) / \ln(a / b)`, or either where they are equal.

    >>> log_mean(2.0, 2.0), round(log_mean(284.0, 3.2), 2)
    (2.0, 62.59)
    """
    ratio = first / second
    return second if abs(ratio - 1) < _SAME else (first - second) / math.log(ratio)


def waterfall_steps(first: float, last: float, factors: list[AuditFactor]) -> Iterator[WaterfallStep]:
    """Yield the bars from the claim's total down to the other's."""
    mean, left = log_mean(first, last), first
    for factor in factors:
        left /= factor.value
        yield WaterfallStep(factor, mean * math.log(factor.value), left)


def _scope(claim: Account, other: Account, total: str) -> Iterator[AuditFactor]:
    """Yield how much of the claim's total lies outside what the other account is about."""
    quantity = "energy" if total.startswith("energy") else total
    inside = _inside(claim, other, quantity)
    if inside is not None:
        whole = claim.known[total].value
        yield AuditFactor(
            "scope",
            ACCOUNTING,
            whole / inside,
            quantity_text(quantity, whole),
            quantity_text(quantity, inside),
            f"of which {other.claim.scope} is {quantity_text(quantity, inside)}",
        )


def _inside(claim: Account, other: Account, quantity: str) -> float | None:
    """Return the sum of the claim's lines that the other account is about; None where it has no such lines."""
    lines = [row for row in claim.claim.parts if row.value(quantity) is not None]
    covered = [row.value(quantity) or 0.0 for row in lines if row.scope == other.claim.scope]
    return sum(covered) if covered and len(covered) < len(lines) and sum(covered) > 0 else None


def _split(name: str, claim: Account, other: Account) -> Iterator[AuditFactor]:
    """Yield the factors of one total, as far down as both accounts go."""
    ours, theirs = claim.known[name].value, other.known[name].value
    inside = _inside(claim, other, "energy" if name.startswith("energy") else name)
    if inside is not None and name in _TOTALS[:1]:
        ours = inside
        yield _leaf(name, ours, theirs, claim, other)
        return
    parts = dict(TREE).get(name, ())
    if name == "device_time" and (work := _work(claim, other)):
        yield from work
        rest = ours / theirs / math.prod(factor.value for factor in work)
        yield _rest(rest, claim, other)
    elif parts and all(part in claim.known and part in other.known for part in parts):
        yield from _own(name, parts, claim, other)
        for part in parts:
            yield from _split(part, claim, other)
    elif name == "energy_facility" and all("device_time" in one.known for one in (claim, other)):
        yield from _split("device_time", claim, other)
        per = [one.known[name].value / one.known["device_time"].value for one in (claim, other)]
        yield AuditFactor(
            "power",
            MACHINE,
            per[0] / per[1],
            quantity_text("power", per[0]),
            quantity_text("power", per[1]),
            "PUE included",
        )
    else:
        yield _leaf(name, ours, theirs, claim, other)


def _own(name: str, parts: tuple[str, ...], claim: Account, other: Account) -> Iterator[AuditFactor]:
    """Yield what the accounts' own parts do not explain of their totals."""
    ours, theirs = (one.known[name].value / _product(one, parts) for one in (claim, other))
    if abs(ours / theirs - 1) > _SAME:
        made = " and ".join(display_name(part) for part in parts)
        note = f"{display_name(name)} as stated, over what its own {made} give"
        yield AuditFactor("arithmetic", ACCOUNTING, ours / theirs, f"{ours:.4g}", f"{theirs:.4g}", note)


def _product(one: Account, parts: tuple[str, ...]) -> float:
    return math.prod(one.known[part].value for part in parts)


def _leaf(name: str, ours: float, theirs: float, claim: Account, other: Account) -> AuditFactor:
    texts = [_figure_text(name, value, one.known.get(name)) for value, one in ((ours, claim), (theirs, other))]
    return AuditFactor(field_name(name), MS.get(name, MACHINE), ours / theirs, *texts)


def _figure_text(name: str, value: float, known: AccountFigure | None) -> str:
    return known.text if known and known.text else quantity_text(name, value)


def _work(claim: Account, other: Account) -> list[AuditFactor]:
    """Return the factors of the work that both accounts state, by name; none where they state no difference."""
    named = [name for name in claim.claim.work if name in other.claim.work]
    found = [
        AuditFactor(name, MODEL, ours.value / theirs.value, ours.text, theirs.text)
        for name in named
        for ours, theirs in ((claim.claim.work[name], other.claim.work[name]),)
    ]
    for name in WORK:
        ours, theirs = claim.known.get(name), other.known.get(name)
        if ours and theirs and abs(ours.value / theirs.value - 1) > _SAME:
            found.append(AuditFactor(name, MODEL, ours.value / theirs.value, ours.text, theirs.text))
    return found


def _rest(rest: float, claim: Account, other: Account) -> AuditFactor:
    """Return what the work leaves of the device time: how fast the devices were at it."""
    ours, theirs = (one.claim.hardware.id if one.claim.hardware else "" for one in (claim, other))
    name = "utilisation" if ours == theirs else "speed"
    return AuditFactor(name, MACHINE, rest, ours, theirs, "device-hours for the same work")


def field_name(name: str) -> str:
    """Return a quantity's name as a claim file writes it.

    >>> field_name("device_time"), field_name("energy_facility"), field_name("pue")
    ('device_hours', 'energy', 'pue')
    """
    return _WRITTEN.get(name, name)


_WRITTEN = MappingProxyType(
    {"device_time": "device_hours", "wall": "hours", "energy_facility": "energy", "energy_it": "energy"}
)


def display_name(name: str) -> str:
    """Return a quantity's name as people say it.

    >>> display_name("device_time"), display_name("pue")
    ('device hours', 'PUE')
    """
    return {"co2e": "CO2e", "pue": "PUE", "utilisation": "MFU"}.get(name, field_name(name).replace("_", " "))
