"""Each live source on a reply in its documented form (replies/README.md), and what a refresh leaves on disk."""

import datetime as dt
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.catalog.live import Network, Reply, recorded, zipped

from steelyard.catalog.live import SOURCES, Ask, refresh_sources
from steelyard.catalog.live.asking import SourceOutcome, askable_sources, named_sources
from steelyard.catalog.live.fetch import Unreachable
from steelyard.catalog.load import DATA, Catalog
from steelyard.catalog.local import store
from steelyard.catalog.local.refreshed import read_refreshed
from steelyard.catalog.local.store import LiveRows, PriceRow
from steelyard.errors import UnknownName

NOW = dt.datetime(2026, 11, 21, 14, 30, tzinfo=dt.UTC)


@cache
def shipped() -> Catalog:
    return Catalog(DATA)


def ask(answers: Mapping[str, Any], *regions: str, token: str = "mine") -> Ask:  # noqa: S107
    return Ask(Network(answers).fetch, shipped(), regions, NOW, token)


def collected(name: str, answers: Mapping[str, Any], *regions: str) -> LiveRows:
    return SOURCES[name].collect(ask(answers, *regions))


def prices(rows: LiveRows) -> dict[tuple[str, str, str], float]:
    return {(row.region, row.instance, row.purchase): row.usd for row in rows.prices}


AWS_LIST = {"us-east-1/index.csv": recorded("aws_us-east-1.csv")}
AZURE_PAGES = {
    "skip=1000": recorded("azure_2.json"),
    "ND96isr_H100_v5": recorded("azure_1.json"),
    "": {"Items": [], "NextPageLink": None},
}
GCP_PAGES = {"pageToken=ABCD": recorded("gcp_2.json"), "": recorded("gcp_1.json")}


def test_aws_takes_linux_on_shared_tenancy_and_reservations_without_upfront() -> None:
    rows = collected("aws", AWS_LIST, "aws/us-east-1")
    assert prices(rows) == {
        ("us-east-1", "p5.48xlarge", "on-demand"): 55.04,
        ("us-east-1", "p5.48xlarge", "reserved-1y"): 43.16,
        ("us-east-1", "p5.48xlarge", "reserved-3y"): 23.778,
        ("us-east-1", "g6e.48xlarge", "on-demand"): 24.1526,
    }
    first = rows.prices[0]
    assert (first.accelerator, first.devices, first.site) == ("H100-80GB-SXM", 8, "aws/us-east-1")
    assert (first.date, first.note) == ("2026-11-21", "price list of 2026-11-19")
    assert rows.covered == ["aws/us-east-1"]


def test_aws_in_another_form_is_an_error() -> None:
    with pytest.raises(Unreachable, match="PricePerUnit"):
        collected("aws", {"index.csv": b'"a","b"\n' * 5 + b'"SKU","TermType"\n'}, "aws/us-east-1")


def test_azure_follows_pages_and_spreads_a_reservation_over_its_term() -> None:
    found = prices(collected("azure", AZURE_PAGES))
    name = "Standard_ND96isr_H100_v5"
    assert found[("swedencentral", name, "on-demand")] == 98.32
    assert found[("swedencentral", name, "spot")] == 39.33
    assert found[("swedencentral", name, "reserved-1y")] == pytest.approx(551160 / 8760)
    assert found[("swedencentral", name, "reserved-3y")] == pytest.approx(1054116 / 26280)
    assert found[("westeurope", name, "on-demand")] == 104.0
    assert len(found) == 5


def test_azure_does_not_follow_a_page_to_another_host() -> None:
    page = {"Items": [], "NextPageLink": "https://elsewhere.example.org/api"}
    with pytest.raises(Unreachable, match="another host"):
        collected("azure", {"": page})


