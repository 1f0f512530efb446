"""The page of the case book is what the audits say; honest claims raise nothing, and each takes less than a second."""

from pathlib import Path

import pytest
from tests.claims.casebook import page
from tests.claims.published import claims
from tests.claims.right import wrong

from steelyard.claims import Claim, audit_claim, casebook

PAGE = Path(__file__).parents[2] / "docs/cases.md"
SUITE = 12
"""Published errors that the book must hold at least, whatever is added to it."""


def test_the_page_is_what_the_audits_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make docs`"


def test_a_wrong_answer_would_be_seen() -> None:
    strubell, honest = casebook.case_named("strubell-nas"), casebook.case_named("patterson-t5")
    assert wrong(strubell, audit_claim(honest.claim))
    assert wrong(honest, audit_claim(strubell.claim, strubell.against))


def test_the_book_holds_errors_and_honest_claims() -> None:
    cases = [casebook.case_named(name) for name in casebook.case_names()]
    assert sum(not case.honest for case in cases) >= SUITE
    assert sum(case.honest for case in cases) >= SUITE


@pytest.mark.parametrize(("name", "claim"), claims(), ids=[name for name, _ in claims()])
def test_no_false_alarm_on_published_claims(name: str, claim: Claim) -> None:
    found = audit_claim(claim)
    assert [(check.name, check.arithmetic) for check in found.fired] == []
