"""Watts of the states that are read off directly: memory-bound kernels and waiting from a sweep, idling, checkpoints.

ShuffleNet on CIFAR-100 is bound by memory (grouped and depthwise convolutions, normalisation) at large batches and by
kernel launches at small ones. The epoch says how much of the time is work: u = fastest epoch / epoch. What the fastest
batches draw is the power of memory-bound kernels; W = u · W_memory + (1 - u) · W_waiting over the smaller batches gives
the power of waiting.
"""

import csv
import statistics
from collections.abc import Iterator
from pathlib import Path

from fit.power.rows import ANY, Row, Sweep, Table, median, spread
from steelyard.catalog import load

HERE = Path(__file__).parent
ONE_SD = 0.10  # one chip

FAMILIES = {"V100": "family:nvidia-volta", "P100": "family:nvidia-pascal", "Quadro RTX6000": "family:nvidia-turing"}
NEAR = 1.05  # of the fastest epoch: batches that count as saturated


def table(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def sweeps(folder: Path) -> list[Sweep]:
    """Return what each chip of `power.csv` says, at its full power limit."""
    rows: dict[str, list[dict[str, str]]] = {device: [] for device in FAMILIES}
    for row in table(folder / "power.csv"):
        full = row["power_limit_w"] == row["tdp_w"] and row["kind"] == "GPU (NVML)"
        if full and row["device"] in FAMILIES and row["workload"].startswith("shufflenetv2"):
            rows[row["device"]].append(row)
    return [sweep(FAMILIES[device], part) for device, part in rows.items()]


def sweep(entity: str, rows: list[dict[str, str]]) -> Sweep:
    """Fit one chip: the mean of saturated batches, then least squares in the power of waiting."""
    fastest: dict[str, float] = {}
    for row in rows:
        fastest[row["workload"]] = min(fastest.get(row["workload"], float("inf")), float(row["epoch_s"]))
    points = [
        (fastest[row["workload"]] / float(row["epoch_s"]), float(row["avg_w"]) / float(row["tdp_w"])) for row in rows
    ]
    bound = statistics.fmean(share for busy, share in points if busy >= 1 / NEAR)
    waits = [(1 - busy, share - busy * bound) for busy, share in points if busy < 1 / NEAR]
    waiting = sum(idle * extra for idle, extra in waits) / sum(idle * idle for idle, _ in waits)
    return Sweep(entity, bound, waiting, len(rows), rows[0]["source"])


def swept(found: list[Sweep]) -> Table:
    """Return the memory-bound and waiting shares of the chips that were swept, and the waiting share of any."""
    rows: Table = {}
    for one in found:
        for name, value in (("memory_power", one.memory), ("waiting_power", one.waiting)):
            note = "ShuffleNet over batch sizes: saturated batches, and launches at small ones"
            rows[one.entity, name] = Row(value, ONE_SD, one.rows, 1, (one.source,), note)
    rows[ANY, "waiting_power"] = median(rows, "waiting_power", ONE_SD)
    return rows


def transcribed() -> Table:
    """Return the shares of checkpoints and switches that this repository carries, and of idling from the catalog."""
    rows: Table = {}
    for kind, log_sd, note in (
        ("checkpoint", 0.3, "one cluster; spread assumed"),
        ("network", 0.4, "an estimate and a share of a site's infrastructure; also when traffic is low"),
    ):
        part = [row for row in table(HERE / "readings.csv") if row["kind"] == kind]
        value = statistics.geometric_mean(float(row["watts"]) / float(row["tdp_w"]) for row in part)
        sources = tuple(row["source"] for row in part)
        rows[ANY, f"{kind}_power"] = Row(value, log_sd, len(part), len(part), sources, note)
    shares = [accelerator.facts.value("idle_power") / accelerator.tdp_w for accelerator in load().accelerators.values()]
    known = [share for share in shares if share > 0]
    note = "median over accelerators whose idle watts the catalog has; spread between them"
    source = ("derived: accelerators.csv, idle_power",)
    idle = Row(statistics.median(known), spread(known, ONE_SD), len(known), len(known), source, note)
    return rows | {(ANY, "idle_power"): idle}
