"""What must hold between the numbers of one claim: each a product that can be read in every direction.

    device-hours = count x hours              CO2e = energy x intensity           money = device-hours x price
    energy = device-hours x power x PUE       tokens = steps x batch x sequence   ...

A ratio of 1 means that they agree; beyond what their digits leave open, one of them is wrong. Where a claim does not
say whether its energy includes the PUE, both readings are tried and the better one counts.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from steelyard.audit.account import SLACK
from steelyard.audit.claim import Claim
from steelyard.audit.say import say
from steelyard.audit.stated import Stated

PUE_MOST = 2.0
"""PUE that nobody exceeds without saying so; the Uptime Institute's surveys have a mean of 1.56 to 1.58 since 2018."""

HOST_MOST = 1.6
"""A node's draw over that of its devices: 1.22 to 1.5 in MLPerf Training power logs."""

LOOSE = 0.25
"""What a throughput says of a whole run: restarts, evaluation and checkpoints are outside it."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A product: `target = constant x prod(term ** exponent)`, within a band of the ratio of stated to computed."""

    name: str
    target: str
    terms: tuple[tuple[str, float], ...]
    constant: float = 1.0
    low: float = 1.0
    high: float = 1.0

    @property
    def quantities(self) -> tuple[str, ...]:
        """Return the target and the terms."""
        return (self.target, *(name for name, _ in self.terms))

    def computed(self, numbers: Mapping[str, Stated]) -> float:
        """Return the target from the terms."""
        powers = (float(numbers[name].value ** exponent) for name, exponent in self.terms)
        return self.constant * math.prod(powers)

    def ratio(self, numbers: Mapping[str, Stated]) -> float:
        """Return the stated target over the computed one."""
        return numbers[self.target].value / self.computed(numbers)

    def tolerance(self, numbers: Mapping[str, Stated]) -> float:
        """Return what the printed digits leave open, and a little more."""
        return SLACK + sum(numbers[name].rounding for name in self.quantities)

    def excess(self, numbers: Mapping[str, Stated]) -> float:
        """Return how far the ratio lies outside its band, as a logarithm; 0: it holds."""
        ratio, allowed = math.log(self.ratio(numbers)), math.log1p(self.tolerance(numbers))
        return max(ratio - math.log(self.high) - allowed, math.log(self.low) - allowed - ratio, 0.0)

    def suspect(self, quantity: str, numbers: Mapping[str, Stated]) -> float:
        """Return how many times too large a quantity is, if it is the one that is wrong."""
        ratio = self.ratio(numbers)
        if quantity == self.target:
            return ratio
        return float(ratio ** (-1.0 / dict(self.terms)[quantity]))

    def arithmetic(self, numbers: Mapping[str, Stated]) -> str:
        """Return the product in figures.

        >>> from steelyard.audit.read import read
        >>> claim = read({"energy": "1287 MWh", "intensity": "0.429 kg/kWh", "co2e": "552.1 t"})
        >>> Relation("co2e", "co2e", (("energy", 1.0), ("intensity", 1.0))).arithmetic(claim.numbers)
        '1.287 GWh x 0.4290 kg/kWh = 552.1 t; stated 552.1 t: x1'
        """
        parts = [say(name, numbers[name].value) for name, exponent in self.terms if exponent > 0]
        under = [say(name, numbers[name].value) for name, exponent in self.terms if exponent < 0]
        product = " x ".join(parts) + "".join(f" / {part}" for part in under)
        constant = "" if self.constant == 1.0 else f"{self.constant:g} x "
        got, has = say(self.target, self.computed(numbers)), say(self.target, numbers[self.target].value)
        return f"{constant}{product} = {got}; stated {has}: x{self.ratio(numbers):.4g}"


def relations(claim: Claim) -> tuple[Relation, ...]:
    """Return every relation whose numbers the claim states."""
    readings = [_kept(_energy(claim, inside), claim) for inside in _readings(claim)]
    best = min(readings, key=lambda found: sum(one.excess(claim.numbers) > 0 for one in found))
    return (*_kept(_machine(claim), claim), *best, *_kept(_work(claim), claim), *_kept(_bill(claim), claim))


def _kept(found: Iterator[Relation], claim: Claim) -> tuple[Relation, ...]:
    numbers = claim.numbers
    return tuple(one for one in found if all(name in numbers and numbers[name].value > 0 for name in one.quantities))


def _readings(claim: Claim) -> Sequence[bool]:
    """Return whether the stated energy may already include the PUE."""
    if claim.energy_boundary:
        return (claim.energy_boundary == "facility",)
    return (True, False)


def hours_terms(claim: Claim) -> tuple[tuple[str, float], ...]:
    """Return what device-hours are made of: themselves where stated, else count and hours."""
    return (("device_time", 1.0),) if "device_time" in claim.numbers else (("count", 1.0), ("wall", 1.0))


def _machine(claim: Claim) -> Iterator[Relation]:
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


def _work(claim: Claim) -> Iterator[Relation]:
    """Yield what is computed: tokens from steps or examples, FLOPs from tokens, speed from FLOPs."""
    numbers = claim.numbers
    yield Relation("tokens", "tokens", (("steps", 1.0), ("batch_sequences", 1.0), ("sequence", 1.0)), high=1.02)
    epochs = (("epochs", 1.0),) if "epochs" in numbers else ()
    yield Relation("tokens", "tokens", (("examples", 1.0), ("sequence", 1.0), *epochs), low=0.02)
    active = "active_parameters" if "active_parameters" in numbers else "parameters"
    yield Relation("flop", "flop", ((active, 1.0), ("tokens", 1.0)), constant=6.0, low=0.7, high=2.0)
    yield Relation("speed", "flop", ((hours_terms(claim)[0][0], 1.0), *hours_terms(claim)[1:], ("speed", 1.0)),
                   low=1 - LOOSE, high=1 + LOOSE)  # fmt: skip
    yield Relation("throughput", "throughput", (("throughput_per_device", 1.0), ("count", 1.0)), low=0.9, high=1.1)
    yield Relation("throughput", "tokens", (("throughput", 1.0), ("wall", 1.0)), low=1 - LOOSE, high=1.05)
    if "throughput" not in numbers:
        yield Relation("throughput", "tokens", (*hours_terms(claim), ("throughput_per_device", 1.0)),
                       low=1 - LOOSE, high=1.05)  # fmt: skip


def _bill(claim: Claim) -> Iterator[Relation]:
    yield Relation("money", "money", (*hours_terms(claim), ("price", 1.0)), low=0.9, high=1.1)
