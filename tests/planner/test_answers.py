"""Answers come back from their JSON as they were, and a saved one can be asked again."""

import json
import math
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from steelyard.cli.app import app
from steelyard.errors import BadInput, Infeasible
from steelyard.formatting.answer import Answer
from steelyard.formatting.encode import plain
from steelyard.planner import (
    Estimate,
    Explanation,
    Plan,
    WhatIf,
    When,
    Where,
    estimate,
    explain,
    plan,
    what_if,
    when,
    where,
)
from steelyard.planner.choosing import job_of
from steelyard.planner.saved.files import saved_answer
from steelyard.planner.saved.replay import configuration_of

NARROW = {"tokens": "20B", "accelerators": "H100,A100", "regions": "aws/us-*,gcp/europe-*", "max_devices": 64}
OWN = {
    "system": "DGX-H100",
    "devices": 8,
    "capex": "300k",
    "life": "4y",
    "used": 0.6,
    "site": "aws/us-east-1",
    "tariff": 0.12,
}


@cache
def narrow(**more: Any) -> Plan:
    return plan("llama-3-8b", **NARROW, **more)


ASKED = {
    "plan": lambda: narrow(by="7d"),
    "limits": lambda: narrow(by="7d", budget="3000", carbon="market"),
    "infeasible": lambda: narrow(by="1h", budget="10"),
    "own": lambda: plan("llama-3-8b", **NARROW | {"own": OWN, "purchase": "on-demand,own"}),
    "data": lambda: plan("llama-3-8b", **NARROW, data="10TB@aws/us-east-1", layout="tp=1", axes="time,cost"),
    "lora": lambda: plan("llama-3-8b", **NARROW | {"tokens": "1B"}, task="lora"),
    "estimate": lambda: estimate("llama-3-8b", "H100:64", tokens="20B"),
    "unsold": lambda: estimate("llama-3-8b", "H100:24", site="country/FR", tokens="20B", providers="ovhcloud"),
    "explain": lambda: explain(narrow(by="7d"), "fastest"),
    "what if": lambda: what_if("llama-3-8b", "by=1h,7d", **NARROW),
    "where": lambda: where(narrow(by="7d")),
    "when": lambda: when(narrow(by="7d")),
}


@pytest.mark.parametrize("name", ASKED)
def test_an_answer_comes_back_from_its_json_and_from_pickle(name: str) -> None:
    made: Answer = ASKED[name]()
    text = made.to_json()
    again = type(made).from_dict(json.loads(text))
    assert again == made
    assert again.to_json() == text
    assert hash(again) == hash(made)
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301  # its own
    assert json.loads(text) == made.to_dict() == plain(made)


@pytest.mark.parametrize("name", ASKED)
def test_an_answer_is_a_line_and_a_table(name: str) -> None:
    made: Answer = ASKED[name]()
    assert "\n" not in repr(made)
    assert len(repr(made)) < 300
    assert repr(made).startswith(f"<{type(made).__name__}: ")
    page = made._repr_html_()
    assert page.startswith("<p>")
    assert page.count("<tr>") == max(len(made.table()), 0)


def test_another_figure_makes_another_answer() -> None:
    made = narrow(by="7d")
    found = made.to_dict()
    found["points"][0]["cost_usd"] += 1
    assert Plan.from_dict(found) != made
    assert Plan.from_dict(made.to_dict() | {"notes": []}) != made


def test_the_frontier_is_the_frontier_and_the_points_are_on_it_or_stand_in_for_it() -> None:
    found = narrow(by="7d").to_dict()
    assert len(found["frontier"]) == found["counts"]["frontier"]
    assert [point["label"] for point in found["points"]] == ["cheapest", "fastest", "cleanest", "balanced"]
    cheapest, least = found["points"][0], min(one["cost_usd"] for one in found["frontier"])
    stands_in = cheapest["preferred_over"]
    assert (stands_in["cost_usd"] if stands_in else cheapest["cost_usd"]) == pytest.approx(least)


