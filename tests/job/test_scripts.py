"""Configurations of training scripts as job files: keys that cost nothing, keys of other names, keys of no meaning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.errors import BadInput
from steelyard.job import job_table, read_job
from steelyard.job.spelled.passed_over import NOTED, PASSED_OVER
from steelyard.job.spelled.switches import LIGER_NAMES, MAY_BE_EMPTY
from steelyard.strategies.recipe_settings import QUANTISED_BYTES

JOB = {"model": "llama-3.2-1b", "tokens": "1B"}
STRANGE = ("wobble", "zyxwv", "qqq", "frobnicate")


@given(st.lists(st.sampled_from(sorted(PASSED_OVER)), min_size=1, max_size=6, unique=True))
def test_keys_that_cost_nothing_change_nothing_and_are_named(names: list[str]) -> None:
    job, plain = read_job({**JOB, **dict.fromkeys(names, 1)}), read_job(JOB)
    assert job_table(job) == job_table(plain)
    assert job.layout == plain.layout
    (said,) = (text for text in job.assumptions if text.startswith("passed over"))
    assert sorted(said.removeprefix("passed over ").partition(": ")[0].split(", ")) == sorted(names)
    assert set(job.assumptions) - {said} == set(plain.assumptions)


@given(st.lists(st.sampled_from(STRANGE), min_size=2, unique=True), st.sampled_from(["tokns", "sequnce", "optimzer"]))
def test_all_keys_without_a_meaning_are_told_at_once(names: list[str], slip: str) -> None:
    with pytest.raises(BadInput) as told:
        read_job({**JOB, **dict.fromkeys([*names, slip], 1)})
    assert all(f"'{name}'" in str(told.value) for name in (*names, slip))
    assert str(told.value).count("nearest: ") == 1


@pytest.mark.parametrize("name", ["num_train_epochs", "num_epochs", "max_steps"])
def test_what_a_job_has_another_field_for_says_which(name: str) -> None:
    with pytest.raises(BadInput, match="write tokens or samples"):
        read_job({**JOB, name: 3})


def test_a_configuration_of_axolotl_is_a_job() -> None:
    job = read_job({
        "base_model": "llama-3.2-1b", "model_type": "LlamaForCausalLM", "tokens": "10M", "adapter": "lora",
        "lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.05, "lora_target_linear": True, "load_in_8bit": True,
        "load_in_4bit": False, "sequence_len": 2048, "micro_batch_size": 2, "gradient_accumulation_steps": 4,
        "num_gpus": 2, "optimizer": "adamw_bnb_8bit", "learning_rate": 2e-4, "bf16": "auto", "tf32": False,
    })  # fmt: skip
    plain = read_job({
        "model": "llama-3.2-1b", "tokens": "10M", "task": "qlora",
        "lora": {"rank": 16, "targets": "all-linear", "dropout": 0.05},
        "recipe": "quantised=int8", "sequence": 2048, "layout": "mbs=2,ga=4", "devices": 2, "optimizer": "adam8bit",
    })  # fmt: skip
    for name in ("model", "task", "lora_rank", "lora_targets", "layout", "batch_samples", "optimizer", "recipe"):
        assert getattr(job, name) == getattr(plain, name), name


@pytest.mark.parametrize(
    ("word", "task"), [("lora", "lora"), ("qlora", "qlora"), ("full", "full_ft"), (None, "pretrain")]
)
def test_an_adapter_is_a_task(word: str | None, task: str) -> None:
    assert read_job({**JOB, "adapter": word}).task == task == read_job({**JOB, "finetuning_type": word}).task


def test_training_of_a_part_is_refused() -> None:
    with pytest.raises(BadInput, match="freeze"):
        read_job({**JOB, "finetuning_type": "freeze"})


def test_degrees_have_the_names_of_megatron() -> None:
    job = read_job({**JOB, "tensor_model_parallel_size": 2, "pipeline_model_parallel_size": 4})
    assert dict(job.layout) == {"tp": (2,), "pp": (4,)}


def test_linear_targets_that_are_off_are_none() -> None:
    off = read_job({**JOB, "task": "lora", "lora_target_linear": False})
    assert off.lora_targets == read_job({**JOB, "task": "lora"}).lora_targets
    assert read_job({**JOB, "task": "lora", "lora_target": "all"}).lora_targets == (
        "q",
        "k",
        "v",
        "o",
        "gate",
        "up",
        "down",
    )


@pytest.mark.parametrize("nothing", [None, "", [], {}, False])
@pytest.mark.parametrize("name", sorted(MAY_BE_EMPTY))
def test_keys_that_are_empty_say_nothing(name: str, nothing: object) -> None:
    job, plain = read_job({**JOB, name: nothing}), read_job(JOB)
    assert job_table(job) == job_table(plain)
    assert job.assumptions == plain.assumptions


@pytest.mark.parametrize("name", NOTED)
def test_keys_that_are_passed_over_say_what_is_taken(name: str) -> None:
    job = read_job({**JOB, name: 3})
    assert job_table(job) == job_table(read_job(JOB))
    assert f"passed over {name}: {NOTED[name]}" in job.assumptions


@pytest.mark.parametrize(
    ("said", "task"),
    [
        ({"stage": "sft"}, "lora"),  # hparams/finetuning_args.py: finetuning_type lora
        ({"stage": "sft", "finetuning_type": "full"}, "full_ft"),
        ({"stage": "pt", "finetuning_type": "full"}, "continued_pretrain"),
        ({"stage": "pt", "finetuning_type": "lora"}, "lora"),
        ({"train_type": "lora"}, "lora"),
        ({"stage": 2}, "pretrain"),
    ],
)
def test_a_stage_of_training_is_no_stage_of_zero(said: dict[str, object], task: str) -> None:
    job = read_job({**JOB, **said})
    assert job.task == task
    assert dict(job.layout) == ({"zero": (2,)} if said == {"stage": 2} else {})


@pytest.mark.parametrize("stage", ["dpo", "ppo", "rm", "kto"])
def test_a_stage_that_trains_otherwise_is_refused(stage: str) -> None:
    with pytest.raises(BadInput, match=f"stage is {stage}"):
        read_job({**JOB, "stage": stage, "finetuning_type": "lora"})


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"quantization_bit": 4}, "nf4-dq"),  # hparams/model_args.py: double_quantization True
        ({"quantization_bit": 4, "double_quantization": False}, "nf4"),
        ({"quantization_bit": 8, "quantization_method": "bnb"}, "int8"),
        ({"quant_bits": 4, "quant_method": "bnb"}, "nf4"),  # ms-swift: BitsAndBytesConfig
    ],
)
def test_bits_of_a_base(said: dict[str, object], kind: str) -> None:
    job = read_job({**JOB, "finetuning_type": "lora", **said})
    assert (job.task, job.recipe["packed_bytes"]) == ("qlora", QUANTISED_BYTES[kind])


@pytest.mark.parametrize(
    ("said", "layout"),
    [
        ({"flash_attn": "fa2"}, {"flash": (1,)}),
        ({"flash_attn": "disabled"}, {"flash": (0,)}),
        ({"flash_attn": "auto"}, {}),
        ({"enable_activation_checkpointing": True}, {"recompute": (2,)}),
        ({"gradient_checkpointing": "unsloth"}, {"recompute": (2,)}),
        ({"local_batch_size": 2, "tensor_parallel_degree": 4}, {"micro_batch": (2,), "tp": (4,)}),
    ],
)
def test_settings_of_other_tools(said: dict[str, object], layout: dict[str, tuple[int, ...]]) -> None:
    assert dict(read_job({**JOB, **said}).layout) == layout


@pytest.mark.parametrize("name", LIGER_NAMES)
def test_liger_fuses_the_loss_and_the_kernels(name: str) -> None:
    """linkedin/Liger-Kernel transformers/monkey_patch.py: loss, rms_norm, rope and swiglu are on."""
    plain = read_job({**JOB, "stack": "HF Trainer + Liger"})
    for job in (read_job({**JOB, name: True, "stack": "HF Trainer"}), read_job({**JOB, name: True})):
        made, wanted = (job_table(one).recipe for one in (job, plain))
        for entry in ("logit_bytes", "norm_copies", "activation_inputs", "rotary_copies"):
            assert getattr(made, entry) == getattr(wanted, entry) == 0, entry
    assert read_job({**JOB, name: False, "stack": "trl"}).stack == "trl"


def test_all_in_16_bits_is_a_precision() -> None:
    assert read_job({**JOB, "task": "full_ft", "bf16": True, "pure_bf16": True}).precision == "bf16-pure"


@pytest.mark.parametrize("name", ["activation_offloading", "enable_activation_offloading"])
def test_saved_activations_wait_on_the_host(name: str) -> None:
    assert read_job({**JOB, name: True}).recipe == read_job({**JOB, "recipe": "activations=host"}).recipe
    assert not read_job({**JOB, name: False}).recipe


def test_lists_of_modules_that_run_again_are_refused_with_what_there_is() -> None:
    assert dict(read_job({**JOB, "recompute_granularity": "selective"}).layout) == {"recompute": (1,)}
    for name in ("recompute_modules", "recompute_num_layers", "recompute_method"):
        with pytest.raises(BadInput, match="recompute=selective for scores alone"):
            read_job({**JOB, name: 1})
