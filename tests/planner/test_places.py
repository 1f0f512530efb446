"""Where to run: kinds of CO2e apart, what a cleaner place costs, and places that nobody publishes."""

import math
from functools import cache
from typing import Any

import pytest

from steelyard import planner
from steelyard.catalog import load
from steelyard.catalog.residency import EU
from steelyard.errors import BadInput
from steelyard.job import read_job
from steelyard.market.sites import candidate_sites, site_option, unknown_site, unknown_site_notes
from steelyard.planner.places import Where, where
from steelyard.planner.planning import ENGINE
from steelyard.planner.premium import Premium, premium_text

LAYOUT = "tp=2,pp=1,dp=32,mbs=2,zero=1"


@cache
def job(**more: Any) -> Any:
    return read_job({"model": "llama-3-8b", "tokens": "20B", **more})


@cache
def asked(carbon: str = "location_gross", **more: Any) -> Where:
    point = planner.estimate(job(), "H100", 64, LAYOUT, "aws/us-east-1")
    return where(point, job(**more), ENGINE, load(), carbon)


def test_every_place_stands_once_the_cheapest_first() -> None:
    stands = asked().stands
    named = [one.site for one in stands if one.site]
    assert len(named) == len(set(named)) > 20
    assert [one.cost_usd for one in stands] == sorted(one.cost_usd for one in stands)


def test_each_kind_of_co2e_is_its_own_and_none_stands_in_for_another() -> None:
    sites = load().sites
    for one in asked().stands:
        if not one.site:
            continue
        facts = sites[one.site].facts
        for kind, kilograms in one.co2e_kg.items():
            intensity = facts.value(kind)
            assert math.isnan(kilograms) == math.isnan(intensity)
            if not math.isnan(intensity):
                assert kilograms == pytest.approx(one.energy_j * intensity)


def test_a_residual_mix_differs_from_the_grid_and_replaces_nothing() -> None:
    sweden = next(one for one in asked().stands if one.site == "aws/eu-north-1")
    assert sweden.co2e_kg["market"] > 5 * sweden.co2e_kg["location_gross"]
    assert asked("market").cleanest.co2e_kg["market"] < sweden.co2e_kg["market"]


def test_what_is_worth_its_money_gets_cleaner_as_it_gets_dearer() -> None:
    found = asked()
    ladder = [one for one in found.stands if one.efficient]
    assert len(ladder) >= 2
    assert [one.co2e_kg["location_gross"] for one in ladder] == sorted(
        (one.co2e_kg["location_gross"] for one in ladder), reverse=True
    )
    for one in found.stands:
        beaten = [other for other in ladder if other.cost_usd <= one.cost_usd and other is not one]
        if not one.efficient:
            known = one.co2e_kg["location_gross"]
            assert math.isnan(known) or any(other.co2e_kg["location_gross"] <= known for other in beaten)
    assert found.cleanest is ladder[-1]


def test_the_premium_is_the_difference_to_the_cheapest() -> None:
    first, *rest = asked().stands
    assert first.premium is None
    for one in rest:
        assert one.premium is not None
        assert one.premium.usd == pytest.approx(one.cost_usd - first.cost_usd)
        assert one.premium.seconds == pytest.approx(one.time_s - first.time_s)
    assert math.isnan(Premium(5.0, 0.0, -1.0).usd_per_t)


def test_places_that_miss_a_limit_come_last_and_are_worth_nothing() -> None:
    found = asked(budget="4000")
    missed = [one for one in found.stands if one.misses]
    assert missed
    assert found.stands[-len(missed) :] == tuple(missed)
    assert all(one.cost_usd > 4000 and one.misses == ("budget",) and not one.efficient for one in missed)
    assert not found.cleanest.misses


def test_the_jobs_filters_hold_and_nothing_left_is_an_error() -> None:
    assert {one.country for one in asked(residency="EU").stands} <= EU
    point = planner.estimate(job(), "H100", 64, LAYOUT, "aws/us-east-1")
    with pytest.raises(BadInput):
        where(point, job(providers="ovhcloud"), ENGINE, load())


def test_a_place_that_is_not_published_is_an_interval_over_where_it_may_be() -> None:
    catalog = load()
    place = unknown_site(catalog, "lambda")
    values = place.spread["location_gross_kg_per_j"]
    assert min(values) < place.site.location_gross_kg_per_j < max(values)
    assert place.possible_sites == len(values)
    assert math.isnan(place.site.market_kg_per_j)
    assert {site.provider for site in candidate_sites(catalog, "lambda")} == {"lambda"}
    assert {site.provider for site in candidate_sites(catalog, "vast")} >= {"aws", "azure", "gcp"}
    assert site_option("aws/us-east-1", catalog).possible_sites == 0


def test_the_interval_of_an_unknown_place_covers_its_candidates_and_is_flagged() -> None:
    plan = planner.plan(job(accelerators="H100", providers="lambda"))
    point = plan.points[0]
    assert point.site.name == ""
    assert point.co2e_kg.low < point.co2e_kg.value < point.co2e_kg.high
    assert any("place not published" in note and "lambda: 18" in note for note in plan.notes)
    assert planner.point_mapping(point)["site_candidates"] == 18
    assert unknown_site_notes([site_option("aws/us-east-1", load())]) == []


def test_a_plan_says_what_the_cleanest_costs_over_the_cheapest() -> None:
    plan = planner.plan(job(accelerators="H100", by="7d"))
    points = {one.label: one for one in plan.points}
    (text,) = premium_text(points, "location_gross")
    assert text in plan.notes
    more = points["cleanest"].cost_usd.value - points["cheapest"].cost_usd.value
    hours = (points["cleanest"].time_s.value - points["cheapest"].time_s.value) / 3600
    assert f"{more:+,.0f} USD" in text
    assert f"{hours:+,.1f} h" in text
    assert points["cleanest"].site.name in text
    told = planner.plan_mapping(plan)["premium_of_cleanest"]
    assert told["usd"] == pytest.approx(more)
    assert told["time_s"] == pytest.approx(3600 * hours)
    assert premium_text({"cheapest": points["cheapest"], "cleanest": points["cheapest"]}, "location_gross") == ()
