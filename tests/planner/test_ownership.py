"""Plans that own, reserve, bring data, or run on spot, over the real catalog and pipeline."""

import math
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from steelyard import catalog as facts
from steelyard.errors import BadInput, UnknownName
from steelyard.job import job_table, read_job
from steelyard.market.billing import Billing, price_doubts, stored_bytes
from steelyard.market.build import MONTH_S, market_of
from steelyard.market.owned import ownership_cost
from steelyard.planner import plan
from steelyard.planner.estimating import estimate_job
from steelyard.planner.grounds import rows_behind
from steelyard.planner.unstated.configuring import configure
from steelyard.run import reclaims_per_s

TODAY = date(2026, 11, 21)
DGX: dict[str, Any] = {
    "system": "DGX-H100", "devices": 64, "capex": "3.44M", "life": "4y", "used": "60%", "tariff": 0.12, "pue": 1.3,
    "residual": "20%", "admin": 0, "network": 0, "maintenance": "5%", "site": "country/DE",
}  # fmt: skip


def job(**given: Any) -> Any:
    return read_job({"model": "llama-3-8b", "tokens": "20B", "accelerators": "H100", "by": "14d", **given})


@pytest.fixture(scope="module")
def made() -> Any:
    return plan(job(own=DGX, regions="aws,nebius", max_devices=64))


def test_own_is_planned_beside_rent(made: Any) -> None:
    [row] = made.to_dict()["own"]
    assert row["own"] == "own/DGX-H100"
    assert {point.purchase for point in made.points} >= {"own"}
    running = 3.44e6 * 0.8 + 0.05 * 3.44e6 * 4
    assert row["own_usd_per_device_h"] == pytest.approx(
        running / (64 * 4 * 8760 * 0.6), abs=0.2
    )  # and some 0.15 of power
    assert row["own_usd"] < row["rent_usd"]
    assert 0 < row["break_even_share"] < row["used_share"]
    assert "owning pays from" in row["text"]


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_the_break_even_is_where_the_bills_cross(made: Any, factor: float) -> None:
    [row] = made.own
    used = row.break_even_share * factor
    again = plan(job(own={**DGX, "used": used}, regions="aws,nebius", max_devices=64))
    [other] = again.own
    assert (other.own_usd > other.rent_usd) == (factor < 1)


def test_the_bill_of_an_own_point(made: Any) -> None:
    point = next(row for row in made.to_dict()["points"] if row["purchase"] == "own")
    assert point["bill"]["energy_usd"] == pytest.approx(0.12 * point["energy_facility_kwh"])
    assert sum(point["bill"].values()) == pytest.approx(point["cost_usd"])
    assert any("storage of own has no known price" in doubt for doubt in point["price_doubts"])


def test_a_price_that_nobody_publishes_must_be_given() -> None:
    with pytest.raises(BadInput, match=r"own\.capex is missing"):
        ownership_cost(job(own={**DGX, "system": "DGX-A100-80GB", "capex": None}).own[0], facts.load())
    bare = {"system": "RTX 3090", "devices": 1, "capex": 2750, "life": "3y", "used": 1, "colocation": 135}
    with pytest.raises(BadInput, match="write power"):
        ownership_cost(job(own=bare).own[0], facts.load())
    found = ownership_cost(job(own={**DGX, "capex": None}).own[0], facts.load())
    assert found.capital_usd == 8 * 430_000
    assert any("catalog's price" in flag for flag in found.flags)


def test_lambdas_cluster_through_a_job_file() -> None:
    """16 V100, 299,504 USD, 135 USD a kW-month on 10 kW, 10,000 USD a year: 0.90 USD a GPU-hour after three years."""
    block = {"system": "Hyperplane-16", "devices": 16, "life": "3y", "used": 1, "colocation": 134.55, "admin": "10k"}
    found = ownership_cost(job(own=block).own[0], facts.load())
    assert found.capital_usd == 299_504
    assert round(found.usd_per_device_s * 3600, 3) == 0.899


