"""The one drawing of bars as SVG: a waterfall, or steps from one boundary to the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from steelyard.formatting.figures import COUNT, QUANTITY_LADDERS, amount

ROW, RIGHT, WIDTH = 26, 110, 760
GREY: Final = "#666"
COLOURS: Final = {
    "Model": "#7b5ea7",
    "Machine": "#2f6f9f",
    "Mechanization": "#b5651d",
    "Map": "#3c8c4a",
    "Accounting": "#a33b3b",
}
"""Of a factor, by the choice that it belongs to."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a drawing, from one value to another, and the text at its end."""

    name: str
    low: float
    high: float
    text: str
    colour: str = GREY


def bars_svg(title: str, bars: Sequence[Bar], left: int) -> str:
    """Return bars below each other, all on one scale, with `left` pixels for their names.

    >>> drawn = bars_svg("energy", [Bar("IT", 0.0, 3.0, "3 J"), Bar("cooling", 3.0, 4.0, "+1 J")], 150)
    >>> drawn.count("<rect"), "+1 J" in drawn
    (2, True)
    """
    most = max((bar.high for bar in bars), default=0.0) or 1.0
    scale = (WIDTH - left - RIGHT) / most
    drawn = "".join(_drawn(row, bar, left, scale) for row, bar in enumerate(bars))
    name = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {ROW * len(bars) + 8}" role="img" '
        f'aria-label="{name}"><title>{name}</title>{drawn}</svg>'
    )


def _drawn(row: int, bar: Bar, left: int, scale: float) -> str:
    x, width, y = left + bar.low * scale, max((bar.high - bar.low) * scale, 1.0), ROW * row + 4
    return (
        f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{escape(bar.name.replace("_", " "))}</text>'
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 6}" fill="{bar.colour}"/>'
        f'<text x="{min(x + width, WIDTH - RIGHT) + 6:.1f}" y="{y + 15}">{escape(bar.text)}</text>'
    )


def waterfall_svg(quantity: str, claimed: float, other: float, steps: Sequence[tuple[str, str, float]]) -> str:
    """Return the way from a claim to the account it is held against: a bar a factor (name, choice, what it adds).

    >>> drawn = waterfall_svg("co2e", 8.0, 2.0, [("pue", "Mechanization", 6.0)])
    >>> drawn.startswith("<svg"), drawn.count("<rect"), "-6.00 kg" in drawn
    (True, 3, True)
    """
    ladder, level = QUANTITY_LADDERS.get(quantity, COUNT), claimed
    bars = [Bar("claimed", 0.0, claimed, amount(claimed, ladder, 3))]
    for name, choice, added in steps:
        after = level - added
        text = f"{'-' if added >= 0 else '+'}{amount(abs(added), ladder, 3)}"
        low, high = max(0.0, min(level, after)), max(level, after, 0.0)
        bars.append(Bar(name, low, high, text, COLOURS.get(choice, GREY)))
        level = after
    bars.append(Bar("held against", 0.0, other, amount(other, ladder, 3)))
    return bars_svg(f"{quantity}: from the claim to the account it is held against", bars, 150)
