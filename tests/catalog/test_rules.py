"""The rule for conflicting sources, the rules of quarantine, and the figures of the research they must reproduce."""

import dataclasses
import datetime as dt
import math

import pytest

from steelyard.catalog import OfferRow, Price, load, machine, offer, site
from steelyard.catalog.load import Catalog
from steelyard.catalog.quarantine import PriceCut, mark_doubtful, with_second_prices
from steelyard.catalog.schema import Fact, preferred
from steelyard.errors import BadCatalog, BadInput


def fact(value, rank, conditions="", year=0):
    return Fact("x", "memory", value, "GB", conditions, "s", "2026-11-21", "", rank, value, year)


def test_the_smaller_rank_wins_then_the_younger_year_then_the_order_of_the_file():
    a, b, c, d = fact(1, 20), fact(2, 10, year=2023), fact(3, 10, year=2024), fact(4, 10, year=2024)
    assert preferred((a, b, c, d)) == (c, d, b, a)


def test_what_no_job_meets_is_kept_and_never_picked():
    sparse = fact(2, 1, "unused: with sparsity")
    assert preferred((sparse, fact(1, 50))) == (fact(1, 50),)
    geforce = load().accelerator("RTX 4090").facts
    assert geforce.value("peak_fp16") == 165.2e12
    assert [row.value for row in geforce.rivals("peak_fp16")] == [330]


def test_conflicts_named_in_the_research_are_kept():
    b300 = load().accelerator("B300").facts
    assert {(row.value, row.unit) for row in b300.by_quantity["memory"]} == {(270, "GB"), (288, "GB"), (275040, "MiB")}
    assert b300.value("memory") == 275040 * 2**20
    assert {row.value for row in load().accelerator("B200").facts.by_quantity["peak_fp32"]} == {80, 62.08, 74.5}
    assert {row.value for row in load().accelerator("TPU-v3").facts.by_quantity["tdp"]} == {262, 450}
    assert load().accelerator("TPU-v3").tdp_w == 262


def test_memory_is_what_a_program_gets_and_else_what_the_driver_reports():
    """SpareCores/sc-inspector-data 804d3c7: of an H100 the driver holds 478 of 81,559 MiB back, of a T4 448."""
    assert load().accelerator("H200").memory_bytes == 143157 * 2**20
    assert load().accelerator("H100").memory_bytes == (81559 - 478) * 2**20
    assert load().accelerator("T4").memory_bytes == (15360 - 448) * 2**20
    assert load().accelerator("B300").memory_bytes == 275040 * 2**20


@pytest.mark.parametrize(
    ("name", "provider", "wanted"),
    [("B200", "nebius", 2.44), ("H100", "nebius", 2.98), ("TPU-v6e", "gcp", 2.94), ("A100", "lambda", 8.94)],
)
def test_cheapest_dollars_a_petaflop_hour_are_those_of_the_research(name, provider, wanted):
    chip = load().accelerator(name)
    offers = [row for row in load().offers_of([name]) if row.provider == provider]
    cheapest = min(row.prices["on-demand"].usd_per_hour / row.devices for row in offers)
    assert cheapest / (chip.peak("bf16") / 1e15) == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize(
    ("instance", "here", "cheapest", "wanted"),
    [
        ("p5.48xlarge", "aws/eu-north-1", "aws/us-east-1", 1.07),
        ("a3-highgpu-8g", "gcp/europe-north1", "gcp/us-central1", 1.10),
        ("Standard_ND96isr_H200_v5", "azure/swedencentral", "azure/eastus2", 1.30),
    ],
)
def test_low_carbon_places_cost_what_the_research_says(instance, here, cheapest, wanted):
    prices = {row.place: row.prices["on-demand"].usd_per_hour for row in load().offers if row.instance == instance}
    assert prices[here] / prices[cheapest] == pytest.approx(wanted, abs=0.01)


def test_ages():
    p5 = next(row for row in load().offers if row.id == "aws/us-east-1/p5.48xlarge")
    assert p5.prices["on-demand"].age_days(dt.date(2026, 11, 21)) == 124
    assert math.isnan(Price(1.0, "", "skypilot-catalog").age_days(dt.date(2026, 11, 21)))


# --- quarantine


def sold(region, usd, *, provider="gcp", chip="H100-80GB-SXM", instance="a3-highgpu-8g", date="2026-05-20", **more):
    prices = {"on-demand": Price(usd, date, "anycloud", **more)}
    return OfferRow(provider, instance, region, chip, 8, instance, f"{provider}/{region}", prices, {}, "")


