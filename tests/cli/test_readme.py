"""The README says what the code says: `make docs` writes its figures."""

import re

import pytest
from tests.cli.readme import README, part, scores
from tests.evidence.published import published_scores

TEXT = README.read_text("utf-8")


def shares(table: str) -> dict[str, list[float]]:
    """Return the percentages of each row, by what the row is about."""
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {
        re.sub(r"[\d,]+ ", "", name, count=1).split("(")[0]: [
            float(cell.removesuffix(" %")) for cell in cells if re.fullmatch(r"[\d.]+ %", cell)
        ]
        for name, *cells in rows
    }


def test_the_table_of_errors_is_what_validate_says() -> None:
    written, found = shares(part(TEXT, "scores")), shares(scores(published_scores()))
    assert written.keys() == found.keys()
    for name, values in written.items():
        assert values == pytest.approx(found[name], abs=0.3), f"{name}: run `make docs`"


def test_the_plan_shown_is_one_that_the_job_could_print() -> None:
    shown = part(TEXT, "plan")
    for words in ("cheapest", "fastest", "balanced", "time ", "money ", "energy ", "memory ", "What binds"):
        assert words in shown
