"""`--step-time` and `--rate` on the command line: every verb of a configuration takes them; a slip is one message."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from steelyard.cli.app import app

JOB = ("llama-3-8b", "--tokens", "1B", "--stack", "fsdp2", "--providers", "aws")
PIN = ("--on", "H100:64")


def run(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output
    return result


def output_json(*words: str) -> Any:
    return json.loads(run(*words, "--json").stdout)


def test_an_estimate_asks_for_a_step_and_says_what_it_set() -> None:
    asked = output_json("estimate", *JOB, *PIN)
    assert asked["measured_step"] is None
    assert set(asked["one_step"]) == {"low_before", "high_before", "low_after", "high_after", "text"}
    told = output_json("estimate", *JOB, *PIN, "--step-time", "10")
    assert told["one_step"] is None
    own = told["measured_step"]
    assert (own["measured_s"], own["stack"], own["accelerator"], own["devices"]) == (10.0, "fsdp2", "H100-80GB-SXM", 64)
    assert 1 < own["factor_elsewhere"] < own["factor"] < own["ratio"]
    assert told["time"]["total_s"] == pytest.approx(own["predicted_s"] * own["factor_here"])
    assert told["time"]["total_s"] == pytest.approx(10.0, rel=0.01)
    assert told["time_s_high"] / told["time_s_low"] < asked["time_s_high"] / asked["time_s_low"]
    page = " ".join(run("estimate", *JOB, *PIN, "--step-time", "10").stdout.split())
    assert "Your step of 10 s (64 × H100-80GB-SXM" in page
    assert "One measured step of fsdp2 on H100-80GB-SXM narrows its time from" in " ".join(
        run("estimate", *JOB, *PIN).stdout.split()
    )


@pytest.mark.parametrize("verb", ["explain", "where", "launch", "when"])
def test_every_verb_of_a_configuration_takes_it(verb: str) -> None:
    more = ("--by", "7d") if verb == "when" else ()
    found = run(verb, *JOB, *PIN, *more, "--rate", "6000")
    if verb != "launch":
        assert "our median" in " ".join(found.stdout.split())


def test_a_plan_takes_it_with_its_place() -> None:
    found = output_json("plan", *JOB, "--accelerators", "H100", "--devices", "64", "--step-time", "10@H100:64,tp=1")
    assert found["measured_step"]["taken"] == []
    assert found["measured_step"]["layout_text"].startswith("tp=1,")
    assert found["request"]["measured"]["step_s"] == 10.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--step-time", "10 apples"), "--step-time: '10 apples' is no time of a step; write 11.2, 350ms"),
        (("--rate", "0"), "--rate: '0' is no rate of a device; write 3900, 3900 tokens/s"),
        (("--rate", "3,900"), "--rate: '3,900' has a comma"),
        (("--step-time", "11,2"), "--step-time: '11,2' has a comma"),
        (("--rate", "400000"), "a rate is of one device (of all 64: 6250 each)"),
        (
            ("--rate", "5000", "--step-time", "10"),
            "step_time (10 s) and rate (5000 a second of one device) are both given",
        ),
        (("--step-time", "0.001"), "no step is so fast"),
        (("--step-time", "400"), "times what is predicted (8."),
        (("--step-time", "10@L9:8"), "unknown system 'L9'"),
    ],
)
def test_a_slip_is_one_message(words: tuple[str, ...], said: str) -> None:
    result = run("estimate", *JOB, *PIN, *words, code=2)
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_plan_that_is_not_told_where_says_how_to_tell() -> None:
    assert "write --rate 5000@H100:8" in run("plan", *JOB, "--rate", "5000", code=2).stderr
