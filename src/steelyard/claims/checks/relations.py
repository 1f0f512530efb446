"""What must hold between the numbers of one claim: each a product that can be read in every direction.

    device-hours = count x hours              CO2e = energy x intensity           money = device-hours x price
    energy = device-hours x power x PUE       tokens = steps x batch x sequence   samples = examples x epochs   ...

A ratio of 1 means that they agree; beyond what their digits leave open, one of them is wrong. Where a claim does not
say whether its energy includes the PUE, both readings are tried and the better one counts.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from steelyard.claims.accounts.account import ROUNDING_SLACK
from steelyard.claims.findings import CONTRADICTION
from steelyard.claims.models import samples_terms
from steelyard.claims.quantity_text import quantity_text
from steelyard.claims.reading.claim import Claim, ClaimNumbers
from steelyard.claims.reading.printed import PrintedNumber
from steelyard.units import KWH_J

PUE_MOST = 2.0
"""PUE that nobody exceeds without saying so; the Uptime Institute's surveys have a mean of 1.56 to 1.58 since 2018."""

HOST_MOST = 1.6
"""A node's draw over that of its devices: 1.22 to 1.5 in MLPerf Training power logs."""

PARTIAL = 0.05
"""Of the samples of an epoch that its last step, dropped or filled up, leaves open."""

PACKED = 0.02
"""Share of a sequence that one example fills at least."""

LOOSE = 0.25
"""What a throughput says of a whole run: restarts, evaluation and checkpoints are outside it."""


Show = Callable[[ClaimNumbers, float], str]
"""Arithmetic in figures, from the numbers and the ratio of stated to computed."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A product: `target = constant x prod(term ** exponent)`, within a band of the ratio of stated to computed."""

    name: str
    target: str
    terms: tuple[tuple[str, float], ...] = ()
    constant: float = 1.0
    low: float = 1.0
    high: float = 1.0
    weight: int = CONTRADICTION
    center: float | None = None  # where in the band the ratio usually lies
    says: str = ""  # what the band is
    settle: str = ""  # what from the authors would settle it
    exact: bool = True  # a product of stated numbers; False: a bound, which a slip's own ratio cannot be read from
    show: Show | None = None

    @property
    def quantities(self) -> tuple[str, ...]:
        """Return the target and the terms."""
        return (self.target, *(name for name, _ in self.terms))

    def computed(self, numbers: ClaimNumbers) -> float:
        """Return the target from the terms."""
        powers = (float(numbers[name].value ** exponent) for name, exponent in self.terms)
        return self.constant * math.prod(powers)

    def ratio(self, numbers: ClaimNumbers) -> float:
        """Return the stated target over the computed one."""
        return numbers[self.target].value / self.computed(numbers)

    def rounding(self, numbers: ClaimNumbers) -> float:
        """Return what the printed digits leave open."""
        return sum(numbers[name].rounding for name in self.quantities)

    def excess(self, numbers: ClaimNumbers) -> float:
        """Return how far the ratio lies outside its band, as a logarithm; 0: it holds."""
        allowed = math.log1p(ROUNDING_SLACK + self.rounding(numbers))
        ratio = math.log(self.ratio(numbers))
        above = ratio - math.log(self.high) - allowed if self.high < math.inf else 0.0
        below = math.log(self.low) - allowed - ratio if self.low > 0 else 0.0
        return max(above, below, 0.0)

    def suspect(self, quantity: str, numbers: ClaimNumbers) -> float:
        """Return how many times too large a quantity is, if it is the one that is wrong."""
        ratio = self.ratio(numbers)
        usual = min(max(ratio, self.low), self.high) if self.center is None else self.center
        off = ratio / usual
        return off if quantity == self.target else float(off ** (-1.0 / dict(self.terms)[quantity]))

    def arithmetic(self, numbers: ClaimNumbers) -> str:
        """Return the product in figures.

        >>> from steelyard.claims.reading.files import read_claim
        >>> claim = read_claim({"energy": "1287 MWh", "intensity": "0.429 kg/kWh", "co2e": "552.1 t"})
        >>> Relation("co2e", "co2e", (("energy", 1.0), ("intensity", 1.0))).arithmetic(claim.numbers)
        '1.287 GWh x 0.4290 kg/kWh = 552.1 t; stated 552.1 t: x1.000'
        """
        ratio = self.ratio(numbers)
        if self.show is not None:
            return self.show(numbers, ratio)
        has = quantity_text(self.target, numbers[self.target].value)
        if not self.terms:
            return f"{has} stated; {self.says}"
        over = " x ".join(quantity_text(name, numbers[name].value) for name, exponent in self.terms if exponent > 0)
        under = "".join(
            f" / {quantity_text(name, numbers[name].value)}" for name, exponent in self.terms if exponent < 0
        )
        constant = "" if self.constant == 1.0 else f"{self.constant:g} x "
        band = f" ({self.says})" if self.says else ""
        got = quantity_text(self.target, self.computed(numbers))
        return f"{constant}{over}{under} = {got}; stated {has}: x{four_digits(ratio)}{band}"


