"""Measured peaks with complete inputs, and jobs that people reported to fit or not to fit."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.shapes import filled, layout, pretraining

from steelyard.catalog import load, stack
from steelyard.job import job_table, read_job
from steelyard.job.kept.recipes import partial_recipe
from steelyard.job.models.architecture import architecture
from steelyard.job.models.presets import find_model
from steelyard.step import memory, stage_job
from steelyard.strategies.losses import LOSSES
from steelyard.tables import Machine, StepMemory
from steelyard.units import GB_BYTES, GIB_BYTES

NO_MACHINE = filled(Machine, memory_bytes=1e60, context_bytes=math.nan)
MEGATRON = replace(stack("megatron-core"), logit_bytes=LOSSES["fused"].logit_bytes)


def log_sd(name: str) -> float:
    rows = load().stacks
    return rows.get((name, "any", "reserved_scale"), rows["any", "any", "reserved_scale"]).log_sd


@pytest.mark.parametrize(
    ("tp", "pp", "dp", "allocated_gb", "reserved_gib"),
    [(1, 2, 4, 71.46, 70.88), (2, 1, 4, 65.15, 62.53), (4, 1, 2, 41.95, 40.18), (8, 1, 1, 30.38, 29.12)],
)
def test_llama_3_70b_of_12_layers_on_b200(tp, pp, dp, allocated_gb, reserved_gib):
    """MooreThreads/SimuMax@4dcaae5, docs/b200/b200_release_v1.2_summary.json: worst rank of 8 devices."""
    job = pretraining(architecture(replace(find_model("llama-3-70b"), layers=12)), 4096, 16 * dp)
    laid = layout(job, tp=float(tp), pp=float(pp), dp=float(dp), zero=1.0)
    peak = memory(stage_job(job, laid), NO_MACHINE, MEGATRON)
    assert peak.allocated_bytes == pytest.approx(allocated_gb * GB_BYTES, rel=0.03)
    assert peak.reserved_bytes == pytest.approx(reserved_gib * GIB_BYTES, rel=0.06)


@pytest.mark.parametrize(("pp", "ep", "dp", "allocated_gb"), [(1, 8, 8, 48.99), (2, 4, 4, 48.00)])
def test_deepseek_v2_of_4_layers_on_b200(pp, ep, dp, allocated_gb):
    """The same source: MLA, 160 experts on 8 and 4 devices, one leading dense block."""
    job = pretraining(architecture(replace(find_model("deepseek-v2"), layers=4)), 4096, 4 * dp)
    laid = layout(job, pp=float(pp), ep=float(ep), dp=float(dp), zero=1.0)
    peak = memory(stage_job(job, laid), NO_MACHINE, MEGATRON)
    assert peak.allocated_bytes == pytest.approx(allocated_gb * GB_BYTES, rel=0.04)


def test_llama_2_7b_with_two_stages():
    """NVIDIA/Megatron-LM#482: 69.1 GB on rank 0, micro-batch 2, PP 2, DP 8; sequence of 4096 taken from the model."""
    job = pretraining(architecture(find_model("llama-2-7b")), 4096, 2048)
    peak = memory(
        stage_job(job, layout(job, pp=2.0, dp=8.0, micro_batch=2.0, zero=1.0)), NO_MACHINE, stack("megatron-core")
    )
    assert peak.device_bytes == pytest.approx(69.1 * GB_BYTES, rel=0.08)


@pytest.mark.parametrize(
    ("sequence", "lora", "fused", "measured_gib"),
    [(16384, 1, 1, 10.26), (65536, 1, 1, 28.85), (16384, 0, 1, 17.1), (65536, 0, 1, 36.1), (16384, 0, 0, 54.63)],
)
def test_qwen3_4b_sharded_over_8_h200(sequence, lora, fused, measured_gib):
    """PrimeIntellect-ai/prime-rl@559b44772, benchmarks/baselines: reserved, FSDP2, full recompute; RL or SFT loss."""
    loss = {"logit_bytes": LOSSES["fused-linear"].logit_bytes} if fused else {}
    share = {"trainable_share": 0.008, "frozen_bytes": 2.0} if lora else {}
    job = pretraining(architecture(find_model("qwen3-4b")), sequence, 16, **share, recipe=partial_recipe(**loss))
    laid = layout(job, dp=8.0, zero=3.0, recompute=2.0)
    peak = memory(stage_job(job, laid), NO_MACHINE, stack("fsdp2"))
    assert peak.reserved_bytes == pytest.approx(measured_gib * GIB_BYTES, rel=0.15)


def low_and_high(peak: StepMemory, name: str) -> tuple[float, float]:
    half = np.exp(1.645 * log_sd(name))
    return float(peak.device_bytes) / half, float(peak.device_bytes) * half


def test_70b_does_not_fit_8_a100():
    """axolotl#1439: full fine-tuning of 70B on 8 x A100-80GB runs out of memory."""
    job = pretraining(architecture(find_model("llama-2-70b")), 4096, 8)
    peak = memory(stage_job(job, layout(job, dp=8.0, zero=3.0, recompute=2.0)), NO_MACHINE, stack("fsdp2"))
    assert low_and_high(peak, "fsdp2")[0] > 80 * GIB_BYTES


def test_8b_lora_fits_one_a100():
    """torchtune#979: LoRA of Llama-3-8B at 8k tokens fits one A100-80GB."""
    job = pretraining(architecture(find_model("llama-3-8b")), 8192, 1, trainable_share=0.003, frozen_bytes=2.0)
    peak = memory(stage_job(job, layout(job, recompute=2.0)), NO_MACHINE, stack("fsdp2"))
    assert low_and_high(peak, "fsdp2")[1] < 80 * GIB_BYTES


@pytest.mark.parametrize("name", ["fsdp2", "torchtune"])
def test_a_frozen_base_on_one_device_is_there_once_in_16_bits(name: str):
    """pytorch/torchtune recipes: dtype bf16 makes the frozen base; on one device nothing is gathered."""
    job = pretraining(architecture(find_model("llama-3-8b")), 2048, 1, trainable_share=0.003, frozen_bytes=2.0)
    peak = memory(stage_job(job, layout(job, recompute=2.0)), NO_MACHINE, stack(name))
    assert peak.weights_bytes == pytest.approx(2 * 8.03e9, rel=0.01)
    assert peak.buffers_bytes < 0.3 * GIB_BYTES


def test_a_trainer_that_loads_fp32_keeps_its_frozen_base_so():
    """prime-rl src/prime_rl/trainer/model.py: from_pretrained without a dtype, cast by fully_shard."""
    spec = read_job("llama-3-8b", tokens="10M", task="lora", stack="prime-rl")
    assert job_table(spec).recipe.frozen_bytes == 4
    assert np.isnan(job_table(read_job("llama-3-8b", tokens="10M", task="lora", stack="fsdp2")).recipe.frozen_bytes)


def test_every_stack_has_all_memory_constants_and_a_spread():
    rows = load().stacks
    for name in {entity for entity, _, quantity in rows if quantity == "grad_bytes"}:
        assert 0.03 < log_sd(name) < 0.5
        assert stack(name).reserved_scale >= 1
        assert stack(name).grad_bytes >= 2
