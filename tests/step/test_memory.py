"""Peak memory against what papers print: activations, ZeRO states, distributed optimizer, quantised fine-tuning."""

from dataclasses import replace

import numpy as np
import pytest
from tests.shapes import filled, gpt, layout, pretraining

from steelyard.step import memory, stage_job
from steelyard.step.divisors import divisors
from steelyard.step.states import RankParams, states
from steelyard.step.tensors.activations import block_bytes, block_score_bytes
from steelyard.strategies.partition import given_partition
from steelyard.tables import Job, Machine, Stack

NO_MACHINE = filled(Machine, memory_bytes=1e60)
PLAIN = filled(
    Stack,
    weight_bytes=2.0,
    grad_bytes=2.0,
    grad_sharded_from=2.0,
    selective_scale=1.0,
    score_copies=1.0,
    gathered_inputs=0.0,
    adapter_bytes=0.0,
    transients=1.0,
    logit_bytes=4.0,
    reserved_scale=1.0,
)
GPT3 = gpt(96, 12288, 96)
MT_NLG = gpt(105, 20480, 128)


def block(job: Job, **degrees: float) -> tuple[float, float]:
    """Bytes of a block and of its scores for each token and each unit of the hidden width."""
    laid = layout(job, **({"flash": 0.0} | degrees))
    by, one, hidden = divisors(laid), job.workload.blocks[0], job.workload.hidden
    return float(block_bytes(one, by)) / hidden, float(block_score_bytes(one, by, laid.flash)) / hidden


@pytest.mark.parametrize(("model", "printed"), [(GPT3, 80.0), (MT_NLG, 64.0)])
def test_scores_of_korthikanti_section_5(model, printed):
    """2205.05198, section 5: 5as/h is 80 for GPT-3 and 64 for MT-NLG; recomputing it saves 70 % and 65 %."""
    rest, scores = block(pretraining(model, 2048, 8))
    assert rest == 34
    assert scores == printed
    assert scores / (rest + scores) == pytest.approx({80.0: 0.70, 64.0: 0.65}[printed], abs=0.005)


def test_table_2_of_korthikanti():
    job, t = pretraining(GPT3, 2048, 8), 8.0
    scores = 5 * 96 * 2048 / 12288
    assert sum(block(job, tp=t, sp=0.0)) == pytest.approx(10 + 24 / t + scores / t)
    assert sum(block(job, tp=t, sp=1.0)) == pytest.approx((34 + scores) / t)
    assert block(job, tp=t, sp=1.0, flash=1.0) == pytest.approx((34 / t, 0.0))


@pytest.mark.parametrize(("recompute", "factor"), [(0.0, 34 + 5 * 64 * 2048 / 6144), (1.0, 34.0), (2.0, 2.0)])
def test_whole_model_of_korthikanti(recompute, factor):
    """2205.05198, equation 5 and section 4.3: L layers, the embedding's mask, 4sbh(1 + v/h) at the end; 22B, t = 8."""
    job = pretraining(gpt(48, 6144, 64), 2048, 4)
    laid = layout(job, tp=8.0, micro_batch=4.0, flash=0.0, recompute=recompute)
    peak = memory(stage_job(job, laid), NO_MACHINE, replace(PLAIN, transients=0.0))
    row = 2048 * 4 * 6144 / 8
    assert peak.activations_bytes + peak.logits_bytes == pytest.approx(row * (48 * factor + 1 + 4 * (1 + 51200 / 6144)))


@pytest.mark.parametrize(("vpp", "factor"), [(1.0, 1.0), (3.0, 1 + 7 / (8 * 3))])
def test_first_stage_holds_all_layers(vpp, factor):
    """2205.05198, section 4.2.3: p micro-batches of L/p layers, (1 + (p-1)/(pv)) as many when interleaved."""
    model = gpt(96, 12288, 96, vocab=1.0, dropout=0.0)
    job = pretraining(model, 2048, 64)
    peak = memory(stage_job(job, layout(job, tp=8.0, pp=8.0, vpp=vpp, flash=1.0)), NO_MACHINE, PLAIN)
    assert peak.activations_bytes == pytest.approx(2048 * 12288 * 32 / 8 * 96 * factor)


