"""Every row of every table: a source that exists, a unit, a date; nothing twice; every name leads somewhere."""

import csv
import datetime as dt
import itertools
import math
from collections import Counter

import pint
import pytest

from steelyard.catalog import load, machine, supports
from steelyard.catalog.load import DATA
from steelyard.catalog.read import SI
from steelyard.vocabulary import RENTED

FACTS = {"accelerators": "accelerator", "buses": "bus", "embodied": "entity", "intensity": "place", "pue": "place"}
FACTS |= {"water": "place", "tariffs": "provider"}
PINT = {"GB": "gigabyte", "MB": "megabyte", "MiB": "mebibyte", "GB/s": "gigabyte/second", "TFLOP/s": "teraflop/second"}
PINT |= {"W": "watt", "nm": "nanometer", "kg": "kilogram", "kg/kWh": "kilogram/kilowatt_hour", "": "dimensionless"}
PINT |= {"L/kWh": "liter/kilowatt_hour", "USD": "usd", "USD/GB": "usd/gigabyte", "USD/GiB": "usd/gibibyte"}
PINT |= {"USD/GB-month": "usd/gigabyte/billed_month", "USD/GiB-month": "usd/gibibyte/billed_month"}
BASE = {"GB": "byte", "MB": "byte", "MiB": "byte", "GB/s": "byte/second", "TFLOP/s": "flop/second", "W": "watt"}
BASE |= {"nm": "meter", "kg": "kilogram", "kg/kWh": "kilogram/joule", "L/kWh": "meter**3/joule", "USD": "usd", "": ""}
BASE |= {"USD/GB": "usd/byte", "USD/GiB": "usd/byte", "USD/GB-month": "usd/byte/s", "USD/GiB-month": "usd/byte/s"}


def rows(name):
    with (DATA / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize("name", FACTS)
def test_every_fact_has_a_known_source_a_unit_and_a_date(name):
    for row in rows(name):
        assert row["source"] in load().sources, row
        assert row["unit"] in SI, row
        assert dt.date.fromisoformat(row["checked"]) <= dt.date.today() + dt.timedelta(days=1)
        assert math.isfinite(float(row["value"]))


def test_units_are_what_pint_says_they_are():
    registry = pint.UnitRegistry()
    registry.define("flop = []")
    registry.define("usd = []")
    registry.define("billed_month = 730 * hour")
    for unit, factor in SI.items():
        assert registry.Quantity(1, PINT[unit]).to(BASE[unit]).magnitude == pytest.approx(factor, rel=1e-12), unit


def test_sources_state_licence_and_locator():
    for row in load().sources.values():
        assert row.licence, row.id
        assert row.locator, row.id
        assert row.what, row.id
        dt.date.fromisoformat(row.checked)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("sources", ("id",)),
        ("accelerators_index", ("id",)),
        ("accelerators", ("accelerator", "quantity", "source", "value")),
        ("systems", ("id",)),
        ("sites", ("id",)),
        ("offers", ("provider", "region", "instance")),
        ("intensity", ("place", "quantity", "source", "year")),
        ("pue", ("place", "source", "year")),
        ("water", ("place", "quantity", "source", "year")),
        ("spot", ("instance", "region")),
        ("price_cuts", ("provider", "instance")),
    ],
)
def test_nothing_is_listed_twice(name, key):
    counts = Counter(tuple(row[column] for column in key) for row in rows(name))
    assert [found for found, count in counts.items() if count > 1] == []


def test_every_price_has_a_source_and_a_date_or_says_that_it_has_none():
    for row in rows("offers"):
        for purchase in RENTED:
            column = purchase.replace("-", "_")
            if row[f"{column}_usd"]:
                assert row[f"{column}_source"] in load().sources
                if row[f"{column}_date"]:
                    dt.date.fromisoformat(row[f"{column}_date"].lstrip("<"))
                else:
                    assert row[f"{column}_source"] == "skypilot-catalog", row


def test_every_offer_leads_to_a_system_of_the_same_shape_and_to_a_site_or_none():
    catalog = load()
    for offer in catalog.offers:
        system = catalog.systems[offer.system]
        assert system.accelerator == offer.accelerator
        assert system.devices == offer.devices
        assert offer.accelerator in catalog.accelerators
        assert not offer.site or offer.site in catalog.sites
        assert offer.site or offer.region == "*", f"{offer.id}: a named region without a site"


def test_systems_are_consistent():
    catalog = load()
    for row in catalog.systems.values():
        assert row.accelerator in catalog.accelerators, row.id
        assert row.devices % row.node_devices == 0, row.id
        assert row.domain_devices >= row.node_devices, row.id
        assert row.max_devices or not math.isnan(row.nic_gb_per_s), f"{row.id}: many units without a network"
        tdp = catalog.accelerators[row.accelerator].tdp_w
        if not math.isnan(row.host_w) and not math.isnan(tdp) and row.max_power_w:
            assert row.host_w < row.max_power_w


def test_every_accelerator_has_one_reference_system():
    counts = Counter(row.accelerator for row in load().systems.values() if row.reference)
    assert counts == Counter(list(load().accelerators))


def test_every_site_knows_its_country_and_every_place_of_it_holds_a_fact_or_is_its_own():
    catalog = load()
    held = {row["place"] for name in ("intensity", "pue", "water") for row in rows(name)}
    for row in catalog.sites.values():
        assert len(row.country) == 2
        assert row.places[0] == row.id
        assert row.source in catalog.sources
        for place in row.places[1:]:
            assert place in held or place.startswith("provider/"), (row.id, place)


def test_no_fact_lies_in_a_place_that_no_site_reaches():
    reached = set(itertools.chain.from_iterable(row.places for row in load().sites.values()))
    apart = ("training-site/", "industry/", "provider/")  # historic sites and averages that nothing falls back to
    for name in ("intensity", "pue", "water"):
        for row in rows(name):
            assert row["place"] in reached or row["place"].startswith(apart), row


def test_facts_are_plausible():
    catalog = load()
    for row in catalog.sites.values():
        assert not row.facts.value("pue") < 1.0, row.id
        assert not row.facts.value("location_gross") * 3.6e6 > 1.5, row.id
        assert not row.facts.value("location_net") > row.facts.value("location_gross"), row.id
    for row in catalog.accelerators.values():
        assert not row.facts.value("idle_power") >= row.tdp_w, row.id
        peaks = [row.peak(precision) for precision in ("tf32", "bf16", "fp8", "fp4")]
        known = [peak for peak in peaks if not math.isnan(peak)]
        assert known == sorted(known), f"{row.id}: a narrower type is slower"


def test_every_machine_can_be_gathered_at_every_precision_it_has():
    catalog = load()
    for row in catalog.systems.values():
        chip = catalog.accelerators[row.accelerator]
        for precision in chip.precisions:
            numbers = machine(row, precision)
            assert numbers.peak_flop_per_s > 0
            assert numbers.memory_bytes > 0
            assert supports(chip, precision)