def test_google_adds_up_the_parts_and_leaves_other_ways_of_buying_out() -> None:
    network = Network(GCP_PAGES)
    rows = SOURCES["gcp"].collect(Ask(network.fetch, shipped(), (), NOW, "hush"))
    found = prices(rows)
    whole = 8 * 9.796550569 + 208 * 0.029917642 + 1872 * 0.00260566
    assert found[("us-central1", "a3-highgpu-8g", "on-demand")] == pytest.approx(whole, abs=1e-5)
    assert found[("us-central1", "a3-highgpu-1g", "on-demand")] == pytest.approx(whole / 8, abs=1e-5)
    assert not any(purchase == "spot" for _, _, purchase in found)  # a spot GPU without a spot core is no offer
    assert not any(instance.startswith("g2") for _, instance, _ in found)  # two prices of one L4: neither is taken
    assert all("hush" not in url for url, _ in network.asked)
    assert network.asked[0][1]["X-Goog-Api-Key"] == "hush"


def test_gpuhunt_speaks_of_instances_that_the_catalog_knows() -> None:
    answers = {"/version": b"20261119\n", "20261119/catalog.zip": zipped("gpuhunt_lambdalabs.csv", "gpuhunt_gcp.csv")}
    rows = collected("gpuhunt", answers)
    found = prices(rows)
    assert found == {
        ("us-east-1", "gpu_8x_h100_sxm5", "on-demand"): 23.92,
        ("us-east-3", "gpu_1x_gh200", "on-demand"): 1.49,
        ("us-central1", "a3-highgpu-8g", "on-demand"): 88.49,
        ("us-central1", "a3-highgpu-8g", "spot"): 30.05,  # the cheapest zone
    }
    assert {row.date for row in rows.prices} == {"2026-11-19"}
    assert {row.provider for row in rows.prices} == {"lambda", "gcp"}
    assert "1 rows" in rows.notes[0]


@pytest.mark.parametrize("body", [b"no zip", b""])
def test_gpuhunt_that_cannot_be_unpacked_is_an_error(body: bytes) -> None:
    with pytest.raises(Unreachable, match="cannot be read"):
        collected("gpuhunt", {"/version": b"20261119", "catalog.zip": body})