def test_zero_figure_1():
    """1910.02054, figure 1: 7.5B parameters on 64 devices take 120, 31.4, 16.6 and 1.9 GB (K = 12)."""
    job = pretraining(GPT3, 2048, 64)
    params = RankParams(7.5e9, 7.5e9 / 64)
    found = []
    for zero in (0.0, 1.0, 2.0, 3.0):
        held = states(job, layout(job, dp=64.0, zero=zero), PLAIN, params)
        found.append((held.weights_bytes + held.gradients_bytes + held.optimizer_bytes) / 1e9)
    assert found == pytest.approx([120, 31.4, 16.6, 1.9], abs=0.05)


@pytest.mark.parametrize(("data_parallel", "per_param"), [(1.0, 18.0), (8.0, 7.5), (64.0, 6 + 12 / 64)])
def test_megatron_distributed_optimizer(data_parallel, per_param):
    """Megatron-LM docs, dist_optimizer: 6 + 12/d bytes a parameter in bf16 with fp32 gradients."""
    job = pretraining(GPT3, 2048, 64)
    megatron = replace(PLAIN, grad_bytes=4.0, grad_sharded_from=4.0)
    held = states(job, layout(job, dp=data_parallel, zero=1.0), megatron, RankParams(1.0, 1 / data_parallel))
    assert held.weights_bytes + held.gradients_bytes + held.optimizer_bytes == pytest.approx(per_param)


def test_fine_tuning_65b():
    """2305.14314, abstract: 16-bit fine-tuning of 65B takes more than 780 GB, 4-bit weights with adapters below 48."""
    whole = pretraining(GPT3, 2048, 1, master_bytes=0.0)
    params = RankParams(65e9, 65e9)
    full = states(whole, layout(whole), PLAIN, params)
    assert full.weights_bytes + full.gradients_bytes + full.optimizer_bytes == pytest.approx(780e9)
    adapters = replace(whole, trainable_share=0.002, frozen_bytes=0.5 + 0.127 / 8)
    small = states(adapters, layout(adapters), PLAIN, params)
    assert 30e9 < small.weights_bytes + small.gradients_bytes + small.optimizer_bytes < 48e9


def test_offload_keeps_states_on_the_host():
    job = pretraining(GPT3, 2048, 64)
    laid = layout(job, dp=8.0, zero=2.0, offload=1.0)
    held = states(job, laid, PLAIN, RankParams(8.0, 1.0))
    assert (held.weights_bytes, held.gradients_bytes, held.optimizer_bytes) == (16.0, 0.0, 0.0)


def test_logits_never_meet_the_first_stage():
    """With a pipeline the heaviest rank has the activations in flight or the logits, never both."""
    job = pretraining(gpt(16, 2048, 16, vocab=131072.0), 4096, 64)
    laid = layout(job, pp=4.0, micro_batch=4.0)
    none = memory(stage_job(job, laid), NO_MACHINE, replace(PLAIN, logit_bytes=0.0))
    vast = memory(stage_job(job, laid), NO_MACHINE, replace(PLAIN, logit_bytes=40.0))
    assert none.logits_bytes == 0
    assert vast.logits_bytes == 40 * 131072 * 4096 * 4
    assert vast.activations_bytes < none.activations_bytes / 3


def test_leading_dense_blocks_leave_the_experts_to_later_stages():
    """Three dense blocks of DeepSeek-V3 lie on the first stage; the next one holds experts in each of its blocks."""
    sparse = {"experts": 256.0, "top_k": 8.0, "moe_ffn": 2048.0, "routed_params": 11.3e9, "mlp_params": 4e8}
    model = gpt(61, 7168, 128, moe_layers=58.0, embedding_params=9e8, head_params=9e8, vocab=129280.0, **sparse)
    job = pretraining(model, 4096, 2048)
    peak = memory(stage_job(job, layout(job, pp=16.0, ep=64.0, dp=128.0)), NO_MACHINE, PLAIN)
    routed = 4 * 11.3e9 / 64 * 2
    assert routed < peak.weights_bytes < 1.5 * routed + 2 * 4 * 4 * 7168**2


