"""Bytes of activations by themselves, as papers count them, nothing else being held."""

from dataclasses import replace
from typing import Any

import pytest
from tests.shapes import filled, gpt, layout, pretraining
from tests.step.neutral import EXPERTS, FREE, A, H, L, S, V, peak

from steelyard.job.kept.recipes import partial_recipe
from steelyard.step import memory, stage_job
from steelyard.strategies.losses import LOSSES
from steelyard.tables import Machine, Stack

BARE = gpt(L, H, A, V, dropout=0.0)


def kept(
    model: Any, laid: dict[str, float] | None = None, stack: dict[str, float] | None = None, **job: float
) -> float:
    """Return the bytes that a token keeps in a block, the head's two inputs apart."""
    made = pretraining(model, S, 8, **job)
    placed = layout(made, **({"micro_batch": 1.0} | (laid or {})))
    head = 2 * 2 * model.hidden / (placed.tp if placed.sp else 1)
    tokens = placed.micro_batch * S / placed.cp
    return (float(peak(made, placed, **(stack or {})).activations_bytes) / tokens - head) / model.layers


# --- Activations: Korthikanti et al. 2022, arXiv 2205.05198 --------------------------------------------------------


def test_grouped_queries_keep_fewer_keys_and_values() -> None:
    """Section 4.1, of 16-bit elements: 4 inputs of h, queries and output of 16 heads, 4 keys and values, 2 of 4h."""
    model = replace(BARE, kv_heads=4.0, head_dim=96.0, v_head_dim=32.0)
    assert kept(model) == 2 * (4 * H + 16 * 96 + 4 * (96 + 32) + 16 * 32 + 2 * 4 * H)


def test_latent_attention_keeps_every_head_and_its_compressed_vectors_twice() -> None:
    """DeepSeek-V2, arXiv 2405.04434: queries of 1536, keys and values of 512, rotary of 64; 128 heads of 192, 128."""
    latent = {"mla": 1.0, "q_lora": 1536.0, "kv_lora": 512.0, "rope_dim": 64.0}
    model = gpt(2, 5120, 128, V, dropout=0.0, head_dim=192.0, v_head_dim=128.0, kv_heads=1.0, **latent)
    assert kept(model) == 2 * (4 * 5120 + 2 * 128 * (192 + 128) + 2 * (1536 + 512) + 64 + 8 * 5120)


def test_a_gated_mlp_keeps_gate_up_and_their_product() -> None:
    assert kept(replace(BARE, ffn=3000.0, ffn_matrices=3.0)) == 2 * (4 * H + 4 * H + 3 * 3000)


def test_experts_keep_each_copy_in_and_out_and_the_router_in_fp32() -> None:
    """Two copies of h in, h out and a gated width of 3 x 512; logits and probabilities of 8 experts at 4 bytes."""
    model = replace(BARE, **EXPERTS, attention_moe_layers=L, ffn_matrices=3.0, shared_ffn=256.0)
    assert kept(model) == 2 * (8 * H + 3 * 256) + 2 * 2 * (2 * H + 3 * 512) + 8 * 8
    assert kept(model, {"tp": 2.0}) == kept(model) / 2


def test_blocks_with_and_without_experts_keep_their_own() -> None:
    sparse = replace(BARE, **EXPERTS, attention_moe_layers=L, shared_ffn=256.0)
    assert kept(replace(sparse, moe_layers=1.0, attention_moe_layers=1.0)) == pytest.approx(
        (3 * kept(BARE) + kept(sparse)) / 4
    )


@pytest.mark.parametrize(("dropout", "per_score"), [(0.0, 2), (1.0, 5)])
def test_unfused_scores_keep_the_softmax_and_under_dropout_its_mask_and_output(dropout: float, per_score: int) -> None:
    """Section 4.1: 2as^2b, as^2b, 2as^2b."""
    model = replace(BARE, dropout=dropout)
    none, flash = (kept(model, {"flash": flash, "recompute": 1.0 - flash}) for flash in (0.0, 1.0))
    assert none == flash  # selective recomputation keeps no scores
    assert kept(model, {"flash": 0.0}) - flash == pytest.approx(per_score * A * S, rel=1e-9)


