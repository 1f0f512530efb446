"""The NVMe drives of a host: how much they hold and how fast they are, where somebody says so."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from steelyard.catalog.read import table_rows
from steelyard.units import GB_BYTES, Bytes, BytesPerSecond


@dataclass(frozen=True, slots=True)
class Drives:
    """The drives of one host together; NaN: unknown, 0 bytes: it has none of its own."""

    capacity_bytes: Bytes = math.nan
    read_bytes_per_s: BytesPerSecond = math.nan
    write_bytes_per_s: BytesPerSecond = math.nan
    source: str = ""
    checked: str = ""


UNKNOWN_DRIVES = Drives()


@cache
def _drives(folder: Path) -> Mapping[str, Drives]:
    return {
        row["system"]: Drives(
            capacity_bytes=_number(row["capacity_gb"]),
            read_bytes_per_s=_number(row["read_gb_per_s"]),
            write_bytes_per_s=_number(row["write_gb_per_s"]),
            source=row["source"],
            checked=row["checked"],
        )
        for row in table_rows(folder, "drives")
    }


def _number(text: str) -> float:
    return float(text) * GB_BYTES if text else math.nan


def drives_of(system: str, folder: Path) -> Drives:
    """Return the drives of one host of a system; unknown where hosts of its kind differ, or nobody says.

    Args:
        system: its name.
        folder: of the catalog's tables.

    >>> from steelyard.catalog import load
    >>> names = ("p5.48xlarge", "p3.16xlarge", "node-RTX-4090")
    >>> [drives_of(name, load().folder).capacity_bytes / 1e12 for name in names]
    [30.4, 0.0, nan]
    >>> names = ("DGX-2", "Standard_ND96isr_H200_v5", "DGX-H100")
    >>> [drives_of(name, load().folder).read_bytes_per_s / 1e9 for name in names]
    [25.6, 48.0, nan]
    """
    return _drives(folder).get(system, UNKNOWN_DRIVES)
