"""From a file to the plan or the estimate that was saved in it; one without its job is refused."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from steelyard.errors import BadInput
from steelyard.formatting.decode import decode
from steelyard.job import JobSpec
from steelyard.job.documents import load_json, read_text
from steelyard.job.models.describe import is_file
from steelyard.job.read import check_saved_job
from steelyard.planner.answers import Estimate, Plan
from steelyard.tables import Policy
from steelyard.vocabulary import CO2E_KINDS

ANEW = "write it anew with --json"

_MOST_MIB = 16
"""No saved answer is larger."""

_POINT_KEYS = ("time_s", "devices", "accelerator", "energy_facility_kwh", "site")
"""Keys that a point of a plan and an estimate have, and no job file."""


def is_answer(found: Mapping[str, Any]) -> bool:
    """Return whether a mapping is meant as the JSON of a plan or an estimate.

    >>> is_answer({"summary": "", "points": []}), is_answer({"model": "gpt2", "devices": 8})
    (True, False)
    """
    return "points" in found or all(name in found for name in _POINT_KEYS)


def saved_answer(source: str | Path) -> Plan | Estimate | None:
    """Return the plan or the estimate that a file of JSON holds; None where it is something else, or not there."""
    path = Path(source)
    if not is_file(str(source), Path()) or path.is_dir() or not _holds_object(path):
        return None
    try:
        found = load_json(read_text(path, _MOST_MIB), str(path))
    except BadInput:
        return None  # whoever reads it as a job says what is wrong
    return answer_of_fields(found, str(path)) if isinstance(found, Mapping) and is_answer(found) else None


def answer_of_fields(found: Mapping[str, Any], where: str) -> Plan | Estimate:
    """Return the plan or the estimate of its JSON; `BadInput` where it lacks its job, or is not of this version."""
    if not isinstance(found.get("request"), Mapping):
        raise BadInput(f"{where}: the answer holds no request, which is the job it answers; {ANEW}")
    try:
        answer: Plan | Estimate = decode(Plan if "points" in found else Estimate, found)
    except ValueError as error:
        raise BadInput(f"{where}: no answer of this version: {error}; {ANEW}") from None
    except BadInput as error:
        raise BadInput(f"{where}: {error}; {ANEW}") from None
    if answer.carbon_kind not in CO2E_KINDS:
        raise BadInput(
            f"{where}: carbon_kind is {answer.carbon_kind[:60]!r}; it is one of {', '.join(CO2E_KINDS)}; {ANEW}"
        )
    _check_request(answer.request, found["request"], where)
    return answer


def _holds_object(path: Path) -> bool:
    """Return whether a file begins as an object of JSON does."""
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip().startswith(b"{")
    except OSError:
        return False  # whoever reads it as a job says what is wrong


def _check_request(spec: JobSpec | None, found: Any, where: str) -> None:
    """Refuse a request that no job file makes: unknown fields, and numbers or words that no job has."""
    if spec is None:
        return
    for place, given, known in (
        ("request", found, {field.name for field in fields(JobSpec)}),
        ("request.policy", spec.policy, set(Policy.__slots__)),
    ):
        if unknown := sorted(given.keys() - known):
            raise BadInput(f"{where}: {place}: unknown field {unknown[0]!r}; {ANEW}")
    try:
        check_saved_job(spec, where)
    except BadInput as error:
        raise BadInput(f"{error}; {ANEW}") from None
