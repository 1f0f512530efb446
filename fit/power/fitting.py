"""Fit the shares of the TDP that accelerators and hosts draw, state by state, from published power: `make fit`.

A device that trains draws the mean over its step's composition: matrix work, memory-bound kernels, exposed
communication, waiting. The composition comes from the time model where the run is published, else it is the typical
one (`steelyard.evidence.readings.power`). What identifies what:

- waiting and memory-bound kernels: one network swept over batch sizes on three chips (`fit.power.states`);
- matrix work: accelerators alone (NVML, energy counters, Google's fleet), less the other states;
- hosts: nodes at the wall, less their accelerators;
- communication: strong-scaled runs against one node of the same machine.

An entity without readings of its own takes the median over entities. Scores leave a whole node type out. Energies that
are hours times an assumed wattage (`circular=yes`) are never read.

    python -m fit.power --data DIR [--write]      DIR holds power.csv
"""

import argparse
import csv
import math
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

from fit.power.rows import ANY, TPU, Evidence, Row, Table, averaged, by, geometric, looked_up, median, spread
from fit.power.states import sweeps, swept, transcribed
from steelyard.catalog import Catalog, load
from steelyard.evidence.readings.power import Mix, Reading, Shares, mixes, predicted_watts, readings
from steelyard.units import NORMAL_90

TARGET = Path(__file__).parents[2] / "src" / "steelyard" / "catalog" / "data" / "power.csv"
CHECKED = "2026-11-21"
COMMAND = "python -m fit.power --data DIR --write"
COLUMNS = (
    "entity", "precision", "quantity", "value", "unit", "log_sd",
    "rows", "groups", "source", "command", "checked", "note",
)  # fmt: skip
ONE_SD = 0.08  # one reading alone
HOST_SD = 0.17  # nodes of one kind of chip, made and cooled otherwise
RATED_W = {"TPU-v3": 450.0, "TPU-v4": 340.0}  # accelerators.csv, epoch; the catalog's TDP is the measured maximum
ROUNDS = 6


def matrix_share(mix: Mix, share: float, shares: Shares, floor: float, ratio: float) -> float:
    """Return what matrix work must draw for a device to draw a share over its mix; never more than the TDP.

    Args:
        mix: composition of the run.
        share: what the device drew, over its TDP.
        shares: the other states of this device; memory may be missing.
        floor: what it draws idle, over its TDP.
        ratio: memory-bound over matrix power, where the device was not swept (0: it was).
    """
    rest = mix.communication * max(shares["communication_power"][0], floor)
    rest += mix.waiting * max(shares["waiting_power"][0], floor)
    bound = 0.0 if ratio else mix.memory * shares["memory_power"][0]
    return min(1.0, (share - rest - bound) / (mix.compute + ratio * mix.memory))


def matrix(evidence: Evidence, rows: Table) -> Table:
    """Return the matrix and memory-bound shares of every entity whose accelerators were metered alone, and of any."""
    found: Table = {}
    parts = by((one for one in evidence.readings if one.boundary == "chip"), evidence.entity)
    measured = {one.entity for one in evidence.sweeps}
    ratio = 0.0
    for entity, part in sorted(parts.items(), key=lambda item: item[0] not in measured):
        if not ratio and entity not in measured:
            ratio = statistics.median(
                rows[name, "memory_power"].value / found[name, "compute_power"].value
                for name in measured
                if (name, "compute_power") in found
            )
        values = {
            name: geometric(_matrix(evidence, rows, one, 0.0 if entity in measured else ratio) for one in types)
            for name, types in by(part, lambda one: one.node_type).items()
        }
        note = "accelerator alone while training, less its other states"
        found[entity, "compute_power"] = row = averaged(values, part, spread(values.values(), ONE_SD), note)
        if entity not in measured:
            note = "compute_power times the median ratio of the swept chips"
            found[entity, "memory_power"] = replace(row, value=ratio * row.value, log_sd=0.15, note=note)
    found[ANY, "compute_power"] = median(found, "compute_power", ONE_SD)
    everywhere = found | {key: row for key, row in rows.items() if key[1] == "memory_power"}
    found[ANY, "memory_power"] = median(everywhere, "memory_power", ONE_SD)
    return found | _rated(found)