def four_digits(ratio: float) -> str:
    """Return a ratio with four digits.

    >>> four_digits(1.0), four_digits(88.2397), four_digits(0.00012346)
    ('1.000', '88.24', '0.0001235')
    """
    return f"{ratio:.4g}" if not 0.1 <= ratio < 10 else f"{ratio:.3f}"


def relations(
    claim: Claim, numbers: ClaimNumbers, sample_flop: float | None = None, *, zero: bool = False
) -> tuple[Relation, ...]:
    """Return every relation whose numbers are known.

    Args:
        claim: what was stated.
        numbers: the claim's, and what the catalog adds.
        sample_flop: of training on one sample; None: the model is trained on tokens, or unknown.
        zero: those that hold a stated 0, of which no ratio can be taken, instead of all others.
    """
    found = (*_machine(), *_energy(claim, includes_pue(claim)), *_water(claim, numbers),
             *_work(claim, numbers, sample_flop), *_bill(claim))  # fmt: skip
    return tuple(one for one in found if (holds_zero if zero else has_numbers)(one, numbers))


def includes_pue(claim: Claim) -> bool:
    """Return whether the stated energy includes the PUE: as declared, else as fewer relations are broken."""
    if claim.energy_boundary:
        return claim.energy_boundary == "facility"
    broken = [
        sum(one.excess(claim.numbers) > 0 for one in _energy(claim, inside) if has_numbers(one, claim.numbers))
        for inside in (True, False)
    ]
    return broken[0] <= broken[1]


def has_numbers(relation: Relation, numbers: ClaimNumbers) -> bool:
    """Return whether every number of a relation is there, none of them 0."""
    return relation.constant > 0 and all(name in numbers and numbers[name].value > 0 for name in relation.quantities)


def holds_zero(relation: Relation, numbers: ClaimNumbers) -> bool:
    """Return whether every number of a relation is there, and one of them is 0."""
    return all(name in numbers for name in relation.quantities) and not has_numbers(relation, numbers)


def hours_terms(claim: Claim) -> tuple[tuple[str, float], ...]:
    """Return what device-hours are made of: themselves where stated, else count and hours."""
    return (("device_time", 1.0),) if "device_time" in claim.numbers else (("count", 1.0), ("wall", 1.0))


def count_times_hours(claim: Claim) -> PrintedNumber | None:
    """Return device-hours from count and hours; None where one of them is not stated."""
    count, wall = claim.numbers.get("count"), claim.numbers.get("wall")
    if count and wall:
        return PrintedNumber(count.value * wall.value, count.rounding + wall.rounding, f"{count.text} x {wall.text}")
    return None


def _machine() -> Iterator[Relation]:
    yield Relation("hours", "device_time", (("count", 1.0), ("wall", 1.0)))


def _energy(claim: Claim, inside: bool) -> Iterator[Relation]:
    """Yield energy and CO2e, the PUE in the one or in the other."""
    numbers = claim.numbers
    pue = (("pue", 1.0),) if "pue" in numbers else ()
    unstated = 1.0 if pue or not inside else PUE_MOST
    host = HOST_MOST if claim.power_boundary == "accelerator" and claim.energy_boundary in {"it", "facility"} else 1.0
    watts = (*hours_terms(claim), ("power", 1.0))
    emitted_inside = inside or claim.co2e_boundary in {"accelerator", "it"}
    yield Relation("energy", "energy", (*watts, *(pue if inside else ())), high=unstated * host)
    outside = 1.0 if pue or emitted_inside or claim.energy_boundary == "" else PUE_MOST
    after = () if emitted_inside else pue
    yield Relation("co2e", "co2e", (("energy", 1.0), ("intensity", 1.0), *after), high=outside)
    yield Relation("net_co2e", "net_co2e", (("energy", 1.0), ("net_intensity", 1.0), *after), high=outside)
    if "energy" not in numbers:
        whole = () if claim.co2e_boundary in {"accelerator", "it"} else pue
        most = (1.0 if pue or claim.co2e_boundary else PUE_MOST) * (
            HOST_MOST if claim.power_boundary == "accelerator" else 1.0
        )
        yield Relation("co2e", "co2e", (*watts, *whole, ("intensity", 1.0)), high=most)
        yield Relation("net_co2e", "net_co2e", (*watts, *whole, ("net_intensity", 1.0)), high=most)


