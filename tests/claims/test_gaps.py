"""What is not stated is estimated with its grounds, or refused with the reason."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.claims import audit_claim, read_claim
from steelyard.claims.estimates import Spread, spread_product


def ranges(claim: dict[str, str]) -> dict[str, tuple[float, float, float]]:
    return {one.quantity: (one.low, one.value, one.high) for one in audit_claim(read_claim(claim)).estimate.ranges}


def test_model_tokens_and_hardware_are_enough() -> None:
    found = ranges({"model": "llama-2-7b", "tokens": "2T", "hardware": "A100-80GB", "place": "country/US"})
    assert set(found) == {"device_time", "power", "energy", "co2e"}
    low, _, high = found["device_time"]
    assert low < 184_320 * 3600 * 1.05  # Llama 2 7B took 184,320 A100 hours, pretraining and all
    assert high > 100_000 * 3600
    assert all(low < likely < high for low, likely, high in found.values())


def test_stated_numbers_are_not_estimated() -> None:
    found = ranges({"hardware": "8xH100", "hours": "10 h", "power": "650 W", "pue": "1.1", "intensity": "0.4"})
    assert {name: pytest.approx(likely) for name, (_, likely, _) in found.items()} == {
        "energy": 8 * 36000 * 650 * 1.1,
        "co2e": 8 * 10 * 0.65 * 1.1 * 0.4,
    }


@pytest.mark.parametrize(
    ("claim", "part"),
    [
        ({"model": "gpt-3", "tokens": "300B", "hardware": "10000 V100"}, "outside"),
        ({"parameters": "7B", "tokens": "1T", "hardware": "8x GTX 1080"}, "not in the catalog"),
        ({"parameters": "90T", "tokens": "1T", "hardware": "8x H100"}, "parameters"),
    ],
)
def test_too_far_is_refused_with_the_reason(claim: dict[str, str], part: str) -> None:
    found = audit_claim(read_claim(claim)).estimate
    assert found.ranges == ()
    assert part in found.refused


def test_a_stand_in_widens() -> None:
    own = ranges({"model": "gemma-2-9b", "tokens": "2T", "hardware": "A100"})["device_time"]
    other = audit_claim(read_claim({"parameters": "9.5B", "tokens": "2T", "hardware": "A100"})).estimate
    found = next(one for one in other.ranges if one.quantity == "device_time")
    assert any("gemma-2-9b stands in" in line for line in other.rests_on)
    assert found.high / found.low > own[2] / own[0]


@given(st.lists(st.tuples(st.floats(0.1, 1e6), st.floats(1, 3), st.floats(1, 3)), min_size=1, max_size=5))
def test_joined_intervals_lie_between_the_widest_part_and_the_product(parts: list[tuple[float, float, float]]) -> None:
    spans = [Spread(value, value / down, value * up, "") for value, down, up in parts]
    made = spread_product(*spans)
    assert math.isclose(made.value, math.prod(one.value for one in spans))
    assert made.high / made.value >= max(one.high / one.value for one in spans) * (1 - 1e-9)
    assert made.high / made.value <= math.prod(one.high / one.value for one in spans) * (1 + 1e-9)
