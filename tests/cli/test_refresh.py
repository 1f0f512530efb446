"""`steelyard catalog refresh` and `diff`, and that nothing else calls the network."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.catalog.live import Network, recorded

from steelyard.catalog.live import SOURCES, asking
from steelyard.catalog.live import fetch as net
from steelyard.catalog.local import layer
from steelyard.cli.app import app

NARROW = ("llama-3-8b", "--tokens", "2B", "--accelerators", "H100", "--regions", "aws/us-east-1")
AWS = ("refresh", "aws", "--regions", "aws/us-east-1")


@pytest.fixture(autouse=True)
def own_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(layer.VARIABLE, str(tmp_path / "catalog"))
    for one in SOURCES.values():
        monkeypatch.delenv(one.variable or "NONE", raising=False)
    return tmp_path / "catalog"


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    cheaper = recorded("aws_us-east-1.csv").replace(b"55.0400000000", b"44.0000000000")
    made = Network({"us-east-1/index.csv": cheaper, "carbonintensity": recorded("gb_grid.json")})
    monkeypatch.setattr(asking, "Fetch", lambda: made.fetch)
    return made


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_given: Any) -> None:
        raise AssertionError("the network was called")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def output_json(*words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.usefixtures("network")
def test_a_refreshed_price_is_planned_with_shown_and_left_out_on_demand() -> None:
    before = output_json("plan", *NARROW)["points"][0]
    found = output_json("catalog", *AWS)["sources"][0]
    assert (found["name"], found["ok"], found["rows"]) == ("aws", True, 4)
    after = output_json("plan", *NARROW)
    assert after["points"][0]["price_usd_per_device_h"] == 44.0 / 8 < before["price_usd_per_device_h"]
    assert "live-aws" in {row["id"] for row in after["sources"]}
    assert (
        output_json("plan", *NARROW, "--shipped")["points"][0]["price_usd_per_device_h"]
        == before["price_usd_per_device_h"]
    )
    offer = output_json("catalog", "offers", "aws/us-east-1/p5.48xlarge")
    assert offer["prices"]["on-demand"]["usd_per_hour"] == 44.0
    assert offer["earlier"]["on-demand"][0]["usd_per_hour"] == pytest.approx(before["price_usd_per_device_h"] * 8)


@pytest.mark.usefixtures("network")
def test_the_difference_is_shown_on_paper_and_as_json() -> None:
    assert "Nothing of yours" in run("catalog", "diff").stdout
    run("catalog", *AWS)
    text = run("catalog", "diff").stdout
    assert "changed" in text
    assert "gone" in text
    rows = {(row["offer"], row["purchase"]): row for row in output_json("catalog", "diff")["prices"]}
    assert rows["aws/us-east-1/p5.48xlarge", "on-demand"]["own_usd_per_h"] == 44.0
    assert max(map(len, text.splitlines())) <= 100


def test_a_source_that_fails_is_exit_code_4_and_keeps_its_age(network: Network) -> None:
    run("catalog", *AWS)
    network.answers = {"": OSError("no route to host")}
    result = run("catalog", *AWS)
    assert result.exit_code == 4
    assert "no route to host" in result.stdout
    assert "stays, as old as it is" in result.stdout
    assert output_json("plan", *NARROW)["points"][0]["price_usd_per_device_h"] == 44.0 / 8


@pytest.mark.usefixtures("network")
def test_sources_are_listed_and_forgotten(own_catalog: Path) -> None:
    assert {row["name"] for row in output_json("catalog", "refresh", "--list")["sources"]} == set(SOURCES)
    assert "GCP_API_KEY" in run("catalog", "refresh", "--list").stdout
    run("catalog", *AWS)
    assert output_json("catalog", "refresh", "--forget", "aws") == {"forgotten": "aws"}
    assert not (own_catalog / "live/aws").exists()
    result = run("catalog", "refresh", "--forget", "../..")
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("refresh", "awz"), "aws"),
        (("refresh", "aws", "--regions", "aws/us-eats-1"), "us-east-1"),
        (("refresh", "--forget", "azure"), "azure"),
    ],
)
def test_a_wrong_name_gets_the_nearest(words: tuple[str, ...], part: str) -> None:
    result = run("catalog", *words)
    assert result.exit_code == 2
    assert part in result.stderr


@pytest.mark.usefixtures("no_network")
def test_the_network_fixture_blocks_and_a_refresh_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net.time, "sleep", lambda _seconds: None)
    with pytest.raises(AssertionError, match="the network was called"):
        net.Fetch().bytes("https://prices.example.org")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    "words",
    [
        ("plan", *NARROW),
        ("estimate", *NARROW[:3], "--on", "H100:8", "--offer", "aws/us-east-1/p5.48xlarge"),
        ("when", *NARROW, "--on", "H100:8", "--by", "7d"),
        ("catalog", "offers", "p5.48xlarge"),
        ("catalog", "diff"),
        ("catalog", "refresh", "--list"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_nothing_but_a_refresh_calls_the_network(words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 0, result.output


def test_planning_does_not_even_import_the_network() -> None:
    code = (
        "import sys\nfrom steelyard.cli import main\n"
        f"try:\n    main({['plan', *NARROW]!r})\nexcept SystemExit:\n    pass\n"
        "bad = {'urllib.request', 'http.client', 'ssl', 'steelyard.catalog.live.fetch'} & set(sys.modules)\n"
        "print(sorted(bad), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip().splitlines()[-1] == "[]"
