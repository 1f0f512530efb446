"""The five verbs on the real catalog: what they print, as text and as JSON."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from steelyard.catalog import load
from steelyard.cli.app import app
from steelyard.cli.catalog import KINDS

EXAMPLE = str(Path(__file__).parents[2] / "examples/llama-3-8b.yaml")
NARROW = ("llama-3-8b", "--tokens", "20B", "--accelerators", "H100", "--regions", "aws/*,gcp/*")
PIN = ("--on", "H100:64", "--layout", "tp=2,pp=1,dp=32,mbs=2,zero=1")
FIGURES = ("time_s", "cost_usd", "energy_facility_kwh", "co2e_kg", "memory_bytes")


@cache
def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def output_text(*words: str, code: int = 0) -> str:
    result = run(*words)
    assert result.exit_code == code, result.output
    assert result.stderr == ""
    assert max(map(len, result.stdout.splitlines())) <= 100
    return result.stdout


def output_json(*words: str, code: int = 0) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    result = run(*words, "--json")
    assert result.exit_code == code, result.output
    assert result.stderr == ""
    found: dict[str, Any] = json.loads(result.stdout, parse_constant=refuse)
    return found


def test_plan_names_points_with_every_figure_and_its_interval() -> None:
    points = output_json("plan", *NARROW)["points"]
    assert {"cheapest", "fastest", "balanced"} <= {point["label"] for point in points}
    for point in points:
        for key in FIGURES:
            if point[key] is not None:
                assert point[f"{key}_low"] <= point[key] <= point[f"{key}_high"]
        assert point["memory_bytes_high"] <= point["memory_limit_bytes"]
        assert point["devices"] == point["layout"]["devices"]
        for key in ("system", "offer", "site", "stack", "price_date"):
            assert isinstance(point[key], str)


def test_plan_orders_its_points_by_what_they_are_named_for() -> None:
    points = {point["label"]: point for point in output_json("plan", *NARROW)["points"]}
    assert points["cheapest"]["cost_usd"] == min(point["cost_usd"] for point in points.values())
    assert points["fastest"]["time_s"] == min(point["time_s"] for point in points.values())


def test_plan_cites_only_sources_of_the_catalog() -> None:
    cited = {row["id"] for row in output_json("plan", *NARROW)["sources"]}
    assert "epoch" in cited
    assert cited <= set(load().sources)


def test_plan_on_paper_says_what_json_says() -> None:
    text = output_text("plan", *NARROW, "--details")
    for point in output_json("plan", *NARROW)["points"]:
        assert point["label"] in text
        assert point["offer"][:12] in text
    for part in ("What binds", "Why the rivals lost", "Sources of the catalog rows used"):
        assert part in text


def test_an_infeasible_job_gets_relaxations_that_work() -> None:
    tight = ("plan", *NARROW, "--budget", "10")
    found = output_json(*tight, code=3)
    assert found["points"] == []
    assert "budget" in found["reason"]
    assert "Smallest relaxations" in output_text(*tight, code=3)
    option = next(row["text"] for row in found["relaxations"] if row["text"].startswith("--budget"))
    assert output_json("plan", *NARROW, *option.split())["points"]


def test_the_example_of_the_readme_is_feasible() -> None:
    assert output_json("plan", EXAMPLE)["points"]


def test_estimate_parts_sum_to_their_totals() -> None:
    found = output_json("estimate", "llama-3-8b", "--tokens", "20B", *PIN)
    time, memory, energy = found["time"], found["memory"], found["energy"]
    parts = [value for key, value in time.items() if key.endswith("_s") and key != "total_s"]
    assert sum(parts) == pytest.approx(time["total_s"])
    names = ("weights", "gradients", "optimizer", "activations", "logits", "buffers")
    assert sum(memory[f"{name}_bytes"] for name in names) == pytest.approx(memory["allocated_bytes"])
    assert memory["allocated_bytes"] <= memory["reserved_bytes"] <= memory["device_bytes"] == found["memory_bytes"]
    assert energy["accelerator_j"] <= energy["it_j"]
    assert found["layout"]["tp"] == 2
    assert found["devices"] == 64


def test_estimate_on_paper_tells_boundaries_and_kinds_apart() -> None:
    text = output_text("estimate", "llama-3-8b", "--tokens", "20B", *PIN, "--site", "gcp/europe-north1", "--details")
    for part in ("allocated", "reserved", "on the device", "accelerators", "IT", "location-based, net", "embodied"):
        assert part in text


def test_an_offer_sets_price_and_place() -> None:
    found = output_json("estimate", "llama-3-8b", "--tokens", "20B", *PIN, "--offer", "aws/us-east-1/p5.48xlarge")
    assert found["offer"] == "aws/us-east-1/p5.48xlarge"
    assert found["site"] == "aws/us-east-1"


def test_a_configuration_that_does_not_fit_is_said_not_to() -> None:
    found = output_json(
        "estimate", "llama-3.1-70b", "--tokens", "20B", "--on", "H100:8", "--layout", "tp=1,dp=8,zero=0"
    )
    assert found["fits"] is False
    assert "memory" in {bind["what"] for bind in found["bound_by"]}


def test_explain_gives_every_term_its_formula_and_every_row_its_source() -> None:
    found = output_json("explain", *NARROW, "--label", "fastest")
    assert {"time", "memory", "run", "energy", "money", "carbon"} <= {term["arm"] for term in found["terms"]}
    for arm in ("time", "memory", "run", "money"):
        assert sum(term["share"] for term in found["terms"] if term["arm"] == arm) == pytest.approx(1)
    assert all(term["source"] for term in found["terms"])
    assert all(row["source"] for row in found["rows"])


def test_explain_on_paper_names_formulas_and_rows() -> None:
    text = output_text("explain", "llama-3-8b", "--tokens", "20B", *PIN, "--details")
    for part in ("step.kernels.gemm.gemm_s", "Williams et al. 2009", "peak_bf16", "989 TFLOP/s", "epoch"):
        assert part in text


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_of_the_catalog_is_listed(kind: str) -> None:
    rows = output_json("catalog", kind)[kind]
    assert len(rows) > 60
    assert len(output_text("catalog", kind).splitlines()) > len(rows)


@pytest.mark.parametrize(
    ("kind", "name", "part"),
    [
        ("accelerators", "h100", "H100-80GB-SXM"),
        ("systems", "p5.48xlarge", "nvswitch"),
        ("models", "Llama 3 8B", "8,030,261,248"),
        ("offers", "aws/us-east-1/p5.48xlarge", "55.04"),
        ("sites", "aws/us-east-1", "aws-pue"),
    ],
)
def test_an_entry_shows_values_with_their_sources(kind: str, name: str, part: str) -> None:
    assert part in output_text("catalog", kind, name)
    assert output_json("catalog", kind, name)


def test_part_of_a_name_filters() -> None:
    names = [row["id"] for row in output_json("catalog", "accelerators", "mi3")["accelerators"]]
    assert names
    assert all("MI3" in name.upper() for name in names)


@pytest.mark.usefixtures("unchecked")
def test_validate_lists_every_case_with_its_interval_or_the_reason() -> None:
    found = output_json("validate")
    assert len(found["cases"]) > 3000
    for case in found["cases"]:
        assert {"id", "group", "metric", "measured", "predicted", "low", "high", "reason"} <= set(case)
        if case["predicted"] is None:
            assert case["reason"]
        else:
            assert case["low"] <= case["predicted"] <= case["high"]
    assert {"group", "n", "median_error", "mean_error", "p90_error", "bias"} <= set(found["groups"][0])


@pytest.mark.usefixtures("unchecked")
def test_validate_on_paper_shows_the_baselines() -> None:
    text = output_text("validate", "--by", "accelerator")
    assert len(text.splitlines()) <= 60
    assert "--details" in text
    for part in ("Mean of the medians", "6ND", "Left out", "accelerator"):
        assert part in text
