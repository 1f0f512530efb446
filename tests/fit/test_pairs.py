"""The table of pairs is what the carried runs and the stored scores make of it."""

import csv

import numpy as np
import pytest
from fit.stacks.write import HEADER

from fit import pairs


def test_the_table_is_what_is_carried() -> None:
    with pairs.TARGET.open(encoding="utf-8") as lines:
        assert list(csv.reader(lines)) == [HEADER, *pairs.lines()]


def test_what_families_add_is_the_rise_of_the_scatter(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"publisher": np.array([0.1, -0.1]), "publisher and family": np.array([0.2, -0.2, 0.2])}
    monkeypatch.setattr(pairs, "offsets", lambda split, _: made[split])
    assert pairs.unpaired_log_sd(set()) == (pytest.approx(np.sqrt(0.2**2 - 0.1**2)), 3)
    made["publisher"] = np.array([0.3])
    assert pairs.unpaired_log_sd(set())[0] == 0.0
