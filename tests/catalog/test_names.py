"""Names and aliases: every spelling met in measurements, offers and people's commands."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.catalog import load
from steelyard.catalog.query import plain_spelling
from steelyard.errors import UnknownName

MEASURED = {
    "A100": "A100-80GB-SXM",
    "A100-40GB": "A100-40GB-SXM",
    "A100-80GB": "A100-80GB-SXM",
    "A100-80GB-PCIe": "A100-80GB-PCIe",
    "A10G-24GB": "A10G",
    "A800-80GB": "A800-80GB-SXM",
    "Ascend 910B-64GB": "Ascend-910B",
    "B200-180GB": "B200-180GB-SXM",
    "B300-288GB": "B300-SXM",
    "GB200-192GB": "GB200",
    "GB300-288GB": "GB300",
    "GH200-96GB": "GH200",
    "Gaudi1": "Gaudi1",
    "Gaudi2-96GB": "Gaudi2",
    "Gaudi3-128GB": "Gaudi3",
    "H100-80GB": "H100-80GB-SXM",
    "H100-96GB-HBM2e-500W": "H100-96GB-HBM2e",
    "H200-141GB": "H200-141GB-SXM",
    "H800-80GB": "H800-80GB-SXM",
    "L4-24GB": "L4",
    "MI100-32GB": "MI100",
    "MI210-64GB": "MI210",
    "MI250 GCD-64GB": "MI250-GCD",
    "MI250X GCD-64GB": "MI250X-GCD",
    "RTX A6000-48GB": "RTX-A6000",
    "T4-16GB": "T4",
    "TPUv3": "TPU-v3",
    "TPUv4": "TPU-v4",
    "TPUv5e": "TPU-v5e",
    "TPUv5p": "TPU-v5p",
    "TPUv6e": "TPU-v6e",
    "V100-16GB": "V100-16GB-SXM2",
    "V100-32GB": "V100-32GB-SXM2",
    "V100-32GB-PCIe": "V100-32GB-PCIe",
}
SPOKEN = {
    "h100": "H100-80GB-SXM",
    "H100 (80 GB)": "H100-80GB-SXM",
    "H100-80GB-HBM3": "H100-80GB-SXM",
    "A100-80GB-SXM4": "A100-80GB-SXM",
    "v5p": "TPU-v5p",
    "TPU-v5p": "TPU-v5p",
    "rtx4090": "RTX-4090",
    "V100": "V100-32GB-SXM2",
    "Trillium": "TPU-v6e",
}


@pytest.mark.parametrize(("name", "wanted"), [*MEASURED.items(), *SPOKEN.items()])
def test_spellings_lead_to_the_variant(name, wanted):
    assert load().accelerator(name).id == wanted


@pytest.mark.parametrize("name", ["RTX-2080+RTX-3090+Titan-RTX", "RTX-3090+Titan-RTX"])
def test_a_mixture_of_cards_is_no_accelerator(name):
    with pytest.raises(UnknownName, match="nearest"):
        load().accelerator(name)


def test_no_spelling_stands_for_two_things():
    seen = {}
    for row in load().accelerators.values():
        for name in (row.id, *row.aliases):
            assert seen.setdefault(plain_spelling(name), row.id) == row.id, name


def refusal(look_up, text):
    try:
        look_up(text)
    except UnknownName as error:
        return str(error)
    return repr(text)


@given(st.text(max_size=12))
def test_any_text_is_found_or_refused_with_one_clear_message(text):
    for look_up in (load().accelerator, load().system, load().site):
        assert repr(text) in refusal(look_up, text)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("H100", "DGX-H100"), ("p5.48xlarge", "p5.48xlarge"), ("dgx h100", "DGX-H100"), ("TPUv5p", "tpu-v5p-8")],
)
def test_a_system_is_named_by_itself_or_by_its_accelerator(name, wanted):
    assert load().system(name).id == wanted


@pytest.mark.parametrize(
    ("name", "wanted"), [("aws/us-east-1", "aws/us-east-1"), ("swedencentral", "azure/swedencentral")]
)
def test_a_site_is_named_by_provider_and_region_or_by_a_region_of_one_provider(name, wanted):
    assert load().site(name).id == wanted


def test_unknown_names_come_with_the_nearest():
    with pytest.raises(UnknownName, match="H100"):
        load().accelerator("H10O")
    with pytest.raises(UnknownName, match="DGX-H100"):
        load().system("DGX-H1OO")
    with pytest.raises(UnknownName, match="us-east-1"):
        load().site("aws/us-esat-1")


def test_a_glob_of_nothing_and_a_wrong_accelerator_are_errors_and_a_place_without_offers_is_not():
    with pytest.raises(UnknownName, match="region"):
        load().offers_of(regions=["aws/mars-*"])
    with pytest.raises(UnknownName, match="accelerator"):
        load().offers_of(accelerators=["H1000"])
    assert load().offers_of(accelerators=["TPU-v5p"], regions=["aws/*"]) == ()


def test_the_command_of_the_readme_finds_offers_of_each_kind():
    offers = load().offers_of(["H100", "H200", "TPU-v5p"], ["aws/us-*", "gcp/europe-*"])
    found = {(offer.provider, offer.accelerator) for offer in offers}
    assert {("aws", "H100-80GB-SXM"), ("aws", "H200-141GB-SXM"), ("gcp", "TPU-v5p")} <= found
    assert all(offer.region.startswith(("us-", "europe-")) for offer in offers)
    assert all(not math.isnan(offer.prices["on-demand"].usd_per_hour) for offer in offers)
