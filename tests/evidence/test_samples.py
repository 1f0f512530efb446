"""Runs of models that are trained on images: read, predicted, scored and calibrated on as those of tokens are.

Measured rates are NVIDIA/DeepLearningExamples' tables (TensorFlow/Classification/ConvNets/resnet50v1.5) and those of
huggingface/pytorch-image-models (results/benchmark-train-amp-nchw-pt111-cu113-rtx3090.csv).
"""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from steelyard.catalog import kind_log_sd, load
from steelyard.errors import BadInput
from steelyard.evidence.calibration import calibrate_constants
from steelyard.evidence.frames.frame import RunFrame, run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.frames.predicted import step_seconds
from steelyard.evidence.runs.reader import parse_runs
from steelyard.evidence.score.baselines import SIX_ND_SHARE, six_nd_s
from steelyard.evidence.score.intervals import time_log_sd
from steelyard.evidence.score.validation import validate_runs
from steelyard.job import job_table, read_job
from steelyard.market.tools import stack_option

FILE = """id,model,accelerator,devices,precision,stack,batch_samples,optimizer,samples_per_second
tf-8,resnet-50,V100-16GB,8,fp16,TensorFlow,2048,sgd,9510
tf-a,ResNet-50 v1.5,A100-40GB,8,fp16,TensorFlow,2048,sgd,17400
timm-l,ViT-L/16,RTX 3090,1,fp16,PyTorch,64,sgd,116.44
timm-b,vit-b-16,RTX 3090,1,fp16,PyTorch,192,sgd,385.82
timm-r,resnet-18,RTX 3090,1,fp16,PyTorch,512,sgd,2711.83
"""


def framed(text: str) -> RunFrame:
    """Return the frame of a file's runs."""
    return run_frame(parse_runs(text.encode(), "runs.csv"), load())


def test_runs_on_images_are_predicted_and_scored_in_samples() -> None:
    found = validate_runs(tuple(parse_runs(FILE.encode(), "runs.csv")))
    assert [one.metric for one in found.cases] == ["samples_per_second"] * 5
    assert all(0.3 < one.predicted / one.measured < 1.0 for one in found.cases)
    assert all(one.low < one.predicted < one.high for one in found.cases)


def test_intervals_of_image_models_are_as_wide_as_predictions_miss_them() -> None:
    llm = replace(next(parse_runs(FILE.encode(), "runs.csv")), id="llm", model="gpt2", sequence_tokens=1024.0)
    catalog, found = load(), run_frame([*parse_runs(FILE.encode(), "runs.csv"), llm], load())
    plain = replace(found, labels=replace(found.labels, kind=np.full(len(found), "language")))
    more = time_log_sd(found, catalog) ** 2 - time_log_sd(plain, catalog) ** 2
    spread = dict(zip(found.labels.id, more, strict=True))
    assert list(found.labels.kind) == ["rows", "rows", *["image-transformer"] * 2, "rows", "language"]
    assert spread["tf-8"] - spread["llm"] == pytest.approx(kind_log_sd("rows", catalog) ** 2)
    both = kind_log_sd("rows", catalog) ** 2 - kind_log_sd("image-transformer", catalog) ** 2
    assert spread["timm-r"] - spread["timm-l"] == pytest.approx(both)
    inside = [one.low <= one.measured <= one.high for one in validate_runs(tuple(found.runs)[:5]).cases]
    assert sum(inside) >= 4


def test_plans_and_scores_have_the_same_spread_of_a_kind() -> None:
    catalog = load()
    wide, usual = (stack_option("deepspeed", catalog, kind).stack_log_sd["time_scale"] for kind in ("rows", "language"))
    assert wide**2 - usual**2 == pytest.approx(kind_log_sd("rows", catalog) ** 2)


def test_samples_a_second_times_a_step_is_the_batch() -> None:
    found = framed(FILE)
    seen = measured(found)
    for index, run in enumerate(found.runs):
        assert seen.step_s[index] * run.samples_per_second == pytest.approx(run.batch_samples)
        assert seen.per_step[index] == run.batch_samples


def test_the_job_of_a_run_is_that_of_a_job_file() -> None:
    found = framed(FILE)
    for index, run in enumerate(found.runs):
        job = job_table(read_job({"model": run.model, "samples": "100M", "precision": "fp16", "optimizer": "sgd"}))
        assert float(found.job.workload.model_flop[index]) == pytest.approx(float(job.workload.model_flop))
        assert float(found.job.workload.params[index]) == pytest.approx(float(job.workload.params))


@pytest.mark.parametrize(
    "column", ["images_per_second", "images_per_s", "img_per_s", "samples_per_s", "samples_per_second"]
)
def test_a_rate_is_read_under_the_words_that_people_write(column: str) -> None:
    (run,) = parse_runs(f"model,accelerator,devices,{column}\nresnet-50,V100,8,9510\n".encode(), "r.csv")
    assert run.samples_per_second == 9510
    each = f"model,accelerator,devices,{column}_per_device\nresnet-50,V100,8,1188.75\n"
    (run,) = parse_runs(each.encode(), "r.csv")
    assert run.samples_per_second == 9510