def test_context_ranks_share_tokens_and_micro_batches_add_them() -> None:
    job = pretraining(BARE, S, 8)
    one, cut, two = (
        peak(job, layout(job, **given), logit_bytes=4.0) for given in ({}, {"cp": 2.0}, {"micro_batch": 2.0})
    )
    for name in ("activations_bytes", "logits_bytes"):
        assert getattr(cut, name) == getattr(one, name) / 2
        assert getattr(two, name) == getattr(one, name) * 2


@pytest.mark.parametrize(("recompute", "kept_inputs"), [(1.5, 0.5), (2.0, 1.0)])
def test_full_recomputation_keeps_a_blocks_input(recompute: float, kept_inputs: float) -> None:
    """Table 2: 2sbh a block; where only a share of the blocks recompute, the others keep all."""
    wanted = kept_inputs * 2 * H + (1 - kept_inputs) * kept(BARE)
    assert kept(BARE, {"recompute": recompute}) == pytest.approx(wanted)
    assert kept(BARE, {"recompute": 2.0, "tp": 2.0, "sp": 1.0}) == pytest.approx(H)
    assert kept(BARE, {"recompute": 2.0, "tp": 2.0, "sp": 0.0}) == pytest.approx(2 * H)


def test_selective_recomputation_keeps_a_stacks_share() -> None:
    assert kept(BARE, {"recompute": 1.0}, {"selective_scale": 0.5}) == pytest.approx(0.5 * kept(BARE))


def test_both_ends_keep_a_mask_two_inputs_and_logits() -> None:
    """Section 4.3: sbh of the embedding's dropout, 2sbh and 2sbh of the last norm and projection, 4sbv of logits."""
    ends = {}
    for dropout in (0.0, 1.0):
        job = pretraining(replace(BARE, dropout=dropout, layers=1.0, attention_layers=1.0), S, 8)
        ends[dropout] = peak(job, layout(job, recompute=2.0), logit_bytes=4.0)
    assert ends[0.0].activations_bytes == S * H * (2 + 4)
    assert ends[1.0].activations_bytes - ends[0.0].activations_bytes == S * H
    assert ends[0.0].logits_bytes == 4 * S * V
    job = pretraining(BARE, S, 8)
    assert peak(job, layout(job, tp=4.0), logit_bytes=4.0).logits_bytes == S * V
    for name in LOSSES:  # what the job names goes before what the stack has
        named = replace(job, recipe=partial_recipe(logit_bytes=LOSSES[name].logit_bytes))
        assert peak(named, layout(named), logit_bytes=4.0).logits_bytes == sum(LOSSES[name].copies) * S * V


def test_sequence_parallelism_divides_both_ends() -> None:
    job = pretraining(replace(BARE, dropout=1.0), S, 8)
    whole, cut = (peak(job, layout(job, tp=4.0, sp=sp, recompute=2.0)).activations_bytes for sp in (0.0, 1.0))
    assert cut == whole / 4 == S * H * (2 * L + 1 + 4) / 4


# --- The moment of a block's backward pass -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "widest"),
    [
        ({}, 2 * 4 * H),  # the MLP's activation
        ({"ffn": 256.0}, 3 * H),  # queries, keys, values
        ({"ffn": 256.0, "kv_heads": 4.0, "v_head_dim": 128.0}, H + 4 * (64 + 128)),
        ({**EXPERTS, "ffn": 256.0, "moe_ffn": 2048.0}, 2 * (2 * H + 2 * 2048)),  # copies in, out, and inside
    ],
)
@pytest.mark.parametrize("tp", [1.0, 4.0])
def test_a_block_backward_holds_two_gradients_and_those_of_its_widest_operator(
    changes: dict[str, float], widest: float, tp: float
) -> None:
    job = pretraining(replace(BARE, **changes), S, 8)
    found = peak(job, layout(job, tp=tp), transients=1.0).buffers_bytes
    assert found == pytest.approx(2 * S * (2 * H + widest / tp))
    assert peak(job, layout(job, tp=tp), transients=0.5).buffers_bytes == pytest.approx(found / 2)


