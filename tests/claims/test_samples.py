"""Claims of models that are trained on images: read, predicted, decomposed and judged as those of tokens are."""

import math
from pathlib import Path

import pytest

from steelyard.claims import audit_claim, read_claim
from steelyard.claims.context import ClaimContext
from steelyard.claims.findings import Audit
from steelyard.claims.prediction import ClaimPrediction, NoPrediction, predict_claim
from steelyard.errors import BadInput
from steelyard.job.models.describe import catalog_names, model_named_or_none

IMAGENET = 1_281_167  # images of ImageNet-1k's training set
RESNET_FLOP = 3 * 8_178_368_512  # forward and backward of one image; 4.09 GMAC forward

RESNET = {
    "model": "ResNet-50",
    "hardware": "8x V100-16GB",
    "precision": "fp16",
    "epochs": "90",
    "examples": "1,281,167",
    "batch": "2048 images",
    "throughput": "9,510 images/s",  # NVIDIA/DeepLearningExamples, TensorFlow/Classification/ConvNets/resnet50v1.5
    "hours": "3.37 h",  # what it makes of 90 epochs
}


def audited(**changed: object) -> Audit:
    """Return the audit of the published run with some of its fields changed; None leaves one out."""
    return audit_claim(read_claim({name: one for name, one in {**RESNET, **changed}.items() if one is not None}))


def fired(found: Audit) -> set[str]:
    """Return the names of the checks that fired."""
    return {one.name for one in found.fired}


def test_ninety_epochs_of_imagenet_hold_together() -> None:
    found = audited()
    assert (found.verdict, fired(found)) == ("consistent", set())
    assert any("23.3 % of 125 TFLOP/s" in one.arithmetic for one in found.checks)  # 9510 / 8 x 24.5 GFLOP
    assert pytest.approx(0.2333, abs=5e-4) == 9510 / 8 * RESNET_FLOP / 125e12


@pytest.mark.parametrize(
    ("changed", "check", "named"),
    [
        ({"hours": "33.7 h", "samples_per_second_per_device": "1189"}, "throughput", "hours"),
        ({"samples": "11.53M"}, "samples", "samples"),
        ({"throughput": "95,100 images/s", "hours": "0.337 h"}, "mfu", "count"),
        ({"samples_per_second_per_device": "1189 images/s/GPU", "throughput": "4,755 images/s", "hours": None},
         "throughput", "samples per second"),
        ({"utilisation": "46%"}, "utilisation", "utilisation"),
        ({"steps": "5630"}, "samples", "steps"),
        ({"flop": "2.83e17"}, "flop", "flop"),
    ],
)  # fmt: skip
def test_a_slip_is_found_and_named(changed: dict[str, str], check: str, named: str) -> None:
    found = audited(**changed)
    assert check in fired(found)
    assert any(reason.startswith(named) or f"or {named}" in reason for reason in found.reasons), found.reasons


def test_the_flops_of_a_run_are_those_of_its_images() -> None:
    whole = 90 * IMAGENET * RESNET_FLOP
    assert whole == pytest.approx(2.829e18, rel=1e-3)
    assert "flop" not in fired(audited(flop=f"{whole:.3g}"))
    forward = audited(flop=f"{whole / 3:.3g}")
    assert "flop" in fired(forward)
    assert "forward pass" in "".join(forward.reasons)


@pytest.mark.parametrize("model", ["resnet-18", "ResNet-50 v1.5", "ViT-L/16", "vit-b", "dit-xl", "DiT-XL/2"])
def test_every_kind_of_image_model_is_predicted_in_samples(model: str) -> None:
    context = ClaimContext(read_claim({"model": model, "hardware": "8x A100-80GB", "samples": "1B images"}))
    found = context.prediction
    assert isinstance(found, ClaimPrediction)
    assert (found.unit, context.sample) == ("samples", "image")
    assert found.unit_flop == pytest.approx(context.sample_flop)
    likely, low, high = found.device_s_per_unit
    assert low < likely < high
    assert found.mfu[0] == pytest.approx(found.unit_flop / (likely * found.peak_flop_per_s))
    assert "images" in " ".join(found.rests_on)


def test_what_is_estimated_goes_with_the_samples() -> None:
    times = []
    for given in ({"samples": "100M"}, {"samples": "200M"}, {"examples": "1M", "epochs": "100"}):
        found = audit_claim(read_claim({"model": "resnet-50", "hardware": "A100", **given}))
        times.append(next(one for one in found.estimate.ranges if one.quantity == "device_time").value)
    assert times[1] == pytest.approx(2 * times[0])
    assert times[2] == pytest.approx(times[0])


def test_samples_that_are_not_stated_stay_unknown() -> None:
    found = audit_claim(read_claim({"model": "resnet-50", "hardware": "8x A100", "epochs": "90"}))
    assert found.verdict == "not enough stated"
    assert not found.estimate.ranges


