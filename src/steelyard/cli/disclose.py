"""`steelyard disclose`: what a run should say of itself, in the forms that others read."""

from pathlib import Path

import click

from steelyard.cli.options import calibrated
from steelyard.cli.printing import json_option, print_json
from steelyard.disclosure.forms import form_names


@click.command(
    "disclose", short_help="What a run should say of itself: model card, SPDX, EU AI Act, SCI, table, BibTeX, page."
)
@click.argument("source", metavar="PLAN|RUN|CLAIM|CASE")
@click.option(
    "--format", "form", type=click.Choice(form_names()), help="What to write. Default: by the ending of -o, else hf."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Where. Default: the terminal.")
@click.option("--point", default="", metavar="LABEL", help="Point of a plan: cheapest, fastest ... Default: its first.")
@click.option("--against", metavar="FILE", help="Of a claim: the account that is right, which is then disclosed.")
@calibrated
@json_option
def disclose_command(
    source: str, form: str | None, output: Path | None, point: str, against: str | None, as_json: bool
) -> None:
    """Write the disclosure of a plan, a metered run or an audited claim.

    PLAN is what `plan --json` or `estimate --json` printed; RUN a YAML file of a metered run (docs/disclosure.md);
    CLAIM a claim file, whose numbers are corrected where the audit corrects them; CASE a case of the book.
    Development, search, failed runs, idling and inference are lines of their own; what is not known says what it
    would need.
    """
    from steelyard.disclosure import disclosure_json, form_of, read_disclosure, write_disclosure

    found = read_disclosure(source, point, against)
    if as_json:
        print_json(disclosure_json(found))
        return
    text = write_disclosure(found, form or form_of(output))
    if output is not None:
        output.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)
