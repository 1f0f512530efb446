"""`steelyard validate`: how right the predictions are."""

from pathlib import Path

import click

from steelyard.cli.say import json_option, say, tell

GROUPINGS = ("group", "publisher", "chip", "family", "stack", "precision")


@click.command(short_help="How right the predictions are, against published runs.")
@click.option("--cases", type=click.Path(path_type=Path), metavar="FILE", help="Published runs, .csv or .csv.gz.")
@click.option("--by", default="group", metavar="LABEL", help=f"Score by {', '.join(GROUPINGS)}.")
@json_option
def validate(cases: Path | None, by: str, as_json: bool) -> None:
    """Predict published runs and compare: step time and peak memory, per group, beside two naive baselines.

    Without --cases the runs that Steelyard carries are used; a file has the same columns. With --json every case is
    listed with its interval, or with the reason why it could not be predicted.
    """
    from steelyard.validation import read, run

    rows = read.shipped() if cases is None else read.read(cases)
    found = run.validate(rows, by).to_dict()
    if as_json:
        tell(found)
        return
    from steelyard.report.scores import scores

    say(scores(found, by))
