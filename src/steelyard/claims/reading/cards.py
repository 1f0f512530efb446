"""What people paste into model cards and papers, as the fields of a claim: front matter, the usual block and table,
the paragraph of the ML CO2 Impact calculator.
"""

import re
from collections.abc import Mapping
from typing import Any

from steelyard.claims.reading.documents import parse_fields
from steelyard.errors import BadInput

_FRONT = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)

FACTS: tuple[tuple[str, str], ...] = (
    ("hardware", r"hardware(?:\s+type)?(?:\s+used)?"),
    ("hours", r"(?:hours|time)\s+used|training\s+time(?:\s*\(h(?:ours)?\))?"),
    ("provider", r"cloud\s+provider|provider"),
    ("place", r"compute\s+region|region"),
    ("co2e", r"carbon\s+emitted|emissions?|co2(?:\s*eq)?\s+emissions?"),
)
"""Lines of the usual block of a model card, by the names that cards give them."""

_HEADS: tuple[tuple[str, str], ...] = (
    ("device_hours", r"gpu[\s-]*hours|time\s*\(gpu\s*hours\)|training\s*time.*gpu"),
    ("co2e", r"(carbon|co2|co₂|tco2|location.based|greenhouse|emi)"),
    ("power", r"(power|\btdp\b)"),
    ("energy", r"(energy|\bk?m?wh\b)"),
    ("hardware", r"(hardware|gpu\s*type|device|accelerator)"),
)
"""Columns of the usual table of a model card."""


def read_model_card(text: str, where: str) -> dict[str, Any] | None:
    """Read a model card: `co2_eq_emissions` of its front matter, then its usual block and table in prose."""
    front = _FRONT.match(text)
    if front is None:
        return None
    head = parse_fields(front[1] or "{}", where)
    found = {"source": where, **model_card_block(text[front.end() :], where)}
    emissions = head.get("co2_eq_emissions")
    if isinstance(emissions, Mapping):
        found |= _front_matter(emissions)
    elif emissions:
        found["co2e"] = f"{emissions} g"
    found.setdefault("title", str(head.get("model_name") or head.get("model-index") or where))
    if set(found) <= {"source", "title", "scope"}:
        raise BadInput(f"{where}: the card states no emissions, energy or hours; is there a co2_eq_emissions entry?")
    return found


