"""Published goodput and times between failures, from one thousand to a hundred thousand devices, beside the formulas'.

`goodput_published.csv` holds one figure a row. A rate of failures, a restart, an interval or a save that a source gives
is used; what it leaves open is the catalog's. `basis` says whether the published figure was measured or comes from the
source's own model; `relation` whether it is the figure or a bound ("over 90%").
"""

import csv
import math
from dataclasses import dataclass
from importlib import resources
from typing import Any

from steelyard.catalog.policy import policy
from steelyard.run import (
    availability,
    availability_at,
    checkpoint_bytes,
    interruptions_per_s,
    mean_time_to_failure_s,
    save_s,
)
from steelyard.units import DAY_S, HOUR_S

NODE_DEVICES = 8.0
_STATE_BYTES = (2.0, 4.0, 8.0)
"""Bytes of one parameter in a checkpoint: bf16 weight, fp32 master copy, Adam's moments."""


@dataclass(frozen=True, slots=True)
class PublishedGoodput:
    """One published figure. NaN: not given."""

    id: str
    run: str
    devices: float
    what: str  # goodput, mttf_h
    relation: str  # = or >
    published: float
    basis: str  # measured or modelled
    failures_per_1000_node_days: float
    restart_s: float
    interval_s: float
    blocking_s: float
    params: float
    source: str
    note: str


@dataclass(frozen=True, slots=True)
class ScoredGoodput:
    """A published figure beside the predicted one."""

    case: PublishedGoodput
    predicted: float

    @property
    def error(self) -> float:
        """Predicted over published, less 1; 0 where a bound holds."""
        ratio = self.predicted / self.case.published - 1
        return 0.0 if self.case.relation == ">" and ratio >= 0 else ratio


def published_goodput() -> tuple[PublishedGoodput, ...]:
    """Return all published figures.

    >>> len({case.id for case in published_goodput()}) == len(published_goodput())
    True
    """
    text = resources.files("steelyard.evidence.readings").joinpath("goodput_published.csv").read_text(encoding="utf-8")
    texts = {"id", "run", "what", "relation", "basis", "source", "note"}
    return tuple(_published(row, texts) for row in csv.DictReader(text.splitlines()))


def predicted_goodput(case: PublishedGoodput) -> float:
    """Return the goodput, or the hours between failures, that the formulas of `run` give for a case.

    >>> round(predicted_goodput(next(case for case in published_goodput() if case.id == "llama-3-405b")), 3)
    0.924
    """
    usual = policy("on-demand")
    given = case.failures_per_1000_node_days / (1000 * DAY_S * NODE_DEVICES)
    rate = interruptions_per_s(case.devices, _or(given, float(usual.failures_per_device_s)), NODE_DEVICES, 0.0)
    if case.what == "mttf_h":
        return float(mean_time_to_failure_s(rate)) / HOUR_S
    restart = _or(case.restart_s, float(usual.restart_s))
    written = _or(case.blocking_s, _written(case))
    blocking = _or(case.blocking_s, written * float(usual.checkpoint_blocking))
    if not math.isnan(case.interval_s):
        return float(availability_at(rate, restart, blocking, case.interval_s))
    return float(availability(rate, restart, blocking, written))


def goodput_scores() -> tuple[ScoredGoodput, ...]:
    """Return every published figure beside the predicted one."""
    return tuple(ScoredGoodput(case, predicted_goodput(case)) for case in published_goodput())


def goodput_table() -> str:
    """Return the scores as Markdown, for docs/run.md."""
    lines = ["| run | devices | published | basis | predicted | error |", "|---|---|---|---|---|---|"]
    for row in goodput_scores():
        case, hours = row.case, row.case.what == "mttf_h"
        said = (
            f"{case.published:g} h between failures"
            if hours
            else f"{'over ' * (case.relation == '>')}{case.published:.0%}"
        )
        found = f"{row.predicted:.2f} h" if hours else f"{row.predicted:.1%}"
        error = "holds" if case.relation == ">" and row.error == 0 else f"{row.error:+.1%}"
        lines.append(f"| {case.run} | {case.devices:,.0f} | {said} | {case.basis} | {found} | {error} |")
    return "\n".join(lines)


def _published(row: dict[str, str], texts: set[str]) -> PublishedGoodput:
    values: dict[str, Any] = {name: value if name in texts else _number(value) for name, value in row.items()}
    return PublishedGoodput(**values)


def _written(case: PublishedGoodput) -> float:
    size = checkpoint_bytes(case.params, *_STATE_BYTES)
    return float(save_s(size, case.devices, policy("on-demand").checkpoint_bytes_per_s))


def _or(given: float, usual: float) -> float:
    return usual if math.isnan(given) else given


def _number(text: str) -> float:
    return float(text) if text else math.nan
