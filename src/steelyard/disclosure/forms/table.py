"""A row of Table 4 of Patterson et al. 2021 as Markdown, and what was left out of it.

Source: arXiv 2104.10350, Table 4: parameters, share active, site, intensities, PUE, processor, watts with memory,
network and host, speed, chips, days, operations, MWh, gross and net tonnes.
"""

import math
from collections.abc import Iterator

from steelyard.catalog import load
from steelyard.disclosure.figure_text import in_days
from steelyard.disclosure.forms import form
from steelyard.disclosure.ledger import Disclosure, LedgerFigure
from steelyard.errors import UnknownName
from steelyard.formatting.figures import number
from steelyard.units import KWH_J

DIGITS = 3


@form()
def table_form(found: Disclosure, _today: str = "") -> str:
    """Return the row under its heads; a cell that nobody can fill is `unknown`."""
    cells = list(_cells(found))
    lines = [f"| {' | '.join(column)} |" for column in zip(*cells, strict=True)]
    lines.insert(1, "|" + "---|" * len(cells))
    ledger = [f"{line.scope}: {_number(line.of('facility_j'), 1 / KWH_J / 1e3)} MWh" for line in found.lines]
    unsaid = f"; not stated: {', '.join(found.unstated)}" if found.unstated else ""
    return "\n".join([*lines, "", f"Energy and CO2e of {'; '.join(ledger)}{unsaid}."]) + "\n"


def _cells(found: Disclosure) -> Iterator[tuple[str, str]]:
    main, total = found.main, found.total
    parameters, active = main.of("parameters"), main.of("active_parameters")
    share = LedgerFigure(active.value / parameters.value) if active.known and parameters.value > 0 else LedgerFigure()
    yield "Model", found.model or found.title
    yield "Parameters (B)", _number(parameters, 1e-9)
    yield f"Activated on every {found.sample or 'token'} (%)", _number(share, 100.0)
    yield "Datacenter", found.location or "unknown"
    yield "Gross CO2e (kg/kWh)", _number(main.of("gross_kg_per_j"), KWH_J)
    yield "Net CO2e (kg/kWh)", _number(main.of("net_kg_per_j"), KWH_J)
    yield "PUE", _number(main.of("pue"))
    yield "Processor", found.accelerator or found.hardware or "unknown"
    yield "TDP (W)", _tdp(found)
    yield "System power per accelerator (W)", _number(main.of("it_w"))
    yield "Performance (TFLOP/s)", _number(main.of("flop_per_s"), 1e-12)
    yield "Chips", _number(main.of("devices"), digits=1)
    wall = total("wall_s")
    yield "Training time (days)", number(in_days(wall), DIGITS) if wall.known else "unknown"
    flop = main.of("flop")
    yield "Computation (FLOP)", f"{flop.value:.2e}" if flop.known else "unknown"
    yield "Energy (MWh)", _number(total("facility_j"), 1 / KWH_J / 1e3)
    yield "Gross (tCO2e)", _number(total("gross_kg"), 1e-3)
    yield "Net (tCO2e)", _number(total("net_kg"), 1e-3)


def _number(one: LedgerFigure, scale: float = 1.0, digits: int = DIGITS) -> str:
    return number(one.value * scale, digits) if one.known else "unknown"


def _tdp(found: Disclosure) -> str:
    try:
        rated = load().accelerator(found.accelerator).tdp_w if found.accelerator else math.nan
    except UnknownName:
        rated = math.nan
    return number(rated, 1) if math.isfinite(rated) else "unknown"
