"""A network that nobody states is that of its family, lowest to highest: jobs are predicted as rows are."""

import math

import pytest

import steelyard
from steelyard.catalog import load
from steelyard.market.networks import DOUBT, family_networks

JOB = {"model": "llama-3-8b", "tokens": "1B", "sequence": 4096, "global_batch": 512}


@pytest.mark.parametrize(
    ("name", "gb_per_s"),
    [
        ("H800", 400.0),  # arXiv 2505.09343: eight 400 Gb/s adapters a node
        ("A800", 200.0),
        ("Gaudi2", 300.0),  # three of 24 ports of 100GbE a device
        ("Gaudi3", 600.0),  # three of 24 ports of 200GbE a device
        ("910B", 200.0),
    ],
)
def test_nodes_have_the_network_that_a_source_says(name: str, gb_per_s: float) -> None:
    assert load().system(name).nic_gb_per_s == gb_per_s
    assert steelyard.estimate(JOB, f"{name}:64").time_s.value > 0


@pytest.mark.parametrize("name", ["H20:64", "MI325X:64"])
def test_an_unknown_network_is_that_of_the_family_and_says_so(name: str) -> None:
    found = steelyard.estimate(JOB, name, layout="tp=1,mbs=1,zero=3,recompute=full", stack="fsdp2")
    assert found.time_s.low < found.time_s.value < found.time_s.high
    assert any(text.startswith("network 50 GB/s a device: the median of") for text in found.assumptions)
    over = next(text for text in found.assumptions if text.startswith("intervals are over"))
    assert "network 25 GB/s" in over or "network 12.5 GB/s" in over
    inside = steelyard.estimate(JOB, f"{name.split(':', maxsplit=1)[0]}:8", layout="tp=8,mbs=1", stack="fsdp2")
    assert not any(text.startswith("network ") for text in inside.assumptions)


def test_what_stands_in_may_be_off_by_a_generation_at_least() -> None:
    for chip in ("H20", "MI325X", "RTX-4090"):
        low, middle, high = family_networks(chip, load())
        assert low <= middle / DOUBT < middle < middle * DOUBT <= high


@pytest.mark.parametrize("name", ["H20:8", "MI210:8", "TPU-v3:8", "Trainium1:16"])
def test_time_is_known_where_devices_exchange_over_links(name: str) -> None:
    assert not math.isnan(steelyard.estimate(JOB, name).time_s.value)
