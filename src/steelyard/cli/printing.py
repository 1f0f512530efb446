"""Printing: one JSON object, or a page for people."""

import sys
from collections.abc import Callable, Iterable
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
