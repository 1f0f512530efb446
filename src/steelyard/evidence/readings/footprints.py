"""Published energy and emissions of training runs, redone by the rooms `energy` and `carbon`.

`energy_published.csv` holds one claim a row. `device_w` is `power`: `chip` alone, `system` (with its share of the host)
or `assumed` (a rating, not a measurement). `energy_mwh` is stated at a `boundary`: chip, it or facility. `circular=yes`
marks energy that is hours times an assumed wattage: it checks arithmetic, never a prediction of power. An empty cell
was not published.
"""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources

from steelyard.carbon import carbon
from steelyard.energy import energy
from steelyard.tables import Carbon, Draw, Energy, Machine, Policy, Site, Table
from steelyard.units import DAY_S, HOUR_S, KWH_J

MWH_J = 1e3 * KWH_J
_NAN = math.nan


@dataclass(frozen=True, slots=True)
class Comparison:
    """One published figure beside what the rooms make of the row's other figures."""

    id: str
    quantity: str
    published: float
    computed: float
    rounding: float  # relative: half a unit in the last printed place of the figure

    @property
    def error(self) -> float:
        """Relative difference."""
        return self.computed / self.published - 1


@dataclass(frozen=True, slots=True)
class Footprint:
    """One row, as printed."""

    cells: dict[str, str]

    def value(self, column: str) -> float:
        """Return a cell as a number; NaN where it is empty."""
        text = self.cells[column]
        return float(text) if text else _NAN

    def text(self, column: str) -> str:
        """Return a cell as text."""
        return self.cells[column]

    @property
    def device_s(self) -> float:
        """Device-seconds: printed hours, else devices times days."""
        hours = self.value("device_hours")
        return self.value("devices") * self.value("days") * DAY_S if math.isnan(hours) else hours * HOUR_S


def rounding(printed: str) -> float:
    """Return half a unit in the last place of a printed number, relative to it.

    >>> rounding("50"), rounding("0.080")
    (0.01, 0.00625)
    """
    decimals = len(printed.partition(".")[2])
    return 0.5 * 10.0**-decimals / abs(float(printed))


@cache
def footprints() -> tuple[Footprint, ...]:
    """Return every published footprint.

    >>> len(footprints()) > 90
    True
    """
    file = resources.files("steelyard.evidence.readings") / "energy_published.csv"
    return tuple(Footprint(row) for row in csv.DictReader(file.read_text("utf-8").splitlines()))


def footprint(name: str) -> Footprint:
    """Return the published footprint of an id."""
    return next(row for row in footprints() if row.text("id") == name)


def footprint_used(row: Footprint) -> tuple[Energy, Carbon]:
    """Run a row's hours, watts, PUE and intensities through the rooms; a PUE that is not printed counts as 1."""
    return _through(row, row.device_s, row.value("device_w"))


def footprint_emitted(row: Footprint) -> tuple[Energy, Carbon]:
    """Run a row's published energy, instead of its hours and watts, through the rooms."""
    inside = _pue(row) if row.text("boundary") == "facility" else 1.0
    return _through(row, HOUR_S, row.value("energy_mwh") * MWH_J / HOUR_S / inside)


def comparisons(row: Footprint) -> Iterator[Comparison]:
    """Yield each published figure of a row that its other figures determine."""
    from_hours, carbon_of_hours = footprint_used(row)
    joules = from_hours.facility_j if row.text("boundary") == "facility" else from_hours.it_j
    emissions = footprint_emitted(row)[1] if math.isnan(joules) else carbon_of_hours
    yield from _compare(row, "energy_mwh", float(joules) / MWH_J)
    yield from _compare(row, "gross_tco2e", float(emissions.location_gross_kgco2e) / 1e3)
    yield from _compare(row, "net_tco2e", float(emissions.location_net_kgco2e) / 1e3)


def _compare(row: Footprint, quantity: str, computed: float) -> Iterator[Comparison]:
    printed = row.text(quantity)
    if printed and float(printed) and not math.isnan(computed):
        yield Comparison(row.text("id"), quantity, float(printed), computed, rounding(printed))


def _pue(row: Footprint) -> float:
    pue = row.value("pue")
    return 1.0 if math.isnan(pue) else pue


def _through(row: Footprint, device_s: float, device_w: float) -> tuple[Energy, Carbon]:
    """Put one state of power through the rooms: the published watts are all there is."""
    nothing = {field.name: 0.0 for field in fields(Draw)}
    run = Draw(**nothing | {"devices": 1.0, "wall_s": device_s, "compute_s": device_s, "compute_w": device_w})
    site = replace(
        _unknown(Site),
        pue=_pue(row),
        location_gross_kg_per_j=row.value("gross_kg_per_kwh") / KWH_J,
        location_net_kg_per_j=row.value("net_kg_per_kwh") / KWH_J,
    )
    joules = energy(run, site)
    return joules, carbon(run, joules, site, _unknown(Machine), _unknown(Policy))


def _unknown(table: type[Table]) -> Table:
    return table(**dict.fromkeys((field.name for field in fields(table)), _NAN))  # type: ignore[arg-type]  # a dataclass
