"""The memory of a host: how much there is beside that of its devices, where somebody says so."""

import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from steelyard.catalog.load import Catalog
from steelyard.catalog.read import table_rows
from steelyard.units import GIB_BYTES, Bytes

_NAMED_MEMORY = re.compile(r"vcpu-(\d+)gb$")
"""What an instance's name says of its memory beside its cores, in GiB (docs.nebius.com, compute, virtual machine types:
a preset is named by its devices, cores and GiB of memory)."""


@cache
def _host_memory(folder: Path) -> Mapping[str, float]:
    shapes = {row["instance"]: row["memory_gib"] for row in table_rows(folder, "gcp_shapes")}
    hosts = {row["system"]: row["memory_gib"] for row in table_rows(folder, "hosts")}
    named = {row["id"]: said[1] for row in table_rows(folder, "systems") if (said := _NAMED_MEMORY.search(row["id"]))}
    return {name: float(amount) * GIB_BYTES for name, amount in (named | shapes | hosts).items()}


def host_memory_bytes(system: str, catalog: Catalog) -> Bytes:
    """Return the memory of one host of a system; NaN where hosts of its kind differ, or nobody says.

    >>> from steelyard.catalog import load
    >>> [host_memory_bytes(name, load()) / 2**30 for name in ("p5.48xlarge", "a3-highgpu-8g", "node-RTX-4090")]
    [2048.0, 1872.0, nan]
    >>> host_memory_bytes("gpu-h100-sxm_8gpu-128vcpu-1600gb", load()) / 2**30
    1600.0
    """
    return _host_memory(catalog.folder).get(system, math.nan)
