"""What is printed first fits a terminal and a half, whatever its width, and says what the long page says."""

import math
from functools import cache
from pathlib import Path

import pytest
from tests.cli.test_verbs import EXAMPLE, output_json, output_text

from steelyard.planner import Plan
from steelyard.report import page
from steelyard.report.short_plan_page import nicknames, short_plan_page

EXAMPLES = Path(EXAMPLE).parent
NAMES = ("llama-3-8b", "own-or-rent", "lora-70b")
LINES = {80: 80, 100: 61, 120: 61}
"""Lines that a plan may take, by the width of the terminal."""

SECTIONS = ("What binds", "Not told apart", "Inputs that change", "The best of other kinds", "Before you decide")


@cache
def plan(name: str) -> Plan:
    return Plan.from_dict(output_json("plan", str(EXAMPLES / f"{name}.yaml")))


@pytest.mark.parametrize("width", LINES)
@pytest.mark.parametrize("name", NAMES)
def test_a_plan_fits(name: str, width: int) -> None:
    lines = page.render(short_plan_page(plan(name)), width).splitlines()
    assert len(lines) <= LINES[width]
    assert max(map(len, lines)) <= min(width, page.WIDTH)


@pytest.mark.parametrize("name", NAMES)
def test_a_section_has_one_line_a_point_and_opens_with_its_label(name: str) -> None:
    labels = [point.label for point in plan(name).points]
    text = page.render(short_plan_page(plan(name)))
    parts = text.split("\n\n")
    there = [title for title in SECTIONS[:4] if any(part.startswith(title) for part in parts)]
    assert len(there) >= 3  # an input that changes no winner has no section
    for title in there:
        block = next(part for part in parts if part.startswith(title)).splitlines()[1:]
        opened = [line.split()[0] for line in block if not line.startswith("   ")]
        assert opened == [label for label in [*labels, "these"] if label in opened]


def test_the_first_page_leads_to_the_long_one() -> None:
    short, long = output_text("plan", EXAMPLE), output_text("plan", EXAMPLE, "--details")
    assert short.splitlines()[0] == long.splitlines()[0]
    assert all(section in short for section in SECTIONS)
    assert "--details" in short
    for point in plan("llama-3-8b").points:
        assert point.offer.split("/", 2)[2] in short
    for title in (
        "Why the rivals lost",
        "Other winners, if one input moves",
        "Notes",
        "Sources of the catalog rows used",
    ):
        assert title in long
        assert title not in short


def test_what_is_likeliest_to_be_off_is_named_first() -> None:
    found = plan("llama-3-8b")
    text = page.render(short_plan_page(found))
    for point in found.points:
        rows = [row for row in found.sensitivity if row.label == point.label and row.chance > 0]
        if rows:
            likeliest = max(rows, key=lambda row: row.chance).input.removeprefix("speed of ")
            line = next(line for line in _block(text, "Inputs that change") if line.split()[0] == point.label)
            for name, nick in nicknames(found).items():
                likeliest = likeliest.replace(name, nick)
            assert likeliest in line


def test_a_chance_is_a_probability_or_unknown() -> None:
    for row in plan("llama-3-8b").sensitivity:
        assert math.isnan(row.chance) or 0 <= row.chance <= 1
        if row.input.startswith("price"):
            assert math.isnan(row.chance)


def _block(text: str, title: str) -> list[str]:
    return next(part for part in text.split("\n\n") if part.startswith(title)).splitlines()[1:]


def test_rows_of_the_catalog_are_read_in_lines_not_in_letters() -> None:
    lines = output_text("explain", EXAMPLE, "--details").splitlines()
    rows = lines[lines.index("Catalog rows used") : lines.index("Assumed")]
    assert len(rows) < 300
    assert len([line for line in rows if len(line.split()) == 1 and len(line.split()[0]) == 1]) < 10


PINNED = ("--on", "H100:64", "--layout", "tp=2,pp=1,dp=32,mbs=2,zero=1")


@pytest.mark.parametrize(
    ("words", "opens", "most"),
    [
        (("estimate", EXAMPLE, *PINNED), "llama-3-8b on 20B tokens", 62),
        (("explain", EXAMPLE, *PINNED), "llama-3-8b on 20B tokens", 82),
        (("plan", EXAMPLE, "--accelerators", "H100", "--what-if", "by=1d,7d"), "llama-3-8b on 20B tokens if by is", 30),
        (("audit", "strubell-nas"), "Evolved Transformer NAS", 60),
        (("when", EXAMPLE, *PINNED), "64 × H100-80GB-SXM", 30),
        (("validate",), "Step time", 70),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_every_verb_opens_with_its_answer_and_fits(words: tuple[str, ...], opens: str, most: int) -> None:
    lines = output_text(*words).splitlines()
    assert lines[0].startswith(opens)
    assert len(lines) <= most


def test_an_estimate_in_short_says_what_the_long_page_says() -> None:
    short, long = output_text("estimate", EXAMPLE, *PINNED), output_text("estimate", EXAMPLE, *PINNED, "--details")
    assert short[: short.index("The rest in a line each")] in long
    for part in ("allocated", "IT ", "location-based, net", "embodied", "goodput", "Assumed: "):
        assert part in short
    assert "[epoch]" in long
    assert "[epoch]" not in short
