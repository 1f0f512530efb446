"""What a plan prints is answered: devices, layout, stack and offer of each point, given to `estimate`, are it."""

from functools import cache
from typing import Any

import pytest

import steelyard
from steelyard.catalog import load
from steelyard.errors import BadInput, UnknownName
from steelyard.market.systems import system_meant
from steelyard.planner.answers import Plan, Point

JOBS: dict[str, dict[str, Any]] = {
    "vit-l-16": {"samples": "300M", "by": "3d", "budget": "2k"},
    "resnet-50": {"samples": "115M"},
    "gpt2": {"tokens": "1B", "max_devices": 64},
    "dit-xl-2": {"samples": "30M", "accelerators": "TPU-v4,TPU-v5e", "max_devices": 64},
}
POINTS = [(model, label) for model in JOBS for label in ("cheapest", "fastest", "cleanest", "balanced")]


@cache
def planned(model: str) -> Plan:
    return steelyard.plan(model, **JOBS[model])


def point_of(model: str, label: str) -> Point:
    return next(one for one in planned(model).points if label in one.label)


def options(model: str) -> dict[str, Any]:
    return {name: value for name, value in JOBS[model].items() if name not in {"accelerators", "max_devices"}}


@pytest.mark.parametrize(("model", "label"), POINTS)
def test_a_printed_point_is_answered_with_what_it_prints(model: str, label: str) -> None:
    point = point_of(model, label)
    on = f"{point.accelerator}:{point.devices}"
    found = steelyard.estimate(
        model, on, layout=point.layout_text, stack=point.stack, offer=point.offer, **options(model)
    )
    assert (found.system, found.stack, found.offer, found.layout) == (
        point.system, point.stack, point.offer, point.layout,
    )  # fmt: skip
    for name in ("time_s", "cost_usd", "energy_facility_kwh", "co2e_kg"):
        assert getattr(found, name).value == pytest.approx(getattr(point, name).value, nan_ok=True)
    masks = 0.02  # of dropout, which a plan that names no stack does not know of
    assert found.memory_bytes.value == pytest.approx(point.memory_bytes.value, rel=masks)


@pytest.mark.parametrize(("model", "label"), POINTS)
def test_a_printed_count_is_answered_without_its_offer(model: str, label: str) -> None:
    point = point_of(model, label)
    on = f"{point.accelerator}:{point.devices}"
    given = {"layout": point.layout_text, "stack": point.stack, **options(model)}
    found = steelyard.estimate(model, on, **given)
    assert found.devices == point.devices
    assert found.time_s.value == pytest.approx(point.time_s.value, rel=0.05)  # of the network of another system
    assert steelyard.estimate(model, on, **options(model)).devices == point.devices


@pytest.mark.parametrize("accelerator", ["RTX-3090", "RTX-4090", "RTX-5090"])
def test_a_count_that_is_sold_in_one_node_is_of_that_node(accelerator: str) -> None:
    offers, catalog = load().offers, load()
    for count in (None, 1, 4):
        assert system_meant(accelerator, count, offers, catalog).id == f"node-{accelerator}"
    found = system_meant(accelerator, 8, offers, catalog)
    assert (found.domain_devices, found.accelerator) == (8, accelerator)
    assert system_meant(accelerator, 8, (), catalog).id == f"node-{accelerator}"
    assert system_meant(f"node-{accelerator}", 8, offers, catalog).id == f"node-{accelerator}"
    with pytest.raises(BadInput, match="8 devices in fast domains of 4; the network between nodes is unknown"):
        steelyard.estimate("gpt2", f"node-{accelerator}:8", layout="tp=1,pp=1,dp=8", tokens="1B")


def test_a_known_network_keeps_the_reference_system() -> None:
    assert system_meant("H100", 512, load().offers, load()).id == "DGX-H100"