@pytest.mark.parametrize(("layers", "sizes", "expected"), [(10, (), 2), (12, (), 3), (16, (5, 5, 5, 1), 1)])
def test_blocks_of_the_last_stage(layers, sizes, expected):
    """An even partition leaves it one block short at most; one by hand as many as it says."""
    model = gpt(layers, 1024, 16, vocab=5e6, embedding_params=0.0, head_params=1.0, dropout=0.0)
    job = pretraining(model, 1024, 64)
    laid = layout(job, pp=4.0, partition=float(given_partition(sizes) if sizes else 0))
    peak = memory(stage_job(job, laid), NO_MACHINE, PLAIN)
    assert peak.logits_bytes > 0
    assert peak.weights_bytes == pytest.approx(2 * (expected * 12 * 1024**2 + 1))


def test_zero_3_gathers_the_larger_of_block_and_embedding():
    small = pretraining(gpt(4, 1024, 16, vocab=5e5), 128, 8)
    large = pretraining(gpt(4, 8192, 64, vocab=1000.0), 128, 8)
    stack = replace(PLAIN, gathered_units=2.0, transients=0.0, logit_bytes=0.0)
    for job, unit in ((small, 5e5 * 1024), (large, 12 * 8192**2)):
        peak = memory(stage_job(job, layout(job, dp=8.0, zero=3.0)), NO_MACHINE, stack)
        assert peak.buffers_bytes == pytest.approx(2 * (2 + 1) * unit)
        assert memory(stage_job(job, layout(job, zero=3.0)), NO_MACHINE, stack).buffers_bytes == 0


def test_gathered_inputs_are_not_divided_by_tensor_parallelism():
    """2205.05198, section 4.2.2: kept whole, two inputs of 2h bytes a token and block stay; in a pipeline none do."""
    job, keeping = pretraining(GPT3, 2048, 8), replace(PLAIN, gathered_inputs=1.0, transients=0.0)
    extra = {
        pp: [
            float(
                memory(
                    stage_job(job, layout(job, tp=8.0, pp=pp, sp=1.0, recompute=depth)), NO_MACHINE, stack
                ).activations_bytes
            )
            for depth in (0.0, 2.0)
            for stack in (keeping, replace(keeping, gathered_inputs=0.0))
        ]
        for pp in (1.0, 2.0)
    }
    with_them, without, full_with, full_without = extra[1.0]
    assert with_them - without == pytest.approx(96 * 2048 * 4 * 12288 * (1 - 1 / 8))
    assert full_with == full_without
    assert extra[2.0][0] == extra[2.0][1]


def test_adapters_with_dropout_keep_their_inputs_once_more():
    """LitGPT, lora_dropout: a 16-bit copy and a mask of one byte of every adapted input, in every block."""
    tuned = pretraining(GPT3, 2048, 8, trainable_share=0.001, adapted_inputs=2.0 * 12288)
    laid = layout(tuned)
    peaks = [
        float(memory(stage_job(tuned, laid), NO_MACHINE, replace(PLAIN, adapter_bytes=size)).activations_bytes)
        for size in (0.0, 3.0)
    ]
    assert peaks[1] - peaks[0] == pytest.approx(96 * 2048 * 3 * 2 * 12288)


def test_phases_other_than_training():
    job = pretraining(gpt(4, 1024, 16, dropout=0.0), 8, 1, trainable_share=0.01)
    params = 4 * 12 * 1024**2 + 51200 * 1024
    laid = layout(job, dp=2.0, zero=3.0)
    idle = memory(stage_job(job, laid), NO_MACHINE, PLAIN).allocated_bytes
    loading = memory(stage_job(job, laid), NO_MACHINE, replace(PLAIN, load_bytes=2.0)).allocated_bytes
    assert loading == pytest.approx(params + 2 * params, rel=0.02)  # its shard and all of it
    assert idle < loading / 1.9
    whole = replace(job, trainable_share=1.0)
    stepping = memory(stage_job(whole, layout(whole)), NO_MACHINE, replace(PLAIN, step_copies=1.0)).allocated_bytes
    assert stepping == pytest.approx(20 * params)


def test_uncertain_constants_are_a_leading_axis():
    job = pretraining(GPT3, 2048, 64)
    draws = replace(PLAIN, reserved_scale=np.array([[0.9], [1.0], [1.2]]))
    peak = memory(stage_job(job, layout(job, micro_batch=np.array([1.0, 2.0]), micro_batches=8.0)), NO_MACHINE, draws)
    assert np.shape(peak.device_bytes) == (3, 2)
    assert np.all(np.diff(peak.device_bytes, axis=0) > 0)
