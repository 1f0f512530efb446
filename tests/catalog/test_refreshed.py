"""A user's live rows over the shipped catalog: the newer wins, both are kept, and nothing shipped changes."""

import datetime as dt
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.catalog.live import Network, recorded

from steelyard.catalog.live import SOURCES, refresh_sources
from steelyard.catalog.load import DATA, Catalog, load
from steelyard.catalog.local import layer, store
from steelyard.catalog.local.diff import catalog_diff
from steelyard.errors import BadCatalog

NOW = dt.datetime(2026, 11, 21, 14, 30, tzinfo=dt.UTC)
OFFER = "aws/us-east-1/p5.48xlarge"


@cache
def shipped() -> Catalog:
    return Catalog(DATA)


def over(folder: Path) -> Catalog:
    return shipped().over(layer.read_live(folder))


def read_in(folder: Path, name: str, answers: Mapping[str, Any], *regions: str, day: int = 0) -> None:
    tokens = {one.variable: "mine" for one in SOURCES.values()}
    moment = NOW + dt.timedelta(days=day)
    (outcome,) = refresh_sources(
        [SOURCES[name]], shipped(), folder, regions, Network(answers).fetch, lambda: moment, tokens
    )
    assert outcome.ok, outcome.error


def aws(folder: Path, usd: str = "49.5400000000", day: int = 0) -> None:
    body = recorded("aws_us-east-1.csv").replace(b"55.0400000000", usd.encode())
    read_in(folder, "aws", {"": body}, "aws/us-east-1", day=day)


def offer(catalog: Catalog, name: str = OFFER) -> Any:
    return next(row for row in catalog.offers if row.id == name)


def test_the_newer_price_wins_and_the_older_is_kept_beside_it(tmp_path: Path) -> None:
    before = offer(shipped()).prices["on-demand"]
    aws(tmp_path)
    after = offer(over(tmp_path))
    assert after.prices["on-demand"].usd_per_hour == 49.54
    assert after.prices["on-demand"].date == "2026-11-21"
    assert after.earlier["on-demand"] == (before,)
    assert offer(shipped()).prices["on-demand"] == before


def test_an_older_reading_does_not_win(tmp_path: Path) -> None:
    before = offer(shipped()).prices["on-demand"]
    aws(tmp_path, day=-300)
    after = offer(over(tmp_path))
    assert after.prices["on-demand"] == before
    assert [price.usd_per_hour for price in after.earlier["on-demand"]] == [49.54]


def test_every_price_ever_read_is_kept(tmp_path: Path) -> None:
    aws(tmp_path, "54.0000000000")
    aws(tmp_path, "53.0000000000", day=3)
    found = offer(over(tmp_path))
    assert found.prices["on-demand"].usd_per_hour == 53.0
    assert found.earlier["on-demand"][0].usd_per_hour == 54.0


def test_an_offer_that_only_the_user_has_can_be_planned_with(tmp_path: Path) -> None:
    page = json.loads(recorded("azure_1.json"))
    for item in page["Items"]:
        item["armRegionName"] = "norwaywest"
    read_in(tmp_path, "azure", {"ND96isr_H100_v5": page | {"NextPageLink": None}, "": {"Items": []}})
    name = "azure/norwaywest/Standard_ND96isr_H100_v5"
    assert all(row.id != name for row in shipped().offers)
    found = offer(over(tmp_path), name)
    assert (found.accelerator, found.devices, found.system) == ("H100-80GB-SXM", 8, "Standard_ND96isr_H100_v5")
    assert found.prices["spot"].source in over(tmp_path).sources


def test_a_doubtful_live_price_is_quarantined_like_any_other(tmp_path: Path) -> None:
    aws(tmp_path, "0.0100000000")
    assert "bargain" in offer(over(tmp_path)).quarantine["on-demand"]


def test_what_its_providers_list_no_longer_has_is_set_aside(tmp_path: Path) -> None:
    aws(tmp_path)
    known = over(tmp_path)
    gone = {row.id for row in known.offers if row.quarantine.get("on-demand", "").startswith("gone")}
    in_region = {row.id for row in shipped().offers if row.place == "aws/us-east-1" and "on-demand" in row.prices}
    assert gone == in_region - {OFFER, "aws/us-east-1/g6e.48xlarge"}


def test_a_year_of_ember_newer_than_the_shipped_one_is_used_and_the_old_one_is_a_rival(tmp_path: Path) -> None:
    read_in(tmp_path, "ember", {"": recorded("ember.json")})
    facts = over(tmp_path).site("country/FR").facts
    assert facts.fact("location_gross").source == "live-ember"
    assert facts.fact("location_gross").value == pytest.approx(0.0417)
    assert "ember" in {row.source for row in facts.rivals("location_gross")}


def test_hours_that_were_read_are_found_by_place(tmp_path: Path) -> None:
    read_in(tmp_path, "gb-grid", {"": recorded("gb_grid.json")})
    known = over(tmp_path)
    site = known.site("aws/eu-west-2")
    noon = dt.datetime(2026, 11, 21, 12, 10, tzinfo=dt.UTC)
    found = known.profiles_of(known.hourly_places(site), noon, 2)
    assert found["location_gross"].hours(noon, 2) * 3.6e6 == pytest.approx([0.181, 0.191])
    assert known.profiles_of(known.hourly_places(site), noon, 3) == {}  # the forecast does not reach so far


def test_the_difference_names_what_was_added_changed_and_is_gone(tmp_path: Path) -> None:
    aws(tmp_path)
    read_in(tmp_path, "ember", {"": recorded("ember.json")})
    found = catalog_diff(shipped(), over(tmp_path))
    kinds = {(row.offer, row.purchase): row for row in found.prices}
    changed = kinds[OFFER, "on-demand"]
    assert changed.kind == "changed"
    assert changed.share == pytest.approx(49.54 / changed.shipped_usd_per_h - 1)
    assert found.count("gone") > 10
    assert {row.place for row in found.facts} == {"country/FR", "country/SE"}
    assert catalog_diff(shipped(), shipped()).prices == ()


def test_a_price_read_again_and_the_same_is_confirmed_and_younger(tmp_path: Path) -> None:
    aws(tmp_path, f"{offer(shipped()).prices['on-demand'].usd_per_hour:.10f}")
    row = next(
        row
        for row in catalog_diff(shipped(), over(tmp_path)).prices
        if (row.offer, row.purchase) == (OFFER, "on-demand")
    )
    assert row.kind == "confirmed"
    assert row.own_date > row.shipped_date


def test_rows_that_cannot_be_read_say_which_source_to_refresh(tmp_path: Path) -> None:
    aws(tmp_path)
    path = tmp_path / store.FOLDER / "aws/prices.csv"
    path.write_text(path.read_text("utf-8").replace("49.54", "cheap"), "utf-8")
    with pytest.raises(BadCatalog, match="catalog refresh aws"):
        over(tmp_path)


def test_the_catalog_of_a_layer_is_not_that_of_another(tmp_path: Path) -> None:
    aws(tmp_path)
    with layer.using_layer(layer.read_live(tmp_path)):
        assert offer(load()).prices["on-demand"].usd_per_hour == 49.54
    assert offer(load()).prices["on-demand"].usd_per_hour != 49.54
