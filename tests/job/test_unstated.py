"""What nobody states: every setting is named with what was taken, and stops being named once it is stated."""

import pytest

import steelyard
from steelyard.catalog import load
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.score.taken_rows import taken_of_rows
from steelyard.job import read_job
from steelyard.job.unstated.choices import unstated_settings
from steelyard.job.unstated.taken import OPEN_SETTINGS

JOB = {"model": "llama-3-8b", "tokens": "20M", "sequence": 2048, "global_batch": 64}
STATED = {
    "stack": {"stack": "fsdp2"},
    "recompute": {"layout": "recompute=full"},
    "attention": {"layout": "flash=1"},
    "micro-batch": {"layout": "mbs=1"},
    "offload": {"layout": "offload=0"},
    "loss": {"loss": "chunked"},
    "sharding": {"layout": "zero=1"},
    "states": {"precision": "bf16-mixed"},
    "sequence parallelism": {"layout": "sp=0"},
    "interleaving": {"layout": "vpp=1"},
}


def names_of(texts: tuple[str, ...]) -> list[str]:
    return [name for text in texts for name in OPEN_SETTINGS if text.startswith(f"{name} ")]


def test_an_estimate_names_every_setting_that_nobody_states() -> None:
    found = steelyard.estimate(JOB, "H100:8", layout="tp=2,pp=2,dp=2")
    lines = names_of(found.assumptions)
    # of quantised bases, masks, adapters and experts alone
    apart = ["quantisation", "unquantised", "dropout", "adapter dropout", "expert tensor parallelism"]
    assert [name for name in OPEN_SETTINGS if name not in lines] == apart
    assert all(": or " in text for text in found.assumptions if names_of((text,)) not in ([], ["precision"]))


@pytest.mark.parametrize("name", STATED)
def test_what_is_stated_is_not_assumed(name: str) -> None:
    job, free = read_job({**JOB, **STATED[name]}), read_job(JOB)
    assert set(unstated_settings(free)) - set(unstated_settings(job)) == {name}


def test_a_layout_beside_the_job_states_what_one_in_it_does() -> None:
    inside, beside = read_job({**JOB, "layout": "mbs=1,recompute=full"}), read_job(JOB)
    assert unstated_settings(inside) == unstated_settings(beside, "mbs=1,recompute=full")


def test_what_surrounds_a_quantised_base_is_over_both_until_it_is_said() -> None:
    """huggingface/peft prepare_model_for_kbit_training: 2 bytes more of each parameter outside of the blocks' matrices.

    Of llama-3-8b these are the embedding and the head, 128,256 x 4,096 each, and 65 norms of 4,096.
    """
    job = {**JOB, "task": "qlora", "stack": "peft"}

    def shown(**told):
        return steelyard.estimate(job, "H100:1", layout="mbs=1,recompute=full,zero=0,offload=0", **told)

    whole, norms, none = (shown(recipe=f"unquantised={word}") for word in ("fp32", "fp32-norms", "16-bit"))
    outside = 2 * 128256 * 4096 + 65 * 4096
    assert whole.memory.weights_bytes - none.memory.weights_bytes == pytest.approx(2 * outside, rel=1e-3)
    assert norms.memory.weights_bytes == none.memory.weights_bytes
    stream = 2 * 2048 * 4096 * 32
    assert norms.memory.activations_bytes - none.memory.activations_bytes == pytest.approx(stream)
    silent = shown()
    assert silent.memory.weights_bytes == whole.memory.weights_bytes
    assert silent.memory_bytes.low < whole.memory_bytes.low
    assert "unquantised fp32: or fp32-norms, 16-bit (recipe: unquantised=)" in silent.assumptions
    named = steelyard.estimate({**job, "stack": "peft, prepare_model_for_kbit_training"}, "H100:1",
                               layout="mbs=1,recompute=full,zero=0,offload=0")  # fmt: skip
    assert named.memory_bytes == whole.memory_bytes


@pytest.mark.parametrize(
    ("model", "stack", "factor", "named"),
    [
        ("gpt-3-175b", "megatron-core", 34, True),  # arXiv 2205.05198, equation 2: masks are 2 of 34 sbh
        ("gpt-3-175b", "megatron-core, no dropout", 32, False),
        ("gpt-3-175b", "megatron-lm", 34, True),
        ("gpt-3-175b", "torchtitan", 32, False),
        ("gpt-neox-20b", "megatron-core", 32, False),  # configs/20B.yml: hidden_dropout 0
    ],
)
def test_masks_of_a_framework_s_default_are_counted_and_named(
    model: str, stack: str, factor: float, named: bool
) -> None:
    """NVIDIA/Megatron-LM megatron/training/arguments.py: hidden_dropout and attention_dropout are 0.1."""
    job = {"model": model, "tokens": "20M", "sequence": 2048, "global_batch": 64, "stack": stack}
    found = steelyard.estimate(job, "B300:64", layout="tp=1,pp=1,mbs=1,recompute=none,flash=1")
    layers, hidden = {"gpt-3-175b": (96, 12288), "gpt-neox-20b": (44, 6144)}[model]
    assert found.memory.activations_bytes / (2048 * hidden * layers) == pytest.approx(factor, rel=0.005)
    assert any(text.startswith("dropout 0.1: or none") for text in found.assumptions) == named


