"""How machines are paid for, as a job file says it: words of other tools, machines of one's own, data to move.

`use_spot: true` (SkyPilot) and `spot_policy: auto` (dstack) are read as `purchase`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from steelyard.errors import BadInput, nearest
from steelyard.formatting.unit_sizes import BYTES, WATTS
from steelyard.job import literals
from steelyard.units import DAY_S, KWH_J, Bytes, Seconds, Share, Usd, UsdPerByte, UsdPerJoule, UsdPerSecond, Watts
from steelyard.vocabulary import ON_DEMAND, PURCHASES, SPOT

YEAR_S = 365 * DAY_S
BILLED_MONTH_S = YEAR_S / 12
"""A month as prices mean it: 730 hours."""

SPOT_POLICIES: Mapping[str, tuple[str, ...]] = {
    ON_DEMAND: (ON_DEMAND,),
    SPOT: (SPOT,),
    "auto": (ON_DEMAND, SPOT),
}
_SIZES: Mapping[str, float] = {
    "b": 1.0,
    **{unit.lower(): size for unit, size in BYTES.items() if unit != "bytes"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedSpec:
    """Machines of one's own; money and power are of all of them together. None: not given."""

    system: str  # of the catalog: a system, or an accelerator (its reference unit)
    devices: int
    site: str  # of the catalog; empty: not known
    life_s: Seconds
    used_share: Share  # of the life in which they work, for all jobs together
    capital_usd: Usd | None  # None: the catalog's price of the system
    network_usd: Usd | None  # beside the capital
    residual: tuple[str, float] | None  # ("share", of the capital) or ("usd", sum)
    admin_usd_per_s: UsdPerSecond | None
    maintenance: tuple[str, float] | None  # ("share", of the capital a year) or ("usd", a year)
    colocation_usd_per_w_s: UsdPerJoule | None
    power_w: Watts | None  # reserved in the colocation; None: the catalog's rating of the system
    tariff_usd_per_j: UsdPerJoule | None
    pue: Share | None  # None: the site's


@dataclass(frozen=True, slots=True)
class DataSpec:
    """Data that the job reads, and where it lies."""

    size_bytes: Bytes
    at: str  # provider/region, or empty: it is kept wherever the job runs
    egress_usd_per_byte: UsdPerByte | None  # what leaving costs there; None: the catalog's price


def parse_purchases(value: Any) -> tuple[str, ...]:
    """Return the ways to buy that a text with commas or a list names.

    >>> parse_purchases("spot, reserved_1y"), parse_purchases(["on-demand"])
    (('spot', 'reserved-1y'), ('on-demand',))
    """
    plain = [item.lower().replace("_", "-") for item in literals.parse_globs(value)]
    wrong = [item for item in plain if item not in PURCHASES]
    if wrong:
        near = nearest(wrong[0], PURCHASES) or PURCHASES
        raise BadInput(f"unknown purchase {wrong[0]!r}; nearest: {', '.join(near)}")
    return tuple(dict.fromkeys(plain))


