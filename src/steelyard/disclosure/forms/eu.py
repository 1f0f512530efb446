"""What Annex XI of the EU AI Act asks of a run: section 1, points 2(d) and 2(e), by the Code of Practice.

Source: Regulation (EU) 2024/1689, Annex XI, section 1; General-Purpose AI Code of Practice, Model Documentation Form
(training time in wall-clock and hardware days, computation in operations, energy in MWh to two significant figures).
"""

import math
from collections.abc import Iterator

from steelyard.disclosure.figure_text import in_days, known_by, ledger_figure_text, ledger_rows
from steelyard.disclosure.forms import form
from steelyard.disclosure.ledger import Disclosure, LedgerFigure
from steelyard.formatting.figures import number
from steelyard.units import DAY_S, KWH_J

RANGES = ((30, "less than 1 month"), (91, "1-3 months"), (182, "3-6 months"))
LONGER = "more than 6 months"
KNOWN = frozenset({"measured", "stated", "follows"})
SECTION = "Regulation (EU) 2024/1689, Annex XI, section 1, point 2"


@form()
def eu_form(found: Disclosure, _today: str = "") -> str:
    """Return the fields as a Markdown table: point, field, value, how it is known."""
    rows = [*_computation(found), *_energy(found)] if found.trains else [_absent(found)]
    head = f"# {found.title}: technical documentation, {SECTION}\n"
    table = ["| point | field | value | how it is known |", "|---|---|---|---|"]
    table += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join([head, *table, "", *_remarks(found), ""])


def _absent(found: Disclosure) -> tuple[str, str, str, str]:
    return "2(d), 2(e)", "training of the model", f"N/A: what is stated is of {found.main.scope}, not of training", ""


def _row(point: str, name: str, value: str, one: LedgerFigure) -> tuple[str, str, str, str]:
    """Return one field; an unknown one is N/A with what is missing, as the form asks."""
    return point, name, value if one.known else f"N/A: {one.why}", known_by(one)


def _computation(found: Disclosure) -> Iterator[tuple[str, str, str, str]]:
    flop, wall, devices = found.main.of("flop"), found.total("wall_s"), found.total("device_s")
    yield _row("2(d)", "Amount of computation used for training", f"{flop.value:.1e} floating-point operations", flop)
    yield _row("2(d)", "Training time (range)", _range(in_days(wall)), wall)
    yield _row("2(d)", "Training time (wall-clock days)", number(in_days(wall), 2), wall)
    yield _row("2(d)", "Training time (hardware days)", number(devices.value / DAY_S, 2), devices)
    hardware = LedgerFigure(1.0, how="stated") if found.hardware else LedgerFigure(why="not stated")
    yield _row("2(d)", "Other relevant details: hardware", found.hardware, hardware)


def _range(span: float) -> str:
    return next((words for most, words in RANGES if span < most), LONGER)


def _energy(found: Disclosure) -> Iterator[tuple[str, str, str, str]]:
    joules = found.total("facility_j")
    label = " (known)" if joules.how in KNOWN else " (estimated)" if joules.known else ""
    yield _row("2(e)", f"Amount of energy used for training{label}", f"{_two(joules)} MWh", joules)
    if joules.known and math.isfinite(joules.low):
        yield "2(e)", "Interval", ledger_figure_text("facility_j", joules), joules.how
    yield "2(e)", "Measurement methodology", found.meter or "N/A: not stated", found.basis
    use = next(
        (line.of("facility_j") for line in found.lines if line.scope == "inference"), LedgerFigure(why="not stated")
    )
    yield _row("2(e)", "Energy of inference", f"{_two(use)} MWh", use)


def _two(one: LedgerFigure) -> str:
    """Return energy in MWh to two significant figures."""
    return f"{one.value / KWH_J / 1e3:.1e}" if one.known else ""


def _remarks(found: Disclosure) -> Iterator[str]:
    scopes = ", ".join(line.scope for line in found.run)
    yield f"Energy is that of {scopes}, at the facility's meter (with the PUE). Lines of their own:"
    yield ""
    for scope, energy, _, remark in ledger_rows(found):
        yield f"- {scope}: {energy}{f' ({remark})' if remark else ''}"
    joules = found.total("facility_j")
    if joules.known and joules.how not in KNOWN:
        yield ""
        yield "Point (e) allows an estimate from computational resources where consumption is unknown; this is one."
    for note in found.notes:
        yield f"- {note}"
