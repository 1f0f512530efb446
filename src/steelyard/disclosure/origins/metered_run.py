"""From a metered run to a disclosure: seconds, devices, watts or joules by boundary and by line, as they were measured.

    title: our-7b            meter: DCGM energy counters, one node in eight      hardware: 64x H100
    model: llama-2-7b        tokens: 20B                                         place: aws/us-east-1
    lines:
      - {scope: training, hours: 26.3 h, energy: {accelerator: 353 kWh, it: 570 kWh}}
      - {scope: failed, hours: 3.1 h, energy: {accelerator: 40 kWh}}
      - {scope: search, energy: 7.5 MWh, energy_boundary: facility, uses: 15, saves: 48.5 t}

Numbers are written as in a claim file. Without `lines` the file itself is one line of training.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import Any

from steelyard.catalog import Catalog, SiteRow, load
from steelyard.claims.checks.bounds import power_range
from steelyard.claims.context import ClaimContext
from steelyard.claims.reading import fields, printed
from steelyard.claims.reading.aliases import CLAIM_SYNONYMS
from steelyard.claims.reading.claim import BOUNDARIES, Claim, ClaimRow
from steelyard.claims.reading.hardware import ClaimHardware, parse_hardware
from steelyard.claims.reading.printed import PrintedNumber
from steelyard.claims.reading.ranges import check_range
from steelyard.disclosure.completion import Lookup, complete_line
from steelyard.disclosure.ledger import CLAIM_FIGURES, LINE_SCOPES, Cited, Disclosure, LedgerFigure, Line
from steelyard.disclosure.origins.audited_claim import hardware_text
from steelyard.disclosure.origins.model import sample_named, with_model_figures
from steelyard.errors import BadInput, UnknownName, nearest
from steelyard.formatting.figures import ENERGY, amount
from steelyard.units import HOUR_S

FILE_FIELDS = frozenset(
    {"title", "model", "meter", "hardware", "place", "precision", "date", "source", "note", "lines"}
)
COMMON_FIELDS = frozenset(
    {"parameters", "active_parameters", "tokens", "samples", "epochs", "examples", "flop", "pue", "intensity",
     "net_intensity"}
)  # fmt: skip
LINE_FIELDS = frozenset(
    {"energy", "energy_boundary", "power_boundary", "uses", "saves", "queries", "note", "place", "title"}
)
_NAMES = MappingProxyType({**CLAIM_FIGURES, "co2e": "gross_kg"})
_ROUNDED = 1e-3  # of energies that are equal but for their last digit


@dataclass(frozen=True, slots=True)
class RunDefaults:
    """What all lines of a file share."""

    where: str
    common: Mapping[str, Any]
    gear: ClaimHardware | None
    place: str
    precision: str
    catalog: Catalog


def disclosure_of_run(found: Mapping[str, Any], where: str) -> Disclosure:
    """Return the disclosure of a metered run, or raise `BadInput` that names the field that cannot be read.

    >>> made = disclosure_of_run({"meter": "wall meter", "hours": "10 h", "hardware": "8x H100",
    ...                "energy": "70 kWh", "energy_boundary": "it", "pue": "1.2", "intensity": "0.4"}, "run.yaml")
    >>> round(made.total("facility_j").value / 3.6e6, 6), round(made.total("gross_kg").value, 6)
    (84.0, 33.6)
    """
    found = {str(name).strip().lower(): value for name, value in found.items()}
    meter = str(found.get("meter") or "").strip()
    if not meter:
        raise BadInput(f"{where}: meter is missing; say what measured the run, such as meter: DCGM energy counters")
    gear = _hardware(found["hardware"], where) if found.get("hardware") else None
    precision, catalog = str(found.get("precision") or ""), load()
    common = {name: found[name] for name in COMMON_FIELDS if found.get(name) is not None}
    frame = RunDefaults(where, common, gear, str(found.get("place") or ""), precision, catalog)
    given = _lines(found, where)
    used: dict[str, None] = {}
    lines = tuple(_line(one, f"{where}: line {index + 1}", frame, used) for index, one in enumerate(given))
    model = str(found.get("model") or "")
    lines = tuple(with_model_figures(line, model) for line in lines)
    site = _site(frame.place, where, catalog)
    return Disclosure(
        title=str(found.get("title") or model or "a metered run"),
        basis="metered",
        model=model,
        hardware=hardware_text(gear, lines[0]),
        accelerator=gear.accelerator.id if gear and gear.accelerator else "",
        place=site.id if site else frame.place,
        location=f"{site.location} ({site.id})" if site else frame.place,
        task="fine-tuning" if lines[0].scope == "fine-tuning" else "training",
        precision=precision,
        sample=sample_named(model, lines[0]),
        meter=meter,
        date=str(found.get("date") or ""),
        lines=lines,
        sources=tuple(_cited(found, used, catalog)),
        notes=tuple(filter(None, (str(found.get("note") or ""), gear.note if gear else ""))),
    )


def is_run(found: Mapping[str, Any]) -> bool:
    """Return whether a mapping is a metered run: it says what measured it."""
    return any(str(name).strip().lower() == "meter" for name in found)


def _lines(found: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
    """Return the lines as given; a file without any is one line."""
    own = {
        name: value
        for name, value in found.items()
        if name not in (FILE_FIELDS - {"hardware", "place"}) | COMMON_FIELDS
    }
    given = found.get("lines")
    if given is None:
        return [{"scope": "training", **own}]
    extra = own.keys() - {"hardware", "place"}
    if extra:
        raise BadInput(f"{where}: {', '.join(sorted(extra))} beside lines; put it into the line it belongs to")
    if not isinstance(given, list) or not given or not all(isinstance(one, Mapping) for one in given):
        raise BadInput(f"{where}: lines must be a list; write - {{scope: training, hours: 26 h, energy: 570 kWh}}")
    return given


def _line(given: Mapping[str, Any], where: str, frame: RunDefaults, used: dict[str, None]) -> Line:
    """Return one line, completed."""
    plain = {str(name).strip().lower(): value for name, value in given.items()}
    scope = _scope(plain.pop("scope", "training"), where)
    mine = {name: plain.pop(name) for name in LINE_FIELDS if name in plain}
    common = frame.common if scope in {"training", "fine-tuning"} else {
        name: value for name, value in frame.common.items() if name in {"pue", "intensity", "net_intensity"}
    }  # fmt: skip
    row = fields.row_of_fields({**common, **plain}, where)
    gear = row.hardware or frame.gear
    site = _site(str(mine.get("place") or frame.place), where, frame.catalog)
    numbers = dict(_read(row, gear, mine))
    numbers |= dict(_energies(mine, where))
    known = Lookup(frame.catalog, site, gear.accelerator if gear else None, frame.precision, used)
    made = complete_line(
        Line(
            scope,
            str(mine.get("title") or ""),
            MappingProxyType(numbers),
            uses=_plain(mine, "uses", "count", where, 1.0),
            saved_kg=_plain(mine, "saves", "mass", where, math.nan),
            queries=_plain(mine, "queries", "count", where, math.nan),
            note=str(mine.get("note") or ""),
        ),
        known,
    )
    _check_energies(made, gear, where)
    return made


def _check_energies(line: Line, gear: ClaimHardware | None, where: str) -> None:
    """Refuse energies that no meters can have: less outside of a boundary than inside, more than devices can draw."""
    for inner, outer in combinations(BOUNDARIES, 2):
        inside, outside = line.of(f"{inner}_j"), line.of(f"{outer}_j")
        if inside.known and outside.known and inside.value > outside.value * (1 + _ROUNDED):
            raise BadInput(
                f"{where}: energy at the boundary {inner} is {_kwh(inside)}, but at the boundary {outer}, which is "
                f"around it, {_kwh(outside)}; correct one of them, or the pue"
            )
    seconds = line.of("device_s")
    for boundary in BOUNDARIES[:2]:
        spent = line.of(f"{boundary}_j")
        ends = power_range(ClaimContext(Claim(hardware=gear, power_boundary=boundary)))
        if ends is None or not (spent.known and seconds.known) or spent.how == "estimated":
            continue
        watts = spent.value / seconds.value
        if watts > ends[1]:
            raise BadInput(
                f"{where}: energy at the boundary {boundary} is {_kwh(spent)} in "
                f"{seconds.value / HOUR_S:,.4g} device-hours, {watts:,.0f} W a device, where one draws at most "
                f"{ends[1]:,.0f} W; correct the energy, the hours or the hardware"
            )


def _kwh(figure: LedgerFigure) -> str:
    return amount(figure.value, ENERGY)


def _scope(value: Any, where: str) -> str:
    plain = str(value).strip().lower().replace("_", "-")
    plain = {"failed-runs": "failed", "failed runs": "failed", "failures": "failed"}.get(plain, plain)
    plain = CLAIM_SYNONYMS.get(plain, plain)
    if plain not in LINE_SCOPES:
        near = nearest(plain, LINE_SCOPES) or list(LINE_SCOPES)
        raise BadInput(f"{where}: unknown scope {str(value)[:40]!r}; nearest: {', '.join(near)}")
    return plain


def _read(row: ClaimRow, gear: ClaimHardware | None, mine: Mapping[str, Any]) -> Iterator[tuple[str, LedgerFigure]]:
    """Yield the figures of a row; the shared hardware's count stands where the line has none of its own."""
    numbers = row.numbers
    for quantity, name in _NAMES.items():
        if quantity in numbers:
            yield (
                name,
                LedgerFigure(numbers[quantity].value, how=_HOW.get(name, "measured"), why=numbers[quantity].text),
            )
    if "samples" not in numbers and {"epochs", "examples"} <= numbers.keys():
        passes, size = numbers["epochs"], numbers["examples"]
        yield "samples", LedgerFigure(passes.value * size.value, how="follows", why=f"{passes.text} x {size.text}")
    if "count" not in numbers and "device_time" not in numbers and gear is not None and gear.devices is not None:
        yield "devices", LedgerFigure(gear.devices, how="stated", why=gear.text)
    if "power" in numbers:
        name = "accelerator_w" if _boundary(mine.get("power_boundary"), "it") == "accelerator" else "it_w"
        yield name, LedgerFigure(numbers["power"].value, how="measured", why=numbers["power"].text)