COUNTRY = {"gcp/us-central1": "US", "gcp/europe-west4": "NL", "gcp/asia-south1": "IN", "gcp/asia-northeast1": "JP"}


def reasons(offers, cuts=()):
    return [row.quarantine.get("on-demand", "") for row in mark_doubtful(tuple(offers), COUNTRY, cuts)]


def test_one_price_in_many_countries_is_not_believed_of_a_provider_that_prices_by_country():
    flat = [sold(place.removeprefix("gcp/"), 33.60609) for place in COUNTRY]
    varied = [
        sold("us-central1", 10.0, chip="L4", instance="g2"),
        sold("europe-west4", 12.0, chip="L4", instance="g2"),
    ]
    assert all(why.startswith("flat: one price in 4 countries") for why in reasons([*flat, *varied])[:4])
    assert reasons(flat) == ["", "", "", ""], "a provider with one price everywhere may mean it"


def test_a_price_at_half_of_the_other_regions_is_not_believed():
    offers = [sold("us-central1", 43.07), sold("europe-west4", 88.49), sold("asia-south1", 97.1)]
    assert [why.split(":")[0] for why in reasons(offers)] == ["outlier", "", ""]


def test_sentinels_and_bargains_are_not_believed():
    usual = [sold("us-central1", usd * 8, provider=name) for name, usd in (("a", 2.7), ("b", 3.2), ("c", 3.0))]
    odd = [sold("us-central1", usd * 8, provider="d", instance=str(usd)) for usd in (700.0, 0.0)]
    bargain = [sold("us-central1", 0.5 * 8, provider="e")]
    assert [why.split(":")[0] for why in reasons([*usual, *odd, *bargain])] == [
        "",
        "",
        "",
        "sentinel",
        "sentinel",
        "bargain",
    ]


def test_prices_from_before_a_recorded_cut_are_not_believed():
    cut = PriceCut("gcp", "a3-highgpu-8g", "2025-04-04", 0.56, "karpenter-aws", "")
    old, new = sold("us-central1", 98.0, date="2025-04-04"), sold("europe-west4", 60.0, date="2026-07-20")
    assert [why.split(":")[0] for why in reasons([old, new], [cut])] == ["stale", ""]


def test_a_price_of_some_day_or_before_is_not_believed_and_a_spot_price_must_be_below_on_demand():
    assert reasons([sold("us-central1", 9.0, or_older=True)])[0].startswith("old")
    row = dataclasses.replace(sold("us-central1", 9.0), prices={p: Price(9.0, "", "x") for p in ("on-demand", "spot")})
    assert mark_doubtful((row,), COUNTRY, ())[0].quarantine["spot"].startswith("copied")


def test_quarantined_prices_are_kept_and_not_offered():
    kept = [row for row in load().offers if "on-demand" in row.quarantine]
    assert len(kept) > 100
    offered = load().offers_of()
    assert not {row.id for row in kept} & {row.id for row in offered}
    assert {row.id for row in kept} <= {row.id for row in load().offers_of(quarantined=True)}
    assert any(row.id == "aws/sa-east-1/p5.48xlarge" for row in kept)
    assert (
        next(row for row in offered if row.id == "gcp/us-central1/a3-highgpu-8g").prices["on-demand"].usd_per_hour > 88
    )


# --- gathering


def test_a_precision_that_a_chip_lacks_is_refused_with_what_it_has():
    with pytest.raises(BadInput, match=r"V100-32GB-SXM2 has no dense bf16 peak .* it has: fp16, fp32"):
        machine(load().system("V100"), "bf16")


def test_fp32_means_fp32_and_tf32_must_be_asked_for():
    a100 = load().system("A100")
    assert machine(a100, "fp32").peak_flop_per_s == 19.5e12
    assert machine(a100, "tf32").peak_flop_per_s == machine(a100, "tf32").peak16_flop_per_s == 156e12
    h100 = machine(load().system("H100"), "fp8")
    assert (h100.peak_flop_per_s, h100.peak16_flop_per_s) == (1979e12, 989e12)


def test_domains_and_networks():
    rack, slice_, pcie = (machine(load().system(name), "bf16") for name in ("GB200", "TPU-v5p", "g5.48xlarge"))
    assert (rack.domain_devices, rack.node_devices, rack.nic_bytes_per_s) == (72, 4, 50e9)
    assert (slice_.domain_devices, slice_.node_devices, slice_.link_bytes_per_s) == (8960, 4, 600e9)
    assert pcie.link_bytes_per_s == pcie.host_bytes_per_s == 31.508e9
    assert math.isnan(machine(load().system("gpu_8x_h100_sxm5"), "bf16").nic_bytes_per_s)


