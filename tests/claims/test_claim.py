"""What people write is read; what cannot be read is one message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.claims import read_claim
from steelyard.claims.reading.hardware import parse_hardware
from steelyard.claims.reading.printed import parse_intensity, parse_quantity
from steelyard.errors import BadInput

HOUR = 3600.0
KWH = 3.6e6


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("626,155 lbs", "mass", 284_019.13),
        ("12.9 tCO2e", "mass", 12_900),
        ("284 metric tons CO2e", "mass", 284_000),
        ("7.54 kg CO2-eq", "mass", 7.54),
        ("20.4 kt", "mass", 20.4e6),
        ("7.0M GPU hours", "device_time", 7e6 * HOUR),
        ("200,000 A100-h", "device_time", 2e5 * HOUR),
        ("1.3 million GPU hours of computation", "device_time", 1.3e6 * HOUR),
        ("2.788M H800 GPU hours", "device_time", 2.788e6 * HOUR),
        ("1,082,990", "device_time", 1_082_990 * HOUR),
        ("1287 MWh", "energy", 1.287e6 * KWH),
        ("40 MkWh", "energy", 40e6 * KWH),
        ("4.12 MJ", "energy", 4.12e6),
        ("700W per GPU", "power", 700),
        ("3.7k tokens/s/GPU", "rate", 3700),
        ("9600 tokens/sec", "rate", 9600),
        ("15%", "share", 0.15),
        ("$4.6 million", "money", 4.6e6),
        ("$2.00 per GPU-hour", "price", 2 / HOUR),
        ("$1.5/GPU/h", "price", 1.5 / HOUR),
        ("3640 PF-days", "flop", 3.145e23),
        ("3.14 x 10^23 FLOPs", "flop", 3.14e23),
        ("24.6 TFLOPS", "speed", 24.6e12),
        ("892 kL", "volume", 892),
        ("14.8 days", "duration", 14.8 * 24 * HOUR),
        ("about 14.8 days", "duration", 14.8 * 24 * HOUR),
        ("15-17 days", "duration", 16 * 24 * HOUR),
        ("10 to 14 MWh", "energy", 12e3 * KWH),
        ("more than 100 t", "mass", 1e5),
    ],
)
def test_units_as_people_write_them(text: str, kind: str, value: float) -> None:
    assert parse_quantity(text, kind).value == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.954 lb/kWh", 0.43273), ("429 g/kWh", 0.429), ("0.385 kg CO2eq per kWh", 0.385), ("0.4 tCO2e/MWh", 0.4)],
)
def test_intensities(text: str, value: float) -> None:
    assert parse_intensity(text).value * KWH == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize(
    ("text", "accelerator", "devices", "hours"),
    [
        ("8xA100 for 16 h", "A100-80GB-SXM", 8, 16),
        ("512 TPU v3 chips", "TPU-v3", 512, None),
        ("TPU v3-8", "TPU-v3", 4, None),
        ("v3-256", "TPU-v3", 128, None),
        ("4 x v3-8", "TPU-v3", 16, None),
        ("TPU v5e-256", "TPU-v5e", 256, None),
        ("64 TPU v2 cores", "TPU-v2", 32, None),
        ("10,000 V100 GPUs", "V100-32GB-SXM2", 10_000, None),
        ("8 V100s", "V100-32GB-SXM2", 8, None),
        ("64 nodes of 8 H100", "H100-80GB-SXM", 512, None),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB-SXM", None, None),
        ("3 x GTX 1080", "GTX 1080", 3, None),
    ],
)
def test_hardware(text: str, accelerator: str, devices: float | None, hours: float | None) -> None:
    found = parse_hardware(text)
    assert (found.id, found.devices) == (accelerator, devices)
    assert (found.span.value / HOUR if found.span else None) == hours


def test_rounding_is_half_of_the_last_printed_digit() -> None:
    assert parse_quantity("7.0M GPU hours", "device_time").rounding == pytest.approx(0.05 / 7)
    assert parse_quantity("46.7 t", "mass").rounding == pytest.approx(0.05 / 46.7)
    assert parse_quantity("8", "count").rounding == 0
    assert parse_quantity("~8 days", "duration").rounding == pytest.approx(0.5 / 8)
    assert parse_quantity("about 1,287 MWh", "energy").rounding == 0.05
    assert parse_quantity("15–17 days", "duration").rounding == pytest.approx(1 / 16)
    assert read_claim({"hardware": "up to 4096 A100"}).numbers["count"].rounding == 0.3


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"energy": "9 V"}, ["energy", "9 V", "MWh"]),
        ({"hardwear": "8xA100"}, ["hardwear", "hardware"]),
        ({"hardware": "8"}, ["hardware", "8xA100"]),
        ({"pue": "about one"}, ["pue", "1.10"]),
        ({"scope": "everything"}, ["scope", "life-cycle"]),
        ({"intensity": "385"}, ["intensity", "kg/kWh"]),
        ({"count": "many"}, ["count"]),
        ({"gpus": 8, "chips": 8}, ["count", "twice"]),
        ({"parts": "all"}, ["parts", "list"]),
        ({"beside": [{"co2": "1 t"}]}, ["beside 1", "co2"]),
        ({"work": []}, ["work"]),
        ({"co2e": "nan t"}, ["co2e"]),
        ({"co2e": "-5 t"}, ["co2e"]),
        ({"tokens": True}, ["tokens"]),
    ],
)
def test_bad_fields_are_named(given: dict, parts: list[str]) -> None:
    with pytest.raises(BadInput) as error:
        read_claim(given)
    assert all(part in str(error.value) for part in parts), str(error.value)


@given(
    st.dictionaries(
        st.sampled_from(["energy", "hardware", "pue", "count", "work", "parts", "co2e", "model"]),
        st.none() | st.text(max_size=20) | st.integers() | st.floats() | st.lists(st.text(max_size=5)),
    )
)
def test_anything_else_is_one_message(given: dict) -> None:
    message = ""
    try:
        read_claim(given)
    except BadInput as error:
        message = str(error)
    assert "\n" not in message