def test_a_stack_that_is_printed_can_be_given_back() -> None:
    job = {"samples": "30M"}
    printed = steelyard.estimate("dit-xl-2", "TPU-v4:64", **job)
    given = steelyard.estimate("dit-xl-2", "TPU-v4:64", stack=printed.stack, **job)
    assert printed.stack == given.stack == "any"
    assert given.time_s == printed.time_s


@pytest.mark.parametrize(
    ("on", "given", "text"),
    [
        (
            "p5.48xlarge:12",
            {},
            "nobody sells 12 × H100-80GB-SXM in this catalog: 12 is no multiple of 8, the devices of an instance",
        ),
        ("H100:7", {}, "7 is no multiple of 2, 4 or 8, the devices of an instance; what is sold in other numbers ends"),
        ("B100:8", {}, "nobody sells B100 in this catalog; price your own with own: in the job file"),
        ("RTX-4090:1", {}, "nobody sells 1 × RTX-4090 in this catalog: 1 is no multiple of"),
        ("H100:8", {"providers": "vast"}, "none passes the job's filters: drop providers vast"),
        (
            "H100:8",
            {"site": "aws/us-east-1", "providers": "gcp"},
            "H100-80GB-SXM at aws/us-east-1 none passes the job's filters: drop providers gcp",
        ),
        (
            "H100:8",
            {"site": "aws/us-east-1", "providers": "gcp", "deny_regions": "*/eu-*"},
            "filters: drop providers gcp",
        ),
        (
            "H100:8",
            {"site": "aws/us-east-1", "providers": "gcp", "deny_providers": "aws"},
            "filters: drop providers gcp and deny-providers aws",
        ),
        ("H100:8", {"site": "country/FR"}, "nobody sells H100-80GB-SXM at country/FR in this catalog"),
        ("RTX-4090:4", {"purchase": "reserved-3y"}, "nobody sells RTX-4090 as reserved-3y"),
    ],
)
def test_unknown_money_says_why_first(on: str, given: dict[str, Any], text: str) -> None:
    found = steelyard.estimate("gpt2", on, tokens="1B", **given)
    assert found.bound_by[0].what == "money"
    assert text in found.bound_by[0].text
    assert not [one for one in steelyard.estimate("gpt2", "H100:8", tokens="1B").bound_by if one.what == "money"]


@pytest.mark.parametrize("given", [{"providers": "nosuch"}, {"regions": "nowhere/*"}])
def test_a_filter_of_nothing_is_no_unknown_price(given: dict[str, str]) -> None:
    with pytest.raises(UnknownName):
        steelyard.estimate("gpt2", "H100:8", tokens="1B", **given)


def test_broken_limits_of_a_job_stand_first() -> None:
    job = {"model": "gpt2", "tokens": "10B", "by": "1h", "budget": 10, "energy_max": "1MWh"}
    for found in (steelyard.estimate(job, "H100:8"), steelyard.explain(job, on="H100:8")):
        names = [one.what for one in found.bound_by if one.missed]
        assert names == ["deadline", "budget"]
        assert [one.what for one in found.bound_by][:2] == names
        assert "where the job allows 1.0 h" in found.bound_by[0].text
        assert "where the job allows $10" in found.bound_by[1].text
    assert not [one for one in steelyard.estimate(job | {"by": "7d", "budget": 900}, "H100:8").bound_by if one.missed]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"on": "H100:8", "label": "fastest"}, "--label fastest is about a plan, but --on H100:8 pins"),
        ({"on": "H100:8", "axes": "time"}, "--axes time is about a plan"),
        ({"label": "cheapest", "site": "aws/us-east-1"}, "--site aws/us-east-1 is of a configuration that --on pins"),
        ({"layout": "tp=2"}, "--layout tp=2 is of a configuration"),
        ({"offer": "aws/us-east-1/p5.48xlarge"}, "--offer aws/.*give --regions"),
    ],
)
def test_an_option_that_cannot_act_is_refused(given: dict[str, Any], text: str) -> None:
    for verb in (steelyard.explain, steelyard.where, steelyard.launch):
        with pytest.raises(BadInput, match=text):
            verb("gpt2", tokens="1B", **given)
