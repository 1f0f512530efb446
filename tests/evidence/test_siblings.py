"""Models that the catalog does not have: derived ones by their base, others by their size, never mixtures."""

import math
from dataclasses import replace

import pytest

from steelyard.evidence.frames.models import UnknownShape, preset_of, run_model
from steelyard.evidence.frames.siblings import model_of_size, named_size
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.score.validation import scored_runs
from steelyard.job.models.architecture import architecture
from steelyard.job.models.presets import find_model


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("Llama-2-7b-chat-hf", "llama-2-7b"),
        ("Mistral 7B Instruct v0.2", "mistral-7b"),
        ("Qwen2.5-Coder-7B", "qwen2.5-7b"),
        ("lmsys/vicuna-13b-v1.5", "llama-13b"),
        ("DeepSeek-R1-Distill-Llama-8B", "llama-3.1-8b"),
        ("QwQ-32B", "qwen2.5-32b"),
        ("bloomz-7b1", "bloom-7b1"),
        ("pythia-12b-deduped", "pythia-12b"),
        ("GPT-175B", "gpt3-175b"),
    ],
)
def test_a_derived_model_has_the_shape_of_its_base(name: str, base: str) -> None:
    assert preset_of(name) == find_model(base)


@pytest.mark.parametrize("params", [1.3e9, 7e9, 24e9, 70e9, 300e9])
@pytest.mark.parametrize("name", ["our own", "Qwen1.5", "GPT2", "gemma-4"])
def test_a_size_alone_makes_a_model_of_that_size(name: str, params: float) -> None:
    found, assumed = run_model(blank_run(model=name, params=params))
    assert architecture(found).total_params == pytest.approx(params, rel=0.12)
    assert "shape" in assumed


def test_a_size_in_a_name_counts_as_much_and_a_shape_more() -> None:
    run = blank_run(model="StableLM-Alpha-3B")
    found, _ = run_model(run)
    assert architecture(found).total_params == pytest.approx(3e9, rel=0.1)
    shaped, _ = run_model(replace(run, layers=16.0, hidden=4096.0, heads=32.0, ffn=16384.0, vocab=50688.0))
    assert (shaped.layers, shaped.hidden) == (16, 4096)
    layered, _ = run_model(blank_run(model="own-20B", layers=44.0))
    assert (layered.layers, layered.hidden) == (44, 6144)  # GPT-NeoX-20B's own width (arXiv 2204.06745, table 1)


@pytest.mark.parametrize(
    "name", ["Mixtral-8x3B", "Qwen9-30B-A3B", "Nemotron_3_Super 120B", "mT5-3B", "Mamba-3B", "nobody"]
)
def test_the_size_of_another_kind_of_model_says_too_little(name: str) -> None:
    assert named_size(name) is None
    with pytest.raises(UnknownShape):
        run_model(blank_run(model=name))
    assert name == "nobody" or model_of_size(name, 3e9) is None
    assert model_of_size(name, math.nan) is None


def test_a_run_of_a_model_by_its_size_is_predicted_and_not_scored() -> None:
    given = blank_run(id="one", accelerator="H100-80GB", devices=8.0, sequence_tokens=2048.0, precision="bf16", tp=1.0,
                      pp=1.0, stack="litgpt", batch_samples=64.0, micro_batch=4.0, step_time_s=4.0,
                      peak_memory_bytes=6e10)  # fmt: skip
    unknown, known = (replace(given, model=name) for name in ("Own-3B", "llama-2-7b"))
    assert [case.scored for case in scored_runs([known]).cases] == [True, True]
    for case in scored_runs([unknown]).cases:
        assert math.isfinite(case.predicted)
        assert not case.scored
        assert "not printed" in case.reason
