"""Hierarchical pooling of kernel constants: who leans on whom, and how sure it says it is."""

import numpy as np
import pytest
from fit.kernels.pool import ANY, PCIE, Estimate, Spread, lookup, pool

SPREAD = Spread(source=0.05, accelerator=0.1, family=0.2)


def estimate(chip: str, family: str, log: float, se: float = 0.01, realm: str = "") -> Estimate:
    return Estimate(chip, family, log, se, rows=100, source="somewhere", realm=realm)


def test_a_chip_with_many_rows_keeps_its_own_value() -> None:
    found = pool([estimate("a", "f", 0.0), estimate("b", "f", 0.2)], SPREAD)
    assert found["a"].log == pytest.approx(0.0, abs=0.04)
    assert found["b"].log == pytest.approx(0.2, abs=0.04)
    assert found["a"].log > 0.0, "it leans a little on its sibling"


def test_a_chip_that_hardly_knows_takes_its_family() -> None:
    found = pool([estimate("a", "f", 0.0), estimate("b", "f", 0.02), estimate("c", "f", 1.0, se=2.0)], SPREAD)
    assert abs(found["c"].log) < 0.1
    assert found["c"].sd > found["a"].sd


def test_what_was_not_measured_is_less_sure() -> None:
    found = pool([estimate("a", "f", 0.0), estimate("b", "f", 0.1), estimate("c", "g", 0.4)], SPREAD)
    assert found["a"].sd < found["family:f"].sd < found[ANY].sd
    assert found["family:f"].log < found[ANY].log < found["family:g"].log


def test_an_unseen_chip_falls_to_its_family_then_to_any() -> None:
    found = pool([estimate("a", "f", 0.0), estimate("c", "g", 0.4)], SPREAD)
    assert lookup(found, "new", "f", "") is found["family:f"]
    assert lookup(found, "new", "h", "") is found[ANY]


def test_realms_do_not_mix() -> None:
    found = pool([estimate("a", "f", 0.0), estimate("card", "f", -1.0, realm=PCIE)], SPREAD)
    assert found[ANY].log == pytest.approx(0.0)
    assert found["card"].log == pytest.approx(-1.0)
    assert lookup(found, "other card", "f", PCIE).log == pytest.approx(-1.0)
    assert lookup(found, "new", "f", "").log == pytest.approx(0.0)


def test_two_sources_of_a_chip_are_averaged() -> None:
    found = pool([estimate("a", "f", 0.0), estimate("a", "f", 0.2)], Spread(0.2, 0.1, 0.1))
    assert found["a"].log == pytest.approx(0.1)
    assert found["a"].groups == 1, "one chip and one source, however often timed"
    assert np.isfinite(found["a"].sd)
