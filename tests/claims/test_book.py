"""Every case of the book comes out as it must."""

import pytest

from steelyard.claims import audit_claim, casebook


@pytest.mark.parametrize("name", casebook.case_names())
def test_case(name: str) -> None:
    case = casebook.case_named(name)
    assert case.sources
    assert case.story
    found, expect = audit_claim(case.claim, case.against), case.expect
    assert found.verdict == expect["verdict"]
    if "ratio" in expect:
        assert found.ratio == pytest.approx(float(expect["ratio"]), rel=0.01)
    factors = {factor.name: factor.value for factor in found.factors}
    for factor, value in (expect.get("factors") or {}).items():
        assert factors.get(factor) == pytest.approx(float(value), rel=0.01), factors
    fired = {check.name for check in found.fired}
    assert set(expect.get("fired") or ()) <= fired
    assert not (case.honest and fired), fired
