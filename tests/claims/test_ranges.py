"""No number of a claim ends in a traceback: it is audited and disclosed, or refused with what is wrong with it."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard import audit
from steelyard.claims import read_claim
from steelyard.claims.reading.fields import NumberFields
from steelyard.claims.reading.printed import PrintedNumber
from steelyard.claims.reading.ranges import QUANTITY_RANGES, check_range
from steelyard.disclosure import Disclosure, write_disclosure
from steelyard.disclosure.forms import form_names
from steelyard.disclosure.origins.audited_claim import disclosure_of_claim
from steelyard.disclosure.origins.metered_run import disclosure_of_run
from steelyard.errors import BadInput

UNITS = {"hours": "h", "energy": "kWh", "co2e": "t", "net_co2e": "t", "water": "L", "speed": "TFLOP/s",
         "throughput": "tokens/s", "throughput_per_device": "tokens/s"}  # fmt: skip
NUMBERS = sorted(set(NumberFields.model_fields) - {"hardware", "scope"})
HARDWARE = ("8xA100", "0xA100", "8x H100 for 0 h", "TPU v3-8", "TPU v3-0", "512 TPU v3 chips", "A100", "4 x Abacus")

figures = st.one_of(
    st.sampled_from(("0", "-1", "-0", "1e-300", "1e300", "1", "0.5", "3", "1e5", "1e12", "1e-6", "inf", "nan")),
    st.floats(-1e3, 1e9).map(lambda number: f"{number:.4g}"),
    st.floats(1e-12, 1e30, allow_subnormal=False).map(lambda number: f"{number:.3g}"),
)


@st.composite
def claims(draw: st.DrawFn) -> dict[str, str]:
    """Return a claim of random numbers, most of them far from what a run has."""
    names = draw(st.lists(st.sampled_from(NUMBERS), max_size=7, unique=True))
    made = {name: f"{draw(figures)} {UNITS.get(name, '')}".strip() for name in names}
    made["hardware"] = draw(st.sampled_from(HARDWARE))
    if draw(st.booleans()):
        made["model"] = draw(st.sampled_from(("llama-2-7b", "resnet-50", "our-model")))
    return made | ({"place": "us-state/OR"} if draw(st.booleans()) else {})


def refusal(ask: Callable[[], object]) -> str:
    """Return the message that a question ends in, empty where it is answered; anything else is a traceback."""
    try:
        ask()
    except BadInput as error:
        return str(error)
    return ""


def written(made: Disclosure) -> list[str]:
    """Return a disclosure in every form, for any of which a number may be too much."""
    return [write_disclosure(made, form, "2026-01-01") for form in form_names()]


@settings(max_examples=200, deadline=None)
@given(found=claims())
def test_random_numbers_are_answered_or_refused_by_name(found: dict[str, str]) -> None:
    refused = refusal(lambda: (audit(found), written(disclosure_of_claim(read_claim(found)))))
    assert not refused or any(name in refused for name in found)


@settings(max_examples=60, deadline=None)
@given(found=claims(), joules=figures, uses=figures)
def test_random_metered_runs_are_answered_or_refused(found: dict[str, str], joules: str, uses: str) -> None:
    run = found | {"meter": "DCGM", "energy": f"{joules} kWh", "energy_boundary": "it", "uses": uses}
    refused = refusal(lambda: written(disclosure_of_run(run, "run.yaml")))
    assert not refused or any(name in refused for name in run)


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_of_a_claim_has_its_range(name: str) -> None:
    span = QUANTITY_RANGES[{"hours": "wall", "device_hours": "device_time"}.get(name, name)]
    assert 0 < span.least < span.most


@pytest.mark.parametrize("quantity", QUANTITY_RANGES)
def test_a_range_holds_its_ends_and_nothing_beyond(quantity: str) -> None:
    span = QUANTITY_RANGES[quantity]
    for value in (span.least, span.most):
        assert check_range(quantity, PrintedNumber(value * span.size, 0.0, "it"))
    for value in (-1.0, -span.least, span.least / 2, span.most * 2, float("inf"), *(() if span.zero else (0.0,))):
        with pytest.raises(BadInput, match=f"{quantity}: 'it' is no number that a run can have: it is .*; correct it"):
            check_range(quantity, PrintedNumber(value * span.size, 0.0, "it"))


@pytest.mark.parametrize(
    ("given_fields", "message"),
    [
        ({"hours": 0}, "claim: hours: '0 h' is no number that a run can have: it is 1e-06 to 1e"),
        ({"hours": "1e300 h"}, "claim: hours: '1e300 h' is no number"),
        ({"energy": "1e-300 kWh"}, "claim: energy: '1e-300 kWh' is no number .* 1e-09 to 1e.15 kWh"),
        ({"pue": 0}, "claim: pue: '0' is no number .* it is 0.1 to 100; correct it, or leave it out"),
        ({"count": 0}, "claim: count: '0' is no number"),
        ({"intensity": -3}, "claim: intensity: '-3 kg/kWh' is no number .* it is 0, or 1e-06 to 10000 kg/kWh"),
        ({"hardware": "0xA100"}, "hardware: its number of devices: '0xA100' is no number"),
        ({"restated": {"pue": 0}}, "claim: restated: pue: '0'"),
        ({"parts": [{"name": "OPT", "co2e": "1e200 t"}]}, "claim: parts 1: co2e"),
        ({"work": {"step": 0}}, "work: a factor: '0'"),
    ],
)
def test_what_no_run_has_is_refused(given_fields: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_claim({"hardware": "8xA100"} | given_fields)
