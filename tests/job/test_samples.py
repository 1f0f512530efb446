"""Jobs on images: models by rows and vision transformers, counted in samples by every reader and verb."""

import json
import pickle

import pytest

from steelyard.errors import BadInput
from steelyard.job import job_table, read_job
from steelyard.job.models.rows_spec import rows_presets, rows_spec
from steelyard.job.sample_work import forward_flop
from steelyard.planner import estimate
from steelyard.planner.answers import Estimate
from steelyard.workload import collapse

TOY = """
name: toy
sample: image
batch: 64
batch_source: "made up"
params: 54
blocks: [{name: block, count: 2, input: 300}]
rows:
  - {block: block, name: conv, m: 100, k: 3, n: 4, params: 12, kept: 400, moved: 700}
  - {block: head, name: classifier, m: 1, k: 5, n: 6, params: 30, kept: 5}
  - {block: head, name: logits, kept: 6, kept_kind: logits}
"""


@pytest.mark.parametrize(
    ("model", "params", "flop", "rel"),
    [
        ("resnet-50", 25_557_032, 8_178_368_512, 0),  # torchvision's count; torch's FLOP counter, 4.09 GMAC
        ("vit-l-16", 304_326_632, 123.11e9, 1e-4),  # torchvision vit_l_16; its counter under math attention
        ("dit-xl-2", 674_834_720, 2 * 118.6e9, 2e-4),  # arXiv 2212.09748, table 1: 118.6 Gflops of multiply-adds
    ],
)
def test_parameters_and_forward_flops_are_those_of_the_library(model, params, flop, rel):
    work = job_table(read_job(model, samples="100M")).workload
    assert work.params == params
    assert forward_flop(work) == pytest.approx(flop, rel=rel or 1e-12)


def test_resnet_50_keeps_what_hooks_of_torch_see():
    """81.9 MiB of fp32 a 224 x 224 image: what autograd saves for convolution, batch norm, relu and the pool."""
    work = collapse(rows_presets()["resnet50"].rows, 4.0)
    kept = sum(block.count * part.amount for block in work.blocks for part in block.kept_bytes)
    assert kept / 2**20 == pytest.approx(81.9, abs=0.1)


@pytest.mark.parametrize("model", ["resnet-50", "vit-l-16", "dit-xl-2"])
def test_an_estimate_answers_in_images(model):
    found = estimate(read_job(model, samples="10M"), "H100:8", site="aws/us-east-1")
    assert found.job.sample == "image"
    assert found.job.samples == 10e6
    assert found.fits_shown
    assert found.prediction.time.total_s > 0
    assert any("unproven" in text for text in found.assumptions)


def test_a_model_by_rows_is_read_from_a_file(tmp_path):
    file = tmp_path / "toy.yaml"
    file.write_text(TOY, encoding="utf-8")
    job = job_table(read_job({"model": str(file), "samples": "1M"}))
    assert (job.samples, job.batch_samples, job.workload.params) == (1e6, 64, 54)
    assert job.workload.model_flop == 3 * 2 * (2 * 100 * 3 * 4 + 5 * 6)
    assert (job.workload.divisible.heads, job.workload.divisible.stages, job.workload.divisible.sequence) == (1, 1, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("params: 54", "params: 53", "params are 53 but the rows hold 54"),
        ("count: 2", "count: no", "count is 'no'"),
        ("m: 100", "m: -1", "row 1: m is '-1'"),
        ("m: 100", "rows: 100", "unknown field 'rows'"),
        ("block: block, name: conv", "block: blok, name: conv", "nearest: block"),
        ("sample: image", "", "sample is missing"),
        ("rows:", "rows: 3\nmore:", "unknown field 'more'"),
        ("kept: 6, kept_kind: logits", "kept: 6, kept_width: wide", "kept_width is 'wide'"),
        ("m: 1, k: 5, n: 6,", "", "no row of block 'head' has a product"),
        ("kept: 6, kept_kind: logits", "kept: 6, kept_kind: strange", "kept_kind is 'strange'"),
        ("count: 2", "count: 1.5", "count is '1.5'; it must be a whole number from 1 to 1e.06"),
        ("sample: image", "sample: [a, b]", "sample is"),
        (
            "{name: block, count: 2, input: 300}",
            "{name: block, count: 2, input: 300}, {name: b, count: 1, input: 3}",
            "no row is of block 'b'",
        ),
    ],
)
def test_a_broken_file_says_what_is_wrong_and_where(old, new, message):
    with pytest.raises(BadInput, match=message):
        rows_spec(TOY.replace(old, new), "toy.yaml")


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [
        ("resnet-50", {"tokens": "1B"}, "trains on images; write samples"),
        ("resnet-50", {}, "samples is missing"),
        ("resnet-50", {"samples": "1M", "sequence": 8}, "sequence is given"),
        ("resnet-50", {"samples": "1M", "task": "lora"}, "adapters need a transformer"),
        ("resnet-50", {"samples": "1M", "global_batch": "2M"}, "more than the job's"),
        ("vit-l-16", {"samples": "1M", "global_batch": "4M tokens"}, "given in tokens"),
        ("gpt2", {"samples": "1M", "tokens": "1B"}, "both given"),
        ("whisper-small", {"samples": "1M"}, "neither text nor images"),
        ("resnet-5", {"samples": "1M"}, "nearest: resnet-50"),
    ],
)
def test_what_does_not_go_together_is_refused(model, fields, message):
    with pytest.raises(BadInput, match=message):
        read_job({"model": model, **fields})


