"""What a row's layout means where it says little: pipelines, interleaving, local batches, remat lists, expert ranks."""

import math
from dataclasses import replace

import pytest

from steelyard.catalog import load
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.recomputation import KEPT_PRODUCTS, kept_share, recompute_number
from steelyard.evidence.frames.stacks import stack_rule
from steelyard.evidence.runs.reader import blank_run
from steelyard.job.models.architecture import architecture
from steelyard.job.models.presets import find_model

ROW = blank_run(id="row", model="llama-3-8b", accelerator="H100-80GB", devices=64.0, sequence_tokens=8192.0,
                precision="bf16", stack="torchtitan", date="2025-01", tp=1.0, pp=4.0, batch_samples=256.0,
                micro_batch=16.0, recompute="none", flash_attention="yes", optimizer="adamw", task="pretrain",
                step_time_s=6.0)  # fmt: skip


def laid(**changed):
    found = run_frame([replace(ROW, **changed)], load())
    assert not found.unpredicted, found.unpredicted
    return found.layout, found.assumed[0]


def test_a_pipelines_one_micro_batch_was_a_local_batch():
    """torchtitan: pipeline_parallel_microbatch_size is 1, local_batch_size is what people print."""
    layout, assumed = laid()
    assert (layout.micro_batch[0], layout.micro_batches[0]) == (1, 16)
    assert "micro-batch" in assumed
    other, _ = laid(stack="Megatron-LM")
    assert (other.micro_batch[0], other.micro_batches[0]) == (4, 4)


@pytest.mark.parametrize(
    "changed", [{"note": "GAS 1"}, {"note": "gradient accumulation 1"}, {"note": "pp4 with 1 micro-batch"}]
)
def test_a_stated_single_micro_batch_is_kept(changed):
    layout, assumed = laid(**changed)
    assert (layout.micro_batch[0], layout.micro_batches[0]) == (16, 1)
    assert "micro-batch" not in assumed


def test_a_split_batch_is_not_split_again():
    layout, _ = laid(micro_batch=4.0)
    assert (layout.micro_batch[0], layout.micro_batches[0]) == (4, 4)
    alone, _ = laid(pp=1.0, batch_samples=1024.0)
    assert (alone.micro_batch[0], alone.micro_batches[0]) == (16, 1)


@pytest.mark.parametrize(
    ("stack", "sharding"),
    [("torchtitan", ""), ("MaxText", ""), ("nanoGPT", ""), ("HF Trainer", ""), ("in-house", "fsdp")],
)
def test_a_blank_pipeline_is_one_where_the_stack_is_sharded_or_has_none(stack, sharding):
    layout, _ = laid(stack=stack, sharding=sharding, pp=math.nan, tp=math.nan, micro_batch=1.0)
    assert layout.pp[0] == 1


def test_a_pipeline_that_is_stated_stays_and_others_are_searched():
    assert laid()[0].pp[0] == 4
    found = run_frame(
        [
            replace(
                ROW, model="llama-3.1-405b", stack="Megatron-LM", devices=512.0, pp=math.nan, tp=8.0, micro_batch=1.0
            )
        ],
        load(),
    )
    assert found.layout.pp[0] > 1
    assert "layout" in found.assumed[0]


@pytest.mark.parametrize("stack", ["NeMo 25.04", "Megatron-Bridge 26.02", "Megatron-LM", "in-house"])
def test_blank_interleaving_is_one_chunk_a_stage(stack):
    layout, assumed = laid(stack=stack, micro_batch=1.0)
    assert layout.vpp[0] == 1
    assert "interleaving" in assumed
    stated, assumed = laid(stack=stack, micro_batch=1.0, vpp=2.0)
    assert stated.vpp[0] == 2
    assert "interleaving" not in assumed


