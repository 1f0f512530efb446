"""Where to run: kinds of CO2e apart, what a cleaner site costs, and sites that nobody publishes."""

import math
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from steelyard.catalog import load
from steelyard.catalog.residency import EU
from steelyard.errors import BadInput
from steelyard.job import read_job
from steelyard.market.sites import candidate_sites, site_option, unknown_site, unknown_site_notes
from steelyard.planner import plan, where
from steelyard.planner.engine import ENGINE
from steelyard.planner.premium import Premium, premium_text
from steelyard.planner.sites import Where, compare_sites
from steelyard.planner.unstated.configuring import configure
from steelyard.units import KWH_J
from steelyard.vocabulary import CO2E_KINDS

LAYOUT = "tp=2,pp=1,dp=32,mbs=2,zero=1"


@cache
def job(**more: Any) -> Any:
    return read_job({"model": "llama-3-8b", "tokens": "20B", **more})


@cache
def asked(carbon: str = "location_gross", **more: Any) -> Where:
    made = configure(job(), "H100", 64, LAYOUT, "aws/us-east-1")
    return compare_sites(made, job(**more), ENGINE, load(), carbon)


def test_every_site_stands_once_the_cheapest_first() -> None:
    stands = asked().sites
    named = [one.site for one in stands if one.site]
    assert len(named) == len(set(named)) > 20
    assert [one.cost_usd for one in stands] == sorted(one.cost_usd for one in stands)


def test_each_kind_of_co2e_is_its_own_and_none_stands_in_for_another() -> None:
    sites = load().sites
    for one in asked().sites:
        if not one.site:
            continue
        facts = sites[one.site].facts
        for kind in CO2E_KINDS:
            kilograms, intensity = one.co2e_kg(kind), facts.value(kind)
            assert math.isnan(kilograms) == math.isnan(intensity)
            if not math.isnan(intensity):
                assert kilograms == pytest.approx(one.energy_facility_kwh * KWH_J * intensity)


def test_a_residual_mix_differs_from_the_grid_and_replaces_nothing() -> None:
    sweden = next(one for one in asked().sites if one.site == "aws/eu-north-1")
    assert sweden.co2e_kg("market") > 5 * sweden.co2e_kg("location_gross")
    assert asked("market").cleanest.co2e_kg("market") < sweden.co2e_kg("market")


def test_what_is_worth_its_money_gets_cleaner_as_it_gets_dearer() -> None:
    found = asked()
    ladder = [one for one in found.sites if one.efficient]
    assert len(ladder) >= 2
    assert [one.co2e_kg("location_gross") for one in ladder] == sorted(
        (one.co2e_kg("location_gross") for one in ladder), reverse=True
    )
    for one in found.sites:
        beaten = [other for other in ladder if other.cost_usd <= one.cost_usd and other is not one]
        if not one.efficient:
            known = one.co2e_kg("location_gross")
            assert math.isnan(known) or any(other.co2e_kg("location_gross") <= known for other in beaten)
    assert found.cleanest is ladder[-1]


def test_the_premium_is_the_difference_to_the_cheapest() -> None:
    first, *rest = asked().sites
    assert first.premium_usd == 0
    for one in rest:
        assert one.premium_usd == pytest.approx(one.cost_usd - first.cost_usd)
        assert one.premium_s == pytest.approx(one.time_s - first.time_s)
    assert math.isnan(Premium(5.0, 0.0, -1.0).usd_per_t)


def test_sites_that_miss_a_limit_come_last_and_are_worth_nothing() -> None:
    found = asked(budget="4000")
    missed = [one for one in found.sites if one.misses]
    assert missed
    assert found.sites[-len(missed) :] == tuple(missed)
    assert all(one.cost_usd > 4000 and one.misses == ("budget",) and not one.efficient for one in missed)
    assert not found.cleanest.misses


def test_the_jobs_filters_hold_and_nothing_left_is_an_error() -> None:
    assert {one.country for one in asked(residency="EU").sites} <= EU
    made = configure(job(), "H100", 64, LAYOUT, "aws/us-east-1")
    with pytest.raises(BadInput):
        compare_sites(made, job(providers="ovhcloud"), ENGINE, load())


def test_a_site_that_is_not_published_is_an_interval_over_where_it_may_be() -> None:
    catalog = load()
    site = unknown_site(catalog, "lambda")
    values = site.spread["location_gross_kg_per_j"]
    assert min(values) < site.site.location_gross_kg_per_j < max(values)
    assert site.possible_sites == len(values)
    assert math.isnan(site.site.market_kg_per_j)
    assert {site.provider for site in candidate_sites(catalog, "lambda")} == {"lambda"}
    assert {site.provider for site in candidate_sites(catalog, "vast")} >= {"aws", "azure", "gcp"}
    assert site_option("aws/us-east-1", catalog).possible_sites == 0


def test_the_interval_of_an_unknown_site_covers_its_candidates_and_is_flagged() -> None:
    made = plan(job(accelerators="H100", providers="lambda"))
    point = made.points[0]
    assert point.site == ""
    assert point.co2e_kg.low < point.co2e_kg.value < point.co2e_kg.high
    assert any("site not published" in note and "lambda: 18" in note for note in made.notes)
    assert point.site_candidates == 18
    assert unknown_site_notes([site_option("aws/us-east-1", load())]) == []


def test_a_plan_says_what_the_cleanest_costs_over_the_cheapest() -> None:
    made = plan(job(accelerators="H100", by="7d"))
    points = {one.label: one for one in made.points}
    (text,) = premium_text(made.points, "location_gross")
    assert text in made.notes
    more = points["cleanest"].cost_usd.value - points["cheapest"].cost_usd.value
    hours = (points["cleanest"].time_s.value - points["cheapest"].time_s.value) / 3600
    assert f"{more:+,.0f} USD" in text
    assert f"{hours:+,.1f} h" in text
    assert points["cleanest"].site in text
    premium = made.premium_of_cleanest
    assert premium.usd == pytest.approx(more)
    assert premium.time_s == pytest.approx(3600 * hours)
    assert premium_text([points["cheapest"], replace(points["cheapest"], label="cleanest")], "location_gross") == ()


def test_machines_that_hold_the_whole_job_are_sites_too() -> None:
    """Two devices lie in one fast domain of an instance of two as of one of eight; sixteen do not."""
    found = where("llama-2-7b", tokens="100M", task="full_ft", on="H100:2")
    assert found.cheapest.cost_usd == min(one.cost_usd for one in found.sites)
    assert any("a3-highgpu-2g" in one.offer for one in found.sites)
