"""Fit the shares of the TDP that accelerators, hosts and switches draw, from published power: `make fit`.

A node that trains draws its accelerators and its host: W = TDP · (compute + host). Accelerators alone are measured too
(NVML, energy counters, Google's fleet), which separates the two. A strong-scaled run of the same benchmark waits for a
known part of its time, which gives the power of waiting. An entity without readings of its own takes the median over
entities. Scores are made with a whole node type left out. Energies that are hours times an assumed wattage
(`circular=yes`) are never read.

    python -m fit.power --data DIR [--write]      DIR holds power.csv and energy_truth.csv
"""

import argparse
import csv
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from steelyard.catalog import load

HERE = Path(__file__).parent
TARGET = HERE.parent / "src" / "steelyard" / "catalog" / "data" / "power.csv"
CHECKED = "2026-11-21"
COMMAND = "python -m fit.power --data DIR --write"
COLUMNS = (
    "entity", "precision", "quantity", "value", "unit", "log_sd",
    "rows", "groups", "source", "command", "checked", "note",
)  # fmt: skip
FLOOR_SD = 0.03  # two runs of one benchmark on one node type

ZEUS = {
    "V100": ("family:nvidia-volta", 250.0),
    "P100": ("family:nvidia-pascal", 250.0),
    "Quadro RTX6000": ("family:nvidia-turing", 260.0),
}
PATTERSON = {
    "TPU v2": ("TPU-v2", 280.0),
    "TPU v3": ("TPU-v3", 262.0),
    "P100": ("family:nvidia-pascal", 300.0),
    "V100": ("family:nvidia-volta", 300.0),
}


@dataclass(frozen=True)
class Reading:
    """Mean watts of one device (or of its share of the node) in one state, over its TDP."""

    entity: str
    kind: str  # chip, node, scaled, checkpoint, switch
    node_type: str
    workload: str
    share: float
    work_share: float
    source: str