def test_a_reservation_alone_never_wins_a_short_job_and_used_it_may() -> None:
    both = job(purchase="on-demand,reserved-1y", regions="aws/us-east-1", accelerators="A10G", max_devices=8, **SMALL)
    assert plan(both).points[0].purchase == "on-demand"
    shared = plan(replace(both, reserved_used=0.9)).points[0]
    assert shared.purchase == "reserved-1y"
    bill = shared.bill
    assert bill.unused_usd == pytest.approx(bill.compute_usd * (1 / 0.9 - 1))
    only = plan(replace(both, purchase=("reserved-1y",))).points[0]
    assert only.cost_usd.value > 8760 * only.price_usd_per_device_h * only.devices
    assert any("whole term" in flag for flag in only.price_doubts)


SMALL = {"model": "gpt2-xl", "tokens": "1B"}


def test_data_is_billed_where_it_must_move() -> None:
    spec = job(data="10TB@aws/us-east-1", checkpoints="no")
    billing = Billing(spec, facts.load(), TODAY)
    there, near, away = (billing.extra_terms(*place) for place in PLACES)
    assert there["moving_usd"] == 0
    assert near["moving_usd"] == pytest.approx(10e3 * 0.02)
    assert away["moving_usd"] == pytest.approx(10e3 * 0.09)
    assert there["storage_usd_per_s"] * 730 * 3600 == pytest.approx(10e3 * 0.023)
    assert not away["flags"]
    abroad = billing.extra_terms("aws", "aws/eu-north-1")
    assert abroad["moving_usd"] == pytest.approx(10e3 * 0.09)
    assert "upper end" in abroad["flags"][0]


PLACES = (("aws", "aws/us-east-1"), ("aws", "aws/us-west-2"), ("gcp", "gcp/us-central1"))


def test_an_unknown_price_of_storage_is_the_dearest_known_and_said() -> None:
    billing = Billing(job(), facts.load(), TODAY)
    known, unknown = billing.extra_terms("oci", "oci/x"), billing.extra_terms("lambda", "lambda/x")
    assert unknown["storage_usd_per_s"] == known["storage_usd_per_s"] > 0
    assert not known["flags"]
    assert "no known price" in unknown["flags"][0]


def test_data_at_an_unknown_place_needs_a_price() -> None:
    with pytest.raises(UnknownName, match="site of data"):
        market_of(job(data="1TB@attic"), facts.load())
    given = market_of(job(data={"size": "1TB", "at": "attic", "egress": 0.05}), facts.load())
    assert {deal.moving_usd for deal in given.deals} == {50.0}


def test_what_is_kept() -> None:
    spec = job(data="1TB", checkpoints=3)
    assert stored_bytes(spec, job_table(spec)) == pytest.approx(1e12 + 3 * 14 * 8.03e9, rel=0.001)


def test_ages_and_disagreements_are_said() -> None:
    offers = {row.id: row for row in facts.load().offers}
    a3 = offers["gcp/us-central1/a3-highgpu-8g"].prices["on-demand"]
    assert price_doubts(a3, TODAY, 1e9) == ("sources disagree: anycloud (2026-05-20) says -51%; karpenter-gcp is used",)
    p5 = offers["aws/us-east-1/p5.48xlarge"].prices["on-demand"]
    assert price_doubts(p5, TODAY, 180 * 86400) == ()
    assert price_doubts(p5, TODAY, 100 * 86400) == ("the price is 124 days old (limit 100)",)
    spec = job(max_price_age="100d", regions="aws/us-east-1")
    deal = next(one for one in market_of(spec, facts.load(), TODAY).deals if one.system == "p5.48xlarge")
    assert deal.flags == ("the price is 124 days old (limit 100)",)