def test_a_step_time_needs_no_sequence() -> None:
    found = framed("model,accelerator,devices,batch_samples,precision,step_time_s\nresnet-50,V100,8,2048,fp16,0.2154\n")
    assert measured(found).step_s[0] == 0.2154
    assert math.isfinite(step_seconds(found)[0])


def test_sequences_a_second_are_read_of_text_too() -> None:
    head = "model,accelerator,devices,seq_len,batch_samples,precision,samples_per_second\n"
    assert measured(framed(head + "bert-large,A100,8,512,256,fp16,300\n")).step_s[0] == pytest.approx(256 / 300)


def test_a_figure_of_flops_counts_those_of_the_images() -> None:
    text = "model,accelerator,devices,batch_samples,precision,tflops_per_device,flops_convention\n"
    found = framed(text + "resnet-50,V100,8,2048,fp16,29.17,model FLOPs\n")
    assert measured(found).step_s[0] == pytest.approx(2048 * 3 * 8_178_368_512 / 8 / 29.17e12)


def test_the_rule_of_thumb_of_an_image_is_its_own_flops() -> None:
    found = framed(FILE)
    assert six_nd_s(found)[0] == pytest.approx(2048 * 3 * 8_178_368_512 / (8 * SIX_ND_SHARE * 125e12), rel=1e-3)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"model": "resnet-51"}, r"unknown model 'resnet-51' \(nearest: resnet-50"),
        ({"tp": "2"}, "tp is 2 but resnet-50 is described by rows, which only data parallelism divides"),
        ({"task": "lora"}, "task is lora but resnet-50 is described by rows"),
        (
            {"batch_samples": "", "step_time_s": "0.2", "samples_per_second": ""},
            "neither the micro-batch nor the global",
        ),
    ],
)
def test_what_cannot_be_predicted_says_why(row: dict[str, str], says: str) -> None:
    given = {"model": "resnet-50", "accelerator": "V100", "devices": "8", "batch_samples": "2048", "precision": "fp16",
             "tp": "", "task": "", "step_time_s": "", "samples_per_second": "9510"} | row  # fmt: skip
    runs = parse_runs(
        "\n".join([",".join(given), ",".join(given.values()), "vit-l,V100,8,64,fp16,,,,100"]).encode(), "r"
    )
    found = run_frame(runs, load())
    ((_, reason),) = found.unpredicted
    assert re.search(says, reason), reason


def test_a_model_of_a_file_of_rows_is_predicted(own_rows: Path) -> None:
    head = "model,accelerator,devices,batch_samples,precision,samples_per_second\n"
    found = framed(f"{head}{own_rows},A100,8,2048,fp16,90000\n")
    assert float(found.job.workload.model_flop[0]) == 6.0 * (4096 * 64 * 32 + 32 * 10)
    assert math.isfinite(step_seconds(found)[0])


def test_a_file_of_a_model_that_nobody_knows_names_the_nearest() -> None:
    found = framed("model,accelerator,devices,batch_samples,precision,samples_per_second\nresnet-51,V100,8,64,fp16,9\n")
    assert "nearest: resnet-50" in found.unpredicted[0][1]


def test_tokens_of_images_and_two_rates_that_differ_are_not_compared() -> None:
    head = "model,accelerator,devices,batch_samples,precision,step_time_s,samples_per_second,tokens_per_s_per_device\n"
    seen = measured(framed(head + "resnet-50,V100,8,2048,fp16,0.2154,95100,\nresnet-50,V100,8,2048,fp16,,,100\n"))
    assert "samples/s contradict each other by 0.10" in seen.time_reason[0]
    assert "is not trained on tokens; give samples_per_second" in seen.time_reason[1]


def test_a_file_on_text_still_needs_its_sequence() -> None:
    with pytest.raises(BadInput, match="no column for sequence_tokens"):
        list(parse_runs(b"model,accelerator,devices,step_time_s\nllama-3-8b,H100,8,1\n", "r.csv"))


def test_a_calibration_on_images_moves_towards_them() -> None:
    runs = list(parse_runs(FILE.encode(), "runs.csv"))
    found = calibrate_constants(runs, load(), "ours", "runs.csv", "2026-11-29")
    assert not found.refused
    assert all(abs(one.after) < abs(one.before) for one in found.runs)
    slow = [replace(run, samples_per_second=run.samples_per_second / 2) for run in runs]
    other = calibrate_constants(slow, load(), "ours", "runs.csv", "2026-11-29")
    assert [one.measured for one in other.runs] == pytest.approx([2 * one.measured for one in found.runs])