def table(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def transcribed() -> Iterator[Reading]:
    """Readings that this repository carries, each with its log or page."""
    for row in table(HERE / "power_readings.csv"):
        share = float(row["watts"]) / float(row["tdp_w"])
        work = float(row["work_share"] or 1)
        yield Reading(row["entity"], row["kind"], row["node_type"], row["workload"], share, work, row["source"])


def mlperf(folder: Path) -> Iterator[Reading]:
    """Node power at the wall in MLPerf Training logs, eight H100 a node."""
    for row in table(folder / "power.csv"):
        if row["kind"] == "AC wall" and row["workload"].startswith("MLPerf"):
            maker = "SMC 8x H100 (immersion)" if "SMC" in row["device"] else "Dell XE9680 8x H100"
            workload = row["workload"].split()[2]
            share = float(row["node_w"]) / 8 / float(row["tdp_w"])
            yield Reading("family:nvidia-hopper", "node", maker, workload, share, 1.0, row["source"])


def zeus(folder: Path) -> Iterator[Reading]:
    """Accelerator power of transformer training at the full power limit and the largest batch of each task."""
    best: dict[tuple[str, str], tuple[float, Reading]] = {}
    for row in table(folder / "power.csv"):
        full = row["power_limit_w"] == row["tdp_w"]
        if row["device"] in ZEUS and row["kind"] == "GPU (NVML)" and full and row["workload"].startswith("bert"):
            entity, tdp_w = ZEUS[row["device"]]
            reading = Reading(
                entity,
                "chip",
                f"{row['device']} PCIe",
                row["workload"],
                float(row["avg_w"]) / tdp_w,
                1.0,
                row["source"],
            )
            key, batch = (row["device"], row["workload"]), float(row["batch"])
            best[key] = max(best.get(key, (0.0, reading)), (batch, reading), key=lambda pair: pair[0])
    yield from (reading for _, reading in best.values())


def patterson(folder: Path) -> Iterator[Reading]:
    """System power of one processor, measured at Google and OpenAI (arXiv 2104.10350); one reading a model."""
    seen = set()
    for row in table(folder / "energy_truth.csv"):
        measured = row["power_kind"] == "measured_system" and "circular=no" in row["note"]
        key = (row["hardware"], row["model"])
        if row["id"].startswith("patterson-") and measured and row["avg_power_w_per_chip"] and key not in seen:
            seen.add(key)
            entity, tdp_w = PATTERSON[row["hardware"]]
            share = float(row["avg_power_w_per_chip"]) / tdp_w
            yield Reading(entity, "node", f"{row['hardware']} system", row["model"], share, 1.0, row["source"])


def idling() -> list[Reading]:
    """Return idle watts over the TDP of every accelerator of the catalog that has both."""
    chips = [(chip, chip.facts.value("idle_power") / chip.tdp_w) for chip in load().accelerators.values()]
    source = "accelerators.csv, idle_power"
    return [Reading(chip.id, "idle", chip.id, "none", share, 1.0, source) for chip, share in chips if share > 0]


def readings(folder: Path) -> list[Reading]:
    """Return every reading: this repository's and the folder's."""
    return [*transcribed(), *mlperf(folder), *zeus(folder), *patterson(folder)]


def by(rows: Iterable[Reading], key: Callable[[Reading], str]) -> dict[str, list[Reading]]:
    """Return the rows grouped by a key, in order of appearance."""
    found: dict[str, list[Reading]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return dict(found)


def mean(rows: list[Reading]) -> float:
    """Geometric mean over node types of their geometric means: a type with many readings counts once."""
    types = by(rows, lambda row: row.node_type).values()
    return math.exp(statistics.fmean(statistics.fmean(math.log(row.share) for row in part) for part in types))


@dataclass(frozen=True)
class Power:
    """Shares by entity; `any` is the median over entities."""

    compute: dict[str, float]
    host: dict[str, float]

    def node(self, entity: str) -> float:
        """Return what a device with its host draws, over its TDP."""
        return self.compute.get(entity, self.compute["any"]) + self.host.get(entity, self.host["any"])


def fit(rows: list[Reading]) -> Power:
    """Separate accelerators from hosts: measured alone, and with their node."""
    chips = by((row for row in rows if row.kind == "chip"), lambda row: row.entity)
    compute = {entity: mean(part) for entity, part in chips.items()}
    compute["any"] = statistics.median(compute.values())
    nodes = by((row for row in rows if row.kind == "node"), lambda row: row.entity)
    whole = {entity: mean(part) for entity, part in nodes.items()}
    host = {entity: share - compute.get(entity, compute["any"]) for entity, share in whole.items()}
    low = [entity for entity, share in host.items() if share <= 0]  # draws less than others' accelerators alone
    host = {entity: share for entity, share in host.items() if share > 0}
    host["any"] = statistics.median(host.values())
    compute |= {entity: whole[entity] - host["any"] for entity in low}
    return Power(compute, host)


def waiting(rows: list[Reading], power: Power) -> tuple[float, float, list[Reading]]:
    """Return the accelerator's share while it waits, from runs whose throughput says how long they waited.

    W = x · W1 + (1 - x) · W0 with W1 one node's power on the same benchmark; least squares in W0. Each run's own W0 is
    a small difference of large numbers, so the spread is the standard error of their mean.
    """
    scaled = [row for row in rows if row.kind == "scaled"]
    one = {(row.node_type, row.workload): row.share for row in rows if row.kind == "node"}
    points = [(1 - row.work_share, row.share - row.work_share * one[row.node_type, row.workload]) for row in scaled]
    waits = sum(idle * extra for idle, extra in points) / sum(idle * idle for idle, _ in points)
    host = power.host["family:nvidia-hopper"]
    error = statistics.stdev(extra / idle for idle, extra in points) / math.sqrt(len(points))
    return waits - host, error / (waits - host), scaled


def score(rows: list[Reading]) -> list[tuple[str, int, float, float]]:
    """Leave one node type out: (type, rows, median and largest absolute error of watts per device)."""
    found = []
    for name, part in sorted(by((row for row in rows if row.kind == "node"), lambda row: row.node_type).items()):
        power = fit([row for row in rows if row.kind != "node" or row.node_type != name])
        errors = [abs(power.node(row.entity) / row.share - 1) for row in part]
        found.append((name, len(part), statistics.median(errors), max(errors)))
    return found


def spread(rows: list[Reading]) -> float:
    """Return the sd of the logs of an entity's readings; one reading alone is good to 10%."""
    logs = [math.log(row.share) for row in rows]
    return max(FLOOR_SD, statistics.stdev(logs)) if len(logs) > 1 else 0.10


def line(entity: str, quantity: str, value: float, log_sd: float, rows: list[Reading], note: str) -> dict[str, str]:
    """Return one row of the catalog's table."""
    sources = sorted({row.source.split("/results/")[0].split(" smc-")[0] for row in rows})
    cells = [
        entity, "any", quantity, f"{value:.4f}", "1", f"{log_sd:.3f}", str(len(rows)),
        str(len({row.node_type for row in rows})), "; ".join(sources), COMMAND, CHECKED, note,
    ]  # fmt: skip
    return dict(zip(COLUMNS, cells, strict=True))


def between(values: dict[str, float]) -> float:
    """Return the sd of the logs of entities: how far an unseen one may lie from the median."""
    logs = [math.log(value) for entity, value in values.items() if entity != "any"]
    return max(FLOOR_SD, statistics.stdev(logs))


def accelerators(rows: list[Reading], power: Power) -> Iterator[dict[str, str]]:
    """Yield the compute and host shares: of any entity, and of each that has readings."""
    of = {kind: [row for row in rows if row.kind == kind] for kind in ("chip", "node")}
    median = "median over entities; spread between them"
    yield line("any", "compute_power", power.compute["any"], between(power.compute), of["chip"], median)
    for entity, part in by(of["chip"], lambda row: row.entity).items():
        yield line(
            entity, "compute_power", power.compute[entity], spread(part), part, "accelerator alone, while training"
        )
    yield line("any", "host_power", power.host["any"], between(power.host), of["node"], median)
    for entity, part in by(of["node"], lambda row: row.entity).items():
        if entity in power.host:
            total = power.compute.get(entity, power.compute["any"]) + power.host[entity]
            note = "node at the wall less its accelerators"
            log_sd = spread(part) * total / power.host[entity]
            yield line(entity, "host_power", power.host[entity], log_sd, part, note)
        else:
            note = "system less the median host: it draws less than other accelerators alone"
            yield line(entity, "compute_power", power.compute[entity], 0.15, part, note)


def states(rows: list[Reading], power: Power) -> Iterator[dict[str, str]]:
    """Yield the shares of the other states, and of the switches."""
    of = {kind: [row for row in rows if row.kind == kind] for kind in ("checkpoint", "switch")}
    wait, log_sd, part = waiting(rows, power)
    note = "strong-scaled MLPerf runs against one node; communication, bubble and launches alike"
    yield line("any", "communication_power", wait, log_sd, part, note)
    saving = mean(of["checkpoint"])
    yield line("any", "checkpoint_power", saving, 0.3, of["checkpoint"], "one cluster; spread assumed")
    idle = idling()
    note = "median over accelerators whose idle watts the catalog has; spread between them"
    yield line("any", "idle_power", statistics.median(row.share for row in idle), spread(idle), idle, note)
    note = "an estimate and a share of a site's infrastructure; also when traffic is low"
    yield line("any", "network_power", mean(of["switch"]), 0.4, of["switch"], note)


def main() -> None:
    """Print the fit and its scores; write the catalog's table if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of power.csv and energy_truth.csv")
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.name} into the catalog")
    options = parser.parse_args()
    rows = readings(options.data)
    power = fit(rows)
    found = [*accelerators(rows, power), *states(rows, power)]
    for row in found:
        count = f"n={row['rows']}/{row['groups']}"
        print(f"{row['entity']:18} {row['quantity']:20} {row['value']:>8} ±{row['log_sd']}  {count}")
    print("\nwatts per device with its host, the node type left out: rows, median and largest error")
    scores = score(rows)
    for name, count, middle, worst in scores:
        print(f"{name:36} {count:3d} {middle:7.1%} {worst:7.1%}")
    print(f"{'median over node types':36} {len(scores):3d} {statistics.median(row[2] for row in scores):7.1%}")
    if options.write:
        with TARGET.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)


if __name__ == "__main__":
    main()
