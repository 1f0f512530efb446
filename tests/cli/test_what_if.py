"""`plan --what-if`: a table that fits, one JSON object, and the exit codes of a plan."""

import json

import pytest
from click.testing import CliRunner, Result

from steelyard.cli.app import app

JOB = ("plan", "llama-3-8b", "--accelerators", "H100,A100", "--regions", "aws/us-*,gcp/us-*", "--max-devices", "64")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, [*JOB, *words])


def test_a_table_a_row_a_value():
    result = run("--what-if", "tokens=2B,5B,10B")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "llama-3-8b if tokens is 2B, 5B or 10B"
    assert max(map(len, lines)) <= 100
    heads = [line.split()[0] for line in lines if line.startswith(("  2B ", "  5B ", "  10B "))]
    assert heads == ["2B", "5B", "10B"]
    assert lines[2].split() == ["tokens", "cheapest", "fastest", "cleanest", "balanced"]


def test_one_object_with_everything_a_plan_says_of_a_point():
    result = run("--tokens", "5B", "--what-if", "by=1d,7d", "--json")
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)
    assert made["what_if"] == "by"
    assert [row["value"] for row in made["rows"]] == ["1d", "7d"]
    for row in made["rows"]:
        for point in row["points"]:
            assert point["time_s_low"] <= point["time_s"] <= point["time_s_high"]
            assert "energy_it_kwh" in point
    assert made["sources"]


def test_nothing_feasible_anywhere_is_exit_code_3_with_ways_out():
    result = run("--tokens", "5B", "--what-if", "budget=1,2")
    assert result.exit_code == 3
    assert "Nothing feasible" in result.stdout
    assert "enough is --budget" in result.stdout
    some = run("--tokens", "5B", "--what-if", "budget=1,5000")
    assert some.exit_code == 0
    assert "nothing" in some.stdout


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("tokens=5B", ["tokens=5B", "at least two"]),
        ("tokens=5B,many", ["many", "20B"]),
        ("speed=1,2", ["speed", "nearest"]),
        ("accelerators=H100,H1000", ["H1000", "H100"]),
    ],
)
def test_a_bad_question_is_one_message(text, parts):
    result = run("--tokens", "5B", "--what-if", text)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.output
    for part in parts:
        assert part in result.stderr
