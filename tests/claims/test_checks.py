"""Every check fires on a seeded error and stays silent without it; honest claims raise nothing."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.claims.claims import SEEDS, honest

from steelyard.claims import Audit, audit_claim, read_claim

DRAWS = 40
NAMED = 0.9


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**9))
def test_an_honest_claim_raises_nothing(seed: int) -> None:
    claim = honest(random.Random(seed))
    found = audit_claim(read_claim(claim))
    assert [(check.name, check.arithmetic) for check in found.fired] == []
    assert found.verdict == "consistent"
    assert (found.ratio, found.factors) == (1.0, ())


def seeded(error: str, draws: int = DRAWS) -> list[Audit]:
    make, _, _ = SEEDS[error]
    return [audit_claim(read_claim(make(random.Random(seed)))) for seed in range(draws)]


@pytest.mark.parametrize("error", SEEDS)
def test_a_seeded_error_is_named(error: str) -> None:
    _, checks, factors = SEEDS[error]
    found = seeded(error)
    assert all(one.fired for one in found)
    assert all(one.verdict != "consistent" for one in found)
    by_check = [bool(checks & {check.name for check in one.fired}) for one in found]
    by_factor = [not factors or bool(factors & {factor.name for factor in one.factors}) for one in found]
    assert sum(by_check) >= NAMED * DRAWS
    assert sum(by_factor) >= NAMED * DRAWS


def test_every_check_shows_its_arithmetic() -> None:
    shown = [check for error in SEEDS for one in seeded(error, 3) for check in one.checks]
    assert all(check.arithmetic for check in shown)
    assert all(any(sign.isdigit() for sign in check.arithmetic) for check in shown if check.fired)


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ({"model": "llama-3-8b"}, "not enough stated"),
        ({"hardware": "8xA100 for 16 h"}, "not enough stated"),
        ({"hardware": "8xH100 for 16 h", "power": "650 W"}, "plausible"),
        ({"hardware": "8xH100 for 10 h", "energy": "52 kWh", "power": "650 W"}, "consistent"),
        ({"hardware": "8xH100 for 10 h", "energy": "520 kWh", "power": "650 W"}, "impossible"),
        ({"hardware": "8xH100", "power": "700 W", "power_kind": "measured"}, "doubtful"),
        ({"hardware": "8xH100", "power": "700 W", "power_kind": "tdp"}, "plausible"),
        ({"energy": "1 MWh", "intensity": "0.4", "co2e": "400 kg"}, "consistent"),
        ({"energy": "1 MWh", "intensity": "0.4", "co2e": "882 lbs"}, "consistent"),
        ({"energy": "1 MWh", "intensity": "0.4", "co2e": "882 kg"}, "impossible"),
        ({"pue": "0.9"}, "impossible"),
        ({"place": "country/FR", "energy": "1 MWh", "co2e": "0.5 t"}, "doubtful"),
    ],
)
def test_verdicts(claim: dict[str, str], verdict: str) -> None:
    assert audit_claim(read_claim(claim)).verdict == verdict


def test_reasons_come_in_order_of_weight() -> None:
    found = audit_claim(
        read_claim({"hardware": "8xH100 for 10 h", "power": "700 W", "energy": "520 kWh", "power_kind": "measured"})
    )
    weights = [check.weight for check in found.fired]
    assert weights == sorted(weights, reverse=True)
    assert found.reasons[0].startswith("energy")
    assert found.settle


@pytest.mark.parametrize(
    ("claim", "note"),
    [
        ({"model": "lama-3-8b"}, "the catalog does not know the model 'lama-3-8b' (nearest: llama-3-8b"),
        ({"model": "llama-3-8b", "place": "Atlantis"}, "the catalog does not know the place 'Atlantis'"),
        ({"model": "llama-3-8b", "place": "FR"}, ""),
    ],
)
def test_names_that_nothing_is_compared_with_are_noted(claim: dict[str, str], note: str) -> None:
    found = audit_claim(read_claim({"hardware": "8xH100 for 16 h", **claim}))
    assert bool(found.notes) == bool(note)
    assert note in "".join(found.notes)
