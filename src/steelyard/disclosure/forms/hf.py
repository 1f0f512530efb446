"""The `co2_eq_emissions` block of a Hugging Face model card: YAML front matter, emissions in grams.

Source: huggingface.co/docs/hub/model-cards-co2 (emissions, source, training_type, geographical_location,
hardware_used).
"""

from collections.abc import Iterator

import yaml

from steelyard.disclosure.figure_text import FIGURE_NAMES, known_by, ledger_figure_text, ledger_rows
from steelyard.disclosure.forms import form
from steelyard.disclosure.ledger import Disclosure

TRAINING = {"training": "pre-training", "search": "architecture search, not the training of a model"}


@form(".md")
def hf_form(found: Disclosure, _today: str = "") -> str:
    """Return the block, and below it in comments what it has no field for.

    A field without a value is left out and said: the Hub takes `emissions` for a number.
    """
    fields, missing = _fields(found)
    block = yaml.safe_dump({"co2_eq_emissions": fields}, sort_keys=False, allow_unicode=True, width=1000)
    lines = ["---", block.rstrip(), *(f"# {line}" for line in [*missing, *_beside(found)]), "---", ""]
    return "\n".join(lines)


def _fields(found: Disclosure) -> tuple[dict[str, object], list[str]]:
    gross = found.total("gross_kg")
    missing, fields = list[str](), dict[str, object]()
    if gross.known:
        fields["emissions"] = _grams(gross.value)
    else:
        missing.append(f"emissions: unknown: {gross.why}")
    how = f"; CO2e {known_by(gross)} (Steelyard)" if gross.known and found.basis != "predicted" else ""
    fields["source"] = f"{found.meter or found.basis}{how}"
    fields["training_type"] = TRAINING.get(found.main.scope, found.main.scope)
    for name, value in (("geographical_location", found.location), ("hardware_used", found.hardware)):
        if value:
            fields[name] = value
        else:
            missing.append(f"{name}: unknown: not stated")
    return fields, missing


def _grams(kilos: float) -> int | float:
    grams = float(f"{kilos * 1e3:.6g}")
    return int(grams) if grams == int(grams) else grams


def _beside(found: Disclosure) -> Iterator[str]:
    """Yield what the card has no field for."""
    gross = found.total("gross_kg")
    if gross.known:
        scopes = ", ".join(line.scope for line in found.run)
        shown = ledger_figure_text("gross_kg", gross)
        yield f"emissions: grams CO2e, location-based gross, operational, of {scopes}: {shown}"
    for name in ("facility_j", "net_kg", "market_kg", "embodied_kg"):
        yield f"{FIGURE_NAMES[name]}: {ledger_figure_text(name, found.total(name))}"
    for scope, energy, co2e, remark in ledger_rows(found):
        if scope not in {line.scope for line in found.run}:
            yield f"{scope}: energy {energy}; CO2e {co2e}{f' ({remark})' if remark else ''}"
    yield from found.notes[:1] if found.audit else ()
