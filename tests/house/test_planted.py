"""The house tests find what they are meant to find."""

import inspect

import pytest
from tests.house import planted, test_formulas
from tests.house.formulas import Formula, hints_of


def formula(name: str) -> Formula:
    function = getattr(planted, name)
    hints = hints_of(function)
    result = hints.pop("return")
    return Formula(name, function, {key: hints[key] for key in inspect.signature(function).parameters}, result)


@pytest.mark.parametrize("name", ["multiplies", "forgets"])
def test_a_wrong_dimension_is_found(name: str) -> None:
    assert test_formulas.wrong_dimensions(formula(name), 0)
    assert test_formulas.wrong_dimensions(formula(name), 0, "flop")


def test_a_formula_for_scalars_only_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(test_formulas.FORMULAS, "planted", formula("is_not_vectorised"))
    with pytest.raises(AssertionError):
        test_formulas.test_a_scalar_call_equals_a_vector_call("planted")


def test_a_missing_docstring_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(test_formulas.FORMULAS, "planted", formula("is_right"))
    with pytest.raises(AssertionError):
        test_formulas.test_a_docstring_says_what_why_and_shows_an_example("planted")


def test_a_right_formula_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(test_formulas.FORMULAS, "planted", formula("is_right"))
    assert not test_formulas.wrong_dimensions(formula("is_right"), 0)
    test_formulas.test_a_scalar_call_equals_a_vector_call("planted")
