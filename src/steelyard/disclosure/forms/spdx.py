"""The energy of an AI package as SPDX 3.0.1 JSON-LD: `ai_energyConsumption` with its three stages, in kilowatt-hours.

Source: spdx.github.io/spdx-spec/v3.0.1/model/AI and schemas/spdx-schema-3-0-1.json (names, types, what is required).
A package of the AI profile also needs releaseTime, suppliedBy, downloadLocation and packageVersion, which no run knows:
the document claims the core and software profiles only, and says so.
"""

import json
import uuid
from collections.abc import Iterator
from typing import Any

from steelyard import __version__
from steelyard.disclosure.figure_text import FIGURE_NAMES, figure_name, known_by, ledger_figure_text, ledger_rows
from steelyard.disclosure.forms import form
from steelyard.disclosure.ledger import RUN, Disclosure
from steelyard.units import KWH_J

CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
SPEC = "3.0.1"
_LEFT = (
    "to conform to the AI profile, add releaseTime, suppliedBy, downloadLocation and packageVersion, and the licences"
)


@form(".json", ".jsonld")
def spdx_form(found: Disclosure, today: str) -> str:
    """Return the document; `today` is the day, as YYYY-MM-DD."""
    package = _package(found)
    agent = {
        "type": "SoftwareAgent",
        "spdxId": _id("agent", __version__),
        "creationInfo": "_:creation",
        "name": f"Steelyard {__version__}",
    }
    document = {
        "type": "SpdxDocument",
        "spdxId": _id("document", json.dumps(package, sort_keys=True)),
        "creationInfo": "_:creation",
        "comment": _LEFT,
        "profileConformance": ["core", "software"],
        "rootElement": [package["spdxId"]],
        "element": [agent["spdxId"], package["spdxId"]],
    }
    creation = {
        "type": "CreationInfo",
        "@id": "_:creation",
        "specVersion": SPEC,
        "created": f"{today}T00:00:00Z",
        "createdBy": [agent["spdxId"]],
    }
    return json.dumps({"@context": CONTEXT, "@graph": [creation, agent, package, document]}, indent=2) + "\n"


def _id(kind: str, text: str) -> str:
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'steelyard:{kind}:{text}')}"


def _package(found: Disclosure) -> dict[str, Any]:
    stages = {f"ai_{stage}EnergyConsumption": rows for stage, rows in _stages(found) if rows}
    energy = {"ai_energyConsumption": {"type": "ai_EnergyConsumption", **stages}} if stages else {}
    name = found.model or found.title
    return {
        "type": "ai_AIPackage",
        "spdxId": _id("package", f"{name}:{found.title}"),
        "creationInfo": "_:creation",
        "name": name,
        "comment": "; ".join(_beside(found)),
        "software_primaryPurpose": "model",
        "ai_informationAboutTraining": _about(found),
        **energy,
    }


def _stages(found: Disclosure) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the energy of each stage that SPDX knows: what a run has lost or waited counts with its training."""
    tuned = found.task == "fine-tuning"
    for stage, scopes in (
        ("training", () if tuned else RUN),
        ("finetuning", RUN if tuned else ("fine-tuning",)),
        ("inference", ("inference",)),
    ):
        lines = [line for line in found.lines if line.scope in scopes]
        if stage == "training":
            lines = [line for line in lines if line.scope != "fine-tuning"]
        joules = [line.of("facility_j") for line in lines]
        yield stage, [_kwh(sum(one.value for one in joules if one.known))] if any(one.known for one in joules) else []


def _kwh(joules: float) -> dict[str, Any]:
    return {
        "type": "ai_EnergyConsumptionDescription",
        "ai_energyQuantity": float(f"{joules / KWH_J:.6g}"),
        "ai_energyUnit": "kilowattHour",
    }


def _about(found: Disclosure) -> str:
    parts = [f"{found.hardware} for {ledger_figure_text('wall_s', found.total('wall_s'))}" if found.hardware else ""]
    parts += [
        f"{figure_name(found, name)}: {ledger_figure_text(name, found.main.of(name))}"
        for name in (found.work, "flop", "it_w", "pue")
    ]
    return "; ".join(filter(None, parts))


def _beside(found: Disclosure) -> Iterator[str]:
    """Yield how the energy is known, and every line that SPDX has no field for."""
    total = found.total("facility_j")
    yield f"{FIGURE_NAMES['facility_j']}: {ledger_figure_text('facility_j', total)}, {known_by(total)} ({found.meter})"
    yield f"{FIGURE_NAMES['gross_kg']}: {ledger_figure_text('gross_kg', found.total('gross_kg'))}"
    for scope, energy, co2e, remark in ledger_rows(found):
        if scope not in {"training", "fine-tuning"}:
            yield f"{scope}: energy {energy}, CO2e {co2e}{f' ({remark})' if remark else ''}"