def _water(claim: Claim, numbers: ClaimNumbers) -> Iterator[Relation]:
    """Yield water: on-site water goes by IT energy, off-site by the facility's; some multiply both by the PUE."""
    pue = numbers["pue"].value if "pue" in numbers else 1.0
    onsite, offsite = (numbers[name].value if name in numbers else 0.0 for name in ("wue_onsite", "wue_offsite"))
    inside = includes_pue(claim)
    litres = onsite / pue + offsite if inside else onsite + pue * offsite
    if {"wue_onsite", "wue_offsite"} & numbers.keys():
        wide = (onsite + offsite) * (1.0 if inside else pue) / litres if litres > 0 else 1.0
        how = "on-site water by IT energy, off-site by the facility's"
        yield Relation("water", "water", (("energy", 1.0),), litres, 1.0, wide, says=how, show=_litres(litres, how))


def _litres(per_j: float, how: str) -> Show:
    def show(numbers: ClaimNumbers, ratio: float) -> str:
        computed = quantity_text("water", numbers["energy"].value * per_j)
        each = f"{per_j * KWH_J * 1e3:.4g} L/kWh ({how})"
        stated = quantity_text("water", numbers["water"].value)
        energy = quantity_text("energy", numbers["energy"].value)
        return f"{energy} x {each} = {computed}; stated {stated}: x{four_digits(ratio)}"

    return show


def _work(claim: Claim, numbers: ClaimNumbers, sample_flop: float | None) -> Iterator[Relation]:
    """Yield what is computed: tokens or samples from steps or examples, FLOPs from them, speed from FLOPs."""
    if sample_flop is None:
        yield from _tokens(numbers)
    elif made := samples_terms(claim):
        yield Relation("flop", "flop", made, constant=sample_flop, low=0.7, high=2.0)
    yield Relation("speed", "flop", ((hours_terms(claim)[0][0], 1.0), *hours_terms(claim)[1:], ("speed", 1.0)),
                   low=1 - LOOSE, high=1 + LOOSE)  # fmt: skip
    if sample_flop is None:
        yield from _token_rates(claim, numbers)
    yield from _samples(claim, unpacked=sample_flop is not None)


def _tokens(numbers: ClaimNumbers) -> Iterator[Relation]:
    """Yield tokens from steps, samples or examples, and FLOPs from tokens."""
    yield Relation("tokens", "tokens", (("steps", 1.0), ("batch_samples", 1.0), ("sequence", 1.0)), high=1.02)
    yield Relation("tokens", "tokens", (("samples", 1.0), ("sequence", 1.0)), low=PACKED)
    epochs = (("epochs", 1.0),) if "epochs" in numbers else ()
    yield Relation("tokens", "tokens", (("examples", 1.0), ("sequence", 1.0), *epochs), low=PACKED)
    active = "active_parameters" if "active_parameters" in numbers else "parameters"
    yield Relation("flop", "flop", ((active, 1.0), ("tokens", 1.0)), constant=6.0, low=0.7, high=2.0)


def _token_rates(claim: Claim, numbers: ClaimNumbers) -> Iterator[Relation]:
    yield Relation("throughput", "throughput", (("throughput_per_device", 1.0), ("count", 1.0)), low=0.9, high=1.1)
    yield Relation("throughput", "tokens", (("throughput", 1.0), ("wall", 1.0)), low=1 - LOOSE, high=1.05)
    if "throughput" not in numbers:
        yield Relation("throughput", "tokens", (*hours_terms(claim), ("throughput_per_device", 1.0)),
                       low=1 - LOOSE, high=1.05)  # fmt: skip


def _samples(claim: Claim, *, unpacked: bool) -> Iterator[Relation]:
    """Yield samples from epochs and steps, and from their rate; `unpacked`: a sample is one example."""
    passes, steps = (("examples", 1.0), ("epochs", 1.0)), (("steps", 1.0), ("batch_samples", 1.0))
    least, most = 1 - PARTIAL, 1 + PARTIAL
    passed = least if unpacked else PACKED
    if "samples" in claim.numbers:
        yield Relation("samples", "samples", passes, low=passed, high=most)
        yield Relation("samples", "samples", steps, low=least, high=most)
    else:
        yield Relation("samples", "steps", (*passes, ("batch_samples", -1.0)), low=passed, high=most)
    rate, each = "samples_per_second", "samples_per_second_per_device"
    yield Relation("throughput", rate, ((each, 1.0), ("count", 1.0)), low=0.9, high=1.1)
    (first, _), *more = samples_terms(claim) or (("samples", 1.0),)
    over = tuple((name, -power) for name, power in more)
    yield Relation("throughput", first, ((rate, 1.0), ("wall", 1.0), *over), low=1 - LOOSE, high=1.05)
    if rate not in claim.numbers:
        yield Relation("throughput", first, (*hours_terms(claim), (each, 1.0), *over), low=1 - LOOSE, high=1.05)


def _bill(claim: Claim) -> Iterator[Relation]:
    yield Relation("money", "money", (*hours_terms(claim), ("price", 1.0)), low=0.9, high=1.1)