def hour_by_hour(url: str) -> dict[str, Any]:
    """Ten days of Electricity Maps' past, 60 g/kWh at night and 30 by day."""
    start, end = (
        dt.datetime.fromisoformat(url.partition(f"{key}=")[2][:25].replace("%3A", ":")[:19]) for key in ("start", "end")
    )
    hours = [start + dt.timedelta(hours=k) for k in range(int((end - start).total_seconds() // 3600))]
    rows = [
        {"datetime": f"{hour:%Y-%m-%dT%H}:00:00.000Z", "carbonIntensity": 30 if 8 <= hour.hour < 20 else 60}
        for hour in hours
    ]
    return {"zone": "FR", "data": rows}


def test_electricity_maps_gives_usual_days_a_forecast_and_the_year() -> None:
    answers = {"past-range": hour_by_hour, "forecast": recorded("electricity_maps_forecast.json")}
    rows = collected("electricity-maps", answers, "gcp/europe-west9")
    usual = [row for row in rows.profiles if row["month"]]
    assert len(usual) == 288
    assert {row["kg_per_kwh"] for row in usual} == {"0.03", "0.06"}
    ahead = [row for row in rows.profiles if row["time"]]
    assert [row["kg_per_kwh"] for row in ahead] == ["0.038", "0.041", "0.044", "0.047", "0.046"]
    (year,) = rows.intensity
    assert (year["place"], year["quantity"], float(year["value"])) == ("em-zone/FR", "location_gross", 0.045)


def test_electricity_maps_without_history_still_gives_the_forecast_and_says_so() -> None:
    answers = {"past-range": 403, "forecast": recorded("electricity_maps_forecast.json")}
    rows = collected("electricity-maps", answers, "gcp/europe-west9")
    assert rows.profiles
    assert not rows.intensity
    assert "does its plan allow this" in rows.notes[0]
    with pytest.raises(Unreachable, match="FR"):
        collected("electricity-maps", {"": 401}, "gcp/europe-west9")


def fuel_by_fuel(url: str) -> dict[str, Any]:
    """A year of the EIA's hours in pages: gas alone at night, half sun by day, batteries apart."""
    offset = int(url.partition("offset=")[2])
    first = dt.datetime(2025, 11, 21, 14)
    rows = [
        {
            "period": f"{hour:%Y-%m-%dT%H}",
            "respondent": "ERCO",
            "fueltype": fuel,
            "value": value,
            "value-units": "megawatthours",
        }
        for hour in (first + dt.timedelta(hours=k) for k in range(365 * 24))
        for fuel, value in (("NG", "500"), ("SUN", "500" if 14 <= hour.hour < 24 else "-2"), ("BAT", "900"))
    ]
    return {
        "response": {"total": str(len(rows)), "data": rows[offset : offset + 5000]},
        "request": {},
        "apiVersion": "2.1.8",
    }


def test_the_eia_gives_usual_days_from_generation_by_fuel() -> None:
    network = Network({"respondent%5D%5B%5D=ERCO": fuel_by_fuel})
    rows = SOURCES["eia"].collect(Ask(network.fetch, shipped(), ("azure/southcentralus",), NOW, "hush"))
    values = {row["kg_per_kwh"] for row in rows.profiles}
    gas = 790e9 / 1_806_063e6
    assert len(rows.profiles) == 288
    assert sorted(float(value) for value in values) == pytest.approx([gas / 2, gas], rel=1e-4)
    assert {row["place"] for row in rows.profiles} == {"em-zone/US-TEX-ERCO"}
    assert len(network.asked) == 6
    assert not rows.intensity  # direct and without imports: a shape for the hours, no rival of the year's figure


def test_great_britain_takes_the_mean_of_two_halves_and_the_forecast_ahead() -> None:
    rows = collected("gb-grid", {"": recorded("gb_grid.json")})
    ahead = {row["time"]: row["kg_per_kwh"] for row in rows.profiles if row["time"]}
    assert ahead == {"2026-11-21T12:00Z": "0.181", "2026-11-21T13:00Z": "0.191"}
    assert not rows.intensity  # two hours are no year


def test_ember_gives_the_newest_year_of_countries_that_the_catalog_knows() -> None:
    rows = collected("ember", {"carbon-intensity/yearly": recorded("ember.json")})
    assert [(row["place"], row["year"], row["value"]) for row in rows.intensity] == [
        ("country/FR", "2025", "0.0417"),
        ("country/SE", "2025", "0.0351"),
    ]
    assert rows.notes == ["not in the catalog: Atlantis"]


@pytest.mark.parametrize("name", SOURCES)
def test_an_answer_in_another_form_is_no_traceback(name: str, tmp_path: Path) -> None:
    for body in (b"{}", b"[]", b'{"data": [{}], "Items": [{}], "skus": [{}]}', b"\xff\xfe"):
        outcome = asked(name, {"": body}, tmp_path, "gcp/europe-west9", "aws/us-east-1")
        assert not outcome.ok
        assert outcome.answered == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "Items", "skus", "response", "forecast", "total", "value", "intensity", "from", "type"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("name", SOURCES)
@given(body=JSON)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_answer_is_a_traceback_and_what_is_written_can_be_read(name: str, tmp_path: Path, body: Any) -> None:
    asked(name, {"": body}, tmp_path, "gcp/europe-west9", "aws/us-east-1")
    assert read_refreshed(tmp_path) is not None


@pytest.mark.parametrize("price", ["inf", "1e9"])
def test_a_price_that_is_none_writes_nothing(price: str, tmp_path: Path) -> None:
    body = recorded("aws_us-east-1.csv").replace(b"55.0400000000", price.encode())
    assert not asked("aws", {"": body}, tmp_path, "aws/us-east-1").ok
    assert not read_refreshed(tmp_path)


def test_a_forecast_alone_leaves_the_usual_days(tmp_path: Path) -> None:
    ahead = recorded("electricity_maps_forecast.json")
    asked("electricity-maps", {"past-range": hour_by_hour, "forecast": ahead}, tmp_path, "gcp/europe-west9")
    asked("electricity-maps", {"past-range": 503, "forecast": ahead}, tmp_path, "gcp/europe-west9")
    assert sorted(one.yearly for one in read_refreshed(tmp_path).profiles) == [False, True]


def asked(name: str, answers: Mapping[str, Any], folder: Path, *regions: str, now: dt.datetime = NOW) -> SourceOutcome:
    tokens = {one.variable: "token" for one in SOURCES.values()}
    network = Network(answers)
    (outcome,) = refresh_sources([SOURCES[name]], shipped(), folder, regions, network.fetch, lambda: now, tokens)
    return outcome


def test_a_failed_refresh_keeps_the_rows_and_their_age(tmp_path: Path) -> None:
    first = asked("aws", AWS_LIST, tmp_path, "aws/us-east-1")
    assert (first.ok, first.rows) == (True, 4)
    where = tmp_path / store.FOLDER / "aws"
    before = {path.name: path.read_bytes() for path in where.iterdir()}
    later = asked("aws", {"": OSError("no route")}, tmp_path, "aws/us-east-1", now=NOW + dt.timedelta(days=9))
    assert not later.ok
    assert later.answered == first.answered == "2026-11-21T14:30:00+00:00"
    after = {path.name: path.read_bytes() for path in where.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"state.json"}
    state = json.loads(after["state.json"])
    assert state["tried"].startswith("2026-11-30")
    assert "no route" in state["error"]


def test_a_list_that_breaks_off_writes_nothing(tmp_path: Path) -> None:
    body = recorded("aws_us-east-1.csv")
    torn = Reply(body[: len(body) // 2], Content_Length=str(len(body)))
    assert not asked("aws", {"": torn}, tmp_path, "aws/us-east-1").ok
    assert {path.name for path in (tmp_path / store.FOLDER / "aws").iterdir()} == {"state.json"}


def test_prices_append_and_an_unchanged_one_only_grows_younger(tmp_path: Path) -> None:
    asked("aws", AWS_LIST, tmp_path, "aws/us-east-1")
    cheaper = recorded("aws_us-east-1.csv").replace(b"55.0400000000", b"49.5400000000")
    asked("aws", {"": cheaper}, tmp_path, "aws/us-east-1", now=NOW + dt.timedelta(days=9))
    rows = store.stored_rows(tmp_path / store.FOLDER / "aws/prices.csv")
    kept = {(row["instance"], row["purchase"]): [] for row in rows}
    for row in rows:
        kept[row["instance"], row["purchase"]].append((row["usd"], row["since"], row["date"]))
    assert kept["p5.48xlarge", "on-demand"] == [
        ("55.04", "2026-11-21", "2026-11-21"),
        ("49.54", "2026-11-30", "2026-11-30"),
    ]
    assert kept["p5.48xlarge", "reserved-1y"] == [("43.16", "2026-11-21", "2026-11-30")]


def test_the_shipped_tables_are_not_touched(tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in DATA.iterdir()}
    asked("aws", AWS_LIST, tmp_path, "aws/us-east-1")
    assert {path: path.stat().st_mtime_ns for path in DATA.iterdir()} == before


def test_what_needs_a_token_or_regions_says_so(tmp_path: Path) -> None:
    (gcp,) = refresh_sources([SOURCES["gcp"]], shipped(), tmp_path, (), Network({}).fetch, lambda: NOW, {})
    assert "$GCP_API_KEY" in gcp.error
    (aws,) = refresh_sources([SOURCES["aws"]], shipped(), tmp_path, (), Network({}).fetch, lambda: NOW, {})
    assert "--regions" in aws.error
    open_to_all = {one.name for one in askable_sources(SOURCES, (), {})}
    assert {"azure", "gb-grid", "gpuhunt"} <= open_to_all
    assert not {"gcp", "aws"} & open_to_all
    assert "aws" in [one.name for one in askable_sources(SOURCES, ("aws/us-east-1",), {})]
    with pytest.raises(UnknownName, match="gpuhunt"):
        named_sources(["gpuhnut"], SOURCES)


def test_a_crash_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prices.csv"
    store._replace(path, "old")

    def full(_handle: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        store._replace(path, "new")
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_older_list_says_nothing_new() -> None:
    row = PriceRow(
        "aws", "p5.48xlarge", "us-east-1", "H100-80GB-SXM", 8, "p5.48xlarge", "", "on-demand", 50.0, "2026-11-21", ""
    )
    once = store.merged_prices([], [row], "live-aws")
    assert store.merged_prices(once, [row._replace(usd=60.0, date="2026-11-01")], "live-aws") == once
