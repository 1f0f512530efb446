"""`steelyard audit`: what a published claim says, factor by factor."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from steelyard.cli.printing import json_option, print_json, print_page

if TYPE_CHECKING:
    from steelyard.claims import Claim


SUFFIXES = frozenset({".yaml", ".yml", ".json", ".md", ".csv", ".txt", ".log"})
"""Endings of what is meant as a file, even where there is none."""


@click.command("audit", short_help="A published claim taken apart: which factor is off, and by how much.")
@click.argument("claim", metavar="CLAIM|CASE")
@click.option("--against", metavar="FILE", help="Another account of the same run: the factors between the two.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with the waterfall.")
@json_option
def audit_command(claim: str, against: str | None, html: Path | None, as_json: bool) -> None:
    """Check what a paper, model card, blog or bill states of one run, and say what cannot be.

    CLAIM is a file or the name of a case of the book, such as strubell-nas. Files are read as what they are: a claim in
    YAML or JSON, a Hugging Face model card, CodeCarbon's emissions.csv, an MLPerf Training log, the paragraph that the
    ML CO2 Impact calculator writes. Every check shows its arithmetic; the verdict is consistent, plausible, doubtful,
    impossible or not enough stated.
    """
    from steelyard.claims import audit_claim, audit_json

    stated, other = claim_and_account(claim)
    other = claim_and_account(against)[0] if against else other
    found = audit_claim(stated, other)
    if html is not None:
        from steelyard.report.audit_html_page import audit_html_page

        html.write_text(audit_html_page(found), encoding="utf-8")
    if as_json:
        print_json(audit_json(found))
        return
    from steelyard.report.audit_page import audit_page

    print_page(audit_page(found))


def claim_and_account(name: str) -> "tuple[Claim, Claim | None]":
    """Return the claim of a file, or a case of the book with the account that it is held against."""
    from steelyard.claims import casebook, read_claim

    path = Path(name)
    if name in casebook.case_names() or not (path.exists() or path.suffix.lower() in SUFFIXES or len(path.parts) > 1):
        case = casebook.case_named(name)
        return case.claim, case.against
    return read_claim(path), None
