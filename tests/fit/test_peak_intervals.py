"""The width of intervals of peaks: parts that were put in are found, small groups count together."""

from dataclasses import replace

import numpy as np
import pytest
from fit.memory.intervals import (
    AS_NORMAL,
    CONVENTION,
    PeakResiduals,
    cross_fitted,
    fitted_peak_spread,
    log_sds,
    together,
)
from fit.memory.residuals import NAMELESS
from fit.memory.scores import FLOOR

from steelyard.catalog.peaks import PeakTraits
from steelyard.units import NORMAL_90

ROWS = 6000
OWNERS = np.array(["a", "b", "c", "d"]).repeat(ROWS // 4)


def residuals(split: str = "group left out", wild: str = "", seed: int = 3) -> PeakResiduals:
    """Peaks whose activations and reserve are some share of them, each owner's alike."""
    random = np.random.default_rng(seed)
    activations, outside = np.tile([0.0, 0.6, 0.0], ROWS // 3), np.tile([0.05, 0.0, 0.4], ROWS // 3)
    nameless = np.full(ROWS, float(split == NAMELESS))
    scale = np.sqrt(FLOOR**2 + (0.2 * activations) ** 2 + (0.5 * outside) ** 2 + (0.4 * nameless) ** 2)
    gap = random.standard_t(5, ROWS) * scale / AS_NORMAL
    gap = np.where(wild == OWNERS, gap + 3.0, gap)
    return PeakResiduals(
        gap, PeakTraits(activations, 0.0, outside, 0.0, 0.0), nameless, np.full(ROWS, split), OWNERS, OWNERS
    )


def test_parts_that_were_put_in_are_found() -> None:
    found = fitted_peak_spread(together([residuals(), residuals(NAMELESS)]))
    assert (found.activations, found.outside, found.unnamed) == pytest.approx((0.2, 0.5, 0.4), rel=0.1)
    assert found.base == FLOOR


def test_ninety_per_cent_are_held() -> None:
    seen = residuals()
    assert np.mean(np.abs(seen.gap) <= NORMAL_90 * cross_fitted(seen)) == pytest.approx(0.9, abs=0.015)


def test_an_owner_does_not_widen_its_own_intervals() -> None:
    calm, wild = cross_fitted(residuals()), cross_fitted(residuals(wild="a"))
    assert np.median(wild[OWNERS == "a"]) == pytest.approx(np.median(calm[OWNERS == "a"]), rel=0.1)
    assert np.median(wild[OWNERS == "b"]) > 1.2 * np.median(calm[OWNERS == "b"])


def test_what_a_convention_that_is_left_out_costs_is_found_and_not_told_to_its_own_rows() -> None:
    plain, strange = residuals(), residuals(CONVENTION, seed=4)
    traits = replace(strange.traits, unseen=np.ones(ROWS))
    more = np.random.default_rng(5).normal(0, 0.3, ROWS)
    names = np.tile(["one", "other"], ROWS // 2)
    strange = replace(strange, gap=strange.gap + more, traits=traits, group=names)
    found = fitted_peak_spread(together([plain, strange]))
    assert found.unseen == pytest.approx(0.3, rel=0.15)
    wild = replace(strange, gap=np.where(names == "one", strange.gap + 3.0, strange.gap))
    calm, far = (cross_fitted(together([plain, one])) for one in (strange, wild))
    rows = np.concatenate([np.zeros(ROWS, dtype=bool), names == "one"])
    assert np.median(far[rows]) == pytest.approx(np.median(calm[rows]), rel=0.1)


def test_groups_of_few_rows_weigh_as_one() -> None:
    seen = residuals().part(np.arange(12))
    names = np.array(["large"] * 6 + ["one", "one", "two", "two", "three", "three"])
    some = PeakResiduals(seen.gap, seen.traits, seen.unnamed, seen.split, names, seen.owner)
    assert sorted(set(some.balanced_by())) == ["group left out: few rows", "group left out: large"]


def test_the_name_of_a_stack_is_worth_what_the_residuals_without_it_say() -> None:
    spread = fitted_peak_spread(together([residuals(), residuals(NAMELESS)]))
    named, nameless = (log_sds(spread, residuals(split)) for split in ("group left out", NAMELESS))
    assert nameless == pytest.approx(np.hypot(named, spread.unnamed))