def test_it_holds_gradients_of_scores_and_what_recomputation_makes_again() -> None:
    job = pretraining(BARE, S, 8)
    plain = 2 * S * (2 * H + 8 * H)
    scores = 2 * S * A * S
    block = S * kept(BARE)
    found = {
        (flash, recompute): float(
            peak(job, layout(job, flash=flash, recompute=recompute), transients=1.0).buffers_bytes
        )
        for flash in (0.0, 1.0)
        for recompute in (0.0, 1.0, 1.5, 2.0)
    }
    assert found[1.0, 0.0] == found[1.0, 1.0] == plain
    assert found[1.0, 2.0] == found[1.0, 1.5] == plain + block
    assert found[0.0, 0.0] == plain + scores
    assert found[0.0, 1.0] == plain + 2 * scores
    assert found[0.0, 2.0] == plain + 2 * scores + block


def test_a_softmax_in_fp32_keeps_three_16_bit_copies_of_a_score_and_has_four_of_its_gradients() -> None:
    """huggingface/transformers, eager_attention_forward: 4 + 2 bytes a score kept; 2 + 4 + 2 of gradients."""
    job = pretraining(BARE, S, 8)
    laid = layout(job, flash=0.0, recompute=2.0)
    one, more = (
        peak(job, laid, transients=1.0, score_copies=copies, score_gradients=gradients).buffers_bytes
        for copies, gradients in ((0.0, 0.0), (3.0, 4.0))
    )
    assert more - one == 14 * A * S**2


def test_a_block_made_again_has_its_gathered_and_adapted_inputs() -> None:
    """On four tensor ranks two inputs of 2h are whole where a quarter would do; 3 bytes of each adapted one."""
    job = pretraining(BARE, S, 8, adapted_inputs=2 * H, trainable_share=0.01)
    laid = layout(job, tp=4.0, recompute=2.0)
    bare, gathered, adapted = (
        float(peak(job, laid, transients=1.0, **given).buffers_bytes)
        for given in ({}, {"gathered_inputs": 1.0}, {"adapter_bytes": 3.0})
    )
    assert gathered - bare == pytest.approx(S * 4 * H * 3 / 4)
    assert adapted - bare == pytest.approx(S * 3 * 2 * H / 4)


@pytest.mark.parametrize("sp", [0.0, 1.0])
def test_tensor_ranks_divide_what_adapters_keep_whether_or_not_they_divide_the_sequence(sp: float) -> None:
    """Adapted inputs 2h wide, of 3 bytes an element, are columns that each of four tensor ranks has a quarter of."""
    tuned = {"adapted_inputs": 2.0 * H, "trainable_share": 0.01}
    bare, adapted = (kept(BARE, {"tp": 4.0, "sp": sp}, {"adapter_bytes": size}, **tuned) for size in (0.0, 3.0))
    assert adapted - bare == pytest.approx(3 * 2 * H / 4)


@pytest.mark.parametrize("recompute", [0.0, 1.0, 2.0])
def test_what_products_are_fed_and_frozen_parameters_take_is_not_what_blocks_keep(recompute: float) -> None:
    """Elements of 2 bytes stay, whatever the 8-bit ones inside a product and of a 4-bit parameter that none is of."""
    scales = {"gathered_inputs": 1.0, "transients": 1.0, "adapter_bytes": 3.0}
    plain, narrow = (
        peak(job, layout(job, tp=4.0, recompute=recompute, flash=0.0), **scales)
        for job in (pretraining(BARE, S, 8), pretraining(BARE, S, 8, gemm_bytes=1.0, frozen_bytes=0.5))
    )
    assert narrow.activations_bytes == plain.activations_bytes
    assert narrow.buffers_bytes == plain.buffers_bytes


def test_without_sequence_parallelism_no_input_is_gathered() -> None:
    without, gathered = (kept(BARE, {"tp": 4.0, "sp": 0.0}, {"gathered_inputs": share}) for share in (0.0, 1.0))
    assert gathered == without


def test_two_sequences_need_twice_the_room_while_a_block_goes_backward() -> None:
    job = pretraining(BARE, S, 8)
    one, two = (peak(job, layout(job, micro_batch=size), transients=1.0).buffers_bytes for size in (1.0, 2.0))
    assert two == 2 * one