def test_text_may_be_given_in_samples():
    some, same = read_job("gpt2", samples="1M"), read_job("gpt2", tokens=1024e6)
    assert (some.tokens, some.samples) == (same.tokens, same.samples)


def test_answers_on_images_round_trip():
    found = estimate(read_job("resnet-50", samples="10M"), "H100:8", site="aws/us-east-1")
    assert Estimate.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301  # our own


@pytest.mark.parametrize("field", ["global_batch", "global_batch_min", "global_batch_max"])
@pytest.mark.parametrize("given", ["4M tokens", "64 sequences", "64 events"])
def test_a_batch_of_images_counts_images(field, given):
    with pytest.raises(BadInput, match=f"{field} is given in .*s but the model trains on images; write .*1024"):
        read_job({"model": "resnet-50", "samples": "1M", field: given})


def test_images_have_no_tokens():
    job = read_job({"model": "vit-l-16", "samples": "1M", "global_batch": "512 images"})
    assert (job.tokens, job.sequence_tokens, job.samples, job.batch_samples) == (None, None, 1e6, 512)
    assert job_table(job).workload.tokens == 197
    text = read_job({"model": "llama-3-8b", "tokens": 20e9, "sequence": 3000})
    assert (text.tokens, text.samples, text.sequence_tokens) == (20e9, 20e9 / 3000, 3000)


def test_a_range_of_batches_speaks_of_images():
    job = read_job({"model": "resnet-50", "samples": "1M", "global_batch_min": 128, "global_batch_max": "256 images"})
    assert job.batches == (256, 128)
    assert any("global batch 128 or 256 images: the plan chooses" in one for one in job.assumptions)
    with pytest.raises(BadInput, match=r"global_batch_min of 2000000 images is more than the job's 1e\+06 images"):
        read_job({"model": "resnet-50", "samples": "1M", "global_batch_min": "2M"})


@pytest.mark.parametrize(
    ("model", "layout", "message"),
    [
        ("resnet-50", "tp=2", "layout: tp = 2 but the model has no attention heads to share out; only dp divides it"),
        ("resnet-50", {"pp": [2, 4]}, "layout: pp = 2 but the model cannot be cut into stages"),
        ("vit-l-16", "ep=2", r"layout: ep = 2 but the model has no experts; what divides it: tp \(1, 2, 4, 8 or 16\)"),
        ("vit-l-16", {"etp": [1, 2]}, "layout: etp = 2 but the model has no experts"),
    ],
)
def test_limits_on_a_layout_that_the_model_has_nothing_for_are_refused(model, layout, message):
    with pytest.raises(BadInput, match=message):
        read_job({"model": model, "samples": "1M", "layout": layout})
    read_job({"model": model, "samples": "1M", "layout": {"tp": [1, 2], "ep": 1, "zero": 1}})
