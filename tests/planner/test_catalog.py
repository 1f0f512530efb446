"""Plans and estimates over the real catalog and pipeline."""

import math
from datetime import date

import numpy as np
import pytest

from steelyard import catalog as facts
from steelyard.catalog import load
from steelyard.errors import BadInput, BadLayout, UnknownName
from steelyard.job import read_job
from steelyard.market.build import market_of
from steelyard.planner import plan
from steelyard.planner.engine import ENGINE
from steelyard.planner.estimating import estimate_job
from steelyard.planner.saved.replay import configuration_of
from steelyard.planner.unstated.configuring import configure

KEYS = ("time_s", "cost_usd", "energy_facility_kwh", "co2e_kg", "memory_bytes")


def job(**given):
    return read_job("llama-3-8b", **{"tokens": "20B", **given})


@pytest.fixture(scope="module")
def made():
    return plan(job(by="7d", budget="5000"))


def test_the_readme_plan(made):
    labels = [point.label for point in made.points]
    assert labels == ["cheapest", "fastest", "cleanest", "balanced"]
    for point in made.points:
        assert point.time_s.value <= 7 * 86400
        assert point.cost_usd.value <= 5000
        assert point.memory_bytes.high <= point.memory_limit_bytes
        assert point.time_s.low < point.time_s.value < point.time_s.high
        assert point.binds
    assert made.counts.considered > 1_000_000
    assert {rival.label for rival in made.rivals} >= {"cheapest", "fastest", "cleanest"}


def test_every_figure_of_the_json_has_its_interval(made):
    for point in made.to_dict()["points"]:
        for key in KEYS:
            low, value, high = (point[name] for name in (f"{key}_low", key, f"{key}_high"))
            assert value is None or low <= value <= high
        assert point["devices"] == math.prod(point["layout"][name] for name in ("tp", "pp", "cp", "dp"))


def test_no_quarantined_price_is_offered(made):
    catalog = facts.load()
    bad = {offer.id for offer in catalog.offers if "on-demand" in offer.quarantine}
    good = {offer.id for offer in catalog.offers if "on-demand" in offer.prices and "on-demand" not in offer.quarantine}
    used = {dot.offer for dot in made.frontier}
    assert bad - good
    assert used <= good


def test_points_are_what_the_pipeline_says(made):
    for point in made.points:
        one = configuration_of(point, job(by="7d", budget="5000")).setting
        again = ENGINE.predict(
            _table(), one.layout, one.hardware.machine, one.hardware.kernels, one.stack.stack, one.policy,
            one.site.site, one.offer,
        )  # fmt: skip
        assert float(again.draw.wall_s) == pytest.approx(point.time_s.value)
        assert float(again.money.total_usd) == pytest.approx(point.cost_usd.value)
        assert float(again.memory.device_bytes) == pytest.approx(point.memory_bytes.value)


def _table():
    from steelyard.job import job_table

    return job_table(job(by="7d", budget="5000"))


def test_filters_are_kept():
    made = plan(job(accelerators="H100,H200:64", regions="aws/us-*,gcp/europe-*", purchase="on-demand,spot"))
    fixed = plan(job(accelerators="H200:64", regions="aws/us-*,gcp/europe-*", purchase="on-demand,spot"))
    assert {dot.accelerator for dot in made.frontier} <= {"H100-80GB-SXM", "H200-141GB-SXM"}
    assert {(dot.accelerator, dot.devices) for dot in fixed.frontier} == {("H200-141GB-SXM", 64)}
    for dot in made.frontier + fixed.frontier:
        assert dot.offer.startswith(("aws/us-", "gcp/europe-"))
        assert dot.accelerator.startswith("H100") or dot.devices == 64


def test_a_named_stack_is_the_only_one():
    made = plan(job(accelerators="H100", stack="deepspeed", providers="aws"))
    assert {dot.stack for dot in made.frontier} == {"deepspeed"}


def test_spot_is_reclaimed_and_cheaper():
    both = market_of(job(accelerators="A100-80GB-SXM", purchase="on-demand,spot"), facts.load())
    rates = {deal.purchase: both.policies[deal.policy].preemptions_per_node_s for deal in both.deals}
    assert rates["on-demand"] == 0 < rates["spot"]


def test_dropping_a_filter_is_offered_as_a_relaxation():
    made = plan(read_job("llama-3-8b", tokens="1B", accelerators="L4", max_devices=1))
    assert not made.feasible
    assert "no layout fits in memory" in made.reason
    assert any("accelerators" in relaxed.drop for relaxed in made.relaxations)


def test_impossible_limits_are_explained():
    made = plan(job(accelerators="H100", by="1h", budget="10"))
    assert not made.feasible
    assert made.relaxations
    assert made.to_dict()["points"] == made.to_dict()["frontier"] == []
    assert made.relaxations[0].text.startswith("--")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"accelerators": "H1000"}, UnknownName, "H100"),
        ({"regions": "mars/*"}, UnknownName, "region"),
        ({"providers": "awz"}, UnknownName, "aws"),
        ({"stack": "megatrn-core"}, UnknownName, "megatron-core"),
        ({"accelerators": "V100", "precision": "bf16"}, BadInput, "no dense bf16|has a dense bf16|bf16 peak"),
        ({"accelerators": "TPU-v5p", "regions": "aws/*"}, BadInput, "no offer of TPU-v5p"),
    ],
)
def test_what_the_catalog_lacks_is_one_clear_error(given, error, message):
    with pytest.raises(error, match=message):
        plan(job(**given))


def test_estimate_of_the_issue():
    made = estimate_job(job(), "H100", 64, "tp=2,pp=1,dp=32,mbs=2,ga=8,zero=1", today=date(2026, 11, 21))
    mapped = made.to_dict()
    assert mapped["layout_text"] == "tp=2,pp=1,dp=32,mbs=2,ga=8,zero=1"
    assert mapped["devices"] == 64
    assert all(mapped[f"{key}_low"] <= mapped[key] <= mapped[f"{key}_high"] for key in ("time_s", "memory_bytes"))


def test_an_estimate_may_not_fit_and_says_so():
    for chip, said in (("RTX-4090", "it does not fit"), ("B200-180GB-SXM", "it may not fit")):
        made = estimate_job(job(), chip, 1, "tp=1,recompute=none,offload=0")
        assert not made.fits
        assert said in made.bound_by[0].text


def test_an_estimate_without_a_layout_takes_the_fastest_that_fits():
    made = estimate_job(job(), "p5.48xlarge", 16)
    assert made.fits
    deal = configure(job(), "p5.48xlarge", 16).deal
    assert deal is not None
    assert deal.system == "p5.48xlarge"
    other = estimate_job(job(), "p5.48xlarge", 16, "tp=8,recompute=full")
    assert made.time_s.value < other.time_s.value


def test_an_estimate_at_a_site_takes_its_carbon():
    made = estimate_job(job(), "H100", 8, "tp=1,zero=1", site="aws/eu-north-1")
    assert made.site == "aws/eu-north-1"
    assert made.offer == "" or made.offer.startswith("aws/eu-north-1/")
    assert not np.isnan(made.co2e_kg.value)


def test_an_impossible_estimate_says_the_arithmetic():
    with pytest.raises(BadLayout, match="but the job has 64 devices"):
        estimate_job(job(), "H100", 64, "tp=8,pp=4,dp=16")


def test_every_calibrated_stack_has_its_capability():
    assert set(facts.stacks()) <= set(load().stack_files)
