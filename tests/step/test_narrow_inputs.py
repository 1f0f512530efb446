"""What 8-bit products keep: inputs as narrow as these had them, and weights that are gathered so."""

from dataclasses import replace

import pytest
from tests.shapes import filled, gpt, layout, pretraining
from tests.step.neutral import EXPERTS, FREE, A, H, L, S, V
from tests.step.test_activation_terms import BARE, kept

from steelyard import catalog
from steelyard.step import memory, stage_job
from steelyard.tables import Machine, StepMemory

SAVED = {"narrow_inputs": 1.0}


def test_a_block_keeps_29_bytes_of_an_element_in_place_of_34() -> None:
    """2205.05198, section 4.1: of 34 sbh without masks 32; each input of 4h and both of h lose a byte, attention's
    output, which its own backward pass needs in 16 bits, is there once more in 8."""
    assert kept(BARE) == 32 * H
    assert kept(BARE, {}, SAVED, gemm_bytes=1.0) == (32 - 4 - 2 + 1) * H
    assert kept(BARE, {}, SAVED) == 32 * H  # 16-bit products
    assert kept(BARE, {}, {"narrow_inputs": 0.0}, gemm_bytes=1.0) == 32 * H  # cast again (torchao)


def test_inputs_of_4_bits_are_half_as_wide_again() -> None:
    assert kept(BARE, {}, SAVED, gemm_bytes=0.5) == pytest.approx((32 - 1.5 * (4 + 2) + 0.5) * H)


def test_a_gated_mlp_keeps_gate_and_up_and_narrows_their_product() -> None:
    gated = gpt(L, H, A, V, dropout=0.0, ffn=3000.0, ffn_matrices=3.0)
    assert kept(gated) - kept(gated, {}, SAVED, gemm_bytes=1.0) == 3000 + 2 * H - H


def test_what_is_compressed_is_narrow_behind_its_norm() -> None:
    latent = {"mla": 1.0, "q_lora": 1536.0, "kv_lora": 512.0, "rope_dim": 64.0}
    model = replace(BARE, **latent, heads=128.0, head_dim=192.0, v_head_dim=128.0)
    assert kept(model) - kept(model, {}, SAVED, gemm_bytes=1.0) == 4 * H + 2 * H + 1536 + 512 - 128 * 128


def test_experts_have_narrow_copies_and_the_router_its_wide_input() -> None:
    model = gpt(L, H, A, V, dropout=0.0, **EXPERTS)  # two experts of 512 a token
    assert kept(model) - kept(model, {}, SAVED, gemm_bytes=1.0) == 2 * (H + 512) + H - H
    shared = replace(model, shared_ffn=256.0)
    assert kept(shared) - kept(shared, {}, SAVED, gemm_bytes=1.0) == 2 * (H + 512) + H - H + 256 - H


def test_they_are_divided_as_what_they_are_made_of() -> None:
    laid = {"tp": 4.0, "sp": 0.0}
    assert kept(BARE, laid) - kept(BARE, laid, SAVED, gemm_bytes=1.0) == 2 * H + (4 * H - H) / 4
    laid = {"tp": 4.0, "sp": 1.0}
    assert kept(BARE, laid) - kept(BARE, laid, SAVED, gemm_bytes=1.0) == (2 * H + 4 * H - H) / 4


def test_full_recomputation_keeps_the_input_of_a_block_as_wide_as_before() -> None:
    laid = {"recompute": 2.0}
    assert kept(BARE, laid) == kept(BARE, laid, SAVED, gemm_bytes=1.0) == 2 * H


def held(name: str, gemm_bytes: float, precision: str, **laid: float) -> StepMemory:
    job = pretraining(gpt(8, 4096, 32, 32_000, dropout=0.0), S, 8, gemm_bytes=gemm_bytes)
    staged = stage_job(job, layout(job, micro_batch=1.0, **laid))
    return memory(staged, filled(Machine, memory_bytes=FREE), catalog.stack(name, precision=precision))


def test_fp8_keeps_less_than_bf16_under_transformer_engine_and_as_much_under_torchao() -> None:
    for name, less in (("megatron-core", 8 * S * (4 + 2 - 1) * 4096), ("fsdp2", 0)):
        wide, narrow = held(name, 2.0, "bf16"), held(name, 1.0, "fp8")
        assert wide.activations_bytes - narrow.activations_bytes == pytest.approx(less), name
    copies = held("megatron-core", 1.0, "fp8").weights_bytes - held("megatron-core", 2.0, "bf16").weights_bytes
    assert copies == pytest.approx(2 * gpt(8, 4096, 32, 32_000).total_params)  # rowwise and columnwise


def test_weights_that_are_gathered_in_8_bits_take_half_of_the_room() -> None:
    """torchtitan docs/float8.md, enable_fsdp_float8_all_gather: two blocks of 12h² at a byte less; gradients stay."""
    laid = {"dp": 8.0, "zero": 3.0, "shard_devices": 8.0}
    wide, narrow = held("fsdp2", 2.0, "bf16", **laid), held("fsdp2", 1.0, "fp8", **laid)
    units = float(catalog.stack("fsdp2").gathered_units)
    assert wide.buffers_bytes - narrow.buffers_bytes == pytest.approx(units * 12 * 4096**2, rel=1e-2)
    assert wide.weights_bytes == narrow.weights_bytes
