"""What rows of runs say of how tensors were kept, read by the same table of words for every row."""

import math

import pytest

from steelyard.catalog import load
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.recipes import run_loss, run_recipe, run_states, trained_dropout
from steelyard.evidence.frames.stacks import stack_rule
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.runs.run import Run
from steelyard.job.kept.states import IN_16_BITS, MIXED, width_of_states

MISTRAL = {
    "model": "mistral-7b", "accelerator": "A100-80GB", "devices": 1.0, "precision": "bf16", "sequence_tokens": 4096.0,
    "tp": 1.0, "pp": 1.0, "dp": 1.0, "micro_batch": 4.0, "batch_samples": 4.0, "recompute": "full",
    "flash_attention": "yes", "sharding": "0",
}  # fmt: skip


def recipe(run: Run, gated: bool = True) -> dict[str, float]:
    """Return the entries that a row states."""
    found = run_recipe(run, stack_rule(run.stack, run.date, load()), 2.0, gated)
    values = {name: float(getattr(found, name)) for name in found.__dataclass_fields__}
    return {name: value for name, value in values.items() if not math.isnan(value)}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"note": "optimizer in backward"}, {"grad_life": 2.0, "step_copies": 0.0}),
        ({"note": "optimizer-in-bwd"}, {"grad_life": 2.0, "step_copies": 0.0}),
        ({"note": "fused AdamW"}, {"step_copies": 0.0}),
        ({"note": "AdamW torch foreach"}, {}),
        (
            {"note": "Liger kernels"},
            {"norm_copies": 0.0, "rotary_copies": 0.0, "activation_inputs": 0.0, "logit_bytes": 0},
        ),
        ({"note": "fused RMSNorm, RoPE"}, {"norm_copies": 0.0, "rotary_copies": 0.0}),
        ({"offload": "activations(cpu)"}, {"saved_on_host": 1.0, "kept_on_host": 1.0}),
        ({"note": "gradient checkpointing: unsloth"}, {"saved_on_host": 1.0}),
        ({"offload": "optimizer(cpu)+params(cpu)"}, {"weights_on_host": 1.0}),
        ({"task": "lora"}, {"weight_bytes": 0.0, "grad_bytes": 4.0, "step_copies": 0.0}),
        ({"stack": "NeMo 25.04"}, {"grad_bytes": 2.0}),
        ({"loss": "chunked"}, {"logit_bytes": 4.5}),
    ],
)
def test_words_of_a_row(given: dict[str, str], wanted: dict[str, float]) -> None:
    assert recipe(blank_run(**given)) == wanted


WHOLE, NORMS, NOTHING = {"base_upcast": 1.0, "frozen_bytes": 4.0}, {"base_upcast": 1.0}, {}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"stack": "HF Trainer + PEFT", "note": "norms and embeddings fp32 (prepare_model_for_kbit_training)"}, WHOLE),
        ({"stack": "HF Trainer + PEFT", "note": "GPTQ, prepare_model_for_kbit_training"}, NOTHING),
        ({"stack": "HF Trainer + PEFT", "note": "no upcasting of norms"}, NOTHING),
        ({"stack": "TRL SFTTrainer", "date": "2024-10"}, NORMS),  # peft_module_casting_to_bf16
        ({"stack": "TRL SFTTrainer", "date": "2024-10", "note": "load_in_8bit"}, WHOLE),
        ({"stack": "TRL SFTTrainer", "date": "2024-10", "precision": "fp16"}, WHOLE),
        ({"stack": "LLaMA-Factory"}, NOTHING),
        ({"stack": "LLaMA-Factory", "note": "upcast_layernorm: true"}, NORMS),
        ({"stack": "axolotl"}, NOTHING),
        ({"stack": "ms-swift"}, NOTHING),
        ({"stack": "unsloth"}, NOTHING),
        ({"stack": "torchtune"}, NOTHING),
    ],
)
def test_what_libraries_make_of_what_surrounds_a_quantised_base(given, wanted) -> None:
    """Each by its code: see the file of its stack."""
    found = recipe(blank_run(task="qlora", **given))
    assert {name: size for name, size in found.items() if name in WHOLE} == wanted


@pytest.mark.parametrize(
    ("stack", "date", "gated", "wanted"),
    [
        ("HF TRL (torch 2.4.1, transformers 4.48.1)", "2024-10", True, "upcast"),
        ("HF TRL (torch 2.4.1, transformers 4.45.2)", "2025-02", True, "upcast-in-model"),
        ("HF TRL", "2024-10", True, "upcast-in-model"),
        ("HF TRL", "2025-02", True, "upcast"),
        ("HF TRL", "2025-02", False, "shifted-16-bit"),
    ],
)
def test_losses_of_hugging_face_by_release_and_family(stack: str, date: str, gated: bool, wanted: str) -> None:
    run = blank_run(stack=stack, date=date, note="loss=logits materialised, fp32 upcast")
    found = run_loss(run, stack_rule(stack, date, load()), gated)
    assert found is not None
    assert found.name == wanted


def test_adapters_are_fp32_unless_everything_is_16_bits() -> None:
    rule = stack_rule("HF Trainer + PEFT", "", load())
    assert width_of_states(rule, "bf16", run_states(blank_run(task="lora")), adapted=True) == MIXED
    said = run_states(blank_run(task="lora", note="bf16-true: parameters and states"))
    assert width_of_states(rule, "bf16", said, adapted=True) == IN_16_BITS


def test_dropout_that_a_note_names_goes_before_that_of_the_stack() -> None:
    assert [trained_dropout(blank_run(note=note), 1.0) for note in ("dropout 0.0", "lora_dropout 0.1", "")] == [0, 1, 1]
    assert trained_dropout(blank_run(note="LoRA dropout 0.1"), 0.0) == 0


@pytest.mark.parametrize(
    ("note", "wanted"),
    [
        ("lora_dropout=0.05", 3.0), ("lora_dropout 0.05", 3.0), ("LoRA dropout 0.1", 3.0), ("lora_dropout: 5%", 3.0),
        ("lora_dropout=0", 0.0), ("no LoRA dropout", 0.0), ("dropout 0.1", None), ("", None),
    ],
)  # fmt: skip
def test_dropout_of_adapters_keeps_a_copy_and_a_mask_of_their_inputs(note: str, wanted: float | None) -> None:
    """huggingface/peft tuners/lora/layer.py: 2 bytes of what the first product reads, 1 byte of the mask."""
    assert recipe(blank_run(task="lora", stack="HF Trainer + PEFT", note=note)).get("adapter_bytes") == wanted


@pytest.mark.parametrize(
    ("note", "wanted"),
    [
        ("nf4 4-bit base", 0.5 + 1 / 16),  # arXiv 2305.14314, section 3
        ("nf4-dq", 0.5 + 0.127 / 8),
        ("GPTQ 4-bit base", 0.5 + 2.5 / 128),  # arXiv 2210.17323
    ],
)
def test_types_of_a_frozen_base(note: str, wanted: float) -> None:
    run = blank_run(**MISTRAL, task="qlora", stack="HF Trainer + PEFT", note=f"LoRA rank 16 on q_proj; {note}")
    found = run_frame([run], load())
    assert float(found.job.recipe.packed_bytes[0]) == pytest.approx(wanted)
