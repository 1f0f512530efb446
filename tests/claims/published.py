"""The published footprints of `evidence/readings/energy_published.csv` as claims: none of them may raise an alarm."""

import csv
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from steelyard.claims import Claim, read_claim

KNOWN_WRONG = {
    "llama3.3-70b-SUSPECT": "12.9 t for 7.0M hours: a case of the book",
    "bloom-176b-dynamic": "its CO2e leaves out the PUE that it states, as the authors say; in the book with that said",
}
BOUNDARIES = {"chip": "accelerator", "it": "it", "facility": "facility"}
POWER = {"system": "it", "chip": "accelerator"}
PLAIN = {
    "device_hours": "device_hours",
    "days": "days",
    "device_w": "power",
    "pue": "pue",
    "gross_kg_per_kwh": "intensity",
    "net_kg_per_kwh": "net_intensity",
}
WITH_UNITS = {"energy_mwh": ("energy", "MWh"), "gross_tco2e": ("co2e", "t"), "net_tco2e": ("net_co2e", "t"),
              "water_m3": ("water", "m3")}  # fmt: skip


@cache
def claims() -> tuple[tuple[str, Claim], ...]:
    """Return every published footprint as a claim, by its id, but for those that are known to be wrong."""
    text = (files("steelyard.evidence.readings") / "energy_published.csv").read_text("utf-8")
    rows = [row for row in csv.DictReader(text.splitlines()) if row["id"] not in KNOWN_WRONG]
    return tuple((row["id"], read_claim(dict(_fields(row)))) for row in rows)


def _fields(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield from (("title", row["model"]), ("source", row["source"]), ("date", row["year"]))
    if row["accelerator"]:
        yield "hardware", f"{row['devices']} {row['accelerator']}".strip()
    yield from ((field, row[name]) for name, field in PLAIN.items() if row[name])
    yield from ((field, f"{row[name]} {unit}") for name, (field, unit) in WITH_UNITS.items() if row[name])
    if row["device_w"]:
        yield (
            "power_kind",
            "tdp" if row["power"] == "assumed" else "assumed" if row["circular"] == "yes" else "measured",
        )
    if row["power"] in POWER:
        yield "power_boundary", POWER[row["power"]]
    if row["boundary"] in BOUNDARIES:
        yield "energy_boundary", BOUNDARIES[row["boundary"]]
