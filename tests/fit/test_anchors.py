"""Anchors: what is scored was not calibrated on, and who is left out is left out with all tables."""

import numpy as np
import pytest
from fit.stacks.factors import owners, training_rows, unlocked

from fit import anchors
from steelyard.catalog import load
from steelyard.evidence.frames.frame import frame_subset


def test_the_runs_that_are_scored_are_the_others() -> None:
    data, _ = training_rows()
    rows = data.labels.group == "maxtext-v4"
    scores = list(anchors.scores(frame_subset(data, rows), load(), 3, anchors.new(data, rows)))
    for found in scores:
        sizes = (len(found.before), len(found.alone), len(found.after), len(found.inside))
        assert (found.runs, sizes, found.new) == (rows.sum(), (rows.sum() - 3,) * 4, False)
    assert len(scores) == 2  # six runs have no third choice
    assert anchors.new(data, data.labels.stack == "nanotron")


def test_one_anchor_is_each_of_five_runs_in_turn() -> None:
    data, _ = training_rows()
    rows = data.labels.group == "maxtext-v4"
    found = list(anchors.scores(frame_subset(data, rows), load(), 1, is_new=False))
    assert len(found) == anchors.TURNS[1]
    assert {len(one.after) for one in found} == {rows.sum() - 1}
    assert all(one.alone == pytest.approx(one.after) for one in found)  # one run moves nothing but the shift


def test_the_label_of_an_owner_joins_its_tables() -> None:
    data, _ = training_rows()
    data = frame_subset(data, unlocked(data))
    assert set(anchors.labels_of(data, "owner")) == set(owners(data))
    assert len(set(owners(data))) < len(set(data.labels.group))


def test_scatter_is_about_each_source_s_own_level() -> None:
    gap = np.array([0.0, 0.1, 0.0, 0.1, 0.0, 0.1, 5.0, 5.1, 5.0, 5.1, 5.0, 5.1])
    assert anchors.scatter(gap, np.repeat(["a", "b"], 6)) == pytest.approx(0.05)
