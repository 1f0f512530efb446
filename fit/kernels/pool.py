"""Hierarchical pooling of fitted logarithms: chip within family within any.

A chip's estimate is the chip's own timing pulled towards its family by how much chips of a family differ, the family is
pulled towards all families by how much those differ. What no timing covers gets its family's or the overall value and
the spread of chips that were measured.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

ANY = "any"
PCIE, SLOT_POWER = "pcie", "slot power"
ACCELERATORS_ONLY = (PCIE, SLOT_POWER)
"""Realms that say nothing about the rest of a family."""
PRIOR_WEIGHT = 4.0
"""Degrees of freedom that the prior spread counts for beside the measured spread."""


@dataclass(frozen=True)
class Estimate:
    """The logarithm of one quantity of one chip (or of a whole family), fitted to one source."""

    accelerator: str
    family: str
    log: float
    se: float
    rows: int
    source: str
    note: str = ""
    realm: str = ""  # estimates of different realms (PCIe, vector units) say nothing about each other


@dataclass(frozen=True)
class Spread:
    """Standard deviations of a logarithm: between sources of one chip, chips of a family, families."""

    source: float
    accelerator: float
    family: float


@dataclass(frozen=True)
class Pooled:
    """One entity's value in the logarithm with the spread of what it predicts."""

    log: float
    sd: float
    rows: int
    groups: int
    sources: tuple[str, ...]
    note: str


def pool(estimates: Iterable[Estimate], prior: Spread) -> dict[str, Pooled]:
    """Return a value for each chip with an estimate, each `family:…` of them and `any` (then its realm)."""
    found = list(estimates)
    result: dict[str, Pooled] = {}
    for realm in sorted({estimate.realm for estimate in found}, reverse=True):
        of_each = _by_accelerator(estimate for estimate in found if estimate.realm == realm)
        rows = _pool(of_each, prior)
        if realm in ACCELERATORS_ONLY:
            rows = {entity: row for entity, row in rows.items() if not entity.startswith("family:")}
        rows[f"{ANY} {realm}".strip()] = rows.pop(ANY)
        result |= rows
    return result


def _pool(of_each: Mapping[str, list[Estimate]], prior: Spread) -> dict[str, Pooled]:
    spread = _measured(of_each, prior)
    accelerators = {
        accelerator: _combine([(e.log, e.se**2 + spread.source**2) for e in found])
        for accelerator, found in of_each.items()
    }
    members: dict[str, list[str]] = defaultdict(list)
    for accelerator, found in of_each.items():
        members[found[0].family].append(accelerator)
    families = {
        family: _combine(
            [
                (accelerators[accelerator][0], accelerators[accelerator][1] + spread.accelerator**2)
                for accelerator in names
            ]
        )
        for family, names in members.items()
    }
    centre, centre_var = _combine([(mean, var + spread.family**2) for mean, var in families.values()])
    result = {
        ANY: _row(
            [e for found in of_each.values() for e in found],
            centre,
            centre_var + spread.family**2 + spread.accelerator**2,
        )
    }
    for family, names in members.items():
        mean, var = _combine([families[family], (centre, centre_var + spread.family**2)])
        result[f"family:{family}"] = _row(
            [e for name in names for e in of_each[name]], mean, var + spread.accelerator**2
        )
        for accelerator in names:
            if not accelerator.startswith("family:"):
                value, pulled_var = _combine([accelerators[accelerator], (mean, var + spread.accelerator**2)])
                result[accelerator] = _row(of_each[accelerator], value, pulled_var)
    return result


def lookup(pooled: Mapping[str, Pooled], accelerator: str, family: str, realm: str) -> Pooled:
    """Return what a chip gets: its own row, else its family's, else the one for any of its realm."""
    found = pooled.get(accelerator) or (pooled.get(f"family:{family}") if not realm else None)
    return found or pooled.get(f"{ANY} {realm}") or pooled[ANY]


def _by_accelerator(estimates: Iterable[Estimate]) -> dict[str, list[Estimate]]:
    of_each: dict[str, list[Estimate]] = defaultdict(list)
    for estimate in estimates:
        of_each[estimate.accelerator].append(estimate)
    return dict(of_each)


def _measured(of_each: Mapping[str, list[Estimate]], prior: Spread) -> Spread:
    """Pull the prior spreads towards the measured ones, level by level."""
    source = _pulled([[e.log for e in found] for found in of_each.values()], prior.source)
    families: dict[str, list[float]] = defaultdict(list)
    for found in of_each.values():
        families[found[0].family].append(float(np.mean([e.log for e in found])))
    accelerator = _pulled(list(families.values()), prior.accelerator)
    return Spread(source, accelerator, _pulled([[float(np.mean(logs)) for logs in families.values()]], prior.family))


def _pulled(groups: list[list[float]], prior_sd: float) -> float:
    degrees = sum(len(group) - 1 for group in groups)
    squares = sum(float(np.sum((np.array(group) - np.mean(group)) ** 2)) for group in groups)
    return float(np.sqrt((squares + PRIOR_WEIGHT * prior_sd**2) / (degrees + PRIOR_WEIGHT)))


def _combine(parts: list[tuple[float, float]]) -> tuple[float, float]:
    weights = np.array([1 / var for _, var in parts])
    means = np.array([mean for mean, _ in parts])
    return float(weights @ means / weights.sum()), float(1 / weights.sum())


def _row(found: list[Estimate], log: float, var: float) -> Pooled:
    sources = tuple(dict.fromkeys(e.source for e in found))
    notes = "; ".join(dict.fromkeys(e.note for e in found if e.note))
    return Pooled(
        log,
        float(np.sqrt(var)),
        sum(e.rows for e in found),
        len({(e.accelerator, e.source) for e in found}),
        sources,
        notes,
    )
