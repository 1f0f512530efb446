"""Claims made up from their parts: honest ones, printed as people print, and the same with one thing wrong."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from steelyard.catalog import load
from steelyard.job.models.architecture import architecture
from steelyard.job.models.presets import find_model

CHIPS = ("A100-80GB-SXM", "H100-80GB-SXM", "V100-32GB-SXM2", "H200-141GB-SXM", "TPU-v3", "TPU-v4", "MI300X")
MODELS = {"A100-80GB-SXM": "llama-2-7b", "H100-80GB-SXM": "llama-3-8b", "H200-141GB-SXM": "llama-3-70b"}
POUND_KG = 0.45359237


def digits(value: float, significant: int) -> str:
    """Write a number with so many significant digits, without an exponent."""
    if value == 0:
        return "0"
    places = significant - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    return f"{rounded:,.{max(places, 0)}f}"


@dataclass
class Run:
    """One run as it was, before anybody writes it down."""

    accelerator: str
    count: int
    hours: float
    power_w: float
    pue: float
    kg_per_kwh: float
    net_kg_per_kwh: float
    price: float
    mfu: float
    tpu_cores: bool

    @property
    def device_hours(self) -> float:
        return self.count * self.hours

    @property
    def kwh(self) -> float:
        return self.device_hours * self.power_w * self.pue / 1e3

    @property
    def kg(self) -> float:
        return self.kwh * self.kg_per_kwh

    @property
    def tokens(self) -> float:
        flop = self.mfu * load().accelerators[self.accelerator].peak("bf16") * self.device_hours * 3600
        return flop / (6 * self.active)

    @property
    def active(self) -> float:
        return float(architecture(find_model(MODELS[self.accelerator])).active_params)


def run(pick: random.Random) -> Run:
    """One run that could have been."""
    accelerator = pick.choice(CHIPS)
    tdp = load().accelerators[accelerator].tdp_w
    power = float(digits(tdp * pick.uniform(0.5, 1.25), 3).replace(",", ""))
    if abs(power / tdp - 1) < 0.01:
        power = round(0.9 * tdp)
    return Run(
        accelerator=accelerator,
        count=2 ** pick.randint(3, 11),
        hours=float(digits(10 ** pick.uniform(0.5, 3.3), 4).replace(",", "")),
        power_w=power,
        pue=round(pick.uniform(1.06, 1.58), 2),
        kg_per_kwh=round(pick.uniform(0.05, 0.8), 3),
        net_kg_per_kwh=0.0,
        price=round(pick.uniform(1.8, 3.5), 2),
        mfu=pick.uniform(0.3, 0.5),
        tpu_cores=False,
    )


def written(one: Run, pick: random.Random, kwh: float | None = None, kg: float | None = None) -> dict[str, Any]:
    """The run as a claim: totals rounded to three to five digits, in whatever unit; energy and CO2e may be given."""
    kwh, kg = one.kwh if kwh is None else kwh, one.kg if kg is None else kg
    size = pick.choice((("kWh", 1.0), ("MWh", 1e3)))
    mass = pick.choice((("kg", 1.0), ("t", 1e3), ("lbs", POUND_KG)))
    claim: dict[str, Any] = {
        "title": "a run",
        "scope": "training",
        "hardware": f"{one.count}x {one.accelerator}",
        "hours": f"{one.hours:g} h",
        "power": f"{one.power_w:g} W",
        "power_kind": "measured",
        "power_boundary": "it",
        "pue": f"{one.pue:.2f}",
        "energy": f"{digits(kwh / size[1], pick.randint(3, 5))} {size[0]}",
        "energy_boundary": "facility",
        "intensity": f"{one.kg_per_kwh:.3f} kg/kWh",
        "co2e": f"{digits(kg / mass[1], pick.randint(3, 5))} {mass[0]}",
    }
    if pick.random() < 0.5:
        claim["device_hours"] = digits(one.device_hours, 6)
    if one.accelerator in MODELS and pick.random() < 0.7:
        claim |= {"model": MODELS[one.accelerator], "tokens": digits(one.tokens, 4)}
    if pick.random() < 0.4:
        claim |= {"price": f"${one.price:.2f}/h", "money": f"${digits(one.device_hours * one.price, 4)}"}
    if pick.random() < 0.3:
        claim.pop(pick.choice(("intensity", "co2e", "pue", "power")))
    return claim


def honest(pick: random.Random) -> dict[str, Any]:
    """A claim with nothing wrong."""
    return written(run(pick), pick)


def _whole(pick: random.Random) -> tuple[Run, dict[str, Any]]:
    """A run and its claim with every part of the chain stated."""
    one = run(pick)
    while True:
        claim = written(one, pick)
        if {"intensity", "co2e", "pue", "power"} <= claim.keys():
            return one, claim


def pounds(pick: random.Random) -> dict[str, Any]:
    one, claim = _whole(pick)
    ratio = pick.choice((POUND_KG, 1 / POUND_KG))
    return claim | {"co2e": f"{digits(one.kg * ratio, 4)} kg"}


def prefix(pick: random.Random) -> dict[str, Any]:
    one, claim = _whole(pick)
    ratio = pick.choice((1e3, 1e-3))
    if pick.random() < 0.5:
        return claim | {"energy": f"{digits(one.kwh * ratio, 4)} kWh"}
    return claim | {"co2e": f"{digits(one.kg * ratio, 4)} kg"}


def pue_twice(pick: random.Random) -> dict[str, Any]:
    one, claim = _whole(pick)
    kg, kwh = one.kg * one.pue, one.kwh * one.pue
    if pick.random() < 0.5:
        return claim | {"co2e": f"{digits(kg, 4)} kg"}
    return claim | {"energy": f"{digits(kwh, 4)} kWh", "co2e": f"{digits(kg, 4)} kg"}


def pue_never(pick: random.Random) -> dict[str, Any]:
    one, claim = _whole(pick)
    kg, kwh = one.kg / one.pue, one.kwh / one.pue
    if pick.random() < 0.5:
        return claim | {"co2e": f"{digits(kg, 4)} kg"}
    return claim | {"energy": f"{digits(kwh, 4)} kWh", "co2e": f"{digits(kg, 4)} kg"}


def cores(pick: random.Random) -> dict[str, Any]:
    """TensorCores counted as chips: twice the energy; or the slice counted as one host's worth."""
    while True:
        one, claim = _whole(pick)
        if one.accelerator in {"TPU-v3", "TPU-v4"}:
            break
    name = one.accelerator.lower().replace("tpu-", "TPU ")
    claim |= {"hardware": f"{name}-{2 * one.count}"}
    claim.pop("device_hours", None), claim.pop("money", None)
    ratio = pick.choice((2.0, 1 / one.count))
    return claim | {"energy": f"{digits(one.kwh * ratio, 4)} kWh", "co2e": f"{digits(one.kg * ratio, 4)} kg"}


