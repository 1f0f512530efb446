"""`steelyard where`: the page and the JSON."""

import json

from click.testing import CliRunner, Result

from steelyard.cli.app import app

PINNED = ("llama-3-8b", "--tokens", "20B", "--on", "H100:64", "--layout", "tp=2,pp=1,dp=32,mbs=2,zero=1")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["where", *words])


def test_the_page_shows_kinds_side_by_side_and_what_a_cleaner_site_costs() -> None:
    result = run(*PINNED)
    assert result.exit_code == 0, result.output
    for part in ("gross", "net", "market", "marginal", "What a cleaner site costs", "USD a tonne", "site unknown"):
        assert part in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert len(run(*PINNED, "--all").stdout.splitlines()) > len(result.stdout.splitlines())


def test_json_lists_every_site_with_every_kind_apart() -> None:
    found = json.loads(run(*PINNED, "--json").stdout)
    assert found["cheapest"]["cost_usd"] == min(one["cost_usd"] for one in found["sites"])
    for one in found["sites"]:
        assert {f"co2e_{kind}_kg" for kind in ("location_gross", "location_net", "market", "marginal")} <= set(one)
        assert one["co2e_marginal_kg"] is None  # none is in the catalog, and nothing stands in for it
    assert found["cleanest"]["premium_usd"] >= 0


def test_by_a_kind_that_nobody_publishes_nothing_is_cleaner() -> None:
    result = run(*PINNED, "--carbon", "marginal")
    assert result.exit_code == 0
    assert "unknown: no site" in result.stdout