@pytest.mark.parametrize("name", ["plan", "limits", "own", "data", "lora"])
def test_a_saved_point_is_the_same_configuration(name: str) -> None:
    made = Plan.from_dict(json.loads(ASKED[name]().to_json()))
    assert made.request is not None
    for point in made.points:
        again = configuration_of(point, made.request).prediction
        assert float(again.draw.wall_s) == pytest.approx(point.time_s.value, rel=1e-12)
        assert float(again.money.total_usd) == pytest.approx(point.cost_usd.value, rel=1e-12)
        assert float(again.energy.facility_j) / 3.6e6 == pytest.approx(point.energy_facility_kwh.value, nan_ok=True)


def test_a_saved_plan_planned_anew_is_the_plan(tmp_path: Path) -> None:
    made, file = narrow(by="7d"), tmp_path / "plan.json"
    file.write_text(made.to_json(), encoding="utf-8")
    assert plan(file) == made
    assert plan(made) == made
    assert plan(file, budget="3000").points != made.points


def run(*words: str) -> Any:
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_verbs_take_a_saved_plan_and_a_saved_estimate(tmp_path: Path) -> None:
    file, pin = tmp_path / "plan.json", tmp_path / "estimate.json"
    file.write_text(narrow(by="7d").to_json(), encoding="utf-8")
    pin.write_text(ASKED["estimate"]().to_json(), encoding="utf-8")
    assert Explanation.from_dict(run("explain", str(file), "--label", "fastest")) == ASKED["explain"]()
    assert Where.from_dict(run("where", str(file))) == ASKED["where"]()
    hours = When.from_dict(run("when", str(file)))
    assert hours.configuration == ASKED["when"]().configuration
    assert Where.from_dict(run("where", str(pin))).configuration.startswith("64 × H100")
    assert run("when", str(pin), "--by", "7d")["run_s"] == pytest.approx(ASKED["estimate"]().time_s.value)
    assert Plan.from_dict(run("plan", str(file))) == narrow(by="7d")
    shown = CliRunner().invoke(app, ["disclose", str(file), "--point", "fastest"])
    assert shown.exit_code == 0, shown.output


def test_what_is_no_answer_is_said_with_the_way_out(tmp_path: Path) -> None:
    file, made = tmp_path / "plan.json", narrow(by="7d").to_dict()
    for broken, part in (
        (made | {"points": 3}, "points"),
        (made | {"points": [made["points"][0] | {"time_s": "soon"}]}, "time_s"),
        (made | {"request": made["request"] | {"samples": "20B"}}, "samples"),
        (made | {"request": made["request"] | {"policy": {"luck": 1.0}}}, "luck"),
    ):
        file.write_text(json.dumps(broken), encoding="utf-8")
        with pytest.raises(BadInput, match=rf"{part}.*write it anew"):
            saved_answer(file)
    gone = [made["points"][0] | {"offer": "aws/us-east-1/none"}]
    file.write_text(json.dumps(made | {"points": gone}), encoding="utf-8")
    with pytest.raises(BadInput, match="nobody sells"):
        where(file)
    odd = [made["points"][0] | {"layout": {"tp": 1}}]
    file.write_text(json.dumps(made | {"points": odd}), encoding="utf-8")
    with pytest.raises(BadInput, match="layout of the saved point"):
        where(file)
    flat = [made["points"][0] | {"layout": made["points"][0]["layout"] | {"micro_batch": 0}}]
    file.write_text(json.dumps(made | {"points": flat}), encoding="utf-8")
    with pytest.raises(BadInput, match="micro_batch below 1"):
        where(file)
    with pytest.raises(BadInput, match="holds no request"):
        job_of(Plan("by hand"))
    with pytest.raises(Infeasible, match="no leanest point; it has: cheapest"):
        explain(narrow(by="7d"), "leanest")


def test_an_unknown_figure_is_null_and_comes_back_unknown() -> None:
    found = ASKED["unsold"]()
    assert found.to_dict()["cost_usd"] is None
    assert math.isnan(Estimate.from_dict(found.to_dict()).cost_usd.value)
    assert isinstance(ASKED["what if"](), WhatIf)