def counted_cores(pick: random.Random) -> dict[str, Any]:
    """The count of cores where devices are asked for, the hardware named as a slice."""
    one, claim = _whole(pick)
    claim |= {"hardware": f"TPU v3-{2 * one.count}", "count": 2 * one.count}
    claim.pop("model", None), claim.pop("tokens", None), claim.pop("device_hours", None), claim.pop("money", None)
    return claim


def net_for_gross(pick: random.Random) -> dict[str, Any]:
    one, claim = _whole(pick)
    net = round(one.kg_per_kwh * pick.uniform(0.1, 0.7), 3)
    return claim | {"net_intensity": f"{net:.3f}", "co2e": f"{digits(one.kwh * net, 4)} kg"}


def rated_for_mean(pick: random.Random) -> dict[str, Any]:
    """Energy from the rated power beside a measured one; or the rated power stated as measured."""
    one, claim = _whole(pick)
    tdp = load().accelerators[one.accelerator].tdp_w
    ratio = tdp / one.power_w
    if abs(ratio - 1) < 0.08 or pick.random() < 0.5:
        claim |= {"power": f"{tdp:g} W"}
        ratio = tdp / one.power_w
    return claim | {"energy": f"{digits(one.kwh * ratio, 4)} kWh", "co2e": f"{digits(one.kg * ratio, 4)} kg"}


def whole_project(pick: random.Random) -> dict[str, Any]:
    """Device-hours, energy and CO2e of all runs beside count and hours of the last."""
    one, claim = _whole(pick)
    ratio = pick.uniform(4, 60)
    claim.pop("money", None), claim.pop("model", None), claim.pop("tokens", None)
    return claim | {
        "device_hours": digits(one.device_hours * ratio, 5),
        "energy": f"{digits(one.kwh * ratio, 4)} kWh",
        "co2e": f"{digits(one.kg * ratio, 4)} kg",
    }


def lines_of_more(pick: random.Random) -> dict[str, Any]:
    """A total with its lines, stated as training."""
    one = run(pick)
    more = one.kg * pick.uniform(0.2, 5)
    return {
        "scope": "training",
        "co2e": f"{digits(one.kg + more, 5)} kg",
        "parts": [
            {"title": "final run", "scope": "training", "co2e": f"{digits(one.kg, 5)} kg"},
            {"title": "the rest", "scope": pick.choice(("development", "inference")), "co2e": f"{digits(more, 5)} kg"},
        ],
    }