def with_purchase(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the fields with the words of other tools put into ours.

    >>> with_purchase({"use_spot": True}, "job"), with_purchase({"spot_policy": "auto"}, "job")
    ({'purchase': ('spot',)}, {'purchase': ('on-demand', 'spot')})
    """
    fields = dict(given)
    hourly = next((name for name in ("max_hourly_cost", "max_price") if fields.get(name) is not None), None)
    if hourly:
        raise BadInput(
            f"{where}: {hourly} caps an hour, which does not cap a run; write budget: the dollars of the run"
        )
    words = [name for name in ("use_spot", "spot_policy") if fields.get(name) is not None]
    if words and (len(words) > 1 or fields.get("purchase") is not None):
        raise BadInput(
            f"{where}: {words[0]} and another word for the purchase are given; keep one, such as purchase: spot"
        )
    spot, policy = fields.pop("use_spot", None), fields.pop("spot_policy", None)
    if spot is not None:
        if not isinstance(spot, bool):
            raise BadInput(f"{where}: use_spot is {str(spot)[:60]!r}; write true or false")
        fields["purchase"] = (SPOT,) if spot else (ON_DEMAND,)
    if policy is not None:
        plain = str(policy).strip().lower()
        if plain not in SPOT_POLICIES:
            raise BadInput(f"{where}: unknown spot_policy {str(policy)[:60]!r}; nearest: {', '.join(SPOT_POLICIES)}")
        fields["purchase"] = SPOT_POLICIES[plain]
    return fields


def parse_owned(value: Any) -> tuple[OwnedSpec, ...]:
    """Return the machines that one block, or a list of blocks, describes.

    >>> given = {"system": "DGX-H100", "devices": 64, "capex": "3.4M", "life": "4y", "used": "75%", "tariff": 0.1}
    >>> [one] = parse_owned(given)
    >>> one.devices, one.capital_usd, one.used_share, round(one.tariff_usd_per_j * 3.6e6, 3)
    (64, 3400000.0, 0.75, 0.1)
    """
    blocks = value if isinstance(value, list | tuple) else [value]
    return tuple(block if isinstance(block, OwnedSpec) else _owned(block) for block in blocks)


def parse_data(value: Any) -> DataSpec:
    """Return data described by its size, or by a block with size, at and egress.

    >>> parse_data("10TB").size_bytes, parse_data({"size": "2TiB", "at": "aws/us-east-1"}).at
    (10000000000000.0, 'aws/us-east-1')
    """
    if isinstance(value, DataSpec):
        return value
    given = dict(value) if isinstance(value, Mapping) else _short(value)
    _known("data", given, ("size", "at", "egress"))
    if given.get("size") is None:
        raise BadInput("data.size is missing; write data: {size: 10TB, at: aws/us-east-1}")
    egress = given.get("egress")
    price = None if egress is None else _none_or(egress, 0.0) / _SIZES["gb"]
    return DataSpec(parse_size(given["size"]), str(given.get("at") or "").strip(), price)


def parse_size(value: Any) -> Bytes:
    """Return bytes.

    >>> parse_size("10TB"), parse_size("1 GiB"), parse_size(5e9)
    (10000000000000.0, 1073741824.0, 5000000000.0)
    """
    match = re.fullmatch(r"([\d.,_]+(?:e[+-]?\d+)?)\s*([a-z]*)", str(value).strip().lower())
    unit = match[2] if match else ""
    if match is None or unit not in {"", *_SIZES} or isinstance(value, bool) or (isinstance(value, str) and not unit):
        raise BadInput(f"{str(value)[:60]!r} is not a size; write 500GB, 10TB or 2TiB")
    return literals.bounded(float(literals.parse_count(match[1])) * _SIZES.get(unit, 1.0), value, "size of data")


def parse_years(value: Any) -> Seconds:
    """Return a span of years, or any other duration.

    >>> parse_years("4y") / YEAR_S, parse_years("18 months") / YEAR_S, parse_years("730d") / YEAR_S
    (4.0, 1.5, 2.0)
    """
    match = re.fullmatch(r"([\d.]+)\s*(y|yr|years?|months?)", str(value).strip().lower())
    if match is None:
        return literals.parse_seconds(value)
    unit_s = BILLED_MONTH_S if match[2].startswith("month") else YEAR_S
    return literals.bounded(float(literals.parse_count(match[1])) * unit_s, value, "duration")


def parse_share(value: Any, *, zero: bool = False) -> Share:
    """Return a share of a whole; `zero`: none of it may be meant.

    >>> parse_share("75%"), parse_share(0.5), parse_share(0, zero=True)
    (0.75, 0.5, 0.0)
    >>> parse_share(5)
    Traceback (most recent call last):
    steelyard.errors.BadInput: 5 is not a share above 0 and up to 1; write 0.75 or 75%
    """
    text = str(value).strip()
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if isinstance(value, bool) or not (0 < number <= 1 or (zero and number == 0)):
        span = "from 0 to 1" if zero else "above 0 and up to 1"
        raise BadInput(f"{repr(value)[:60]} is not a share {span}; write 0.75 or 75%")
    return number


_FIELDS = (
    "system", "devices", "site", "capex", "network", "residual", "life", "used", "admin", "maintenance", "colocation",
    "power", "tariff", "pue",
)  # fmt: skip
_NEEDED: Mapping[str, str] = {
    "system": "the machine, such as system: DGX-H100, or an accelerator",
    "devices": "how many devices there are, such as devices: 64",
    "life": "how long they are kept, such as life: 4y",
    "used": "the share of that time in which they work, all jobs together, such as used: 75%",
}


def _owned(block: Any) -> OwnedSpec:
    if not isinstance(block, Mapping):
        raise BadInput(
            f"own is {str(block)[:60]!r}; write own: {{system: DGX-H100, devices: 64, life: 4y, used: 75%, …}}"
        )
    given = {str(key).strip().lower().replace("-", "_"): value for key, value in block.items() if value is not None}
    _known("own", given, _FIELDS)
    for name, meaning in _NEEDED.items():
        if name not in given:
            raise BadInput(f"own.{name} is missing: {meaning}")
    if "tariff" not in given and "colocation" not in given:
        raise BadInput(
            "own needs the price of its power: tariff (USD a kWh, such as tariff: 0.10) or colocation (USD a kW-month, "
            "such as colocation: 135)"
        )

    def optional(name: str, read: Any) -> Any:
        return read(given[name]) if name in given else None

    return OwnedSpec(
        system=str(given["system"]).strip(),
        devices=literals.parse_integer(given["devices"], literals.DEVICE_FORMS, "number of devices"),
        site=str(given.get("site", "")).strip(),
        life_s=parse_years(given["life"]),
        used_share=parse_share(given["used"]),
        capital_usd=optional("capex", literals.parse_usd),
        network_usd=optional("network", _sum),
        residual=optional("residual", _part),
        admin_usd_per_s=optional("admin", lambda value: _sum(value) / YEAR_S),
        maintenance=optional("maintenance", _part),
        colocation_usd_per_w_s=optional("colocation", lambda value: _sum(value) / 1e3 / BILLED_MONTH_S),
        power_w=optional("power", _watts),
        tariff_usd_per_j=optional("tariff", lambda value: _sum(value) / KWH_J),
        pue=optional("pue", _pue),
    )


def _known(what: str, given: Mapping[str, Any], names: tuple[str, ...]) -> None:
    unknown = [name for name in given if name not in names]
    if unknown:
        near = nearest(unknown[0], names) or names
        raise BadInput(f"unknown field {what}.{unknown[0]}; nearest: {', '.join(near)}")


def _short(value: Any) -> dict[str, Any]:
    text, _, at = str(value).partition("@")
    return {"size": text, "at": at}


def _sum(value: Any) -> Usd:
    """Return dollars, 0 allowed: what is known to cost nothing."""
    return _none_or(value, 0.0)


def _none_or(value: Any, nothing: float) -> float:
    return nothing if str(value).strip() in {"0", "0.0", "$0"} else float(literals.parse_usd(value))


def _part(value: Any) -> tuple[str, float]:
    """Return a share of the capital (30%), or dollars."""
    text = str(value).strip()
    return ("share", float(parse_share(text))) if text.endswith("%") else ("usd", float(_sum(value)))


def _watts(value: Any) -> Watts:
    match = re.fullmatch(r"([\d.,_]+)\s*(w|kw|mw)", str(value).strip().lower())
    if match is None:
        raise BadInput(f"{str(value)[:60]!r} is not a power; write 10kW or 800W")
    unit_w = {unit.lower(): size for unit, size in WATTS.items()}[match[2]]
    return literals.bounded(float(literals.parse_count(match[1])) * unit_w, value, "power")


def _pue(value: Any) -> Share:
    number = float(literals.parse_count(value))
    if number < 1:
        raise BadInput(f"own.pue is {value!r}; a PUE is at least 1, such as 1.3")
    return number
