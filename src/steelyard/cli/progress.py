"""Progress on a terminal, none in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tick = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


@contextmanager
def progress_bar(what: str) -> Iterator[Tick]:
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
