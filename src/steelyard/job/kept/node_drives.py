"""The host of a node as a job states it, its memory and NVMe drives: what no catalog knows of machines at hand."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from steelyard.errors import BadInput
from steelyard.job.purchase import parse_size
from steelyard.tables import Machine
from steelyard.units import Bytes, BytesPerSecond

FORM = "nvme: read=25GB/s,write=12GB/s,capacity=30TB"
RATES_FORM = "nvme: read=25GB/s,write=12GB/s (--nvme)"
"""How a job states what no catalog knows of the drives of a node."""


_BITS = re.compile(r"(?P<number>[\d.]+)\s*(?P<prefix>[kMGT]?)(?:b/s|bit/s|bits/s|bps)")
"""A rate in bits: a small b is a bit."""
BYTE_BITS = 8


@dataclass(frozen=True, slots=True)
class DriveSpec:
    """The drives of one node together, all that it has. None: as the catalog knows them."""

    read_bytes_per_s: BytesPerSecond | None
    write_bytes_per_s: BytesPerSecond | None
    capacity_bytes: Bytes | None


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """What a job states of the nodes of whatever it runs on. None: as the catalog knows them."""

    drives: DriveSpec | None = None
    host_memory_bytes: Bytes | None = None  # of one host, beside that of its devices


NODE_AS_KNOWN = NodeSpec()
"""Nothing is stated: nodes are as the catalog knows them."""


def parse_host_memory(value: Any) -> Bytes:
    """Return the memory of a host that a text describes.

    >>> parse_host_memory("2 TB"), parse_host_memory("512 GiB") / 2**30
    (2000000000000.0, 512.0)
    """
    found = float(parse_size(value))
    if not 0 < found < math.inf:
        raise BadInput(f"{str(value)[:60]!r} is no memory of a host; write host_memory: 1TB")
    return found


def parse_drives(value: Any) -> DriveSpec:
    """Return the drives of a node that a text or a mapping describes; a lone rate is of reads and of writes.

    >>> parse_drives("read=25GB/s, write=12GB/s"), parse_drives("20GB/s").write_bytes_per_s
    (DriveSpec(read_bytes_per_s=25000000000.0, write_bytes_per_s=12000000000.0, capacity_bytes=None), 20000000000.0)
    >>> parse_drives("200 Gb/s").read_bytes_per_s
    25000000000.0
    >>> parse_drives({"capacity": "30TB"}).capacity_bytes
    30000000000000.0
    """
    if isinstance(value, DriveSpec):
        return value
    given = dict(value) if isinstance(value, Mapping) else _written(str(value))
    unknown = [name for name in given if name not in ("read", "write", "capacity")]
    if unknown or not given:
        raise BadInput(f"{str(value)[:60]!r} does not describe the drives of a node; write {FORM}")
    read, write, size = (given.get(name) for name in ("read", "write", "capacity"))
    return DriveSpec(
        read_bytes_per_s=None if read is None else _rate(read),
        write_bytes_per_s=None if write is None else _rate(write),
        capacity_bytes=None if size is None else parse_size(size),
    )


def _written(text: str) -> dict[str, str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) == 1 and "=" not in parts[0]:
        return {"read": parts[0], "write": parts[0]}
    pairs = [part.partition("=") for part in parts]
    found = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if len(found) < len(pairs):
        raise BadInput(f"{text[:60]!r} says something of drives twice; write {FORM}")
    return found


def _rate(value: Any) -> BytesPerSecond:
    text = str(value).strip()
    bits = _BITS.fullmatch(text)
    size = f"{bits['number']}{bits['prefix']}B" if bits else text[: -len("/s")] if text.lower().endswith("/s") else text
    found = float(parse_size(size)) / (BYTE_BITS if bits else 1)
    if not 0 < found < math.inf:
        raise BadInput(f"{text[:60]!r} is no rate of drives; write {FORM}")
    return found


def with_node(machine: Machine, node: NodeSpec) -> Machine:
    """Return a machine whose hosts have the memory and the drives that a job states; the rest is the catalog's."""
    made = with_drives(machine, node.drives)
    known = node.host_memory_bytes
    return made if known is None else replace(made, host_memory_bytes=known)


def with_drives(machine: Machine, drives: DriveSpec | None) -> Machine:
    """Return a machine whose nodes have the drives that a job states; what it leaves out is the catalog's."""
    if drives is None:
        return machine
    stated = {
        "nvme_bytes": drives.capacity_bytes,
        "nvme_read_bytes_per_s": drives.read_bytes_per_s,
        "nvme_write_bytes_per_s": drives.write_bytes_per_s,
    }
    return replace(machine, **{name: value for name, value in stated.items() if value is not None})