def test_half_a_package_is_half_of_it():
    half, whole = load().accelerator("MI250X-GCD").facts, load().accelerator("MI250X").facts
    for quantity in ("memory", "memory_bandwidth", "peak_bf16", "peak_fp16", "link_bandwidth", "tdp"):
        assert half.value(quantity) == whole.value(quantity) / 2


def test_embodied_carbon_has_the_servers_share():
    assert machine(load().system("H100"), "bf16").embodied_kgco2e == 164 + 712.5
    assert machine(load().system("A100-40GB"), "bf16").embodied_kgco2e == 318
    assert math.isnan(machine(load().system("B200"), "bf16").embodied_kgco2e)


def test_sites():
    iowa = site(load().site("gcp/us-central1"))
    assert iowa.location_gross_kg_per_j * 3.6e6 == pytest.approx(0.41272)
    assert iowa.location_net_kg_per_j * 3.6e6 == pytest.approx(0.41272 * (1 - 0.87), rel=1e-3)
    assert iowa.pue == 1.10
    virginia = load().site("aws/us-east-1")
    assert virginia.facts.fact("location_gross").entity == "em-zone/US-MIDA-PJM"
    assert [row.entity for row in virginia.facts.rivals("location_gross")] == ["us-state/VA", "country/US"]
    assert math.isnan(site(virginia).location_net_kg_per_j)
    france = load().site("country/FR").facts.fact("pue")
    assert (france.entity, france.value, france.source) == ("world", 1.58, "carbontracker"), (
        "a survey stands in, by name"
    )
    assert load().site("gcp/asia-south2").facts.fact("pue").entity == "provider/gcp"


def test_an_offer_not_sold_so_is_unknown_and_not_free():
    p5 = load().offers_of(["H100"], ["aws/us-east-1"])[0]
    assert math.isnan(offer(p5, "reserved-1y").usd_per_device_s)


def test_a_missing_table_and_a_broken_row_are_named(tmp_path):
    with pytest.raises(BadCatalog, match=r"lacks sources\.csv"):
        _ = Catalog(tmp_path).sources
    (tmp_path / "sources.csv").write_text("id,what\nx,y\n")
    with pytest.raises(BadCatalog, match=r"sources\.csv line 2"):
        _ = Catalog(tmp_path).sources


def second(usd, *, older=False):
    return Price(usd, "2026-05-20", "another", or_older=older)


def test_a_price_below_half_of_another_sources_is_not_believed():
    key = ("gcp", "a3-highgpu-8g", "us-central1", "on-demand")
    row = sold("us-central1", 43.07)
    for other, wanted in ((second(88.49), "disputed"), (second(88.49, older=True), ""), (second(44.0), "")):
        [found] = with_second_prices([row], [(key, other)])
        assert reasons([found])[0].split(":")[0] == wanted
    [found] = with_second_prices([row], [(key, second(44.0)), (("aws", *key[1:]), second(90.0))])
    assert found.prices["on-demand"].disagreement(0.01).usd_per_hour == 44.0
    assert found.prices["on-demand"].disagreement(0.05) is None


@pytest.mark.parametrize(
    ("purchase", "usd", "wanted"),
    [("reserved-3y", 9.5, "copied"), ("reserved-3y", 3.0, ""), ("spot", 1.0, "floor"), ("spot", 3.0, "")],
)
def test_a_discount_that_is_none_or_too_large_is_not_believed(purchase, usd, wanted):
    row = sold("us-central1", 9.0)
    row = dataclasses.replace(row, prices=row.prices | {purchase: Price(usd, "2026-05-20", "anycloud")})
    assert mark_doubtful((row,), COUNTRY, ())[0].quarantine.get(purchase, "").split(":")[0] == wanted


def test_suspicious_cells_never_win():
    """Whatever a cell says, what is quarantined is in no deal of any purchase."""
    for purchase in ("on-demand", "spot", "reserved-1y", "reserved-3y"):
        offered = {row.id for row in load().offers_of(purchase=purchase)}
        assert not offered & {row.id for row in load().offers if purchase in row.quarantine}
        assert offered


def test_second_sources_agree_on_most_cells():
    seconds = [price for row in load().offers for price in row.prices.values() if price.others]
    assert len(seconds) >= 40
    apart = [price for price in seconds if price.disagreement(0.01)]
    assert len(apart) < len(seconds) / 3
