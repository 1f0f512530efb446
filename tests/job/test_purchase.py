"""Words for how machines are paid for: other tools', one's own machines, data that lies somewhere."""

from typing import Any

import pytest

from steelyard.errors import BadInput
from steelyard.job import read_job
from steelyard.job.purchase import BILLED_MONTH_S, YEAR_S, parse_data, parse_owned, parse_size, parse_years

OWN: dict[str, Any] = {"system": "DGX-H100", "devices": 64, "life": "4y", "used": "75%", "tariff": 0.1}


def job(**given: Any) -> Any:
    return read_job({"model": "llama-3-8b", "tokens": "20B", **given})


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ({"use_spot": True}, ("spot",)),  # SkyPilot
        ({"use_spot": False}, ("on-demand",)),
        ({"spot_policy": "auto"}, ("on-demand", "spot")),  # dstack
        ({"purchase": "reserved_1y, on-demand"}, ("reserved-1y", "on-demand")),
        ({}, ("on-demand",)),
    ],
)
def test_words_of_other_tools(words: dict[str, Any], wanted: tuple[str, ...]) -> None:
    assert job(**words).purchase == wanted


def test_skypilots_infra_is_a_region() -> None:
    assert job(infra="aws/us-east-1").regions == ("aws/us-east-1",)


def test_an_option_takes_the_place_of_another_tools_word() -> None:
    assert read_job({"model": "gpt2", "tokens": "1B", "use_spot": True}, purchase="on-demand").purchase == (
        "on-demand",
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"use_spot": True, "purchase": "spot"}, "keep one"),
        ({"use_spot": "maybe"}, "true or false"),
        ({"spot_policy": "sometimes"}, "on-demand, spot, auto"),
        ({"max_hourly_cost": 10}, "write budget: the dollars of the run"),
        ({"purchase": "reserved"}, "nearest: reserved-3y, reserved-1y"),
        ({"own": {}}, "own.system is missing"),
        ({"own": {**OWN, "used": None}}, "own.used is missing"),
        ({"own": {**OWN, "used": 0}}, "not a share above 0"),
        ({"own": {**OWN, "tariff": None}}, "tariff .* or colocation"),
        ({"own": {**OWN, "pue": 0.9}}, "at least 1"),
        ({"own": {**OWN, "prise": 3}}, "unknown field own.prise"),
        ({"own": {**OWN, "power": 10}}, "10kW"),
        ({"own": "DGX"}, "write own"),
        ({"data": {"at": "aws/us-east-1"}}, "data.size is missing"),
        ({"data": "ten TB"}, "500GB, 10TB"),
        ({"data": {"size": "1TB", "where": "x"}}, "unknown field data.where"),
        ({"checkpoints": -1}, "above zero"),
        ({"reserved_used": "150%"}, "not a share"),
    ],
)
def test_bad_input_says_the_way_out(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        job(**given)


def test_own_is_read_in_si() -> None:
    [one] = parse_owned(
        {**OWN, "colocation": 135, "admin": "10k", "residual": "30%", "maintenance": "$5000", "power": "80 kW"}
    )
    assert (one.capital_usd, one.network_usd, one.pue) == (None, None, None)
    assert one.colocation_usd_per_w_s * 1e3 * BILLED_MONTH_S == pytest.approx(135)
    assert one.admin_usd_per_s * YEAR_S == pytest.approx(10_000)
    assert one.tariff_usd_per_j * 3.6e6 == pytest.approx(0.1)
    assert (one.residual, one.maintenance, one.power_w) == (("share", 0.3), ("usd", 5000.0), 80e3)
    assert parse_owned({**OWN, "admin": 0})[0].admin_usd_per_s == 0, "what costs nothing is not what is not known"
    assert len(job(own=[OWN, {**OWN, "devices": 8}]).own) == 2


def test_data_and_checkpoints() -> None:
    assert job(data="10TB@aws/us-east-1").data == parse_data({"size": "10 TB", "at": "aws/us-east-1"})
    assert job(data={"size": "1TB", "at": "mine", "egress": 0}).data.egress_usd_per_byte == 0
    assert job(data={"size": "1TB", "egress": 0.05}).data.egress_usd_per_byte == pytest.approx(0.05e-9)
    assert [job(checkpoints=kept).checkpoints for kept in (False, "no", 3)] == [0, 0, 3]
    assert (parse_size("1PB"), parse_size("1 MiB"), parse_years("1y"), parse_years("6 months")) == (
        1e15,
        2**20,
        YEAR_S,
        YEAR_S / 2,
    )
