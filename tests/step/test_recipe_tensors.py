"""Exact facts of tensors beside states: losses, eager kernels, quantised bases, phases; each with its source."""

from dataclasses import replace

import numpy as np
import pytest
from tests.shapes import filled, gpt, layout, pretraining
from tests.step.facts import ROOM, bare, held
from tests.step.neutral import A, H, L, S, V, peak

from steelyard.job.job_spec import training_job
from steelyard.job.kept.recipes import loss_entries, partial_recipe
from steelyard.job.models.adapters import Adapters, frozen_bytes, linear_params
from steelyard.job.models.architecture import architecture
from steelyard.job.models.presets import find_model
from steelyard.job.optimizers import parse_optimizer
from steelyard.job.training import MatrixShape, parse_precision
from steelyard.step import memory, stage_job
from steelyard.step.states import weight_bytes
from steelyard.step.tensors.activations import unit_inputs_bytes
from steelyard.step.tensors.recipe import ENTRIES
from steelyard.strategies.losses import LOSSES
from steelyard.strategies.recipe_settings import QUANTISED_BYTES
from steelyard.tables import Job, Recipe
from steelyard.units import GIB_BYTES
from steelyard.workload import collapse, model

CLOSE = 0.02
MIB_BYTES = GIB_BYTES / 1024
BARE = gpt(L, H, A, V, dropout=0.0)
GATED = replace(BARE, ffn=3072.0, ffn_matrices=3.0, gelu=0.0, kv_heads=4.0)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("upcast", 14.0),  # transformers since 4.46: logits 2, fp32 copy 4, shift 4, log-softmax 4
        ("upcast-in-model", 12.0),  # transformers before: the 16-bit logits are forgotten
        ("shifted-16-bit", 8.0),  # GPTBigCode: the same without an upcast
        ("fp32-logits", 16.0),  # after preparation for k-bit training: 4 of 4
        ("triton", 8.0),  # fast cross-entropy: logits 2, fp32 copy 4, gradient 2
        ("chunked", 4.5),  # torchtune: logits 2, gradient 2, an eighth of 4
        ("fused-linear", 0.0),  # Liger-Kernel: never whole
        ("plain", 6.0),  # torch cross_entropy of bf16 logits: logits, log-softmax, gradient
    ],
)
def test_bytes_of_a_logit(name: str, wanted: float) -> None:
    job = pretraining(BARE, S, 8, recipe=partial_recipe(**loss_entries(LOSSES[name], 2.0)))
    assert peak(job, layout(job), logit_bytes=99.0).logits_bytes == pytest.approx(wanted * S * V)


def test_a_loss_in_the_type_of_its_logits_is_twice_as_wide_in_fp32() -> None:
    assert loss_entries(LOSSES["plain"], 4.0) == {"logit_bytes": 12.0}
    assert loss_entries(LOSSES["triton"], 4.0) == {"logit_bytes": 8.0}


def test_a_classifier_has_no_logits_of_a_vocabulary() -> None:
    """A head that reads one pooled vector makes as many outputs as classes, whatever the length."""
    pooled = replace(BARE, pooled=1.0, vocab=1000.0)
    job = pretraining(pooled, S, 8)
    assert peak(job, layout(job), logit_bytes=16.0).logits_bytes == 16 * 1000


def test_a_gathered_head_has_whole_logits_on_every_tensor_rank() -> None:
    job = pretraining(BARE, S, 8)
    for gathered, ranks in ((0.0, 4), (1.0, 1)):
        found = peak(job, layout(job, tp=4.0), logit_bytes=4.0, logits_gathered=gathered)
        assert found.logits_bytes == 4 * S * V / ranks
    mixed = peak(job, layout(job, tp=4.0), logit_bytes=4.0, logits_gathered=np.array([0.0, 1.0]))
    assert mixed.logits_bytes.tolist() == [4 * S * V / 4, 4 * S * V]


def blocks_kept(**entries: float) -> float:
    """Return the bytes that a token keeps in a gated block of 16 heads, 4 of keys and values."""
    job = pretraining(GATED, S, 8)
    found = peak(job, layout(job), **entries).activations_bytes
    return (float(found) / S - 4 * H) / L


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ("norm_copies", 2 * 4 * H),  # LlamaRMSNorm: an fp32 copy of the input of each of two norms
        ("activation_inputs", 2 * 3072),  # LlamaMLP: act_fn(gate) beside gate
        ("expanded_heads", 2 * 2 * (H - H / 4)),  # repeat_kv: keys and values of 16 heads for 4
        ("rotary_copies", 2 * (H + H / 4)),  # nanotron models/llama.py: queries and keys before rotation
    ],
)
def test_what_kernels_without_fusion_keep(entry: str, wanted: float) -> None:
    assert blocks_kept(**{entry: 1.0}) - blocks_kept() == pytest.approx(wanted)