def copied(pick: random.Random) -> dict[str, Any]:
    """A total of the row above."""
    one, claim = _whole(pick)
    factor = pick.choice((1, -1))
    other = one.kwh * pick.uniform(1.6, 9) ** factor
    row = {"title": "row above", "energy": f"{digits(other, 4)} kWh", "co2e": f"{digits(other * one.kg_per_kwh, 4)} kg"}
    name = pick.choice(("energy", "co2e"))
    return claim | {
        name: row[name],
        "beside": [row, {"title": "row below", "energy": f"{digits(one.kwh * 33, 4)} kWh"}],
    }


def bad_mfu(pick: random.Random) -> dict[str, Any]:
    while True:
        one, claim = _whole(pick)
        if one.accelerator in MODELS:
            break
    ratio = pick.choice((0.3, 0.4, 1.9))
    return claim | {
        "model": MODELS[one.accelerator],
        "tokens": digits(one.tokens, 4),
        "precision": "bf16",
        "utilisation": f"{100 * one.mfu * ratio:.0f}%",
    }


def impossible_hours(pick: random.Random) -> dict[str, Any]:
    """Ten times the tokens that the device-hours could have trained."""
    while True:
        one, claim = _whole(pick)
        if one.accelerator in MODELS:
            break
    return claim | {"model": MODELS[one.accelerator], "tokens": digits(one.tokens * pick.choice((8, 10, 30)), 4)}


def wrong_bill(pick: random.Random) -> dict[str, Any]:
    one, claim = _whole(pick)
    ratio = pick.choice((10, 0.1, 100))
    return claim | {"price": f"${one.price:.2f}/h", "money": f"${digits(one.device_hours * one.price * ratio, 4)}"}


def odd_price(pick: random.Random) -> dict[str, Any]:
    one, claim = _whole(pick)
    claim |= {"hardware": f"{one.count}x H100-80GB-SXM"}
    claim.pop("price", None), claim.pop("model", None), claim.pop("tokens", None)
    power = {"power": "650 W"}
    kwh = one.device_hours * 650 * one.pue / 1e3
    price = pick.choice((0.05, 150.0))
    return claim | power | {
        "energy": f"{digits(kwh, 4)} kWh",
        "co2e": f"{digits(kwh * one.kg_per_kwh, 4)} kg",
        "money": f"${digits(one.device_hours * price, 4)}",
    }  # fmt: skip


def too_many_watts(pick: random.Random) -> dict[str, Any]:
    one = run(pick)
    one.power_w = round(load().accelerators[one.accelerator].tdp_w * pick.choice((4, 6, 9)))
    return written(one, pick) | {"power": f"{one.power_w:g} W", "pue": f"{one.pue:.2f}"}


def too_few_watts(pick: random.Random) -> dict[str, Any]:
    one = run(pick)
    one.power_w = max(1, round(load().accelerators[one.accelerator].tdp_w * 0.02))
    return written(one, pick) | {"power": f"{one.power_w:g} W", "pue": f"{one.pue:.2f}"}


def wrong_tokens(pick: random.Random) -> dict[str, Any]:
    examples, sequence, epochs = pick.randint(500, 99_999), pick.choice((512, 2048, 4096)), pick.randint(1, 5)
    ratio = pick.choice((1e3, 1e-3, 10))
    return {
        "examples": examples,
        "sequence": sequence,
        "epochs": epochs,
        "tokens": f"{examples * sequence * epochs * ratio:.0f}",
    }


def wrong_sum(pick: random.Random) -> dict[str, Any]:
    lines = [pick.uniform(5, 50) for _ in range(3)]
    parts = [{"title": str(place), "co2e": f"{line:.2f} t"} for place, line in enumerate(lines)]
    return {"co2e": f"{sum(lines) * pick.choice((1.3, 0.6)):.2f} t", "parts": parts}


def wrong_water(pick: random.Random) -> dict[str, Any]:
    one = run(pick)
    off = round(pick.uniform(1, 4), 2)
    litres = one.kwh * off * one.pue
    return {"energy": f"{digits(one.kwh, 5)} kWh", "energy_boundary": "facility", "pue": f"{one.pue:.2f}",
            "wue_offsite": f"{off} L/kWh", "water": f"{digits(litres, 5)} L"}  # fmt: skip