def _front_matter(emissions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of Hugging Face's `co2_eq_emissions`; emissions are grams there."""
    found: dict[str, Any] = {}
    emitted = str(emissions.get("emissions") or "").strip()
    if emitted:
        found["co2e"] = emitted if re.search(r"[a-zA-Z]", emitted) else f"{emitted} g"
    for name, field in (("hardware_used", "hardware"), ("geographical_location", "place"), ("source", "note")):
        if value := str(emissions.get(name) or "").strip():
            found[field] = value
    kind = str(emissions.get("training_type") or "").lower()
    if kind:
        found["scope"] = "fine-tuning" if "fine" in kind else "training"
    return found


def model_card_block(text: str, where: str) -> dict[str, Any]:
    r"""Return what the usual block (`- **Hardware Type:** …`) and table of a card state.

    >>> model_card_block("- **Hardware Type:** 8 x A100\n- **Hours used:** 16\n- **Carbon Emitted:** 12.5 kg", "card")
    {'hardware': '8 x A100', 'hours': '16 h', 'co2e': '12.5 kg'}
    """
    found: dict[str, Any] = {}
    for name, words in FACTS:
        line = re.search(rf"(?im)^\s*[-*+|]?\s*\**\s*(?:{words})\s*\**\s*[:|]\s*\**\s*(.+?)\s*\|?\s*$", text)
        value = re.sub(r"[*`_]+", "", line[1]).strip() if line else ""
        if value and not re.match(r"\[?more information|n/?a\b|unknown|none\b", value, re.IGNORECASE):
            found[name] = value
    provider = found.pop("provider", "")
    if "place" in found and provider:
        found["place"] = _site(provider, found["place"])
    if "hours" in found and re.fullmatch(r"[\d.,]+", found["hours"]):
        found["hours"] += " h"
    return {**_tables(text), **found}


def _site(provider: str, region: str) -> str:
    known = {"amazon": "aws", "aws": "aws", "google": "gcp", "gcp": "gcp", "azure": "azure", "microsoft": "azure"}
    short = next((name for word, name in known.items() if word in provider.lower()), "")
    return f"{short}/{region}" if short else region


def _tables(text: str) -> dict[str, Any]:
    """Return the row of a card's table of hours, watts and emissions; of several rows the first, the rest beside it."""
    for block in re.findall(r"(?:^[ \t]*\|.*\|[ \t]*\n?){3,}", text, re.MULTILINE):
        lines = [
            [cell.strip(" *`") for cell in line.strip().strip("|").split("|")] for line in block.strip().splitlines()
        ]
        columns = {name: place for place, head in enumerate(lines[0]) if (name := _column(head))}
        if not {"co2e", "device_hours", "energy"} & set(columns):
            continue
        rows = [_row(lines[0], cells, columns) for cells in lines[2:] if len(cells) == len(lines[0])]
        rows = [row for row in rows if len(row) > 1 and not re.match(r"total", row["title"], re.IGNORECASE)]
        if rows:
            return {**rows[0], **({"beside": rows[1:]} if rows[1:] else {})}
    return {}


def _column(head: str) -> str:
    return next((name for name, words in _HEADS if re.search(words, head, re.IGNORECASE)), "")


def _row(head: list[str], cells: list[str], columns: Mapping[str, int]) -> dict[str, Any]:
    """Return one row with the units of its heads."""
    row: dict[str, Any] = {"title": cells[0] or "a row"}
    for name, place in columns.items():
        value = re.sub(r"\s*\(.*?\)|<[^>]+>", "", cells[place]).strip()
        if not re.match(r"\d", value):
            continue
        unit = next((one for one in _UNITS.get(name, ()) if re.search(rf"\b{re.escape(one)}", head[place])), "")
        row[name] = value if re.search(r"[A-Za-z]", value.lstrip("0123456789.,")) or not unit else f"{value} {unit}"
        if name == "co2e" and not re.search(r"[A-Za-z]", row[name]):
            row[name] = f"{value} t"
    return row


_UNITS: Mapping[str, tuple[str, ...]] = {
    "co2e": ("kg", "tCO2", "tons", "tonnes", "t", "g", "lbs"),
    "energy": ("GWh", "MWh", "kWh", "Wh", "MJ"),
    "power": ("kW", "W"),
}


def read_impact_paragraph(text: str, where: str) -> dict[str, Any] | None:
    """Read the paragraph that the ML CO2 Impact calculator writes."""
    if not re.search(r"carbon\s+efficiency\s+of|hours\s+of\s+computation", text, re.IGNORECASE):
        return None
    plain = re.sub(r"\$|\\text\{|\\textsubscript|[{}~_\\]", " ", text)
    matches = {name: re.search(f"(?is){words}", plain) for name, words in _IMPACT.items()}
    found = {name: match[1].strip() for name, match in matches.items() if match}
    if not {"co2e", "device_hours"} & set(found):
        raise BadInput(f"{where}: the calculator's text states neither hours nor emissions; paste the whole paragraph")
    units = (("co2e", "kg"), ("intensity", "kg/kWh"), ("power", "W"))
    found |= {name: f"{found[name].rstrip('.,')} {unit}" for name, unit in units if name in found}
    provider = found.pop("provider", "")
    if "place" in found:
        found["place"] = _site(provider, found["place"])
    return {
        "source": f"{where}, ML CO2 Impact calculator",
        "power_kind": "tdp",  # the calculator multiplies by the rated power and knows no PUE
        "co2e_boundary": "it",
        "co2e_kind": "location-gross",
        **found,
    }


_IMPACT: Mapping[str, str] = {
    "intensity": r"carbon\s+efficiency\s+of\s+([\d.]+)",
    "device_hours": r"(?:cumulative\s+of|approximately|total\s+of)\s+([\d.,]+)\s+hours\s+of\s+computation",
    "hardware": r"hardware\s+of\s+type\s+(.+?)\s*(?:\(TDP|[.,;]\s)",
    "power": r"TDP\s+of\s+([\d.]+)\s*W",
    "co2e": r"emissions?\s.{0,60}?(?:estimated\s+to\s+(?:be|have\s+been)|amount(?:ed)?\s+to|are)\s+([\d.,]+)",
    "provider": r"using\s+(Google\s+Cloud|Amazon|AWS|Azure|Microsoft)",
    "place": r"in\s+region\s+([\w-]+)",
}
"""What the calculator's paragraph states, and where."""
