"""The fields of a claim file: what each may hold, and one clear message when it holds something else."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from steelyard.claims.reading import printed
from steelyard.claims.reading.aliases import BARE_UNITS, CLAIM_ALIASES, CLAIM_SYNONYMS
from steelyard.claims.reading.claim import BOUNDARIES, CARBON_KINDS, CLAIM_SCOPES, POWER_KINDS, Claim, ClaimRow
from steelyard.claims.reading.hardware import ClaimHardware, cores_per_device
from steelyard.claims.reading.hardware import parse_hardware as gear_of
from steelyard.claims.reading.kinds import SAMPLE_NOUNS
from steelyard.claims.reading.printed import PrintedNumber
from steelyard.claims.reading.ranges import check_range
from steelyard.errors import BadInput, nearest
from steelyard.vocabulary import ON_DEMAND, RESERVED, SPOT


def _checked(reader: Callable[[Any], Any]) -> BeforeValidator:
    """Let a reader speak through pydantic, which adds the field's name."""

    def read(value: Any) -> Any:
        try:
            return reader(value)
        except BadInput as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(read)


def _of(kind: str) -> BeforeValidator:
    return _checked(lambda value: value if isinstance(value, PrintedNumber) else printed.parse_quantity(value, kind))


def _word(what: str, choices: tuple[str, ...]) -> BeforeValidator:
    def read(value: Any) -> str:
        plain = str(value).strip().lower().replace("_", "-")
        plain = CLAIM_SYNONYMS.get(plain, CLAIM_SYNONYMS.get(plain.replace("-", " "), plain))
        if plain not in choices:
            raise BadInput(f"unknown {what} {str(value)[:60]!r}; one of: {', '.join(choices)}")
        return plain

    return _checked(read)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadInput(f"{str(value)[:60]!r} is not text")
    return str(value).strip()


def _work(value: Any) -> Mapping[str, PrintedNumber]:
    if not isinstance(value, Mapping) or not value:
        raise BadInput(f"{str(value)[:60]!r} is not a list of factors; write work: {{step: 0.00028, batch: 32768}}")
    return MappingProxyType({str(name): _factor(one) for name, one in value.items()})


def _factor(value: Any) -> PrintedNumber:
    """Return one factor of the work: a plain number, or one with a unit of time."""
    for kind in ("ratio", "count", "duration"):
        try:
            found = printed.parse_quantity(value, kind)
        except BadInput:
            continue
        return check_range("work", found, "a factor")
    raise BadInput(f"{str(value)[:60]!r} is not a factor of the work; write 32768, 979M or 0.00028 h")


Text = Annotated[str, _checked(_text)]
_Count = Annotated[PrintedNumber | None, _of("count")]
Boundary = Annotated[str, _word("boundary", BOUNDARIES)]


