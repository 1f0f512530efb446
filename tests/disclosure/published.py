"""What the published schemas say of the fields that a disclosure writes: names, types, what is required.

SPDX: schemas/spdx-schema-3-0-1.json of github spdx/spdx-spec 81385159 and spdx.github.io/spdx-spec/v3.0.1/model.
Hugging Face: huggingface.co/docs/hub/model-cards-co2. The SPDX documents were also read by spdx-python-model 0.0.6.
"""

import re
from typing import Any

IRI = re.compile(r"^(?!_:)\S+:\S+")
BLANK = re.compile(r"^_:\S+")
TIME = re.compile(r"^\d\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

ELEMENT = {"type": str, "spdxId": IRI, "creationInfo": BLANK}
OPTIONAL_ELEMENT = {"name": str, "comment": str, "summary": str, "description": str}
REQUIRED: dict[str, dict[str, Any]] = {
    "CreationInfo": {
        "type": str, "@id": BLANK, "specVersion": re.compile(r"^3\.0\.1$"), "created": TIME, "createdBy": [IRI],
    },
    "SoftwareAgent": ELEMENT,
    "SpdxDocument": ELEMENT,
    "ai_AIPackage": ELEMENT,
    "ai_EnergyConsumption": {"type": str},
    "ai_EnergyConsumptionDescription": {"type": str, "ai_energyQuantity": (int, float), "ai_energyUnit": str},
}  # fmt: skip
OPTIONAL: dict[str, dict[str, Any]] = {
    "CreationInfo": {"comment": str, "createdUsing": [IRI]},
    "SoftwareAgent": OPTIONAL_ELEMENT,
    "SpdxDocument": OPTIONAL_ELEMENT | {"profileConformance": [str], "rootElement": [IRI], "element": [IRI]},
    "ai_AIPackage": OPTIONAL_ELEMENT
    | {"software_primaryPurpose": str, "ai_informationAboutTraining": str}
    | {"ai_energyConsumption": "ai_EnergyConsumption"},
    "ai_EnergyConsumption": {
        f"ai_{stage}EnergyConsumption": ["ai_EnergyConsumptionDescription"]
        for stage in ("training", "finetuning", "inference")
    },
    "ai_EnergyConsumptionDescription": {},
}  # fmt: skip
WORDS = {
    "ai_energyUnit": {"kilowattHour", "megajoule", "other"},
    "profileConformance": {"core", "software", "ai", "dataset", "build", "lite", "security"},
    "software_primaryPurpose": {"model", "application", "library", "data", "archive", "other"},
}

CARD = {
    "emissions": (int, float),
    "source": str,
    "training_type": str,
    "geographical_location": str,
    "hardware_used": str,
}


def faults(node: dict[str, Any]) -> list[str]:
    """Return what the published schema finds wrong with one object and those in it."""
    kind = node.get("type")
    if kind not in REQUIRED:
        return [f"unknown type {kind}"]
    fields = REQUIRED[kind] | OPTIONAL[kind]
    found = [f"{kind} lacks {name}" for name in REQUIRED[kind] if name not in node]
    for name, value in node.items():
        if name not in fields:
            found.append(f"{kind} has no {name}")
        else:
            found += _wrong(f"{kind}.{name}", value, fields[name])
            values = value if isinstance(value, list) else [value]
            found += [f"{name}: {one}" for one in values if name in WORDS and one not in WORDS[name]]
    return found


def _wrong(where: str, value: Any, form: Any) -> list[str]:
    if isinstance(form, list):
        if not isinstance(value, list) or not value:
            return [f"{where} is no list"]
        return [fault for one in value for fault in _wrong(where, one, form[0])]
    if isinstance(form, re.Pattern):
        return [] if isinstance(value, str) and form.match(value) else [f"{where} is {value!r}"]
    if isinstance(form, str):
        return faults(value) if isinstance(value, dict) and value.get("type") == form else [f"{where} is no {form}"]
    return [] if isinstance(value, form) and not isinstance(value, bool) else [f"{where} is {value!r}"]
