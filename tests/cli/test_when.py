"""`steelyard when`: the page, the JSON, and what it refuses."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from steelyard.cli.app import app

PINNED = ("llama-3-8b", "--tokens", "2B", "--on", "H100:64", "--layout", "tp=2,pp=1,dp=32,mbs=2,zero=1")
PLACED = (*PINNED, "--site", "aws/us-east-1", "--by", "3d")


@pytest.fixture
def hours(tmp_path: Path) -> Path:
    rows = [f"{m},{h},{0.05 if 8 <= h < 16 else 0.4},marginal" for m in range(1, 13) for h in range(24)]
    path = tmp_path / "hours.csv"
    path.write_text("\n".join(["month,hour,kg_per_kwh,quantity", *rows]), "utf-8")
    return path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["when", *words])


def test_the_page_shows_the_ways_side_by_side(hours: Path) -> None:
    result = run(*PLACED, "--profile", str(hours))
    assert result.exit_code == 0, result.output
    for part in ("start now", "best start", "pause and resume", "CO2e, marginal", "avoided", "marginal intensity"):
        assert part in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_json_has_the_same_and_its_keys_end_in_units(hours: Path) -> None:
    found = json.loads(run(*PLACED, "--profile", str(hours), "--start", "2h", "--json").stdout)
    assert [way["name"] for way in found["ways"]] == ["start now", "best start", "pause and resume"]
    assert found["ways"][0]["co2e_avoided_kg"] is None
    assert found["ways"][2]["co2e_avoided_kg"] >= found["ways"][1]["co2e_avoided_kg"] >= 0
    assert found["asked"] < found["ways"][0]["start"]
    assert found["slack_s"] == pytest.approx(found["window_s"] - found["run_s"])


def test_without_hours_it_says_so_and_where_to_get_them() -> None:
    result = run(*PLACED)
    assert result.exit_code == 0
    assert "best start" not in result.stdout
    assert "--profile" in result.stdout


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (PINNED, ["--by"]),
        ((*PLACED, "--start", "soon"), ["soon"]),
        ((*PLACED, "--start", "2001-01-01T00:00Z"), ["2001-01-01"]),
        ((*PLACED, "--profile", "nowhere.csv"), ["nowhere.csv"]),
        ((*PINNED, "--by", "10s"), ["deadline", "--by"]),
    ],
)
def test_what_cannot_be_asked_gets_one_message(words: tuple[str, ...], parts: list[str]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    for part in parts:
        assert part in result.stderr


def test_a_profile_of_another_place_is_refused(hours: Path) -> None:
    text = hours.read_text("utf-8").replace("quantity", "quantity,place").replace("marginal", "marginal,country/FR")
    hours.write_text(text, "utf-8")
    result = run(*PLACED, "--profile", str(hours))
    assert result.exit_code == 2
    assert "country/US" in result.stderr


def test_a_profile_that_is_multiplied_to_the_site_s_own_mean_says_so(hours: Path, tmp_path: Path) -> None:
    path = tmp_path / "average.csv"
    path.write_text(hours.read_text("utf-8").replace("marginal", "location_gross"), "utf-8")
    said = " ".join(run(*PLACED, "--profile", str(path)).stdout.split())
    assert "the usual day of the profile, 0.283 kg/kWh over the year, is multiplied by " in said
    (note,) = [
        one for one in json.loads(run(*PLACED, "--profile", str(path), "--json").stdout)["notes"] if "usual" in one
    ]
    factor, own = float(note.split("multiplied by ")[1].split()[0]), float(note.split("to the ")[1].split()[0])
    assert factor == pytest.approx(own / 0.28333, rel=0.01)  # (8 x 0.05 + 16 x 0.4) / 24
    assert "multiplied" not in run(*PLACED, "--profile", str(hours)).stdout, "no marginal mean of the site is known"