@pytest.mark.parametrize(
    ("name", "date", "stack", "states"),
    [
        ("torchtitan in the NeMo container 25.02", "2025-03", "fsdp2", "mixed"),
        ("Megatron-Bridge (NeMo 26.02 container)", "2026-02", "megatron-core", "mixed"),
        ("nvcr.io/nvidia/nemo:25.02, torchtitan", "2025-03", "fsdp2", "mixed"),
        ("NeMo 25.02 container", "2025-03", "megatron-core", "mixed"),
        ("torchtune", "2025-03", "torchtune", "bf16"),
        ("torchtune (FSDP2)", "2025-03", "torchtune", "bf16"),
        ("TRL + FSDP", "2025-03", "hf-trainer", "open"),
        ("axolotl, DeepSpeed ZeRO-2", "2025-03", "deepspeed", "mixed"),
        ("accelerate FSDP", "2025-03", "hf-trainer", "open"),
        ("HF Trainer DDP", "2025-03", "hf-trainer", "open"),
        ("LitGPT + PyTorch/XLA FSDP", "2023-10", "litgpt", "bf16"),
        ("PyTorch Lightning", "2024-01", "pytorch-eager", "mixed"),
        ("neuronx-distributed", "2025-01", "neuronx-distributed", "mixed"),
    ],
)
def test_a_library_is_named_before_its_container_and_what_it_uses(name, date, stack, states):
    rule = stack_rule(name, date, load())
    assert (rule.stack, rule.states) == (stack, states)


def test_bridge_beside_nemo_takes_bridges_recipe():
    rules = [stack_rule(name, "2026-01", load()) for name in ("NVIDIA-NeMo/Megatron-Bridge", "NeMo 25.04")]
    assert [rule.recompute for rule in rules] == ["selective", ""]


@pytest.mark.parametrize(
    ("stack", "sharding"), [("TRL + FSDP", 3), ("HF Trainer, DeepSpeed ZeRO-2", 2), ("PyTorch DDP", 0)]
)
def test_a_frameworks_name_states_its_sharding(stack, sharding):
    layout, assumed = laid(stack=stack, pp=1.0, micro_batch=1.0)
    assert layout.zero[0] == sharding
    assert "sharding" not in assumed


def test_lists_of_kept_products_lie_between_none_and_full():
    """Llama-2-7B by hand: q, k, v 3 x 4096^2 and the output 4096^2 of 4 x 4096^2 + 3 x 4096 x 11008."""
    arch = architecture(find_model("llama-2-7b"))
    square, mlp = 4096**2, 3 * 4096 * 11008
    assert kept_share(arch, frozenset({"qkv"})) == pytest.approx(3 * square / (4 * square + mlp))
    assert kept_share(arch, KEPT_PRODUCTS["save_dot_except_mlpwi"]) == pytest.approx(
        (4 * square + mlp / 3) / (4 * square + mlp)
    )
    assert recompute_number("minimal", arch) == recompute_number("minimal_flash", arch) == 1
    assert recompute_number("custom", arch) == recompute_number("full", arch) == 2


@pytest.mark.parametrize(
    ("changed", "number", "assumed"),
    [
        ({"recompute": "selective", "note": "remat_policy minimal"}, 1, False),
        ({"recompute": "selective", "note": "remat_policy custom"}, 2, True),
        ({"recompute": "unknown", "note": "remat policy save_out_proj"}, 1.92, False),
        ({"recompute": "8 of 32 layers"}, 1.25, False),
        ({"recompute": "block 16"}, 1.5, False),
        ({"recompute": "layers 0-7"}, 1.25, False),
        ({"recompute": "selective op"}, 1.5, False),
        ({"recompute": "moe_act, layernorm"}, 1, True),  # which drop more than scores
        ({"recompute": "AC"}, 2, False),
        ({"recompute": "unknown", "note": "no activation checkpointing"}, 0, False),
        ({"recompute": "full", "note": "remat_policy n/a"}, 2, False),
    ],
)
def test_recomputation_is_as_its_policy_is_called(changed, number, assumed):
    layout, guesses = laid(stack="MaxText", pp=1.0, micro_batch=1.0, **changed)
    assert layout.recompute[0] == pytest.approx(number, abs=0.005)
    assert ("recompute" in guesses) == assumed


@pytest.mark.parametrize(
    ("note", "ranks"), [("TP 4, ETP 1", 1), ("etp=4", 4), ("expert tensor parallel size 2", 2), ("", 4)]
)
def test_expert_tensor_ranks_are_as_they_are_stated(note, ranks):
    found = run_frame(
        [replace(ROW, model="mixtral-8x7b", stack="Megatron-LM", tp=4.0, pp=1.0, ep=2.0, micro_batch=1.0, note=note)],
        load(),
    )
    assert found.layout.etp[0] == ranks
