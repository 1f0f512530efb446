"""Two accounts become an exact product, whatever they state; the bars add up to the difference."""

import math

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from steelyard.claims import casebook, read_claim
from steelyard.claims.accounts.account import complete_account
from steelyard.claims.accounts.waterfall import factor_chain
from steelyard.claims.findings import FactorChain
from steelyard.errors import BadInput

POSITIVE = st.floats(1e-3, 1e6)
FIELDS = {
    "count": POSITIVE,
    "hours": POSITIVE.map(lambda number: f"{number} h"),
    "power": st.floats(50, 1500),
    "pue": st.floats(1.02, 2),
    "intensity": st.floats(0.001, 1.2),
    "energy": POSITIVE.map(lambda number: f"{number} MWh"),
    "co2e": POSITIVE.map(lambda number: f"{number} t"),
}
ACCOUNTS = st.fixed_dictionaries({}, optional=FIELDS)


def test_strubell_line_by_line() -> None:
    case = casebook.case_named("strubell-nas")
    assert case.against
    found = factor_chain(complete_account(case.claim), complete_account(case.against))
    expected = {"proxy": 2.333, "batch": 8.0, "speed": 3.599, "power": 0.911, "pue": 1.436, "intensity": 1.004}
    assert {factor.name: pytest.approx(factor.value, rel=5e-4) for factor in found.factors} == expected
    assert found.ratio == pytest.approx(88.24, abs=0.005)
    assert (found.claimed, found.other) == (pytest.approx(284_019, abs=1), pytest.approx(3_218.7, abs=0.05))
    assert [step.left for step in found.steps][1] == pytest.approx(15_215, abs=1)
    assert [factor.m for factor in found.factors] == ["Model", "Model", "Machine", "Machine", "Mechanization", "Map"]


def between(ours: dict, theirs: dict) -> FactorChain:
    try:
        return factor_chain(complete_account(read_claim(ours)), complete_account(read_claim(theirs)))
    except BadInput:
        reject()


@given(ACCOUNTS, ACCOUNTS)
def test_factors_multiply_to_the_ratio_and_bars_add_to_the_difference(ours: dict, theirs: dict) -> None:
    found = between(ours, theirs)
    assert math.prod(factor.value for factor in found.factors) == pytest.approx(found.ratio, rel=1e-12)
    added = sum(step.added for step in found.steps)
    assert added == pytest.approx(found.claimed - found.other, rel=1e-9, abs=1e-9 * found.claimed)
    assert not found.steps or found.steps[-1].left == pytest.approx(found.other, rel=1e-9)


@given(ACCOUNTS, ACCOUNTS)
def test_backwards_is_the_reciprocal(ours: dict, theirs: dict) -> None:
    forth, back = between(ours, theirs), between(theirs, ours)
    assert {one.name: one.value for one in forth.factors} == {
        one.name: pytest.approx(1 / one.value, rel=1e-12) for one in back.factors
    }


def test_accounts_without_a_total_in_common_are_an_error() -> None:
    with pytest.raises(BadInput, match="no total in common"):
        factor_chain(complete_account(read_claim({"co2e": "1 t"})), complete_account(read_claim({"energy": "1 MWh"})))


def test_a_line_of_another_scope_is_a_factor() -> None:
    parts = [
        {"title": "training", "scope": "training", "co2e": "4 t"},
        {"title": "use", "scope": "inference", "co2e": "6 t"},
    ]
    whole = read_claim({"co2e": "10 t", "parts": parts})
    found = factor_chain(complete_account(whole), complete_account(read_claim({"co2e": "2 t", "scope": "training"})))
    assert {factor.name: factor.value for factor in found.factors} == {"scope": 2.5, "co2e": 2.0}
