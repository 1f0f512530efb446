"""What the fit makes of chips: the power that they have for their arithmetic tells of those that no fit has seen."""

import math

import numpy as np
import pytest
from fit.stacks.factors import (
    ACCELERATOR_SD,
    FAMILY_SD,
    POWER,
    POWER_SD,
    factors,
    power_loading,
    problem_of,
    training_rows,
)
from fit.stacks.scores import evidence
from fit.stacks.write import accelerator_table

from fit import hierarchy
from steelyard.catalog import load
from steelyard.evidence.frames.frame import frame_subset


@pytest.fixture(scope="module")
def rows():
    data, log_s = training_rows()
    keep = np.isin(data.labels.group, ["maxtext-v4", "megatron-2104.04473", "torchtitan-2025-06"])
    return frame_subset(data, keep), log_s[keep]


def lines(rows, theta, covariance):
    table = accelerator_table(rows[0], factors(rows[0]), theta, covariance)
    return {(line[0], line[1]): (float(line[3]), float(line[5])) for line in table if line[2] == "time_scale"}


def test_a_chip_with_less_power_for_its_arithmetic_is_slower_by_the_same_law(rows) -> None:
    parts = factors(rows[0])
    theta = np.array([-0.1 if part.entity == POWER else 0.0 for part in parts])
    found = lines(rows, theta, np.zeros((len(parts), len(parts))))
    for name in ("MI300X", "B200-180GB-SXM", "T4"):
        accelerator = load().accelerator(name)
        watts = accelerator.tdp_w / accelerator.peak("fp16") / (700 / 989.5e12)
        assert found[name, "any"][0] == pytest.approx(watts**-0.1, rel=2e-3)
    most = 400 / 312e12 / (700 / 989.5e12)
    assert found["RTX-3090", "any"][0] == pytest.approx(most**-0.1, rel=2e-3), "no chip is held less than an A100"


def test_what_no_fit_has_is_as_open_as_its_prior(rows) -> None:
    parts = factors(rows[0])
    found = lines(rows, np.zeros(len(parts)), np.diag([part.sd**2 for part in parts]))
    assert found["any", "any"][1] == pytest.approx(math.hypot(FAMILY_SD, ACCELERATOR_SD), abs=1e-3)
    power = POWER_SD * abs(power_loading(load().accelerator("MI300X")))
    assert found["MI300X", "any"][1] == pytest.approx(math.hypot(FAMILY_SD, ACCELERATOR_SD, power), abs=1e-3)
    assert found["family:nvidia-hopper", "any"][1] == pytest.approx(math.hypot(FAMILY_SD, ACCELERATOR_SD), abs=1e-3)


def test_what_a_family_has_too_much_its_chip_has_too_little(rows) -> None:
    """Factors that always stand together are known as one, however open each is."""
    data, log_s = rows
    parts = factors(data)
    problem = problem_of(data, log_s, parts)
    theta = hierarchy.fit(problem)
    covariance = hierarchy.covariance(problem, theta)
    apart = np.diag(np.diag(covariance))
    assert (evidence(parts, covariance) <= evidence(parts, apart) + 1e-12).all()
    assert lines(rows, theta, covariance)["TPU-v4", "any"][1] < lines(rows, theta, apart)["TPU-v4", "any"][1]


def test_the_slope_of_a_loaded_factor_is_that_of_its_prediction(rows) -> None:
    data, log_s = rows
    parts = factors(data)
    problem = problem_of(data, log_s, parts)
    place = next(index for index, part in enumerate(parts) if part.entity == POWER)
    nudged = problem.predict(0.01 * (np.arange(len(parts)) == place)) - problem.predict(np.zeros(len(parts)))
    slope, _, _ = hierarchy._slope(problem, np.zeros(len(parts)))
    assert slope[place] == pytest.approx(nudged / 0.01, abs=0.02)
    assert np.ptp(slope[place]) > 0.1
