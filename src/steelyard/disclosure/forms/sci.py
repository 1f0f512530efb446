"""The Software Carbon Intensity of a training run: SCI = ((E x I) + M) per R, in grams, each term with how it is known.

Source: Green Software Foundation, SCI specification 1.1.0 (ISO/IEC 21031:2024): E in kWh with the PUE; I marginal or
average, never market-based, in gCO2eq/kWh; M shall be included, so without it there is no SCI.
"""

from dataclasses import dataclass

from steelyard.carbon import sci_kgco2e
from steelyard.disclosure.figure_text import known_by
from steelyard.disclosure.forms import form
from steelyard.disclosure.ledger import Disclosure, LedgerFigure, least_sure
from steelyard.formatting.figures import number
from steelyard.units import KWH_J

MILLION = 1e6


def functional_units(found: Disclosure) -> dict[str, float]:
    """Return the functional units, R: the whole run, or so many of its tokens or samples.

    >>> list(functional_units(Disclosure(title="x", basis="metered", sample="image")))
    ['run', 'million images']
    """
    return {"run": 1.0, f"million {found.work_unit}": MILLION}


BOUNDARY = "accelerators, their hosts and switches, the facility (PUE); no storage or service outside the job"


@dataclass(frozen=True, slots=True)
class SciScore:
    """An SCI by one kind of intensity."""

    kind: str
    per: str
    grams: LedgerFigure


def sci_scores(found: Disclosure) -> tuple[SciScore, ...]:
    """Return the SCI by marginal and by average intensity, for each functional unit; unknown where a term is.

    >>> from steelyard.disclosure.ledger import Line
    >>> given = {"facility_j": 3.6e6, "embodied_kg": 0.1, "gross_kg_per_j": 0.5 / 3.6e6}
    >>> line = Line("training", numbers={name: LedgerFigure(value, how="stated") for name, value in given.items()})
    >>> found = sci_scores(Disclosure(title="x", basis="metered", lines=(line,)))
    >>> [round(one.grams.value, 6) for one in found if one.per == "run"]
    [nan, 600.0]
    """
    made, units = list[SciScore](), functional_units(found).items()
    for kind, name in (("marginal", "marginal_kg_per_j"), ("average (location-based)", "gross_kg_per_j")):
        intensity = found.main.of(name)
        made += [SciScore(kind, per, _score(found, intensity, per, size)) for per, size in units]
    return tuple(made)


def _score(found: Disclosure, intensity: LedgerFigure, per: str, size: float) -> LedgerFigure:
    energy, making, done = found.total("facility_j"), found.total("embodied_kg"), found.main.of(found.work)
    terms = {"E": energy, "I": intensity, "M": making} | ({"R": done} if per != "run" else {})
    missing = [f"{name} is unknown ({one.why or 'not stated'})" for name, one in terms.items() if not one.known]
    missing += ["R is 0"] if per != "run" and done.value == 0 else []
    if missing:
        return LedgerFigure(why=", ".join(missing))
    units = done.value / size if per != "run" else 1.0
    value = float(sci_kgco2e(energy.value, intensity.value, making.value, units)) * 1e3
    how = least_sure(terms.values())
    return LedgerFigure(value, how=how, why="((E x I) + M) per R")


@form()
def sci_form(found: Disclosure, _today: str = "") -> str:
    """Return the figures as a Markdown page."""
    rows = ["| SCI | per | intensity | how it is known |", "|---|---|---|---|"]
    for one in sci_scores(found):
        shown = f"{number(one.grams.value, 3)} gCO2eq" if one.grams.known else f"unknown: {one.grams.why}"
        rows.append(f"| {shown} | {one.per} | {one.kind} | {known_by(one.grams)} |")
    energy, making = found.total("facility_j"), found.total("embodied_kg")
    terms = ["| term | value | how it is known |", "|---|---|---|"]
    terms.append(f"| E | {_kwh(energy)} | {known_by(energy)} |")
    for kind in ("marginal", "gross"):
        per = found.main.of(f"{kind}_kg_per_j")
        shown = f"{number(per.value * KWH_J * 1e3, 3)} gCO2eq/kWh" if per.known else f"unknown: {_absent(per, kind)}"
        terms.append(f"| I, {'average' if kind == 'gross' else kind} | {shown} | {known_by(per)} |")
    made = f"{number(making.value * 1e3, 3)} gCO2eq" if making.known else f"unknown: {making.why}"
    terms.append(f"| M | {made} | {known_by(making)} |")
    done = found.main.of(found.work)
    shown = f"1 run; {number(done.value / MILLION, 3)} million {found.work_unit}" if done.known else "1 run"
    terms.append(f"| R | {shown} | {done.how} |")
    equation = "SCI = ((E x I) + M) per R. Market-based measures are never in it."
    return "\n".join([f"# {found.title}: Software Carbon Intensity", "", equation, "", *rows, "", *terms, "",
                      f"Software boundary: {BOUNDARY}."]) + "\n"  # fmt: skip


def _kwh(one: LedgerFigure) -> str:
    return f"{number(one.value / KWH_J, 3)} kWh" if one.known else f"unknown: {one.why}"


def _absent(one: LedgerFigure, kind: str) -> str:
    return one.why if one.why and one.why != "not stated" else f"no {kind} intensity is known for the place"