def dirty_place(pick: random.Random) -> dict[str, Any]:
    """Sweden's or France's grid at the intensity of coal; or the other way."""
    one, claim = _whole(pick)
    place, value = pick.choice((("country/SE", 0.62), ("country/FR", 0.75), ("country/PL", 0.02)))
    return claim | {"place": place, "intensity": f"{value} kg/kWh", "co2e": f"{digits(one.kwh * value, 4)} kg"}


def slip_of_the_pen(pick: random.Random) -> dict[str, Any]:
    while True:
        one, claim = _whole(pick)
        text = f"{one.device_hours:.0f}"
        if len(text) >= 5 and text[1] != text[2]:
            break
    return claim | {"device_hours": text, "restated": {"device_hours": text[0] + text[2] + text[1] + text[3:]}}


def wrong_input(name: str) -> Callable[[random.Random], dict[str, Any]]:
    """One number of the chain too large or too small by a factor that is no known slip."""

    def make(pick: random.Random) -> dict[str, Any]:
        one, claim = _whole(pick)
        claim |= {"device_hours": digits(one.device_hours, 6), "place": "country/US"}
        one.kg_per_kwh = 0.38
        claim |= {"intensity": "0.380", "co2e": f"{digits(one.kg, 4)} kg"}
        claim.pop("money", None)
        ratio = pick.choice(
            (pick.uniform(1.6, 1.9), pick.uniform(2.6, 3.4), pick.uniform(0.3, 0.38), pick.uniform(0.55, 0.6))
        )
        units = {
            "energy": (one.kwh, "kWh"),
            "co2e": (one.kg, "kg"),
            "device_hours": (one.device_hours, "h"),
            "intensity": (one.kg_per_kwh, "kg/kWh"),
            "hours": (one.hours, "h"),
            "power": (one.power_w, "W"),
        }
        value, unit = units[name]
        return claim | {name: f"{digits(value * ratio, 4)} {unit}"}

    return make


SEEDS: Mapping[str, tuple[Callable[[random.Random], dict[str, Any]], frozenset[str], frozenset[str]]] = {
    "pounds for kilograms": (pounds, frozenset({"units"}), frozenset({"units"})),
    "a prefix": (prefix, frozenset({"units"}), frozenset({"units"})),
    "PUE twice": (pue_twice, frozenset({"boundary"}), frozenset({"pue"})),
    "PUE never": (pue_never, frozenset({"boundary"}), frozenset({"pue"})),
    "cores for chips in the totals": (cores, frozenset({"cores"}), frozenset({"count"})),
    "cores for chips in the count": (counted_cores, frozenset({"cores"}), frozenset({"count"})),
    "net for gross": (net_for_gross, frozenset({"kind"}), frozenset({"intensity"})),
    "rated power for the mean": (rated_for_mean, frozenset({"tdp"}), frozenset({"power"})),
    "the whole project for one run": (whole_project, frozenset({"scope"}), frozenset({"scope"})),
    "lines of other scopes": (lines_of_more, frozenset({"scope"}), frozenset({"scope"})),
    "another row's total": (copied, frozenset({"copied"}), frozenset({"energy", "co2e"})),
    "an MFU that is not": (bad_mfu, frozenset({"utilisation"}), frozenset({"utilisation"})),
    "more tokens than hours allow": (impossible_hours, frozenset({"mfu"}), frozenset({"tokens", "units"})),
    "a bill that is not": (wrong_bill, frozenset({"money"}), frozenset({"money", "units"})),
    "a price that nobody asks": (odd_price, frozenset({"price"}), frozenset({"money", "units"})),
    "watts above the device's": (too_many_watts, frozenset({"watts"}), frozenset({"power"})),
    "watts below idle": (too_few_watts, frozenset({"watts"}), frozenset({"power"})),
    "tokens": (wrong_tokens, frozenset({"tokens"}), frozenset({"tokens", "units"})),
    "a sum": (wrong_sum, frozenset({"sum"}), frozenset({"co2e"})),
    "PUE twice in water": (wrong_water, frozenset({"boundary"}), frozenset({"pue"})),
    "a grid of another place": (dirty_place, frozenset({"intensity"}), frozenset({"intensity"})),
    "digits that changed places": (slip_of_the_pen, frozenset({"printed"}), frozenset()),
} | {
    f"{name} off by some factor": (wrong_input(name), frozenset(checks), frozenset({name}))
    for name, checks in {
        "energy": {"energy", "co2e"},
        "co2e": {"co2e"},
        "device_hours": {"hours"},
        "hours": {"hours"},
        "intensity": {"co2e"},
        "power": {"energy"},
    }.items()
}
"""Each error: what makes it, the checks of which one must fire, and the factors of which one must be named."""