def test_a_band_of_its_own_sets_an_offers_rate_of_reclaims() -> None:
    catalog = facts.load()
    found = market_of(job(purchase="spot", accelerators="A10G,L4", **SMALL), catalog)
    deals = {deal.offer: deal for deal in found.deals}
    band = catalog.interruptions["g5.12xlarge", "aws/us-east-1"]
    deal = deals["aws/us-east-1/g5.12xlarge"]
    rate = found.policies[deal.policy].preemptions_per_node_s
    assert rate == pytest.approx(float(reclaims_per_s((band.low + band.high) / 2, MONTH_S)))
    assert not any("reclaim" in flag for flag in deal.flags)
    google = next(one for one in found.deals if one.provider == "gcp")
    assert found.policies[google.policy].preemptions_per_node_s == pytest.approx(2.96e-8)
    assert "median of AWS's bands stands in" in google.flags[0]
    spread = {found.policy_log_sd[one.policy]["preemptions_per_node_s"] for one in found.deals}
    assert len(spread) > 1, "a narrow band is surer than the median of all"


def test_spot_without_checkpoints_is_refused_with_the_loss() -> None:
    words = r"is refused: .* interrupted every .* the chance .* expected loss .*; write checkpoints: 2"
    with pytest.raises(BadInput, match=words):
        plan(job(purchase="spot", checkpoints="no"))
    with pytest.raises(BadInput, match="spot without checkpoints is refused"):
        estimate_job(job(purchase="on-demand,spot", checkpoints="no"), "H100", 64)


def test_on_demand_without_checkpoints_pays_for_its_failures() -> None:
    saved, bare = (estimate_job(job(checkpoints=kept), "H100", 64) for kept in (2, "no"))
    assert bare.time_s.value > saved.time_s.value
    assert math.isnan(bare.checkpoint_interval_s)
    assert bare.interruptions > saved.interruptions > 0


def test_an_estimate_is_operated_and_placed_as_its_deal_is() -> None:
    """The band of the offer, and the PUE that an owner gives, as in a plan."""
    spot = configure(job(purchase="spot", accelerators=None, regions="aws/us-east-1", **SMALL), "g5.12xlarge", 4)
    band = facts.load().interruptions["g5.12xlarge", "aws/us-east-1"]
    assert spot.setting.policy.preemptions_per_node_s == pytest.approx(
        float(reclaims_per_s((band.low + band.high) / 2, MONTH_S))
    )
    own = estimate_job(job(own={**DGX, "pue": 1.9}, purchase="own"), "DGX-H100", 8)
    assert own.purchase == "own"
    assert own.energy_facility_kwh.value / own.energy_it_kwh == pytest.approx(1.9)


def test_the_prices_of_storage_and_traffic_are_cited() -> None:
    spec = job(data="10TB@aws/us-east-1", providers="gcp", regions="gcp/us-central1")
    rows = {
        (row.name, row.quantity): row.source
        for row in rows_behind(estimate_job(spec, "H100", 8), spec)
        if row.of == "tariff"
    }
    assert rows == {("gcp", "storage"): "finout", ("aws", "egress"): "cloudtoolstack"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, 1),
        ({"residency": "EU"}, 1),
        ({"residency": "US"}, 0),
        ({"accelerators": "A100"}, 0),
        ({"precision": "fp8"}, 1),
    ],
)
def test_own_machines_keep_the_jobs_rules(given: dict[str, Any], kept: int) -> None:
    found = market_of(job(own=DGX, **given), facts.load())
    assert sum(deal.purchase == "own" for deal in found.deals) == kept


def test_denied_machines_are_not_used_even_if_owned() -> None:
    spec = job(own=DGX, accelerators=None, deny_accelerators="H100*")
    assert not [deal for deal in market_of(spec, facts.load()).deals if deal.purchase == "own"]
    with pytest.raises(BadInput, match="no machines are described"):
        market_of(job(purchase="own"), facts.load())
