"""What a power fit stands on and makes: evidence in, rows of the catalog's table out."""

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from steelyard.catalog import Accelerator
from steelyard.evidence.readings.power import Mix, Reading, Shares

ANY = "any"
TPU = "family:tpu"


@dataclass(frozen=True)
class Sweep:
    """Shares of the TDP that one chip draws while memory bounds it and while it waits."""

    entity: str
    memory: float
    waiting: float
    rows: int
    source: str


@dataclass(frozen=True)
class Row:
    """One fitted share, and what it was fitted to."""

    value: float
    log_sd: float
    rows: int
    groups: int
    sources: tuple[str, ...]
    note: str


Table = dict[tuple[str, str], Row]


@dataclass(frozen=True)
class Evidence:
    """Readings with their compositions and chips, and the sweeps."""

    readings: list[Reading]
    mix: dict[str, Mix]
    accelerators: dict[str, Accelerator]
    sweeps: list[Sweep]

    def without(self, node_type: str) -> "Evidence":
        """Return the evidence with a node type left out."""
        return replace(self, readings=[one for one in self.readings if one.node_type != node_type])

    def entity(self, reading: Reading) -> str:
        """Return the entity that a reading speaks for: a family, or a TPU by itself, whose TDPs differ in kind."""
        accelerator = self.accelerators[reading.accelerator]
        return accelerator.id if accelerator.family == "tpu" else f"family:{accelerator.family}"


def by(rows: Iterable[Reading], key: Callable[[Reading], str]) -> dict[str, list[Reading]]:
    """Return the rows grouped by a key, in order of appearance."""
    found: dict[str, list[Reading]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return dict(found)


def geometric(values: Iterable[float]) -> float:
    """Return the geometric mean."""
    return math.exp(statistics.fmean(math.log(value) for value in values))


def spread(values: Iterable[float], floor: float) -> float:
    """Return the sd of the logs, at least a floor."""
    logs = [math.log(value) for value in values]
    return max(floor, statistics.stdev(logs)) if len(logs) > 1 else floor


def looked_up(rows: Table, accelerator: Accelerator) -> Shares:
    """Return the shares of a chip as the catalog would: its own, its family's, else any."""
    found: dict[str, tuple[float, float]] = {}
    for entity in (ANY, f"family:{accelerator.family}", accelerator.id):
        found |= {name: (row.value, row.log_sd) for (key, name), row in rows.items() if key == entity}
    return found


def averaged(values: dict[str, float], part: list[Reading], log_sd: float, note: str) -> Row:
    """Return the row of values by node type: their geometric mean."""
    return Row(geometric(values.values()), log_sd, len(part), len(values), tuple(one.source for one in part), note)


def median(rows: Table, quantity: str, floor: float) -> Row:
    """Return the row of any device: the median over entities, and the spread between them."""
    own = {entity: row for (entity, name), row in rows.items() if name == quantity and entity not in (ANY, TPU)}
    values = [row.value for row in own.values()]
    sources = tuple(source for row in own.values() for source in row.sources)
    count = sum(row.rows for row in own.values())
    note = "median over entities; spread between them"
    return Row(statistics.median(values), spread(values, floor), count, len(own), sources, note)