def test_gathered_inputs_stay_under_selective_recomputation_and_share_it_with_full() -> None:
    """Selective recomputation keeps them; where half of the blocks recompute in full, half of them do."""
    for recompute, share in ((1.0, 1.0), (1.5, 0.5)):
        laid = {"tp": 4.0, "recompute": recompute}
        without, gathered = (kept(BARE, laid, {"gathered_inputs": kept_whole}) for kept_whole in (0.0, 1.0))
        assert gathered - without == pytest.approx(share * 2 * 2 * H * 3 / 4)


def test_only_the_first_stage_masks_its_embedding() -> None:
    """On the last of two stages, the heavier for its logits, only blocks and the head's inputs are kept."""
    job = pretraining(replace(BARE, dropout=1.0), S, 8)
    found = peak(job, layout(job, pp=2.0), logit_bytes=40.0)
    assert found.logits_bytes == 40 * S * V
    assert found.activations_bytes == S * (L / 2 * 34 * H + 4 * H)


def test_experts_dispatch_tokens_instead_of_gathering_one_of_two_inputs() -> None:
    for model, inputs in ((BARE, 2), (replace(BARE, **EXPERTS, attention_moe_layers=L), 1)):
        without, gathered = (kept(model, {"tp": 4.0}, {"gathered_inputs": share}) for share in (0.0, 1.0))
        assert gathered - without == pytest.approx(inputs * 2 * H * 3 / 4)


def test_logits_are_gone_before_blocks_go_backward() -> None:
    """The larger of the two stands beside what is stored: what logits leave room for is no buffer."""
    job = pretraining(BARE, S, 8)
    working = 2 * S * 10 * H
    for logit_bytes in (0.01, 0.2, 4.0):
        found = peak(job, layout(job), transients=1.0, logit_bytes=logit_bytes)
        assert found.buffers_bytes == pytest.approx(max(working - logit_bytes * S * V, 0.0))


def test_what_the_allocator_holds_and_what_the_device_shows() -> None:
    """Buckets and communicators are there where several devices exchange; a context is there on each."""
    job = pretraining(BARE, S, 8)
    outside = {"workspace_bytes": 1e9, "reserved_scale": 1.25, "context_bytes": 2e9, "communicator_bytes": 3e9}
    for devices in (1.0, 2.0):
        found = peak(job, layout(job, dp=devices), **outside, weight_bytes=2.0)
        assert found.buffers_bytes == 1e9 * (devices - 1)
        assert found.reserved_bytes == pytest.approx(1.25 * found.allocated_bytes)
        assert found.device_bytes == pytest.approx(found.reserved_bytes + 2e9 + 3e9 * (devices - 1))


def test_what_is_reserved_never_exceeds_the_device_while_what_is_allocated_fits() -> None:
    job = pretraining(BARE, S, 8)
    staged = stage_job(job, layout(job))
    tool = filled(Stack, weight_bytes=2.0, reserved_scale=1.5, fragments=0.5, context_bytes=1e6)
    allocated = float(memory(staged, filled(Machine, memory_bytes=FREE), tool).allocated_bytes)
    for room, reserved in ((2.0, 1.5), (1.4, 1.4), (0.5, 1.25)):
        machine = filled(Machine, memory_bytes=room * allocated + 3e6, context_bytes=3e6)
        found = memory(staged, machine, tool)
        assert found.reserved_bytes == pytest.approx(reserved * allocated)
        assert found.device_bytes == pytest.approx(reserved * allocated + 3e6)
        assert found.needed_bytes == pytest.approx(1.25 * allocated + 3e6)


@pytest.mark.parametrize("logit_bytes", [0.01, 0.2, 4.0])
def test_half_of_what_the_lesser_of_loss_and_block_had_stays_cut_up_in_the_reserve(logit_bytes: float) -> None:
    """Working set of a block 2 s 10 h bytes, logits of V; whichever is less, and none of it must fit."""
    job = pretraining(BARE, S, 8)
    found = peak(job, layout(job), transients=1.0, logit_bytes=logit_bytes, reserved_scale=1.2, fragments=0.5)
    lesser = min(2 * S * 10 * H, logit_bytes * S * V)
    assert found.reserved_bytes - 1.2 * found.allocated_bytes == pytest.approx(0.5 * lesser)
    assert found.needed_bytes == pytest.approx(1.1 * found.allocated_bytes)
