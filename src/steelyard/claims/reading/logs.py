"""What tools write of a run, as the fields of a claim: CodeCarbon's emissions.csv, MLPerf Training logs."""

import csv
import io
import json
import re
from collections.abc import Mapping
from typing import Any

from steelyard.claims.reading.hardware import parse_hardware
from steelyard.errors import BadInput

_CODECARBON = {"emissions", "duration", "energy_consumed"}
_MLLOG = ":::MLLOG"


def read_codecarbon(text: str, where: str) -> dict[str, Any] | None:
    """Read CodeCarbon's `emissions.csv`: the last run of it; energy in kWh at the machine, emissions in kg."""
    if not set(text.partition("\n")[0].strip().split(",")) >= _CODECARBON:
        return None
    try:
        every = [row for row in csv.DictReader(io.StringIO(text, newline="")) if row.get("emissions")]
    except csv.Error as error:
        raise BadInput(f"{where}: not a comma-separated file ({error})") from error
    if not every:
        raise BadInput(f"{where}: CodeCarbon wrote no run into it; give the emissions.csv of a finished run")
    row = every[-1]
    found: dict[str, Any] = {
        "title": row.get("project_name") or "a CodeCarbon run",
        "source": f"{where}, CodeCarbon {row.get('codecarbon_version', '')}".rstrip(),
        "date": (row.get("timestamp") or "")[:10],
        "hours": f"{row['duration']} s",
        "energy": f"{row['energy_consumed']} kWh",
        "energy_boundary": "it",
        "co2e": f"{row['emissions']} kg",
        "co2e_kind": "location-gross",
        "power_kind": "measured" if _number(row.get("gpu_energy")) else "modelled",
        "note": f"{len(every)} runs in the file; the last is read" if len(every) > 1 else "",
    }
    if _number(row.get("pue")) > 1:
        found["pue"], found["energy_boundary"] = row["pue"], "facility"
    model, count = row.get("gpu_model") or "", row.get("gpu_count") or ""
    if model:
        found["hardware"] = model if re.match(r"\s*\d+\s*x", model) else f"{count or 1} x {model}"
    if country := row.get("country_iso_code"):
        found["place"] = _country(country)
    return found


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return 0.0


def _country(code: str) -> str:
    """Return the catalog's name of a country from its three letters, where it is one of the common ones."""
    return _ISO.get(code.upper(), code)


_ISO = {
    "USA": "US", "FRA": "FR", "DEU": "DE", "GBR": "GB", "CAN": "CA", "CHN": "CN", "IND": "IN", "JPN": "JP", "KOR": "KR",
    "SWE": "SE", "NOR": "NO", "FIN": "FI", "NLD": "NL", "BEL": "BE", "CHE": "CH", "ITA": "IT", "ESP": "ES", "POL": "PL",
    "BRA": "BR", "AUS": "AU", "SGP": "SG", "TWN": "TW", "IRL": "IE", "ISL": "IS", "DNK": "DK", "AUT": "AT", "PRT": "PT",
}  # fmt: skip


def read_mlperf(text: str, where: str) -> dict[str, Any] | None:
    """Read an MLPerf Training log: the time from run_start to run_stop, and what the submission says of its machine."""
    if _MLLOG not in text:
        return None
    events: dict[str, Any] = {}
    for line in text.splitlines():
        _, mark, body = line.partition(_MLLOG)
        if mark:
            event = _event(body)
            events.setdefault(str(event.get("key")), event)
    begin, end = (events.get(key, {}).get("time_ms") for key in ("run_start", "run_stop"))
    if not begin or not end or end <= begin:
        raise BadInput(f"{where}: the log has no run_start before a run_stop; give the result of a finished run")
    value = {key: event.get("value") for key, event in events.items()}
    nodes, each = _number(value.get("number_of_nodes")), _number(value.get("accelerators_per_node"))
    found: dict[str, Any] = {
        "title": f"MLPerf Training {value.get('submission_benchmark', '')}".rstrip(),
        "source": f"{where}, {value.get('submission_org', 'MLPerf')}",
        "hours": f"{(end - begin) / 1e3} s",
        "scope": "training",
    }
    name = str(value.get("submission_platform") or "")
    if accelerator := _accelerator(name):
        found["hardware"] = f"{nodes * each:g} x {accelerator}" if nodes * each else accelerator
    if (batch := _number(value.get("global_batch_size"))) > 0:
        found["batch_samples"] = f"{batch:g}"
    return found


def _accelerator(platform: str) -> str:
    """Return the accelerator in the name of a platform, `1xSMC-H100-SXM-80GB`; empty: none that is known."""
    words = re.split(r"[-_\s]+", platform)
    tails = ("-".join(words[place:]) for place in range(len(words)))
    return next(
        (tail for tail in tails if re.search("[A-Za-z]", tail) and parse_hardware(tail).accelerator is not None), ""
    )


def _event(body: str) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}
