"""The catalog's row of what layouts scatter is what the shipped cases show."""

import math

import pytest
from fit.layout_spread import layout_log_sd, row
from tests.evidence.published import published_scores

from steelyard.catalog import load
from steelyard.evidence.score.ranking import Ranking


@pytest.fixture(scope="module")
def ranking() -> tuple[Ranking, ...]:
    return published_scores().ranking


def test_the_row_is_the_median_of_the_groups(ranking):
    kept = load().layout_spread
    assert abs(math.log(layout_log_sd(ranking) / kept.value)) < 0.15, "python -m fit.layout_spread --write"
    assert kept.groups == len(ranking) > 5
    assert abs(kept.rows / sum(one.layouts for one in ranking) - 1) < 0.1


def test_the_row_is_written_as_the_catalog_reads_it(ranking):
    made = row(ranking)
    assert made[:3] == ("any", "any", "layout_log_sd")
    assert float(made[3]) == pytest.approx(layout_log_sd(ranking), abs=5e-4)
