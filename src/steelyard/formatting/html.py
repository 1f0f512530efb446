"""The one skeleton of a page for a browser: self-contained, no script, no request, light and dark."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

STYLE: Final = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}
td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.verdict{font-size:1.3rem;font-weight:600}
tr.fired td:first-child{color:#c03030;font-weight:600}
svg{width:100%;height:auto}
svg text{font:13px system-ui,sans-serif;fill:currentColor}
code{font-size:.85rem}
"""


def html_page(title: str, parts: Iterable[str], style: str = "") -> str:
    """Return a whole page of parts that are HTML already; the title is text.

    >>> made = html_page("a <title>", ["<p>text</p>"])
    >>> made.startswith("<!doctype html>"), "a &lt;title&gt;" in made, "<script" in made
    (True, True, False)
    """
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}{style}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], classes: Sequence[str] = ()) -> str:
    """Return a table of text; a cell that is unknown is pale; `classes` names the class of each row, if any.

    >>> html_table(("what", ""), [("PUE", "1.1")]).count("<td")
    2
    """
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    names = iter(classes)
    body = "".join(f"{_row_start(next(names, ''))}{''.join(map(_cell, cells))}</tr>" for cells in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _row_start(name: str) -> str:
    return f"<tr class={name}>" if name else "<tr>"


def html_list(lines: Sequence[str]) -> str:
    """Return a list of text; nothing where there is nothing to list."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def _cell(text: str) -> str:
    return f"<td{' class=u' if text.startswith('unknown') else ''}>{escape(text)}</td>"