def test_a_llama_block_of_nanotron_keeps_20_h_and_8_f() -> None:
    """huggingface/nanotron models/llama.py, unfused: 16 h + 6 f of fused kernels, 4 h of rotation, 2 f of SiLU."""
    llama = replace(BARE, ffn=3072.0, ffn_matrices=3.0, gelu=0.0)
    job = pretraining(llama, S, 8)
    found = float(held(job, bare("nanotron", gathered_inputs=0.0), recompute=0.0).activations_bytes)
    assert (found / S - 4 * H) / L == pytest.approx(20 * H + 8 * 3072)


@pytest.mark.parametrize(
    ("entries", "zero", "wanted"),
    [
        ({}, 0.0, 2.0),
        ({"stream_bytes": 4.0}, 0.0, 4.0),
        ({"saved_on_host": 1.0}, 0.0, 0.0),
        ({"base_upcast": 1.0}, 0.0, 2.0),  # nothing is quantised
        ({"base_upcast": 1.0, "packed_bytes": 0.5625}, 0.0, 4.0),
        ({"base_upcast": 1.0, "packed_bytes": 0.5625}, 3.0, 2.0),  # a FlatParameter has one type
    ],
)
def test_inputs_of_blocks_under_full_recomputation(entries: dict[str, float], zero: float, wanted: float) -> None:
    """2 bytes an element; 4 after prepare_model_for_kbit_training; none on the device where Unsloth moves them."""
    job = pretraining(BARE, S, 8)
    found = float(peak(job, layout(job, recompute=2.0, zero=zero), **entries).activations_bytes)
    assert found - 4 * S * H == pytest.approx(wanted * L * S * H)


def test_routed_tokens_are_scored_in_fp32() -> None:
    """torchtitan models/moe: 12 bytes of each element that goes to an expert, beside input and output."""
    experts = {
        "moe_layers": float(L),
        "moe_ffn": 512.0,
        "experts": 8.0,
        "top_k": 2.0,
        "routed_params": 8 * 2 * H * 512.0,
    }
    job = pretraining(gpt(L, H, A, V, dropout=0.0, attention_moe_layers=float(L), **experts), S, 8)
    one, more = (float(peak(job, layout(job), dispatch_bytes=size).activations_bytes) for size in (0.0, 12.0))
    assert more - one == L * S * 12 * 2 * H


def test_the_larger_of_loss_and_block_counts_never_their_sum() -> None:
    job = pretraining(BARE, S, 8)
    working = 2 * S * 10 * H
    for logits in (0.5 * working, 2 * working):
        found = peak(job, layout(job), transients=1.0, logit_bytes=logits / (S * V))
        assert found.allocated_bytes - found.activations_bytes - found.weights_bytes - found.gradients_bytes == (
            pytest.approx(float(found.optimizer_bytes) + max(working, logits))
        )


@pytest.mark.parametrize(
    ("laid", "grown"),
    [
        ({"recompute": 2.0, "zero": 3.0, "dp": 8.0}, 4 * S * H * L - (2 * S * H * L + 4 * S * H)),
        ({"recompute": 0.0, "zero": 3.0, "dp": 8.0}, 0.0),  # all that blocks keep is more, and is gone by then
        ({"recompute": 2.0, "zero": 2.0, "dp": 8.0}, 0.0),
        ({"recompute": 2.0, "zero": 3.0}, 0.0),  # one rank shards nothing with anybody
    ],
)
def test_inputs_and_their_gradients_stay_under_flat_parameters_of_adapters(
    laid: dict[str, float], grown: float
) -> None:
    """At the end of the backward pass 4 bytes an element and block; at its start 2, and the head's two inputs."""
    job = pretraining(BARE, S, 8, trainable_share=0.01)
    one, more = (float(peak(job, layout(job, **laid), input_gradients=share).allocated_bytes) for share in (0.0, 1.0))
    assert more - one == grown


@pytest.mark.parametrize("recompute", [0.0, 1.0, 2.0])
def test_inputs_of_units_are_the_same_tensors_whatever_runs_again(recompute: float) -> None:
    job = pretraining(BARE, S, 8, trainable_share=0.01)
    staged = stage_job(job, layout(job, recompute=recompute, zero=3.0, dp=2.0))
    recipe = filled(Recipe, input_gradients=1.0)
    found = unit_inputs_bytes(job, staged.layout, recipe, staged.by, staged.stages[0].blocks)
    assert found == 4 * S * H * L