_COPIED = ("pue", "gross_kg_per_j", "net_kg_per_j", "parameters", "tokens", "samples")
_HOW = MappingProxyType(dict.fromkeys(_COPIED, "stated"))


def _energies(mine: Mapping[str, Any], where: str) -> Iterator[tuple[str, LedgerFigure]]:
    """Yield energy by boundary: one figure with its boundary, or one for each."""
    given = mine.get("energy")
    if given is None:
        return
    by = given if isinstance(given, Mapping) else {mine.get("energy_boundary") or "": given}
    for boundary, value in by.items():
        kind = _boundary(boundary, "")
        if not kind:
            raise BadInput(
                f"{where}: energy without its boundary; write energy: {{it: {value}}}, of {', '.join(BOUNDARIES)}"
            )
        figure = _number("energy", value, "energy", where)
        yield f"{kind}_j", LedgerFigure(figure.value, how="measured", why=figure.text)


def _boundary(value: Any, default: str) -> str:
    plain = str(value or "").strip().lower()
    plain = CLAIM_SYNONYMS.get(plain, plain)
    if plain and plain not in BOUNDARIES:
        raise BadInput(f"unknown boundary {str(value)[:40]!r}; one of: {', '.join(BOUNDARIES)}")
    return plain or default


def _plain(line: Mapping[str, Any], name: str, kind: str, where: str, default: float) -> float:
    value = line.get(name)
    return default if value is None else _number(name, value, kind, where).value


