"""What if: each row is what a plan with that value finds, and values that can share a search do."""

import json

import pytest

from steelyard.errors import BadInput
from steelyard.job import read_job
from steelyard.job.what_if import MOST_VALUES, parse_question
from steelyard.planner import plan, variants
from steelyard.planner.variants import WhatIf, plan_variants, variant_plans

FIGURES = ("time_s", "cost_usd", "energy_facility_kwh", "co2e_kg")
JOB = {"tokens": "5B", "by": "10d", "accelerators": "H100,A100", "regions": "aws/us-*,gcp/us-*", "max_devices": 64}


def specs(text, **given):
    name, values = parse_question(text)
    return [(value, read_job("llama-3-8b", **{**JOB, **given, name: value})) for value in values]


@pytest.mark.parametrize(
    ("text", "searches"),
    [
        ("tokens=2B,5B,10B", 1),
        ("by=1h,1d,7d", 1),
        ("budget=10,500,5k", 1),
        ("max_devices=8,64,24", 1),
        ("axes=time,cost;cost,co2e;time,cost,energy,co2e", 1),
        ("accelerators=H100,A100,H100:16", 3),
        ("global_batch=256,512", 2),
        ("global-batch-max=512,1024", 2),
        ("layout=tp=1;tp=2", 2),
    ],
)
def test_each_value_is_as_if_it_were_planned(text, searches, monkeypatch):
    asked = []
    search = variants.explore_batches
    monkeypatch.setattr(variants, "explore_batches", lambda *given: asked.append(given) or search(*given))
    some = specs(text)
    found = plan_variants("field", some).rows
    assert len(asked) == searches
    assert [one.value for one in found] == [value for value, _ in some]
    for one, (_, spec) in zip(found, some, strict=True):
        wanted = plan(spec)
        assert one.feasible == wanted.feasible
        assert one.reason == wanted.reason
        assert [(p.label, p.layout_text) for p in one.points] == [(p.label, p.layout_text) for p in wanted.points]
        for mine, other in zip(one.points, wanted.points, strict=True):
            for name in FIGURES:
                for end in ("value", "low", "high"):
                    assert getattr(getattr(mine, name), end) == pytest.approx(
                        getattr(getattr(other, name), end), rel=1e-12, nan_ok=True
                    )
        assert [row.limits for row in one.relaxations] == [row.limits for row in wanted.relaxations if row.limits]


def test_a_deadline_that_asks_for_more_devices_gets_them():
    near, far = specs("by=55m,10d", max_devices=None, tokens="20B")
    for one, (_, spec) in zip(variant_plans([near, far], None, "location_gross", None), (near, far), strict=True):
        wanted = plan(spec)
        assert one.frontier == wanted.frontier
        assert one.assumptions == wanted.assumptions
    assert plan(near[1]).assumptions != plan(far[1]).assumptions


def test_the_summary_leaves_out_what_changes_and_the_answer_comes_back_from_its_json():
    found = plan_variants("tokens", specs("tokens=2B,5B"))
    assert found.summary == "llama-3-8b if tokens is 2B or 5B"
    assert [row.value for row in found.rows] == ["2B", "5B"]
    assert all(row.feasible and row.points and row.frontier for row in found.rows)
    assert WhatIf.from_dict(json.loads(found.to_json())) == found


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("tokens", "is no question; write a field and its values"),
        ("=1,2", "is no question"),
        ("tokens=20B", "at least two values"),
        ("tokens=20B,,40B", "none empty"),
        ("tokns=1B,2B", "unknown field 'tokns'; nearest: tokens"),
        ("tokens=" + ",".join(f"{n}B" for n in range(1, MOST_VALUES + 2)), f"a table holds {MOST_VALUES} at most"),
    ],
)
def test_a_bad_question_is_named_with_the_way_out(text, part):
    with pytest.raises(BadInput, match=part):
        parse_question(text)


def test_options_and_aliases_are_fields():
    assert parse_question("--max-devices=8,16")[0] == "max_devices"
    assert parse_question("deadline=1d,2d")[0] == "by"
    assert parse_question("tokens=1B,1B,2B")[1] == ("1B", "2B")
