"""The page of the case book is what the audits say; honest claims raise nothing, and each takes less than a second."""

import time
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


def test_an_audit_takes_less_than_a_second() -> None:
    audit_claim(casebook.case_named("strubell-nas").claim)
    slowest = 0.0
    for name in casebook.case_names():
        case, begun = casebook.case_named(name), time.perf_counter()
        audit_claim(case.claim, case.against)
        slowest = max(slowest, time.perf_counter() - begun)
    assert slowest < 1.0
