"""What a run ran on, as people write it: `8xA100 for 16 h`, `TPU v3-8`, `64 TPU v2 cores`, `512 V100 GPUs`.

A *device* is what the catalog counts: one package; of a TPU slice the chips (`catalog.hosts.slices`).
"""

import re
from dataclasses import dataclass, replace

from steelyard.catalog import Accelerator, Catalog, load
from steelyard.catalog.hosts.slices import NAMED_BY_CORES, SLICE, sized_slice
from steelyard.catalog.query import plain_spelling
from steelyard.claims.reading.printed import PrintedNumber, parse_quantity
from steelyard.claims.reading.ranges import check_range
from steelyard.errors import BadInput, UnknownName

CORES_PER_DEVICE = 2.0
"""TensorCores of a TPU v2, v3, v4 or v5p chip, NeuronCores of a Trainium1 chip, dies of an MI250X."""

USUAL_NODES = (4.0, 8.0, 16.0)
"""Devices of one host, as they are usually built."""

_NOISE = re.compile(
    r"\b(nvidia|amd|intel|google|cloud|tesla|geforce|gpus?|devices?|chips?|cards?|accelerators?|processors?|cores?|"
    r"packages?|nodes?|hosts?|servers?|machines?|single|with|of|and|pods?|slices?)\b|[(),]",
    re.IGNORECASE,
)
_SPAN = re.compile(
    r"\s+(?:for|over|during|x|×)\s+(?P<span>[\d.,]+\s*(?:h|hours?|hrs?|d|days?|weeks?|months?))\s*$", re.IGNORECASE
)
_FIRST = re.compile(r"^\s*(?P<count>\d[\d,_]*(?:\.\d+)?\s?[kKM]?)\s*(?:[x×*]\s*|\s+)(?P<rest>.*\S)\s*$")
_LAST = re.compile(r"^\s*(?P<rest>.*\S)\s*(?:[:x×*])\s*(?P<count>\d[\d,_]*)\s*$")
_GRID = re.compile(r"^\s*(?P<nodes>\d[\d,]*)\s*[x×*]\s*(?P<rest>\d[\d,]*\s*[x×*]?\s*[A-Za-z].*)$")
_NODES = re.compile(
    r"^\s*(?P<nodes>\d[\d,]*)\s*(?:nodes?|hosts?|servers?|machines?)\s*(?:of|with|[x×*@,]|each)\s*(?P<rest>\d.*)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ClaimHardware:
    """Devices of one kind: their name as written, the catalog's row where it has one, and how many."""

    text: str
    name: str
    accelerator: Accelerator | None
    devices: float | None  # packages; None: not said
    cores: float | None  # where cores were counted
    span: PrintedNumber | None  # "for 16 h"
    note: str = ""

    @property
    def id(self) -> str:
        """The catalog's name, else the name as written."""
        return self.accelerator.id if self.accelerator else self.name


def parse_hardware(value: object) -> ClaimHardware:
    """Return what was written; a device that no catalog knows keeps its name, a count without a device is an error.

    >>> found = parse_hardware("8xA100 for 16 h")
    >>> found.id, found.devices, found.span.value
    ('A100-80GB-SXM', 8.0, 57600.0)
    >>> written = [parse_hardware(text) for text in ("TPU v3-8", "64 TPU v2 cores", "512 TPU v3 chips")]
    >>> [(one.devices, one.cores) for one in written]
    [(4.0, 8.0), (32.0, 64.0), (512.0, None)]
    """
    text = str(value).strip() if isinstance(value, str) else ""
    if not re.search(r"[A-Za-z]", text) or len(text) > 200:
        raise BadInput(f"{str(value)[:60]!r} is not hardware; write 8xA100, 512 TPU v3 chips, TPU v3-8 or H100")
    written, text = (
        text,
        re.sub(r"(?i)^(up to|at most|more than|at least|over|about|around|approximately|roughly|[~≈])\s*", "", text),
    )
    span = _SPAN.search(text)
    body = text[: span.start()] if span else text
    lasted = check_range("wall", parse_quantity(span["span"], "duration"), "its time") if span else None
    made = replace(_sized(text, body, lasted), text=written)
    if made.devices is not None:
        check_range("count", PrintedNumber(made.devices, 0.0, written), "its number of devices")
    return made


def _sized(text: str, body: str, span: PrintedNumber | None) -> ClaimHardware:
    nodes = _NODES.match(body) or (
        None if SLICE.search(body) or _accelerator(_name(body.partition("x")[2])) else _GRID.match(body)
    )
    times = _count(nodes["nodes"]) if nodes else 1.0
    body = nodes["rest"] if nodes else body
    sliced = SLICE.search(body)
    if sliced:
        return _slice(text, body, sliced, times, span)
    found = _FIRST.match(body) or _LAST.match(body)
    if found and _accelerator(_name(body)) is not None:  # "A100:80GB", "910B": the digits are the name's
        found = None
    count = _count(found["count"]) * times if found else None
    name = _name(found["rest"] if found else body)
    accelerator = _accelerator(name)
    in_cores = re.search(r"\bcores?\b", body, re.IGNORECASE) is not None and count is not None
    per_chip = _cores(accelerator) if in_cores else 1.0
    note = "" if accelerator else _unknown(name)
    return ClaimHardware(
        text,
        name,
        accelerator,
        count / per_chip if count is not None else None,
        count if in_cores else None,
        span,
        note,
    )


def _slice(text: str, body: str, sliced: re.Match[str], times: float, span: PrintedNumber | None) -> ClaimHardware:
    """Return a TPU slice: `v3-8` is 8 TensorCores on 4 chips, `v5e-8` is 8 chips."""
    before = re.match(r"\s*(\d[\d,]*)\s*[x×*]?", body[: sliced.start()])
    several = times * (_count(before[1]) if before else 1.0)
    found = sized_slice(sliced[1], int(sliced[2]))
    cores = found.cores * several if found.cores else None
    return ClaimHardware(text, found.accelerator, _accelerator(found.accelerator), found.devices * several, cores, span)


def cores_per_device(accelerator: Accelerator | None) -> float:
    """Return how many cores, dies or halves people may count for one package of this device; 1: no such mistake.

    >>> cores_per_device(load().accelerator("TPU-v3")), cores_per_device(load().accelerator("H100"))
    (2.0, 1.0)
    """
    return _cores(accelerator) if accelerator is not None else 1.0


def _cores(accelerator: Accelerator | None) -> float:
    if accelerator is None:
        return CORES_PER_DEVICE
    doubled = accelerator.id in {"MI250X", "K80", "Trainium1"} or accelerator.id.removeprefix("TPU-") in NAMED_BY_CORES
    return CORES_PER_DEVICE if doubled else 1.0


def _count(text: str) -> float:
    return parse_quantity(text.strip(), "count").value


def _name(text: str) -> str:
    return re.sub(r"\s+", " ", _NOISE.sub(" ", text)).strip(" -:@x×*")


def _accelerator(name: str, catalog: Catalog | None = None) -> Accelerator | None:
    """Return the catalog's row of a name, tried with and without what people add to it."""
    catalog = catalog or load()
    tried = [re.sub(r"(?<=[\da-z])s$", "", name), name, re.sub(r"[\s-]*(\d+)\s*G[iI]?B?\b", r"-\1GB", name)]
    formed = re.sub(r"(?i)[\s-]*(SXM|PCIe)\d?[\s-]*(\d+)\s*G[iI]?B?.*", r"-\2GB-\1", name)
    tried += [
        formed,
        re.sub(r"(?i)-SXM$", "", formed),
        re.sub(r"(?i)^tpu\s*", "TPU-", name),
        re.sub(r"(?i)[\s-]*\d+\s*G[iI]?B?\b", "", name),
    ]
    for one in dict.fromkeys(tried):
        if plain_spelling(one):
            try:
                return catalog.accelerator(one)
            except UnknownName:
                continue
    return None


def _unknown(name: str) -> str:
    error = UnknownName("accelerator", name, load().accelerators)
    near = f" (nearest: {', '.join(error.nearest)})" if error.nearest else ""
    return f"{name} is not in the catalog{near}: nothing is checked against the device's watts and speed"
