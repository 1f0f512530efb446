"""Anchors: what is scored was not calibrated on."""

import numpy as np
import pytest
from fit.stacks.factors import training_rows

from fit import anchors
from steelyard.catalog import load
from steelyard.evidence.frames.frame import frame_subset


def test_the_runs_that_are_scored_are_the_others() -> None:
    data, _ = training_rows()
    rows = data.labels.group == "maxtext-v4"
    found = anchors.score(frame_subset(data, rows), load(), 3, anchors.new(data, rows))
    assert (found.runs, len(found.before), len(found.after), found.new) == (
        rows.sum(),
        rows.sum() - 3,
        rows.sum() - 3,
        False,
    )
    assert anchors.new(data, data.labels.stack == "nanotron")


def test_scatter_is_about_each_source_s_own_level() -> None:
    gap = np.array([0.0, 0.1, 0.0, 0.1, 0.0, 0.1, 5.0, 5.1, 5.0, 5.1, 5.0, 5.1])
    assert anchors.scatter(gap, np.repeat(["a", "b"], 6)) == pytest.approx(0.05)
