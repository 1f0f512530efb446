"""A page of text: headings, paragraphs, tables and bars, never wider than the reader's terminal or 100 columns."""

import io
from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

WIDTH = 100


def render(parts: Iterable[RenderableType], width: int = WIDTH, *, colour: bool = False) -> str:
    """Return the page as text; in colour only when the reader is a terminal.

    >>> print(render([heading("Time"), table(["part", ">s"], [["matrix products", "1.25"], ["bubble", "0.1"]])]))
    Time
      part                s
      matrix products  1.25
      bubble            0.1
    """
    console = Console(
        file=io.StringIO(),
        width=min(width, WIDTH),
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(Group(*parts))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def heading(text: str) -> RenderableType:
    """Return a line that opens a part of the page.

    >>> print(render([heading("Memory")]))
    Memory
    """
    return Text(text, style="bold")


def paragraph(text: str, indent: int = 2) -> RenderableType:
    """Return wrapped text.

    >>> print(render([paragraph("binds: the deadline")]))
      binds: the deadline
    """
    return Padding(Text(text), (0, 0, 0, indent))


def bullets(lines: Iterable[str]) -> RenderableType:
    """Return a list, each entry hanging from its dash.

    >>> print(render([bullets(["first", "second"])]))
      - first
      - second
    """
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row("-", line)
    return Padding(grid, (0, 0, 0, 2))


def blank() -> RenderableType:
    """Return an empty line.

    >>> render([blank()])
    ''
    """
    return Text("")


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], indent: int = 2, *, header: bool = True
) -> RenderableType:
    """Return aligned columns; a name that starts with `>` is set to the right, with `|` it is never wrapped.

    >>> print(render([table(["|name", ">share"], [["tp", "12 %"], ["dp", "3 %"]])]))
      name  share
      tp     12 %
      dp      3 %
    """
    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", show_header=header)
    for column in columns:
        made.add_column(
            column.lstrip(">|"),
            justify="right" if ">" in column[:2] else "left",
            no_wrap="|" in column[:2] or ">" in column[:2],
            overflow="fold",
        )
    for row in rows:
        made.add_row(*row)
    return Padding(made, (0, 0, 0, indent))


def plot(lines: Iterable[str]) -> RenderableType:
    """Return drawn lines as they are, cut at the page's edge.

    >>> print(render([plot(["│ A", "└───"])]))
      │ A
      └───
    """
    return Padding(Text("\n".join(lines), no_wrap=True, overflow="crop"), (0, 0, 0, 2))


def section(title: str, lines: Sequence[str]) -> list[RenderableType]:
    """Return a titled list; nothing where there is nothing to list.

    >>> section("Notes", [])
    []
    """
    return [blank(), heading(title), bullets(lines)] if lines else []


def as_sentence(text: str) -> str:
    """Return a remark as a as_sentence.

    >>> as_sentence("one measured step narrows it")
    'One measured step narrows it.'
    """
    return f"{text[:1].upper()}{text[1:]}." if text else ""
