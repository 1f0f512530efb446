"""Why rivals lost: factors whose product is the difference, and who really beats whom."""

import math

import numpy as np
import pytest
from tests.reasons.test_order import planned
from tests.search.fakes import FAKE, JOB, market

from steelyard.job import read_job
from steelyard.planner import plan
from steelyard.reasons.factors import NAMES, drivers, factors
from steelyard.reasons.summaries import setting_of
from steelyard.search.engine import Limits
from steelyard.search.explore import explore

WIDE = Limits(max_devices=16)
FIELDS = ("time_s", "cost_usd", "energy_facility_kwh", "co2e_kg")
AXES = ("time", "cost", "energy", "co2e")
COLUMN = {"cheapest": 1, "fastest": 0, "cleanest": 3}


@pytest.mark.parametrize("seed", range(5))
def test_the_product_of_the_factors_is_the_ratio(seed):
    some = market(seed)
    found = explore(JOB, some, WIDE, FAKE, workers=1).candidates
    rows = np.linspace(0, found.count - 1, 12).astype(int)
    made = drivers([setting_of(JOB, some, found, int(row)) for row in rows], FAKE, "location_gross")
    for column in NAMES:
        for loser in range(1, rows.size):
            ratio = found.points[rows[loser], column] / found.points[rows[0], column]
            product = math.prod(factor.ratio for factor in factors(made, 0, loser, column))
            assert product == pytest.approx(ratio, rel=1e-9, nan_ok=True)


@pytest.fixture(scope="module")
def real():
    return plan(read_job("llama-3-8b", tokens="20B", by="7d", accelerators="H100,A100,TPU-v5p", max_devices=256))


def test_factors_of_real_rivals_multiply_to_the_difference(real):
    assert len(real.rivals) > 5
    for rival in real.rivals:
        axis = AXES[COLUMN[rival.label]]
        assert math.prod(rival.factors.values()) == pytest.approx(rival.ratios[axis], rel=1e-6)
        assert 0 <= rival.share_of_draws <= 1
    points = {point.label: point for point in real.points}
    for rival in real.rivals:
        for axis, name in zip(AXES, FIELDS, strict=True):
            figure = getattr(points[rival.label], name).value
            assert getattr(rival, name) / figure == pytest.approx(rival.ratios[axis], nan_ok=True)


@pytest.mark.parametrize("seed", range(8))
def test_what_dominates_does_and_what_is_not_dominated_is_on_the_frontier(seed):
    made = planned(market(seed), WIDE)

    def ahead(one, other):
        first, second = ([getattr(dot, name) for name in FIELDS] for dot in (one, other))
        known = np.nan_to_num([first, second], nan=math.inf)
        return bool(np.all(known[0] <= known[1]) and np.any(known[0] < known[1]))

    assert made.rivals
    for rival in made.rivals:
        if rival.dominated_by is not None:
            assert ahead(rival.dominated_by, rival)
        else:
            assert not any(ahead(dot, rival) for dot in made.frontier)
            assert "On the frontier" in rival.text