class NumberFields(BaseModel):
    """Numbers that a claim, a row beside it and a line of it may state."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    hardware: Annotated[ClaimHardware | None, _checked(gear_of)] = None
    scope: Annotated[str, _word("scope", CLAIM_SCOPES)] = ""
    parameters: _Count = None
    active_parameters: _Count = None
    tokens: _Count = None
    samples: _Count = None
    sequence: _Count = None
    batch_samples: _Count = None
    steps: _Count = None
    examples: _Count = None
    epochs: _Count = None
    runs: _Count = None
    count: Any = None  # "64 cores" needs the hardware: read by `_counted`
    hours: Annotated[PrintedNumber | None, _of("duration")] = None
    device_hours: Annotated[PrintedNumber | None, _of("device_time")] = None
    power: Annotated[PrintedNumber | None, _of("power")] = None
    pue: Annotated[PrintedNumber | None, _of("ratio")] = None
    energy: Annotated[PrintedNumber | None, _of("energy")] = None
    intensity: Annotated[PrintedNumber | None, _checked(printed.parse_intensity)] = None
    net_intensity: Annotated[PrintedNumber | None, _checked(printed.parse_intensity)] = None
    co2e: Annotated[PrintedNumber | None, _of("mass")] = None
    net_co2e: Annotated[PrintedNumber | None, _of("mass")] = None
    water: Annotated[PrintedNumber | None, _of("volume")] = None
    wue_onsite: Annotated[PrintedNumber | None, _checked(printed.parse_water_use)] = None
    wue_offsite: Annotated[PrintedNumber | None, _checked(printed.parse_water_use)] = None
    money: Annotated[PrintedNumber | None, _of("money")] = None
    price: Annotated[PrintedNumber | None, _of("price")] = None
    utilisation: Annotated[PrintedNumber | None, _of("share")] = None
    throughput: Annotated[PrintedNumber | None, _of("rate")] = None
    throughput_per_device: Annotated[PrintedNumber | None, _of("rate")] = None
    samples_per_second: Annotated[PrintedNumber | None, _of("sample_rate")] = None
    samples_per_second_per_device: Annotated[PrintedNumber | None, _of("sample_rate")] = None
    flop: Annotated[PrintedNumber | None, _of("flop")] = None
    speed: Annotated[PrintedNumber | None, _of("speed")] = None


class RowFields(NumberFields):
    """A row: its numbers and its name."""

    title: Text = ""


class ClaimFields(NumberFields):
    """Everything that a claim file may say."""

    title: Text = ""
    source: Text = ""
    date: Text = ""
    quote: Text = ""
    note: Text = ""
    model: Text = ""
    precision: Text = ""
    place: Text = ""
    power_kind: Annotated[str, _word("kind of power", POWER_KINDS)] = ""
    power_boundary: Boundary = ""
    energy_boundary: Boundary = ""
    co2e_boundary: Boundary = ""
    co2e_kind: Annotated[str, _word("kind of CO2e", CARBON_KINDS)] = ""
    purchase: Annotated[str, _word("purchase", (ON_DEMAND, SPOT, RESERVED))] = ""
    work: Annotated[Mapping[str, PrintedNumber] | None, _checked(_work)] = None
    parts: Any = ()
    beside: Any = ()
    restated: Any = None
    same_work_on: Any = None


def claim_of_fields(given: Mapping[str, Any], where: str) -> Claim:
    """Return a claim from its fields, or raise `BadInput` that names the field, what it holds and what it may hold.

    >>> given = {"model": "t5-11b", "hardware": "512 TPU v3 chips", "days": "20", "co2e": "46.7 t"}
    >>> made = claim_of_fields(given, "claim")
    >>> made.value("count"), made.value("wall"), made.value("co2e")
    (512.0, 1728000.0, 46700.0)
    >>> claim_of_fields({"energy": "9 V"}, "claim.yaml")
    Traceback (most recent call last):
    steelyard.errors.BadInput: claim.yaml: energy: '9 V' is not an energy; write 1,287 MWh, 316 kWh or 4.12 MJ
    """
    read = _validated(ClaimFields, given, where)
    words = {name: getattr(read, name) for name in _CLAIM_TEXTS}
    again = _validated(NumberFields, read.restated, f"{where}: restated") if read.restated is not None else None
    other = row_of_fields(read.same_work_on, f"{where}: same_work_on") if read.same_work_on is not None else None
    note = (read.hardware.note,) if read.hardware and read.hardware.note else ()
    return Claim(
        **words,
        hardware=read.hardware,
        numbers=_numbers(read, where),
        work=read.work or MappingProxyType({}),
        parts=_rows(read.parts, f"{where}: parts"),
        beside=_rows(read.beside, f"{where}: beside"),
        restated=_numbers(again, f"{where}: restated") if again else MappingProxyType({}),
        same_work_on=other,
        notes=note,
    )


def row_of_fields(given: Any, where: str) -> ClaimRow:
    """Return a row beside a claim, or a line of it."""
    read = _validated(RowFields, given, where)
    return ClaimRow(read.title, read.scope, _numbers(read, where), read.hardware)


_APART = frozenset({*NumberFields.model_fields, "work", "parts", "beside", "restated", "same_work_on"}) - {"scope"}
_CLAIM_TEXTS = tuple(name for name in ClaimFields.model_fields if name not in _APART)
_RENAMED = MappingProxyType({"hours": "wall", "device_hours": "device_time"})


def _rows(given: Any, where: str) -> tuple[ClaimRow, ...]:
    if not isinstance(given, list | tuple):
        raise BadInput(f"{where}: it must be a list of rows; write - name: OPT-175B")
    return tuple(row_of_fields(one, f"{where} {index + 1}") for index, one in enumerate(given))


def _numbers(read: NumberFields, where: str) -> Mapping[str, PrintedNumber]:
    """Return the numbers by quantity; the hardware's own count and time stand where none is given apart."""
    plain = {
        name: getattr(read, name) for name in NumberFields.model_fields if name not in {"hardware", "scope", "count"}
    }
    found = {_RENAMED.get(name, name): value for name, value in plain.items() if value is not None}
    gear = read.hardware
    counted = _counted(read.count, gear, where)
    if counted is None and gear is not None and gear.devices is not None:
        counted = PrintedNumber(gear.devices, printed.looseness(gear.text), gear.text)
    if counted is not None:
        found["count"] = counted
    if gear is not None and gear.span is not None:
        found.setdefault("wall", gear.span)
    return MappingProxyType(_within(_rates(found, where), where))


