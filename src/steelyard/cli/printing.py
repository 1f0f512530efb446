"""Printing: one JSON object, a page for people, progress on a terminal and none in a pipe."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

json_option: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object whose keys end in their unit."
)

details_option: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
    "--details", is_flag=True, help="Print the long page: every reason, assumption and source."
)


def print_json(value: Any) -> None:
    """Print one JSON object."""
    from steelyard.formatting.encode import encode

    click.echo(encode(value))


def print_page(parts: Iterable[Any]) -> None:
    """Print a page, in colour and as wide as the window on a terminal, plain and 100 columns wide elsewhere."""
    from steelyard.report.page import WIDTH, render

    terminal = sys.stdout.isatty()
    width = click.get_current_context().terminal_width or _window() if terminal else WIDTH
    click.echo(render(parts, width, colour=terminal))


def _window() -> int:
    import shutil

    return shutil.get_terminal_size((100, 24)).columns


_Tick = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


@contextmanager
def progress_bar(what: str) -> Iterator[_Tick]:
    """Show a bar and the time left on stderr while the block runs, if that is a terminal; it vanishes at the end."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    left, stop = TimeRemainingColumn(elapsed_when_finished=True), TextColumn("left, Ctrl-C: the best so far")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), left, stop)
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:  # no thread
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total, refresh=True)
