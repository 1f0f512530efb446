"""`steelyard audit`: what a published claim says, factor by factor."""

from pathlib import Path

import click

from steelyard.cli.printing import json_option, print_json, print_page


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
    from steelyard.verbs import audit

    found = audit(claim, against)
    if html is not None:
        from steelyard.report.audit_html_page import audit_html_page

        html.write_text(audit_html_page(found), encoding="utf-8")
    if as_json:
        from steelyard.claims.findings import audit_json

        print_json(audit_json(found))
        return
    from steelyard.report.audit_page import audit_page

    print_page(audit_page(found))
