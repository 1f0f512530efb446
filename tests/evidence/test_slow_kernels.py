"""What rows and the rules of their frameworks say of kernels that are not fused, or in fp32."""

import pytest

from steelyard.catalog import load, outside_transformer_engine
from steelyard.catalog.stacks import parse_stack
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.stacks import kernel_constants, row_constants, run_slow_kernels, stack_rule
from steelyard.evidence.runs.reader import blank_run, user_runs
from steelyard.evidence.runs.run import Run

EAGER, UPCAST, CORE = "eager_scale", "upcast_scale", "attention_upcast_scale"


def found(run: Run, precision: str = "bf16") -> set[str]:
    return set(run_slow_kernels(run, stack_rule(run.stack, run.date, load()), precision))


@pytest.mark.parametrize(
    ("stack", "note", "task", "precision", "expected"),
    [
        ("HF Trainer", "", "full_ft", "bf16", {EAGER}),
        ("HF TRL SFTTrainer", "", "qlora", "bf16", {EAGER, UPCAST}),
        ("HF Transformers + PEFT", "prepare_model_for_kbit_training", "qlora", "fp16", {EAGER, UPCAST, CORE}),
        ("HF TRL SFTTrainer", "nf4 base, no upcasting of norms; HF eager kernels", "qlora", "bf16", {EAGER}),
        ("HF TRL SFTTrainer", "GPTQ 4-bit base; fused RMSNorm, RoPE (foak)", "qlora", "bf16", set()),
        ("HF Trainer DDP + Liger", "", "full_ft", "bf16", set()),
        ("Unsloth 2024.8 + TRL", "nf4 4-bit base", "qlora", "fp16", set()),
        ("torchtitan", "no compile", "pretrain", "bf16", {EAGER}),
        ("torchtitan", "", "pretrain", "bf16", set()),
        ("torchtune (LoRA recipe)", "packed; no compile", "lora", "bf16", {EAGER}),
        ("torchtune", "compile=True", "lora", "bf16", set()),
        ("plain PyTorch 2.6", "", "pretrain", "bf16", {EAGER}),
        ("plain PyTorch 2.6", "cumulative step: + torch.compile", "pretrain", "bf16", set()),
        ("PyTorch DDP, compile off", "", "pretrain", "bf16", {EAGER}),
        ("PyTorch DDP, compile on", "", "pretrain", "bf16", set()),
        ("PyTorch + ThunderKittens native kernels", "", "pretrain", "bf16", set()),
        ("DeepSpeed ZeRO-3", "", "pretrain", "bf16", {EAGER}),
        ("Megatron-DeepSpeed", "", "pretrain", "bf16", set()),
        ("nanoGPT torch.compile", "", "pretrain", "bf16", set()),
        ("NeMo 25.04", "", "lora", "bf16", set()),
    ],
)  # fmt: skip
def test_a_row_s_word_comes_before_its_framework_s(stack, note, task, precision, expected) -> None:
    run = blank_run(stack=stack, note=note, task=task)
    assert found(run, precision) == expected
    constants = kernel_constants(run, stack_rule(stack, "", load()), precision, load())
    assert {name for name, value in constants.items() if value != 1} == expected


@pytest.mark.parametrize(
    ("stack", "note", "task", "placed"),
    [
        ("Unsloth 2025.9.1 + TRL", "", "lora", True),
        ("LLaMA-Factory (HF)", "", "lora", False),
        ("LLaMA-Factory", "use_unsloth=true", "qlora", True),
        ("LLaMA-Factory", "use_unsloth=false", "qlora", False),
        ("HF TRL SFTTrainer", "fused RMSNorm, RoPE (foak)", "qlora", True),
        ("HF TRL SFTTrainer", "fused RMSNorm, RoPE (foak)", "lora", False),
        ("axolotl", "lora_mlp_kernel: true", "lora", True),
        ("HF Trainer + Liger", "", "lora", False),
    ],
)
def test_adapters_are_added_in_place_by_the_kernels_that_are_named(stack, note, task, placed) -> None:
    """Over products as wide as their input: Unsloth's 5 + 5 passes, forward and backward, for PEFT's 18 + 10."""
    run = blank_run(stack=stack, note=note, task=task)
    found = row_constants(run, stack_rule(stack, "", load())).get("adapter_share", 1.0)
    assert found == (pytest.approx(10 / 28) if placed else 1.0)


def test_runs_of_users_say_which_kernels_they_had() -> None:
    """foundation-model-stack/fms-acceleration, refs: eager and foak; PEFT's own QLoRA upcasts, its fork's not."""
    rows = [run for run in user_runs() if run.group == "fms-accel-2025-02"]
    eager = [run for run in rows if EAGER in found(run)]
    upcast = [run for run in rows if UPCAST in found(run)]
    assert {"foak" in run.note for run in eager} == {False}
    assert {run.note.split("framework_config=")[1].split(";")[0] for run in upcast} == {"baseline-peft-bnb"}


def test_a_row_without_slow_kernels_has_the_constants_of_fused_ones() -> None:
    runs = [blank_run(id=name, model="llama-3-8b", accelerator="A100-80GB", devices=1.0, sequence_tokens=2048.0,
                      stack="HF Trainer", note=note) for name, note in (("a", "liger"), ("b", ""))]  # fmt: skip
    assert run_frame(runs, load()).stack.eager_scale[0] == 1.0


def test_narrow_products_are_transformer_engine_s_unless_a_file_says_so() -> None:
    stacks = load().stack_files
    assert {name for name in stacks if outside_transformer_engine(name, load())} == {
        "fsdp2",
        "hf-trainer",
        "pytorch-eager",
        "torchtune",
    }
    given = {
        "stack": "mine",
        "can_run": {"checked": "", "source": "s", "trains": ["language"], "trains_source": "s", "has": []},
    }
    with pytest.raises((ValueError, KeyError)):
        parse_stack({**given, "narrow_kernels": {"kind": "odd", "source": "chosen"}})
