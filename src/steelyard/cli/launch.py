"""`steelyard launch`: what a configuration is started with."""

from pathlib import Path
from typing import Any

import click

from steelyard.cli.options import configuration_options, given_values
from steelyard.cli.printing import print_json, progress_bar
from steelyard.launchers.writers import writer_names


@click.command(
    "launch", short_help="What a configuration is started with: the arguments or configuration of its stack."
)
@configuration_options(
    click.option("--to", type=click.Choice(writer_names()), help="Who writes. Default: the writer of its stack."),
    click.option(
        "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Where. Default: the terminal, no file."
    ),
    click.option("--force", is_flag=True, help="Overwrite files that are there."),
)
def launch_command(
    job: str,
    label: str | None,
    to: str | None,
    output: Path | None,
    force: bool,
    carbon: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Write what one configuration of JOB is started with: launch.sh, and the file of its stack where it takes one.

    With --on the configuration is the one pinned; else it is the point of the plan that --label names; JOB may be what
    `plan --json` or `estimate --json` printed. Every setting of the layout is written in the words of the stack or
    listed as not expressed, with the reason. Paths, tokenizer and learning rate are left to fill in.
    """
    from steelyard.launchers import launch, launch_text, write_files

    with progress_bar("weighing candidates") as tick:
        found = launch(job, label, to=to or "", carbon=carbon, progress=tick, **given_values(given))
    written = () if output is None else write_files(found, output, force=force)
    if as_json:
        print_json(found)
        return
    click.echo(launch_text(found, written), nl=False)