def _matrix(evidence: Evidence, rows: Table, one: Reading, ratio: float) -> float:
    accelerator = evidence.accelerators[one.accelerator]
    idle_w = accelerator.facts.value("idle_power")
    floor = 0.0 if math.isnan(idle_w) else idle_w / accelerator.tdp_w
    shares = looked_up(rows, accelerator)
    return matrix_share(evidence.mix[one.id], one.watts / accelerator.tdp_w, shares, floor, ratio)


def _rated(found: Table) -> Table:
    """Return the shares of TPUs whose TDP is a rating: those of the TPUs that have both, over the rating."""
    rows: Table = {}
    accelerators = {name: load().accelerator(name) for name in RATED_W if (name, "compute_power") in found}
    for quantity in ("compute_power", "memory_power") if accelerators else ():
        values = {
            name: found[name, quantity].value * accelerator.tdp_w / RATED_W[name]
            for name, accelerator in accelerators.items()
        }
        sources = tuple(source for name in values for source in found[name, quantity].sources)
        note = "of the rated TDP, which no TPU reaches: TPU v3 and v4 draw at most 0.57 of theirs"
        rows[TPU, quantity] = Row(geometric(values.values()), 0.15, len(values), len(values), sources, note)
    return rows


def hosts(evidence: Evidence, rows: Table) -> Table:
    """Return the host share of every entity whose nodes were metered, and of any: nodes less their accelerators."""
    found: Table = {}
    for entity, part in by((one for one in evidence.readings if one.boundary == "node"), evidence.entity).items():
        values = {
            name: statistics.fmean(rest(evidence, rows, one) for one in alone(types) or types)
            for name, types in by(part, lambda one: one.node_type).items()
        }
        note = "node at the wall less its accelerators"
        found[entity, "host_power"] = averaged(values, part, spread(values.values(), HOST_SD), note)
    found[ANY, "host_power"] = median(found, "host_power", HOST_SD)
    return found


def alone(part: list[Reading]) -> list[Reading]:
    """Return the readings that are not strong-scaled."""
    return [one for one in part if math.isnan(one.work_share)]


def rest(evidence: Evidence, rows: Table, one: Reading) -> float:
    """Return what a node draws beyond its accelerators, over their TDP; at least a twentieth."""
    accelerator = evidence.accelerators[one.accelerator]
    quiet, _ = predicted_watts(
        replace(one, boundary="chip"), evidence.mix[one.id], looked_up(rows, accelerator), accelerator
    )
    return max(0.05, (one.watts - quiet) / accelerator.tdp_w)


def communication(evidence: Evidence, rows: Table) -> Row:
    """Return the accelerator's share in exposed communication, from strong-scaled runs of a machine metered alone.

    Least squares over the runs. Each one's own answer is a small difference of large numbers, so the spread is the
    standard error of their mean.
    """
    points, part = [], []
    for types in by((one for one in evidence.readings if one.boundary == "node"), lambda one: one.node_type).values():
        for one in types:
            if alone(types) and not math.isnan(one.work_share):
                part.append(one)
                points.append(_communicating(evidence, rows, one, alone(types)))
    if len(points) < 2:
        return rows[ANY, "communication_power"]
    value = sum(idle * extra for idle, extra in points) / sum(idle * idle for idle, _ in points)
    error = statistics.stdev(extra / idle for idle, extra in points) / math.sqrt(len(points)) / value
    note = "strong-scaled MLPerf runs against one node of the same machine: the time that one node does not spend"
    return Row(value, error, len(part), 1, tuple(one.source for one in part), note)


def _communicating(evidence: Evidence, rows: Table, one: Reading, others: list[Reading]) -> tuple[float, float]:
    """Return the share of the time in communication and what it adds to the power, over the TDP."""
    accelerator = evidence.accelerators[one.accelerator]
    host = statistics.fmean(rest(evidence, rows, other) for other in others)
    mix = evidence.mix[one.id]
    busy = replace(mix, communication=0.0)
    quiet, _ = predicted_watts(replace(one, boundary="chip"), busy, looked_up(rows, accelerator), accelerator)
    return mix.communication, (one.watts - quiet) / accelerator.tdp_w - host


