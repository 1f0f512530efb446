"""Whatever is typed: exit code 2 or 3 with one clear message, never a traceback."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from steelyard.cli.app import app
from steelyard.job.models.presets import find_model_or_none

JOB = ("llama-3-8b", "--tokens", "20B")
BERT = {"model_type": "resnet", "num_channels": 3, "hidden_sizes": [256, 512], "architectures": ["ResNetModel"]}
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=40)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def assert_one_message(result: Result, *parts: str) -> None:
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("steelyard: ")
    assert "Traceback" not in result.output
    for part in parts:
        assert part in result.stderr


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["plan", "lama-3-8b", "--tokens", "20B"], ["lama-3-8b", "llama-3-8b"]),
        (["plan", *JOB, "--accelerators", "H1000"], ["H1000", "H100"]),
        (["plan", *JOB, "--accelerators", "H100:none"], ["H100:none", "H100:8"]),
        (["plan", *JOB, "--regions", "aws/us-eats-1"], ["aws/us-eats-1", "us-east-1"]),
        (["plan", *JOB, "--providers", "awz"], ["awz", "aws"]),
        (["plan", "llama-3-8b", "--tokens", "-20B"], ["-20B", "20B"]),
        (["plan", "llama-3-8b", "--tokens", "many"], ["many", "20B"]),
        (["plan", "llama-3-8b"], ["tokens", "--tokens 20B"]),
        (["plan", *JOB, "--stack", "foo"], ["foo", "megatron-core", "fsdp2"]),
        (["plan", *JOB, "--providers", "foo"], ["foo", "aws", "nebius"]),
        (["plan", *JOB, "--residency", "Germany"], ["Germany", "EU", "AT"]),
        (["plan", *JOB, "--accelerators", "T4", "--precision", "bf16"], ["T4", "bf16", "--precision fp16"]),
        (["estimate", *JOB, "--on", "H100:8", "--offer", "gcp/us-east5/tpu-v6e-8"], ["TPU-v6e", "H100", "--on"]),
        (["audit", "nosuch"], ["nosuch", "gopher"]),
        (["plan", *JOB, "--by", "soon"], ["by: ", "soon", "7d"]),
        (["plan", *JOB, "--by", "2001-01-01"], ["2001-01-01"]),
        (["plan", *JOB, "--budget", "nan"], ["nan", "5000"]),
        (["plan", *JOB, "--co2e-max", "5 parsecs"], ["5 parsecs", "500"]),
        (["plan", *JOB, "--energy-max", "9V"], ["9V", "MWh"]),
        (["plan", *JOB, "--precision", "bf17"], ["bf17", "bf16"]),
        (["plan", *JOB, "--optimizer", "adamv"], ["adamv", "adamw"]),
        (["plan", *JOB, "--task", "pretrian"], ["pretrian", "pretrain"]),
        (["plan", *JOB, "--purchase", "stolen"], ["stolen", "spot"]),
        (["plan", *JOB, "--stack", "megatorn-core"], ["megatorn-core", "megatron-core"]),
        (["plan", *JOB, "--max-devices", "0"], ["0", "8, 64 or 1024"]),
        (["plan", *JOB, "--devices", "8", "--max-devices", "4"], ["devices is 8", "max_devices is 4"]),
        (["launch", *JOB, "--on", "H100:16", "--devices", "8"], ["H100:16", "devices is 8"]),
        (["estimate", *JOB, "--on", "H100:8", "--layout", ",,,"], ["',,,' names no setting", "tp=2"]),
        (["estimate", *JOB, "--on", "H100:8", "--layout", "mbs=0"], ["mbs='0'", "at least 1"]),
        (["when", *JOB, "--on", "H100:8", "--by", "7d", "--start", "foo"], ["start: 'foo'", "2027-01-15T18:00Z"]),
        (["plan", *JOB, "--axes", "time,price"], ["price", "cost"]),
        (["plan", *JOB, "--axes", ","], ["','", "time,cost"]),
        (["plan", *JOB, "--residency", "Mars"], ["Mars"]),
        (["plan", *JOB, "--deny-accelerators", "H1000"], ["H1000", "H100"]),
        (["plan", *JOB, "--deny-regions", "aws/us-eats-1"], ["aws/us-eats-1", "us-east-1"]),
        (["plan", *JOB, "--deny-providers", "awz"], ["awz", "aws"]),
        (["plan", *JOB, "--accelerators", "H100", "--deny-accelerators", "H100*"], ["H100", "drop one"]),
        (["plan", *JOB, "--global-batch-min", "600", "--global-batch-max", "500"], ["600", "500", "global_batch_min"]),
        (["plan", *JOB, "--what-if", "tokens"], ["tokens", "tokens=10B,20B"]),
        (["plan", *JOB, "--sequence", "0"], ["0"]),
        (["plan", *JOB, "--bugdet", "5000"], ["--bugdet", "--budget"]),
        (["plan", "nowhere/job.yaml"], ["nowhere/job.yaml"]),
        (["plan"], ["JOB"]),
        (["estimate", *JOB], ["--on"]),
        (["estimate", *JOB, "--on", "H1000:8"], ["H1000", "H100"]),
        (["estimate", *JOB, "--on", "H100:64", "--layout", "tp=3,pp=1"], ["3"]),
        (["estimate", *JOB, "--on", "H100:64", "--layout", "tp=8,pp=8,dp=8"], ["64"]),
        (["estimate", *JOB, "--on", "H100:64", "--layout", "tq=8"], ["tq", "tp"]),
        (["estimate", *JOB, "--on", "H100:64", "--layout", "zero=9"], ["9"]),
        (["estimate", *JOB, "--on", "H100:64", "--layout", "tp=-1"], ["-1"]),
        (["estimate", *JOB, "--on", "H100:64", "--site", "aws/us-eats-1"], ["aws/us-eats-1", "aws/us-east-1"]),
        (["catalog", "accelerator"], ["accelerator", "accelerators"]),
        (["catalog", "accelerators", "H1000"], ["H1000", "H100"]),
        (["catalog", "models", "lama-3-8c"], ["lama-3-8c", "llama-3-8b"]),
        (["catalog", "offers", "p55.48xlarge"], ["p55.48xlarge"]),
        (["validate", "--cases", "no-such-runs.csv"], ["no-such-runs.csv"]),
        (["validate", "--by", "grop"], ["grop", "group"]),
    ],
    ids=" ".join,
)
def test_bad_input_is_named_with_the_way_out(words: list[str], parts: list[str]) -> None:
    assert_one_message(run(*words), *parts)


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("job.yaml", "model: llama-3-8b\ntokens: [20B", "job.yaml"),
        ("job.yaml", "model: llama-3-8b\ntokens: 20B\nbugdet: 5000\n", "budget"),
        ("job.yaml", "", "job.yaml"),
        ("job.yaml", "- a\n- b\n", "job.yaml"),
        ("job.yaml", "model: {layers: -1}\ntokens: 20B\n", "model"),
        ("job.yaml", "\x00\x01\x02", "job.yaml"),
        ("config.json", json.dumps(BERT), "resnet"),
        ("config.json", '{"model_type": "llama", "hidden_size":', "config.json"),
        ("config.json", "[]", "config.json"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, name: str, text: str, part: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    tokens = ["--tokens", "20B"] if name.endswith("json") else []
    assert_one_message(run("plan", str(file), *tokens), part)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(
        ["--tokens", "--by", "--budget", "--co2e-max", "--energy-max", "--sequence", "--accelerators"]
    ),
    text=TEXTS,
)
def test_no_text_of_an_option_is_a_traceback(name: str, text: str) -> None:
    """The fields are read before the model is looked up, so each text is read, and the model stops the run."""
    result = run("plan", "no-such-model", "--tokens", "20B", f"{name}={text}")
    assert_one_message(result)


@settings(max_examples=60, deadline=None)
@given(TEXTS.filter(lambda text: text not in {"", "-h"} and not text.startswith("-")))
def test_no_name_of_a_job_is_a_traceback(text: str) -> None:
    assume(find_model_or_none(text + "?") is None)  # punctuation does not count, so a real model's name may turn up
    assert_one_message(run("plan", text + "?", "--tokens", "20B"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.binary(max_size=200))
def test_no_file_is_a_traceback(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "job.yaml"
    file.write_bytes(text)
    assert_one_message(run("plan", str(file)))


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_no_layout_is_a_traceback(text: str) -> None:
    result = run("estimate", *JOB, "--on", "H100:64", f"--layout={text}?")
    assert_one_message(result)
