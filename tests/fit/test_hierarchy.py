"""The fit: slopes by field are those of every factor, constants are found, and nobody's effect stays with its owner."""

import numpy as np
import pytest

from fit import hierarchy

ROWS = 60
RANDOM = np.random.default_rng(1)
GROUPS = np.array(["a", "b", "c"]).repeat(ROWS // 3)
PARTS = [("any", "rate"), ("a", "rate"), ("b", "rate"), ("any", "start"), ("c", "start"), ("a", "source")]
MASKS = np.stack([np.ones(ROWS, bool) if name == "any" else name == GROUPS for name, _ in PARTS])
SIZES = RANDOM.uniform(0.1, 3.0, ROWS)


def log_seconds(theta: np.ndarray) -> np.ndarray:
    """A rate and a start, each with its factors, and a source on all of it."""
    logs = {
        field: sum(value * mask for value, mask, (_, of) in zip(theta, MASKS, PARTS, strict=True) if of == field)
        for field in ("rate", "start", "source")
    }
    return np.log(SIZES * np.exp(logs["rate"]) + np.exp(logs["start"])) + logs["source"]


def problem(measured: np.ndarray) -> hierarchy.Problem:
    return hierarchy.Problem(
        measured, np.ones(ROWS), log_seconds, MASKS, tuple(field for _, field in PARTS), np.full(len(PARTS), 0.5)
    )


def test_the_slope_of_a_factor_is_the_elasticity_of_its_field_on_its_rows() -> None:
    theta = np.array([0.2, -0.1, 0.3, 0.1, -0.2, 0.05])
    slope, _, _ = hierarchy._slope(problem(np.zeros(ROWS)), theta)
    for index, mask in enumerate(MASKS):
        nudged = theta + 1e-6 * (np.arange(len(theta)) == index)
        alone = (log_seconds(nudged) - log_seconds(theta)) / 1e-6
        assert slope[index] == pytest.approx(alone, abs=0.01)
        assert not slope[index][~mask].any()


def test_a_field_whose_factors_cover_no_row_alone_is_nudged_in_parts() -> None:
    calls = []

    def counted(theta: np.ndarray) -> np.ndarray:
        calls.append(theta)
        return log_seconds(theta)

    hierarchy._slope(
        hierarchy.Problem(np.zeros(ROWS), np.ones(ROWS), counted, MASKS, tuple(f for _, f in PARTS), np.ones(6)),
        np.zeros(6),
    )
    assert len(calls) == 1 + 3, "one evaluation for each field beside the first"


def test_what_was_put_in_is_found() -> None:
    truth = np.array([0.3, 0.0, 0.0, -0.2, 0.0, 0.4])
    found = hierarchy.fit(problem(log_seconds(truth)))
    assert log_seconds(found) == pytest.approx(log_seconds(truth), abs=0.03)


def test_a_hidden_label_moves_nothing() -> None:
    truth = np.array([0.3, 0.0, 0.0, -0.2, 0.0, 0.4])
    wild = log_seconds(truth) + np.where(GROUPS == "c", 5.0, 0.0)
    calm, mad = (hierarchy.folds(problem(one), GROUPS)["c"] for one in (log_seconds(truth), wild))
    assert calm == pytest.approx(mad)
