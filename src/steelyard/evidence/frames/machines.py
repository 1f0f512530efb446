"""From a row's hardware, node and interconnect to a `Machine`: the chip's reference system, corrected by the row."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import median

from steelyard.catalog import Accelerator, Catalog, System, machine
from steelyard.catalog.training import Precision
from steelyard.errors import UnknownName
from steelyard.evidence.frames.stacks import stack_rule
from steelyard.evidence.runs.accelerators import accelerator_of_name, open_memory
from steelyard.evidence.runs.columns import is_count, says
from steelyard.evidence.runs.networks import network_rate
from steelyard.evidence.runs.run import Run, is_known
from steelyard.job.kept.node_drives import parse_drives, with_drives
from steelyard.job.training import parse_precision
from steelyard.tables import Machine
from steelyard.units import GB_BYTES

BITS_PER_BYTE = 8
PROVIDERS = (("efa", "aws"), ("aws", "aws"), ("gcp", "gcp"), ("tcpx", "gcp"), ("azure", "azure"), ("oci", "oci"))


@dataclass(frozen=True, slots=True)
class RunMachine:
    """The machine of one case, with the catalog rows behind it and what was assumed."""

    machine: Machine
    accelerator: Accelerator
    precision: Precision
    assumed: frozenset[str]


def run_machine(run: Run, catalog: Catalog) -> RunMachine:
    """Return the machine of a run; BadInput with the reason where the catalog cannot tell."""
    accelerator = accelerator_of_name(run.accelerator, catalog)
    assumed = {"chip memory"} if open_memory(run.accelerator, accelerator, catalog) else set()
    name = run.precision
    if not name:
        name = "bf16" if is_known(accelerator.peak("bf16")) else "fp16"
        assumed.add("precision")
    precision = parse_precision(name, catalog)
    if precision.precision == "fp32" and is_known(accelerator.peak("tf32")):
        precision = parse_precision(stack_rule(run.stack, run.date, catalog).fp32, catalog)
    system, base = _base(run.interconnect.lower(), accelerator.id, precision.matrix_units, catalog)
    node = run.node_devices if is_count(run.node_devices) else float(base.node_devices)
    domain = domain_devices(run, system, node)
    rate = network_rate(run.interconnect, node)
    nic = rate.gbit * 1e9 / BITS_PER_BYTE
    if run.devices > domain and rate.open:
        assumed.add("network adapters")
    if math.isnan(nic):
        nic = float(base.nic_bytes_per_s * min(1.0, base.node_devices / node))
        nic = usual_nic_bytes_per_s(accelerator, catalog) if math.isnan(nic) else nic
        if run.devices > domain:
            assumed.add("network")
    found = replace(base, node_devices=node, domain_devices=domain, nic_bytes_per_s=nic)
    found = with_drives(found, parse_drives(run.nvme) if says(run.nvme) else None)
    return RunMachine(found, accelerator, precision, frozenset(assumed))


def domain_devices(run: Run, system: System, node: float) -> float:
    """Return how many devices the fast links join: a rack or slice where the system has one, else the node."""
    text = run.interconnect.lower()
    rack = re.search(r"nvl([1-9]\d{1,2})\b", text)
    if rack:
        return float(rack[1])
    if "in tray" in text or "no imex" in text or "4 gpus" in text:
        return node
    slices = re.search(r"([1-9]\d*) slice\(s\)", run.note)
    if slices and is_known(run.devices):
        return max(1.0, run.devices / float(slices[1]))
    return float(system.domain_devices) if system.domain_devices > system.node_devices else node


def usual_nic_bytes_per_s(accelerator: Accelerator, catalog: Catalog) -> float:
    """Return the median network share of a device in the catalog's systems of the chip's family, else of all."""
    family = {row.id for row in catalog.accelerators.values() if row.family == accelerator.family}
    known_rows = [row for row in catalog.systems.values() if is_known(row.nic_gb_per_s)]
    rows = [row for row in known_rows if row.accelerator in family] or known_rows
    return median([row.nic_gb_per_s * GB_BYTES / row.node_devices for row in rows]) if rows else math.nan


@lru_cache(maxsize=4096)
def _base(interconnect: str, accelerator_id: str, precision: str, catalog: Catalog) -> tuple[System, Machine]:
    """Return the system that an interconnect and a chip name, and its numbers."""
    system = _system(interconnect, catalog.accelerator(accelerator_id), catalog)
    return system, machine(system, precision, catalog)


def _system(text: str, accelerator: Accelerator, catalog: Catalog) -> System:
    """Return the provider's own system where the interconnect names one, else the chip's reference."""
    for word, provider in PROVIDERS:
        if word in text and (row := _largest(accelerator, provider, catalog.systems.values())):
            return row
    try:
        return catalog.system(accelerator.id)
    except UnknownName:
        rows = [row for row in catalog.systems.values() if row.accelerator == accelerator.id]
        if not rows:
            raise
        return max(rows, key=lambda row: row.devices)


def _largest(accelerator: Accelerator, provider: str, systems: Iterable[System]) -> System | None:
    rows = [row for row in systems if row.accelerator == accelerator.id and row.provider.lower() == provider]
    return max(
        rows, key=lambda row: (row.devices, row.nic_gb_per_s if is_known(row.nic_gb_per_s) else 0.0), default=None
    )
