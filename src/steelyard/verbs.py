"""The verbs of Python that read files of runs, claims and disclosures; those of plans are in `planner`.

>>> audit("strubell-nas").verdict
'doubtful'
>>> disclose("patterson-t5").basis
'audited'
"""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelyard.catalog import load
from steelyard.catalog.local import layer
from steelyard.claims import Audit, Claim, audit_claim, casebook, read_claim
from steelyard.disclosure import Disclosure, read_disclosure
from steelyard.disclosure.origins.planned_point import disclosure_of_answer
from steelyard.errors import BadInput
from steelyard.evidence.calibration import Calibration, calibrate_constants
from steelyard.evidence.runs import reader
from steelyard.evidence.score.validation import Validation, check_any_scored, validate_runs
from steelyard.job.arguments import check_type
from steelyard.planner.answers import Estimate, Plan

ClaimSource = str | Path | Mapping[str, Any] | Claim
"""A claim: its file, its fields, a case of the book by its name, or what was read of one."""

_FILES = frozenset({".yaml", ".yml", ".json", ".md", ".csv", ".txt", ".log"})
"""Endings of what is meant as a file, even where there is none."""


def validate(cases: str | Path | None = None, by: str = "group") -> Validation:
    """Return how right the predictions are: of the published runs that Steelyard carries, or of a file of runs.

    Published runs are scored by the shipped constants, whatever a calibration of one's own says.

    Args:
        cases: measured runs, .csv or .jsonl, plain or .gz; None: the published ones
        by: what scores are grouped by: group, publisher, chip, family, stack or precision

    `BadInput` where the file holds no run, or none of which a figure can be scored, with the reasons.
    """
    if cases is not None:
        check_type("cases", cases, (str, Path), "a file of measured runs, .csv or .jsonl; None: the published ones")
    check_type("by", by, str, "what scores are grouped by, such as 'stack'")
    if cases is not None:
        found = validate_runs(reader.read_runs(Path(cases)), by)
        check_any_scored(found, Path(cases).name)
        return found
    with layer.using_layer(layer.current_layer().without_calibrations()):
        return validate_runs(reader.published_runs(), by)


def calibrate(runs: str | Path, name: str | None = None, *, write: bool = False) -> Calibration:
    """Return what measured runs make of the fitted constants.

    Args:
        runs: a .csv or .jsonl of runs, plain or .gz
        name: what to call the calibration; None: the name of the file
        write: keep it in the user's folder, where the command line uses it from then on

    `steelyard.catalog.local.layer.using_layer(found.layer)` uses it for the plans of a block.
    """
    check_type("runs", runs, (str, Path), "a file of measured runs, .csv or .jsonl")
    if name is not None:
        check_type("name", name, str, "what to call the calibration, such as 'cluster-a'")
    path = Path(runs)
    label = layer.slug(name if name is not None else path.name.split(".")[0])
    if not label:
        raise BadInput(f"--name {name!r}: no letter or digit in it; give a name such as cluster-a")
    today = dt.datetime.now(dt.UTC).date().isoformat()
    found = calibrate_constants(reader.read_runs(path), load(), label, path.name, today)
    if write:
        layer.write_calibration(layer.layer_folder(), label, found.layer)
    return found


def audit(claim: ClaimSource, against: ClaimSource | None = None) -> Audit:
    """Return a published claim taken apart: factors, checks, verdict, estimate.

    Args:
        claim: a file, the fields of one, or the name of a case of the book
        against: another account of the same run; None: that of the case, if it is one
    """
    found, account = claim_and_account(claim)
    return audit_claim(found, claim_and_account(against)[0] if against else account)


def claim_and_account(source: ClaimSource) -> tuple[Claim, Claim | None]:
    """Return the claim of a source; of a case of the book also the account that it is held against."""
    if isinstance(source, Claim):
        return source, None
    if isinstance(source, Mapping):
        return read_claim(source), None
    check_type("claim", source, (str, Path), "a claim's file, its fields as a mapping, or a case of the book")
    if not str(source).strip():
        raise BadInput("the claim's name is empty; give its file, or a case of the book such as strubell-nas")
    path = Path(source)
    named = str(source) in casebook.case_names()
    if named or not (path.exists() or path.suffix.lower() in _FILES or len(path.parts) > 1):
        case = casebook.case_named(str(source))
        return case.claim, case.against
    return read_claim(path), None


def disclose(source: str | Path | Plan | Estimate, point: str = "", against: str | Path | None = None) -> Disclosure:
    """Return what a run should say of itself; `steelyard.disclosure.write_disclosure` writes it in a form.

    Args:
        source: a plan or an estimate, its saved JSON, a metered run, a claim's file, or a case of the book
        point: of a plan: the label of its point; empty: its first
        against: of a claim: the account that is right, which is then disclosed
    """
    check_type("point", point, str, "the label of a point of the plan, such as 'cheapest'")
    if against is not None:
        check_type("against", against, (str, Path), "the file of the account that is right")
    if isinstance(source, Plan | Estimate):
        return disclosure_of_answer(source, point)
    check_type("source", source, (str, Path), "a plan, an estimate, a file of one, of a run or of a claim, or a case")
    return read_disclosure(source, point, against)