def _within(found: dict[str, PrintedNumber], where: str) -> dict[str, PrintedNumber]:
    """Return the numbers, each within what a run can have."""
    written = {plain: name for name, plain in _RENAMED.items()}
    try:
        return {name: check_range(name, one, written.get(name, name)) for name, one in found.items()}
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None


_OF_ONE = re.compile(r"(/|per)\s*(gpu|tpu|chip|device|card|accelerator)", re.IGNORECASE)
_OF_SAMPLES = re.compile(rf"\b({'|'.join(SAMPLE_NOUNS)})\s*(/|per)", re.IGNORECASE)


def _rates(found: dict[str, PrintedNumber], where: str) -> dict[str, PrintedNumber]:
    """Return the numbers with each rate under the name of what it counts: tokens or samples, of one device or all."""
    made = {name: value for name, value in found.items() if name not in _RATES}
    for name, of_samples in _RATES.items():
        if (rate := found.get(name)) is not None:
            counted = "samples_per_second" if of_samples or _OF_SAMPLES.search(rate.text) else "throughput"
            one = name.endswith("_per_device") or _OF_ONE.search(rate.text)
            plain = f"{counted}_per_device" if one else counted
            if plain in made and made[plain].value != rate.value:
                raise BadInput(f"{where}: {plain} is given twice, {made[plain].text} and {rate.text}; keep one")
            made[plain] = rate
    return made


_RATES = MappingProxyType(
    {
        "throughput": False,
        "throughput_per_device": False,
        "samples_per_second": True,
        "samples_per_second_per_device": True,
    }
)


def _counted(value: Any, gear: ClaimHardware | None, where: str) -> PrintedNumber | None:
    """Return a count of devices; one of cores is divided by the cores of a device."""
    if value is None:
        return None
    try:
        found = printed.parse_quantity(value, "count")
    except BadInput as error:
        raise BadInput(f"{where}: count: {error}") from error
    if re.search(r"\bcores?\b", str(value), re.IGNORECASE):
        return found.times(1 / cores_per_device(gear.accelerator if gear else None))
    return found


def _validated(kind: type[Any], given: Any, where: str) -> Any:
    if not isinstance(given, Mapping):
        raise BadInput(f"{where}: it holds no fields; write at least hardware: 8xA100, hours: 16 h or co2e: 12.9 t")
    named = _named(given, where, kind)
    try:
        return kind.model_validate({name: value for name, value in named.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        text = first["msg"].removeprefix("Value error, ")
        raise BadInput(f"{where}: {place}: {text[:300]}") from error
    except RecursionError as error:
        raise BadInput(f"{where}: it is nested too deeply to be a claim") from error


def _named(given: Mapping[str, Any], where: str, kind: type[Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, value in given.items():
        written = re.sub(r"[\s-]+", "_", str(name).strip().lower())
        plain = CLAIM_ALIASES.get(written, written)
        if plain in named:
            raise BadInput(f"{where}: {plain} is given twice; keep one")
        if plain not in kind.model_fields:
            near = nearest(plain, [*kind.model_fields, *CLAIM_ALIASES]) or list(kind.model_fields)
            raise BadInput(f"{where}: unknown field {str(name)[:60]!r}; nearest: {', '.join(near)}")
        bare = BARE_UNITS.get(written)
        named[plain] = f"{value} {bare}" if bare and re.fullmatch(r"\s*[\d.,_eE+-]+\s*", str(value)) else value
    return named