def _hardware(value: Any, where: str) -> ClaimHardware:
    try:
        return parse_hardware(value)
    except BadInput as error:
        raise BadInput(f"{where}: hardware: {error}") from error


def _number(name: str, value: Any, kind: str, where: str) -> PrintedNumber:
    try:
        found = printed.parse_quantity(value, kind)
    except BadInput as error:
        raise BadInput(f"{where}: {name}: {error}") from error
    return check_range(name, found, f"{where}: {name}")


def _site(place: str, where: str, catalog: Catalog) -> SiteRow | None:
    """Return the catalog's row of a place; a place it does not know is an error, none is none."""
    if not place:
        return None
    for name in (place, f"country/{place.upper()}", f"us-state/{place.upper()}"):
        try:
            return catalog.site(name)
        except UnknownName:
            continue
    near = nearest(place, catalog.sites)
    raise BadInput(f"{where}: unknown place {place[:60]!r}; nearest: {', '.join(near)}; or leave it out, give pue and "
                   "intensity")  # fmt: skip


def _cited(found: Mapping[str, Any], used: Mapping[str, None], catalog: Catalog) -> Iterator[Cited]:
    """Yield what the run says of itself, and the catalog's sources behind its place and devices."""
    title = str(found.get("title") or "the run")
    yield Cited(
        "run", f"{title}: measured by {found['meter']}", str(found.get("source") or ""), str(found.get("date") or "")
    )
    for key in used:
        if (row := catalog.sources.get(key)) is not None:
            yield Cited(row.id, row.what, row.locator, row.version, row.checked)
