"""Pages fit 100 columns and say the same on a terminal and in a pipe."""

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.report import page
from steelyard.report.plot import scatter

WORDS = st.text(alphabet=st.characters(codec="ascii", categories=("L", "N", "P")), max_size=120)


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), max_size=5))
def test_a_table_never_passes_100_columns(rows: list[tuple[str, str, str]]) -> None:
    text = page.render([page.table(["first", "second", "third"], rows)])
    assert max(map(len, text.splitlines()), default=0) <= 100


def test_markup_in_a_name_is_text() -> None:
    assert "[bold]x[/bold]" in page.render([page.table(["name"], [["[bold]x[/bold]"]])])


def test_colour_changes_no_word() -> None:
    parts = [page.heading("Time"), page.table(["a", ">b"], [["x", "1"]]), page.bullets(["one"])]
    coloured = re.sub(r"\x1b\[[0-9;]*m", "", page.render(parts, colour=True))
    assert [line.rstrip() for line in coloured.splitlines()] == page.render(parts).splitlines()


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)), max_size=30))
def test_a_scatter_has_its_size(points: list[tuple[float, float]]) -> None:
    lines = scatter([(x, y, "·") for x, y in points], str, str, width=30, height=5)
    shown = [point for point in points if min(point) > 0]
    assert len(lines) == (7 if shown else 0)


def test_a_scatter_of_one_point_draws_it() -> None:
    assert any("A" in line for line in scatter([(1.0, 1.0, "A")], str, str, 10, 3))


@pytest.mark.parametrize("nothing", [[], [(float("nan"), 1.0, "A")]])
def test_a_scatter_of_nothing_is_nothing(nothing: list[tuple[float, float, str]]) -> None:
    assert scatter(nothing, str, str) == []


PAGES = sorted((Path(page.__file__).parent).glob("*.py"))


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_pages_read_types_and_no_mapping_of_anything(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "Any"]