def test_a_model_of_images_that_nobody_knows_is_not_taken_for_a_language_model() -> None:
    claim = read_claim({"model": "our-net", "parameters": "7B", "hardware": "8x A100", "samples": "1B images"})
    found = predict_claim(claim)
    assert isinstance(found, NoPrediction)
    assert "FLOPs of a sample" in found.reason


def test_an_unknown_model_is_refused_with_the_nearest() -> None:
    found = predict_claim(read_claim({"model": "resnet-51", "hardware": "8x A100", "samples": "1B"}))
    assert isinstance(found, NoPrediction)
    assert "'resnet-51' (nearest: resnet-50" in found.reason


def test_a_model_of_a_file_of_rows_is_read_like_any_other(own_rows: Path) -> None:
    context = ClaimContext(read_claim({"model": str(own_rows), "hardware": "8x A100", "samples": "100M"}))
    assert context.sample == "volume"
    assert isinstance(context.prediction, ClaimPrediction)
    assert context.prediction.unit_flop == 6.0 * (4096 * 64 * 32 + 32 * 10)


def test_tokens_of_an_image_model_are_said_not_to_be_looked_at() -> None:
    found = audit_claim(read_claim({"model": "vit-l", "hardware": "8x A100", "tokens": "1T", "hours": "1 h"}))
    assert "trains on images" in "".join(found.notes)
    assert "mfu" not in fired(found)


def test_two_accounts_differ_by_their_samples() -> None:
    ours = read_claim({"hardware": "8x V100", "samples": "115.3M", "hours": "3.4 h", "model": "resnet-50"})
    theirs = read_claim({"hardware": "8x V100", "samples": "57.65M", "hours": "1.7 h", "model": "resnet-50"})
    found = audit_claim(ours, theirs)
    assert found.factors[0].name == "samples"
    assert found.factors[0].value == pytest.approx(2.0)
    assert math.prod(one.value for one in found.factors) == pytest.approx(found.ratio)


@pytest.mark.parametrize(
    ("written", "quantity", "value"),
    [
        ({"throughput": "1,189 img/s/GPU"}, "samples_per_second_per_device", 1189.0),
        ({"throughput": "9.51k images per second"}, "samples_per_second", 9510.0),
        ({"images_per_second": "9510"}, "samples_per_second", 9510.0),
        ({"samples_per_second": "64 seq/s"}, "samples_per_second", 64.0),
        ({"samples_per_second_per_device": "1189"}, "samples_per_second_per_device", 1189.0),
        ({"throughput": "3.7k tokens/s/GPU"}, "throughput_per_device", 3700.0),
        ({"images": "115M"}, "samples", 115e6),
        ({"batch_size": "256 images"}, "batch_samples", 256.0),
    ],
)
def test_rates_are_named_by_what_they_count(written: dict[str, str], quantity: str, value: float) -> None:
    claim = read_claim({"hardware": "V100", **written})
    assert claim.value(quantity) == value
    assert len(claim.numbers) == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"samples_per_second": "9,510 tokens/s"}, "rate of samples; write 9,510 images/s"),
        ({"throughput": "10 images/s", "samples_per_second": "20"}, "samples_per_second is given twice"),
        ({"samples": "many"}, "samples: 'many' is not a count"),
        ({"sample": "10"}, "unknown field 'sample'; nearest: samples"),
    ],
)
def test_what_cannot_be_read_says_the_way_out(given: dict[str, str], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read_claim({"hardware": "8x V100", **given})


def test_every_name_of_the_catalog_names_its_model() -> None:
    for name in catalog_names():
        found = model_named_or_none(name)
        assert found is not None
        assert found.name == name


@pytest.mark.parametrize(
    ("model", "hardware", "batch", "rate"),
    [  # NVIDIA/DeepLearningExamples, resnet50v1.5; pytorch-image-models, benchmark-train-amp-*-pt111-cu113-rtx3090.csv
        ("resnet-50", "1x RTX 3090", "384", "833.17"),
        ("resnet-50", "1x RTX 3090", "512", "1222.61"),
        ("resnet-18", "1x RTX 3090", "512", "3584.19"),
        ("vit-l", "1x RTX 3090", "64", "116.44"),
        ("vit-b", "1x RTX 3090", "192", "385.82"),
        ("vit-s", "1x RTX 3090", "384", "1032.86"),
        ("resnet-50", "8x V100-16GB", "2048", "9510"),
        ("resnet-50", "1x V100-16GB", "256", "1270"),
        ("resnet-50", "8x A100-40GB", "2048", "17400"),
        ("resnet-50", "1x A100-40GB", "256", "2375"),
    ],
)
def test_published_rates_raise_nothing(model: str, hardware: str, batch: str, rate: str) -> None:
    given = {"model": model, "hardware": hardware, "precision": "fp16", "batch": batch, "samples_per_second": rate}
    assert audit_claim(read_claim(given)).verdict == "plausible"