def fit(evidence: Evidence) -> Table:
    """Fit every share; matrix work, hosts and communication need each other and are found in turns."""
    rows = swept(evidence.sweeps) | transcribed()
    rows[ANY, "communication_power"] = Row(0.25, 0.0, 0, 0, (), "where the turns start")
    for _ in range(ROUNDS):
        rows |= matrix(evidence, rows)
        rows |= hosts(evidence, rows)
        rows[ANY, "communication_power"] = talking = communication(evidence, rows)
    for one in evidence.sweeps:
        if one.waiting > talking.value:
            note = "as when it waits: sending draws no less"
            rows[one.entity, "communication_power"] = replace(rows[one.entity, "waiting_power"], note=note)
    return rows


@dataclass(frozen=True)
class Scored:
    """One reading, predicted with its node type in the fit and without."""

    reading: Reading
    fitted: float  # relative errors, signed
    left_out: float
    deviations: float  # the latter in standard deviations of its logarithm


def score(evidence: Evidence) -> list[Scored]:
    """Predict every node, and with its node type left out of the fit."""
    whole = fit(evidence)
    found = []
    for name, part in by(
        (one for one in evidence.readings if one.boundary == "node"), lambda one: one.node_type
    ).items():
        without = fit(evidence.without(name))
        for one in part:
            accelerator = evidence.accelerators[one.accelerator]
            (inside, _), (outside, log_sd) = (
                predicted_watts(one, evidence.mix[one.id], looked_up(rows, accelerator), accelerator)
                for rows in (whole, without)
            )
            away = math.log(outside / one.watts) / log_sd
            found.append(Scored(one, inside / one.watts - 1, outside / one.watts - 1, away))
    return found


def show(scores: list[Scored]) -> None:
    """Print errors by node type, and over types for one node and for many."""
    print("\nwatts of a device with its host, by node type: median error fitted, left out, largest left out")
    for name in dict.fromkeys(one.reading.node_type for one in scores):
        part = [one for one in scores if one.reading.node_type == name]
        out = [abs(one.left_out) for one in part]
        inside = statistics.median(abs(one.fitted) for one in part)
        print(f"{name:36} {len(part):3d} {inside:7.1%} {statistics.median(out):7.1%} {max(out):7.1%}")
    for label, part in (
        ("one node", [one for one in scores if one.reading.devices <= 8]),
        ("many nodes", [one for one in scores if one.reading.devices > 8]),
    ):
        types = by((one.reading for one in part), lambda one: one.node_type)
        sides = []
        for side in ("fitted", "left_out"):
            medians = [
                statistics.median(abs(getattr(one, side)) for one in part if one.reading.node_type == name)
                for name in types
            ]
            sides.append(f"{side} mean {statistics.fmean(medians):.1%} median {statistics.median(medians):.1%}")
        print(f"{label:36} {len(part):3d} over {len(types)} types: {'; '.join(sides)}")
    held = statistics.fmean(abs(one.deviations) <= NORMAL_90 for one in scores)
    print(f"90% intervals of left-out node types hold {held:.0%} of {len(scores)} readings")


def line(entity: str, quantity: str, row: Row) -> dict[str, str]:
    """Return one row of the catalog's table."""
    sources = sorted({source.split("/results/")[0].split(" smc-")[0] for source in row.sources})
    cells = [
        entity, ANY, quantity, f"{row.value:.4f}", "1", f"{row.log_sd:.3f}", str(row.rows), str(row.groups),
        "; ".join(sources), COMMAND, CHECKED, row.note,
    ]  # fmt: skip
    return dict(zip(COLUMNS, cells, strict=True))


def gathered(folder: Path, catalog: Catalog) -> Evidence:
    """Return everything published, and the sweeps of a folder of measurements."""
    accelerators = {one.accelerator: catalog.accelerator(one.accelerator) for one in readings()}
    return Evidence(list(readings()), mixes(catalog), accelerators, sweeps(folder))


def main() -> None:
    """Print the fit and its scores; write the catalog's table if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds power.csv")
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.name} into the catalog")
    options = parser.parse_args()
    evidence = gathered(options.data, load())
    found = [line(entity, quantity, row) for (entity, quantity), row in sorted(fit(evidence).items(), key=_order)]
    for row in found:
        count = f"n={row['rows']}/{row['groups']}"
        print(f"{row['entity']:26} {row['quantity']:20} {row['value']:>8} ±{row['log_sd']}  {count}")
    show(score(evidence))
    if options.write:
        with TARGET.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)


def _order(item: tuple[tuple[str, str], Row]) -> tuple[str, bool, str]:
    (entity, quantity), _ = item
    return quantity, entity != ANY, entity
