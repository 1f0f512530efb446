"""From whatever a disclosure can be made of to the disclosure."""

from pathlib import Path

from steelyard.claims import casebook, read_claim
from steelyard.claims.reading import fields
from steelyard.claims.reading.claim import Claim
from steelyard.claims.reading.documents import parse_fields
from steelyard.claims.reading.files import CLAIM_FILES, MOST_MIB
from steelyard.disclosure.ledger import Disclosure
from steelyard.disclosure.origins.audited_claim import disclosure_of_claim
from steelyard.disclosure.origins.metered_run import disclosure_of_run, is_run
from steelyard.disclosure.origins.planned_point import disclosure_of_answer
from steelyard.errors import BadInput
from steelyard.job.documents import read_text
from steelyard.planner.saved.files import saved_answer


def read_disclosure(source: str | Path, point: str = "", against: str | Path | None = None) -> Disclosure:
    """Return the disclosure of a plan's JSON, a metered run, a claim file, or a case of the book.

    >>> round(read_disclosure("patterson-t5").total("gross_kg").value)
    46706
    """
    path = Path(source)
    if str(source) in casebook.case_names() or not (path.exists() or path.suffix or len(path.parts) > 1):
        case = casebook.case_named(str(source))
        return disclosure_of_claim(case.claim, read_claim(against) if against else case.against, case.sources)
    if path.suffix.lower() in CLAIM_FILES:
        return _of_fields(path, point, against)
    return _of_claim(read_claim(path), path, point, against)


def _of_fields(path: Path, point: str, against: str | Path | None) -> Disclosure:
    """Return the disclosure of a YAML or JSON file, by the fields that it holds."""
    answer = saved_answer(path)
    if answer is not None:
        return disclosure_of_answer(answer, point, str(path))
    text = read_text(path, MOST_MIB, "a plan, a metered run, a claim or a case's name")
    given = parse_fields(text, str(path))
    if not given:
        raise BadInput(f"{path}: it holds no fields; give a plan, a metered run or a claim")
    if is_run(given):
        return disclosure_of_run(given, str(path))
    return _of_claim(fields.claim_of_fields(given, str(path)), path, point, against)


def _of_claim(claim: Claim, path: Path, point: str, against: str | Path | None) -> Disclosure:
    if point:
        raise BadInput(f"{path}: --point names a point of a plan, and this is none")
    return disclosure_of_claim(claim, read_claim(against) if against else None)
