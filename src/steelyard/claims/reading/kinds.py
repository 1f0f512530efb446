"""Kinds of quantities that people state: their units, and what a bare number of each is."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from steelyard.formatting.unit_sizes import CUBIC_METRES, JOULES, KILOGRAMS, SECONDS, WATTS, spelled
from steelyard.units import DAY_S, HOUR_S

POUND_KG = 0.45359237
SHORT_TON_KG = 2000 * POUND_KG
GALLON_M3 = 3.785411784e-3


@dataclass(frozen=True, slots=True)
class QuantityKind:
    """A kind of quantity: its units, the one that a bare number is in, and how it is written."""

    what: str
    units: Mapping[str, float]
    bare: str | None  # unit of a number without one; None: it must have one
    forms: str
    strip: str = ""  # words that say nothing about the size: GPU, CO2e, "a device"
    total: bool = False  # a result, printed rounded, rather than a number that was put in


NUMBER_SCALES = MappingProxyType(
    {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "m": 1e6, "B": 1e9, "b": 1e9, "G": 1e9, "g": 1e9, "T": 1e12, "t": 1e12}
    | {"P": 1e15, "E": 1e18, "mm": 1e6, "bn": 1e9, "tn": 1e12}
    | {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "hundred": 1e2}
)
_TIME = spelled(
    SECONDS,
    {
        "s": "s,sec,secs,second,seconds",
        "min": "min,mins,minute,minutes",
        "h": "h,hr,hrs,hour,hours",
        "d": "d,day,days",
        "w": "w,week,weeks",
        "y": "y,yr,year,years",
    },
) | dict.fromkeys(("month", "months"), SECONDS["y"] / 12)
ENERGY_UNITS = dict(JOULES)
_MASS = {
    **spelled(
        KILOGRAMS,
        {
            "g": "g,gram,grams",
            "kg": "kg,kgs,kilogram,kilograms,kilos",
            "t": "t,tonne,tonnes,ton,tons,metric ton,metric tons,metric tonnes,mt",
            "kt": "kt,kilotonnes,kilotons",
            "Mt": "Mt,megatonnes",
        },
    ),
    **dict.fromkeys(("lb", "lbs", "pound", "pounds"), POUND_KG),
    **dict.fromkeys(("short ton", "short tons", "US ton", "US tons"), SHORT_TON_KG),
}
_CO2 = (
    r"\(?\s*(of\s+)?(co2|co₂|co<sub>2</sub>|carbon(\s+dioxide)?)[\s_-]*"
    r"(e|eq|eq\.|equivalents?)?\s*(emissions?|emitted)?\)?"
)
_DEVICE = (
    r"(nvidia|amd|google|cloud|tesla|gpus?|tpus?|xpus?|chips?|cores?|devices?|cards?|accelerators?|processors?|"
    r"of\s+(compute|computation|training)|[a-z]{0,3}\d{1,4}[a-z]{0,2}|tpu\s?v\d[a-z]?|v\d[a-z]?|sxm\d?|pcie|\d+\s?gb)"
)
ONE_DEVICE = r"(nvidia\s+|single\s+)?(gpu|tpu|chip|device|card|accelerator|processor)s?\b"
_EACH = rf"(each|of\s+{ONE_DEVICE})"

SAMPLE_NOUNS = tuple(
    f"{word}{many}" for word in ("sample", "image", "img", "sequence", "seq", "example", "event") for many in ("", "s")
)
"""What people call one thing that a model is trained on in a pass."""

SAMPLE_RATES = MappingProxyType(
    {
        f"{word}{per}": 1.0
        for word in SAMPLE_NOUNS
        for per in ("/s", "/sec", "/second", " per second", " per sec", " / s", " / sec")
    }
)
"""Units of samples trained in a second, all of them one."""

QUANTITY_KINDS = MappingProxyType(
    {
        "count": QuantityKind(
            "count",
            {"": 1.0},
            "",
            "8, 1,024 or 10k",
            rf"({_DEVICE}|steps?|tokens?|params?|parameters?|"
            r"samples?|images?|imgs?|examples?|sequences?|events?|epochs?|runs?|trials?|x|×)",
        ),
        "duration": QuantityKind("duration", _TIME, None, "16 h, 14.8 days or 3.5 weeks", total=True),
        "device_time": QuantityKind(
            "device time", _TIME, "h", "7.0M GPU hours, 51 GPU-years or 32,640 h", _DEVICE, total=True
        ),
        "power": QuantityKind(
            "power", spelled(WATTS, {"W": "W,watt,watts", "kW": "kW", "MW": "MW"}), "W", "330 W", _EACH
        ),
        "energy": QuantityKind("energy", ENERGY_UNITS, None, "1,287 MWh, 316 kWh or 4.12 MJ", total=True),
        "mass": QuantityKind("mass of CO2e", _MASS, None, "552 t, 12.9 tCO2e or 626,155 lbs", _CO2, total=True),
        "volume": QuantityKind(
            "volume of water",
            {
                **spelled(CUBIC_METRES, {"L": "L,l,litre,litres,liter,liters", "m³": "kL,kl,m3,m³,m^3"}),
                "ML": 1e3,
                **dict.fromkeys(("gal", "gallon", "gallons"), GALLON_M3),
            },
            None,
            "281,000 m3, 892 kL",
            r"(of\s+)?water",
            total=True,
        ),
        "share": QuantityKind("share", {"": 1.0, "%": 0.01, "percent": 0.01}, "", "0.48 or 48%"),
        "ratio": QuantityKind("ratio", {"": 1.0, "x": 1.0}, "", "1.10"),
        "flop": QuantityKind(
            "number of FLOPs",
            {
                **dict.fromkeys(("", "flop", "flops", "FLOP", "FLOPs", "FLOPS"), 1.0),
                **dict.fromkeys(
                    ("PF-days", "petaflop/s-days", "petaflop-days", "PFLOP/s-days", "pfs-days"), 1e15 * DAY_S
                ),
            },
            "",
            "3.14e23 FLOP or 3640 PF-days",
            total=True,
        ),
        "speed": QuantityKind(
            "speed",
            {**dict.fromkeys(("FLOP/s", "FLOPs/s", "FLOPS", "FLOPs", "flops", "flop/s"), 1.0)},
            None,
            "24.6 TFLOP/s",
            _EACH,
        ),
        "rate": QuantityKind(
            "throughput",
            {
                **dict.fromkeys(
                    (
                        "tokens/s",
                        "tok/s",
                        "tokens/sec",
                        "tok/sec",
                        "tokens/second",
                        "tokens per second",
                        "tps",
                        "toks/s",
                        "t/s",
                    ),
                    1.0,
                ),
                **SAMPLE_RATES,
            },
            None,
            "3.7k tokens/s/GPU or 1,189 images/s",
            _EACH,
            total=True,
        ),
        "sample_rate": QuantityKind(
            "rate of samples", {"": 1.0, **SAMPLE_RATES}, "", "9,510 images/s or 1,189 images/s/GPU", _EACH, total=True
        ),
        "money": QuantityKind("sum of money", {"": 1.0}, "", "$200k or 4.6M", total=True),
        "price": QuantityKind(
            "price of a device",
            {**{name: 1 / size for name, size in _TIME.items()}, "": 1 / HOUR_S},
            "h",
            "$2.00/h",
            rf"(/|per|a|an)?\s*{_DEVICE}(?=\W)|(?<=\W)(usd|dollars?)|per|/|-",
        ),
    }
)
"""Every kind of quantity that a claim may state, by name."""