@pytest.mark.parametrize("said", [{"lora": {"dropout": 0.05}}, {"lora_dropout": 0.05}, {"lora": {"dropout": "5%"}}])
def test_dropout_of_adapters_is_read_and_named_until_it_is(said) -> None:
    """huggingface/peft: 3 bytes of each adapted input: 6 x 4,096 + 14,336 of llama-3-8b, of 2,048 tokens, 32 blocks."""
    job = {**JOB, "task": "lora", "stack": "peft", "lora_target": "all-linear"}

    def shown(**told):
        return steelyard.estimate({**job, **told}, "B200:1", layout="mbs=1,recompute=none,zero=0,offload=0")

    dropped, none, silent = shown(**said), shown(lora_dropout=0), shown()
    kept = 3 * (6 * 4096 + 14336) * 2048 * 32
    assert dropped.memory.activations_bytes - none.memory.activations_bytes == pytest.approx(kept)
    assert silent.memory == none.memory
    line = "adapter dropout none: or of their inputs (lora: {dropout: 0.05})"
    assert line in silent.assumptions
    assert not any(text.startswith("adapter dropout") for one in (dropped, none) for text in one.assumptions)


def test_a_quantised_base_names_its_type_until_it_is_said() -> None:
    job = {**JOB, "task": "qlora"}
    (text,) = (text for text in steelyard.estimate(job, "H100:1").assumptions if text.startswith("quantisation "))
    assert text == "quantisation nf4: or nf4-dq, int8, int4-g128, mxfp4 (recipe: quantised=)"
    told = steelyard.estimate(job, "H100:1", recipe="quantised=nf4-dq")
    assert not any(text.startswith("quantisation ") for text in told.assumptions)


def test_adapters_leave_no_states_open() -> None:
    assert "states" not in unstated_settings(read_job({**JOB, "task": "lora"}))


def test_values_are_those_of_the_configuration() -> None:
    found = steelyard.estimate({**JOB, "stack": "hf-trainer", "precision": "bf16"}, "H100:8", layout="zero=3,mbs=2")
    said = dict(text.partition(":")[::2] for text in found.assumptions)
    assert {"micro-batch 2", "sharding zero=3"}.isdisjoint(said)
    assert {"attention fused", "offload none", "loss 14 B a logit"} <= said.keys()
    pure = steelyard.estimate({**JOB, "stack": "torchtune"}, "H100:8", layout="zero=3,mbs=2")
    assert "states 8 B a parameter" in {text.partition(":")[0] for text in pure.assumptions}


def test_a_plan_names_what_its_points_have() -> None:
    found = steelyard.plan({**JOB, "accelerators": "H100", "devices": 8, "providers": "aws"})
    stacks = dict.fromkeys(point.stack for point in found.points)
    assert any(text.startswith(f"stack {' or '.join(stacks)}: or ") for text in found.assumptions)
    assert {"attention", "loss", "offload", "sharding", "states"} <= set(names_of(found.assumptions))


def test_a_saved_estimate_says_the_same() -> None:
    saved = steelyard.estimate(JOB, "H100:8", layout="tp=2,pp=1,dp=4")
    assert steelyard.explain(saved).assumptions == saved.assumptions
    assert "sharding" in saved.unstated


def test_a_row_says_it_in_the_words_of_an_estimate() -> None:
    row = blank_run(
        id="row", model="llama-3-8b", accelerator="H100", devices=8.0, sequence_tokens=2048.0, stack="torchtitan",
        tp=1.0, pp=1.0, dp=8.0, micro_batch=2.0, batch_samples=64.0, sharding="3", task="pretrain", recompute="full",
        optimizer="adamw", precision="bf16", step_time_s=3.0,
    )  # fmt: skip
    (texts,) = taken_of_rows(run_frame([row], load()), load())
    job = {**JOB, "stack": "torchtitan", "task": "pretrain"}
    found = steelyard.estimate(job, "H100:8", layout="tp=1,pp=1,dp=8,mbs=2,zero=3,recompute=full")
    assert names_of(texts) == ["attention", "offload", "loss", "states"]
    assert set(texts) <= set(found.assumptions)