# --- Quantised bases -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "packed_mib", "scales_mib", "unquantised_mib"),
    [
        ("tinyllama-1.1b", 462.0, 57.76, 534.73),
        ("qwen2.5-7b", 3111.5, 388.95, 4197.77),
        ("llama-3.2-1b", 464.0, 58.01, 1015.26),
    ],
)
def test_nf4_weights_as_measured_on_a_t4(
    name: str, packed_mib: float, scales_mib: float, unquantised_mib: float
) -> None:
    """Anassbzdd/fitcheck, t4-qlora-2026-09-01.json: packed weights, scales, what is fp32 with rank-32 adapters."""
    spec = find_model(name)
    linear = linear_params(spec)
    assert linear / 2 / MIB_BYTES == pytest.approx(packed_mib, rel=CLOSE)
    assert linear * (QUANTISED_BYTES["nf4"] - 0.5) / MIB_BYTES == pytest.approx(scales_mib, rel=CLOSE)
    total = architecture(spec).total_params
    adapters = Adapters(spec, 32, ("attention",), "nf4")
    assert (total - linear + adapters.params) * 4 / MIB_BYTES == pytest.approx(unquantised_mib, rel=CLOSE)
    entries = {"packed_bytes": adapters.packed_bytes, "frozen_bytes": 4.0}
    job = replace(pretraining(BARE, S, 8), trainable_share=0.0, frozen_bytes=adapters.frozen_bytes(2.0))
    frozen = weight_bytes(job, Recipe(**dict.fromkeys(ENTRIES, 0.0) | entries))
    mean = (float(frozen) * total + 4 * adapters.params) / MIB_BYTES
    assert mean == pytest.approx(packed_mib + scales_mib + unquantised_mib, rel=CLOSE)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("nf4", 0.5 + 1 / 16),  # Dettmers et al. 2023, arXiv 2305.14314, section 3: an fp32 constant for 64 parameters
        ("nf4-dq", 0.5 + 0.127 / 8),  # the same section: 0.127 bits a parameter
        ("int4-g128", 0.5 + 2.5 / 128),  # GPTQ: a 16-bit scale and a 4-bit zero for 128 parameters
        ("int8", 1.0),
    ],
)
def test_bytes_of_a_quantised_parameter(kind: str, wanted: float) -> None:
    assert QUANTISED_BYTES[kind] == pytest.approx(wanted)
    spec = find_model("mistral-7b")
    linear, total = linear_params(spec), architecture(spec).total_params
    assert frozen_bytes(spec, kind, 2.0) * total == pytest.approx(linear * wanted + (total - linear) * 2)


# --- Whole peaks of Hugging Face's trainer on A100-80GB, allocated -------------------------------------------------


def tuned(name: str, task: str, tokens: float, **entries: float) -> Job:
    """Return full fine-tuning in pure bf16, or LoRA of rank 16 on attention, of sequences of so many tokens."""
    spec = find_model(name)
    numbers = architecture(spec)
    precision = parse_precision("bf16")
    precision = precision.without_master() if task == "full" else precision
    adapters = Adapters(spec, 16, ("attention",)) if task == "lora" else None
    fp32 = {"weight_bytes": 0.0, "grad_bytes": 4.0} if task == "lora" else {}
    return training_job(
        collapse(model(numbers, tokens, 0), 2.0),
        MatrixShape.of_transformer(numbers),
        precision,
        parse_optimizer("adamw"),
        adapters,
        partial_recipe(**(fp32 | entries)),
        samples=1e3,
        batch_samples=4.0,
    )


@pytest.mark.parametrize(
    ("task", "batch", "loss", "wanted_gb"),
    [
        ("full", 4.0, "upcast", 72.44),  # 10 bytes of 7.24e9 parameters: AdamW foreach, whatever the batch
        ("full", 8.0, "upcast", 72.44),
        ("lora", 4.0, "upcast", 26.70),
        ("lora", 8.0, "upcast", 38.74),
    ],
)
def test_mistral_7b_on_one_a100(task: str, batch: float, loss: str, wanted_gb: float) -> None:
    """foundation-model-stack/fms-acceleration@876e2ed, refs/a100_80gb.csv: framework none, sequences of 4,096."""
    job = tuned("mistral-7b", task, 4096.0, **loss_entries(LOSSES[loss], 2.0))
    job = replace(job, batch_samples=batch)
    laid = layout(job, micro_batch=batch, recompute=2.0)
    found = memory(stage_job(job, laid), ROOM, bare("hf-trainer")).allocated_bytes
    assert float(found) == pytest.approx(wanted_gb * 1e9, rel=CLOSE)


@pytest.mark.parametrize(("task", "batch", "wanted_gb"), [("full", 2.0, 36.23), ("full", 4.0, 36.23)])
def test_mistral_7b_sharded_over_two_a100(task: str, batch: float, wanted_gb: float) -> None:
    """The same file, two devices under FSDP: 10 bytes of half of the parameters."""
    job = replace(tuned("mistral-7b", task, 4096.0), batch_samples=2 * batch)
    laid = layout(job, micro_batch=batch, recompute=2.0, dp=2.0, zero=3.0)
    found = memory(stage_job(job, laid), ROOM, bare("hf-trainer")).allocated_bytes
    assert float(found) == pytest.approx(wanted_gb * 1e9, rel=CLOSE)
