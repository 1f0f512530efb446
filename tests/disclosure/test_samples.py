"""Disclosures of models that are trained on images: counted in images, never in tokens."""

import json
import math
from typing import Any

import pytest

from steelyard.claims import read_claim
from steelyard.disclosure import Disclosure, disclosure_json, write_disclosure
from steelyard.disclosure.forms import form_names
from steelyard.disclosure.origins.audited_claim import disclosure_of_claim
from steelyard.disclosure.origins.metered_run import disclosure_of_run
from steelyard.disclosure.origins.planned_point import disclosure_of_plan
from steelyard.planner import estimate

IMAGES = 90 * 1_281_167  # 90 epochs of ImageNet-1k
RUN = {"title": "ours", "meter": "DCGM", "model": "ResNet-50", "hardware": "8x V100-16GB", "hours": "3.37 h",
       "energy": "12 kWh", "energy_boundary": "it", "pue": "1.2", "intensity": "0.4"}  # fmt: skip


def planned(model: str) -> Disclosure:
    """Return the disclosure of an estimate of a model."""
    made = estimate(model, "A100-80GB-SXM:8", samples="100M", regions="gcp/us-central1")
    return disclosure_of_plan(json.loads(json.dumps(made.to_dict())))


def metered(**changed: Any) -> Disclosure:
    """Return the disclosure of the metered run with some of its fields changed."""
    return disclosure_of_run({**RUN, **changed}, "run.yaml")


@pytest.mark.parametrize("form", form_names())
@pytest.mark.parametrize("model", ["resnet-50", "vit-l", "dit-xl"])
def test_no_form_of_a_plan_on_images_speaks_of_tokens(form: str, model: str) -> None:
    text = write_disclosure(planned(model), form, "2026-11-29")
    assert "token" not in text.lower()
    if form in {"sci", "spdx", "html"}:
        assert "images" in text


def test_a_run_of_ninety_epochs_is_counted_in_images() -> None:
    found = metered(epochs="90", examples="1,281,167")
    assert (found.sample, found.work, found.work_unit) == ("image", "samples", "images")
    assert found.main.of("samples").value == IMAGES
    assert found.main.of("flop").value == pytest.approx(IMAGES * 3 * 8_178_368_512)
    assert found.main.of("parameters").value == 25_557_032
    assert "floating-point operations: 2.83e+18 FLOP" in write_disclosure(found, "spdx", "2026-11-29")


def test_the_carbon_intensity_is_of_a_million_images() -> None:
    rows = {(one["per"], one["intensity"]): one["gco2e"] for one in disclosure_json(metered(samples="115.3M"))["sci"]}
    whole, each = (rows[per, "average (location-based)"]["value"] for per in ("run", "million images"))
    assert whole / each == pytest.approx(115.3)
    assert not [per for per, _ in rows if "token" in per]


def test_samples_that_nobody_states_are_unknown() -> None:
    found = metered(epochs="90")
    rows = {(one["per"], one["intensity"]): one["gco2e"] for one in disclosure_json(found)["sci"]}
    assert math.isnan(rows["million images", "average (location-based)"]["value"])
    assert "R is unknown" in rows["million images", "average (location-based)"]["why"]
    assert found.main.of("flop").why == "needs the images that it was trained on"


def test_an_unknown_model_that_states_samples_is_counted_in_samples() -> None:
    found = metered(model="our own", samples="10M", parameters="30M")
    assert found.work_unit == "samples"
    assert not found.main.of("flop").known  # not 6 x parameters x anything


def test_a_claim_is_disclosed_in_images() -> None:
    given = {"model": "ResNet-50", "hardware": "8x V100-16GB", "hours": "3.37 h", "epochs": "90",
             "examples": "1,281,167", "precision": "fp16"}  # fmt: skip
    found = disclosure_of_claim(read_claim(given))
    assert found.main.of("samples").value == IMAGES
    assert "115 million images" in write_disclosure(found, "sci", "2026-11-29")


def test_a_language_model_stays_in_tokens() -> None:
    found = metered(model="llama-2-7b", tokens="20B")
    assert (found.sample, found.work_unit) == ("", "tokens")
    assert "million tokens" in write_disclosure(found, "sci", "2026-11-29")
