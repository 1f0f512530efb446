"""Bytes of parameters and their states by themselves, as papers and manuals count them."""

from dataclasses import replace

import pytest
from steelyard.job.recipes import partial_recipe
from tests.shapes import filled, gpt, layout, pretraining
from tests.step.neutral import EXPERTS, ROUTED, A, H, L, S, V, peak

from steelyard.step.states import RankParams, gradient_bytes, states, weight_bytes
from steelyard.strategies.recipe import AUTOGRAD, FUSED
from steelyard.tables import Stack

BARE = gpt(L, H, A, V, dropout=0.0)


# --- Parameters and their states -----------------------------------------------------------------------------------

SPARSE = gpt(L, H, A, V, dropout=0.0, **EXPERTS, routed_params=ROUTED, shared_params=H * 8)
DENSE = L * (4 * H**2 + H * 8) + V * H  # attention, router; tied embedding


@pytest.mark.parametrize(("tp", "ep", "experts"), [(1.0, 1.0, 1), (2.0, 1.0, 2), (1.0, 4.0, 4), (2.0, 4.0, 4)])
def test_a_rank_holds_its_share_of_weights_and_of_experts(tp: float, ep: float, experts: float) -> None:
    """Whole experts on each of e ranks; without expert ranks tensor parallelism divides them as it does the rest."""
    job = pretraining(SPARSE, S, 64)
    found = peak(job, layout(job, tp=tp, dp=8.0, ep=ep), weight_bytes=2.0).weights_bytes
    assert found == pytest.approx(2 * (DENSE / tp + L * ROUTED / experts))


@pytest.mark.parametrize(
    ("tp", "ep", "ranks"), [(1.0, 1.0, 8), (2.0, 1.0, 16), (1.0, 4.0, 8), (2.0, 16.0, 16), (1.0, 16.0, 16)]
)
def test_zero_3_divides_weights_over_all_ranks_and_experts_over_no_fewer_than_hold_them(
    tp: float, ep: float, ranks: float
) -> None:
    job = pretraining(replace(SPARSE, experts=16.0), S, 64)
    found = peak(job, layout(job, tp=tp, dp=8.0, ep=ep, zero=3.0), weight_bytes=2.0).weights_bytes
    assert found == pytest.approx(2 * (DENSE / (8 * tp) + L * ROUTED / ranks))


def test_zero_3_gathers_a_block_with_the_experts_of_a_rank() -> None:
    """Two units of weights and one of gradients, at 2 bytes; only the trained share has gradients."""
    model = replace(SPARSE, embedding_params=0.0, vocab=8.0)
    for trained, ep in ((1.0, 4.0), (0.25, 1.0)):
        job = pretraining(model, S, 64, trainable_share=trained)
        found = peak(job, layout(job, dp=8.0, ep=ep, zero=3.0), gathered_units=2.0).buffers_bytes
        assert found == pytest.approx((2 + trained) * 2 * (4 * H**2 + H * 8 + ROUTED / ep))


@pytest.mark.parametrize(("pp", "embedding", "head", "unit"), [
    (1.0, 3.0, 0.0, 3), (1.0, 3.0, 5.0, 5), (2.0, 5.0, 3.0, 5), (2.0, 3.0, 5.0, 5), (2.0, 0.5, 0.25, 1),
])  # fmt: skip
@pytest.mark.parametrize("tp", [1.0, 2.0])
def test_zero_3_gathers_the_largest_of_block_embedding_and_head(
    pp: float, embedding: float, head: float, unit: float, tp: float
) -> None:
    """In units of a block; in a pipeline the first stage has the embedding and the last one the head."""
    block = 12 * H**2
    model = replace(BARE, embedding_params=embedding * block, head_params=head * block)
    job = pretraining(model, S, 64)
    found = peak(job, layout(job, tp=tp, pp=pp, dp=8.0, zero=3.0), gathered_units=1.0)
    assert found.buffers_bytes == pytest.approx((1 + 1) * 2 * unit * block / tp)


@pytest.mark.parametrize(
    ("embedding", "head", "micro_batch", "logit_bytes"),
    [(0.5, 5.0, 32.0, 0.0), (5.0, 0.5, 1.0, 100.0)],  # the first stage the heavier for what it stores; the last
)
def test_neither_end_gathers_what_lies_on_the_other(
    embedding: float, head: float, micro_batch: float, logit_bytes: float
) -> None:
    """In units of a block: the unit of the heavier stage is its block, though the other end is larger."""
    block = 12 * H**2
    job = pretraining(replace(BARE, embedding_params=embedding * block, head_params=head * block), S, 512)
    laid = layout(job, pp=2.0, dp=8.0, zero=3.0, micro_batch=micro_batch)
    found = peak(job, laid, gathered_units=1.0, logit_bytes=logit_bytes)
    assert found.buffers_bytes == pytest.approx((1 + 1) * 2 * block)


def test_loading_the_whole_model_takes_the_place_of_gradients_and_states() -> None:
    """Before the first step none of them is there yet; without sharding nothing is loaded twice."""
    model = gpt(L, H, A, vocab=8.0, dropout=0.0)
    job = pretraining(model, 8.0, 64)
    for zero, loaded in ((3.0, 100 * model.total_params), (0.0, 0.0)):
        laid = layout(job, dp=8.0, zero=zero)
        found = peak(job, laid, load_bytes=100.0, grad_sharded_from=2.0, gathered_units=0.0)
        plain = peak(job, laid, grad_sharded_from=2.0, gathered_units=0.0)
        states = found.gradients_bytes + found.optimizer_bytes
        trained = plain.allocated_bytes - plain.weights_bytes
        assert found.allocated_bytes - found.weights_bytes == pytest.approx(max(loaded, trained))
        assert states == plain.gradients_bytes + plain.optimizer_bytes > 0


def test_what_blocks_leave_out_is_spread_over_them() -> None:
    model = gpt(L, H, A, V, extra_params=4e6)
    for pp in (1.0, 2.0):
        job = pretraining(model, S, 64)
        found = peak(job, layout(job, pp=pp), weight_bytes=2.0).weights_bytes
        assert found == pytest.approx(2 * (12 * L * H**2 / pp + 4e6 / pp + V * H))


def test_the_first_stage_embeds_and_the_last_projects() -> None:
    """A head of its own lies on the last stage; tied, the last stage keeps a copy of the embedding."""
    block = 12 * L / 2 * H**2
    for embedding, head, ends in ((V * H, 3 * V * H, 3), (3 * V * H, V * H, 3), (V * H, 0.0, 1)):
        job = pretraining(replace(BARE, embedding_params=embedding, head_params=head), S, 64)
        assert peak(job, layout(job, pp=2.0), weight_bytes=2.0).weights_bytes == pytest.approx(
            2 * (block + ends * V * H)
        )
        alone = peak(job, layout(job), weight_bytes=2.0).weights_bytes
        assert alone == pytest.approx(2 * (2 * block + embedding + head))


@pytest.mark.parametrize(("pp", "lead", "sparse"), [(1.0, 1, 3), (2.0, 0, 2), (4.0, 0, 1)])
def test_the_heaviest_stage_has_the_experts(pp: float, lead: float, sparse: float) -> None:
    """One leading block without experts lies on the first stage: a stage after it has experts in all its blocks."""
    model = replace(
        SPARSE, moe_layers=L - 1, attention_moe_layers=L - 1, embedding_params=0.0, vocab=8.0, routed_params=1e9
    )
    job = pretraining(model, S, 64)
    found = peak(job, layout(job, pp=pp), weight_bytes=2.0).weights_bytes
    attention = (lead + sparse) * 4 * H**2
    assert found == pytest.approx(2 * (attention + lead * 8 * H**2 + sparse * (H * 8 + 1e9)))


def test_the_second_stage_holds_one_micro_batch_less() -> None:
    """1F1B (2104.04473, section 2.2): p - r micro-batches on stage r; here stage 1 of 4 is the heaviest."""
    model = replace(
        SPARSE, moe_layers=L - 1, attention_moe_layers=L - 1, embedding_params=0.0, vocab=8.0, routed_params=1e9
    )
    job = pretraining(model, S, 64)
    found = peak(job, layout(job, pp=4.0), weight_bytes=2.0)
    sparse = 2 * 8 * H + 2 * 2 * (2 * H + 2 * 512) + 8 * 8
    assert found.activations_bytes == pytest.approx(3 * S * sparse)


@pytest.mark.parametrize(
    ("stack", "job", "bytes_a_weight"),
    [
        ({"weight_bytes": 2.0}, {}, 2.0),  # a 16-bit copy beside the fp32 master
        ({"weight_bytes": 2.0, "cast": 1.0}, {}, 0.0),  # the master copy is cast when it is used
        ({"weight_bytes": 2.0, "cast": 1.0}, {"master_bytes": 0.0}, 2.0),  # nothing to cast from
        ({"weight_bytes": 2.0}, {"element_bytes": 4.0, "master_bytes": 0.0}, 4.0),
        ({"weight_bytes": 2.0, "fp8_copies": 2.0}, {}, 2.0),  # no 8-bit products
        ({"weight_bytes": 2.0, "fp8_copies": 2.0}, {"gemm_bytes": 1.0}, 4.0),
        ({"weight_bytes": 2.0, "fp8_copies": 2.0}, {"gemm_bytes": 0.5}, 3.0),  # two 4-bit copies
        ({"weight_bytes": 2.0, "frozen_bytes": 4.0}, {"trainable_share": 0.25}, 0.5 + 0.75 * 4),
        ({"weight_bytes": 2.0, "frozen_bytes": 4.0}, {"trainable_share": 0.25, "frozen_bytes": 0.5}, 0.5 + 0.75 * 0.5),
        ({"weight_bytes": 2.0, "fp8_copies": 2.0}, {"trainable_share": 0.5, "gemm_bytes": 1.0}, 1 + 1 + 1),
    ],
)
def test_bytes_of_a_weight(stack: dict[str, float], job: dict[str, float], bytes_a_weight: float) -> None:
    """Micikevicius et al. 2018, arXiv 1710.03740: a master copy beside the working copy; Dettmers et al. 2023: nf4."""
    assert weight_bytes(pretraining(BARE, S, 8, **job), filled(Stack, **stack)) == pytest.approx(bytes_a_weight)


@pytest.mark.parametrize(
    ("stack", "job", "laid", "gradient", "optimizer"),
    [
        ({"grad_bytes": 4.0}, {}, {}, 4, 12),  # fp32 accumulation; Adam: master copy and two moments
        ({}, {"element_bytes": 4.0, "master_bytes": 0.0}, {}, 4, 8),  # never narrower than an element
        ({"update_bytes": 4.0}, {}, {}, 2, 16),  # DeepSpeed keeps fp32 gradients with the moments
        ({"update_bytes": 4.0}, {"master_bytes": 0.0}, {}, 2, 8),
        ({"grad_sharded_from": 2.0}, {}, {"zero": 1.0}, 2, 12 / 8),
        ({"grad_sharded_from": 2.0}, {}, {"zero": 2.0}, 2 / 8, 12 / 8),
        ({"grad_sharded_from": 4.0}, {}, {"zero": 2.0}, 2, 12 / 8),
        ({"grad_sharded_from": 2.0}, {"trainable_share": 0.5}, {"zero": 2.0}, 1 / 8, 6 / 8),
        ({"grad_sharded_from": 4.0}, {}, {"zero": 1.0, "offload": 1.0}, 2, 0),
    ],
)
def test_bytes_of_a_parameters_gradient_and_states(
    stack: dict[str, float], job: dict[str, float], laid: dict[str, float], gradient: float, optimizer: float
) -> None:
    """1910.02054, section 3.1: K = 12 bytes of Adam's states; stages 1 and 2 divide them by 8 ranks."""
    made = pretraining(BARE, S, 64, **job)
    found = states(
        made,
        layout(made, dp=8.0, **laid),
        filled(Stack, **({"grad_sharded_from": 2.0} | stack)),
        RankParams(1.0, 1 / 8),
    )
    assert (found.gradients_bytes, found.optimizer_bytes) == pytest.approx((gradient, optimizer))


@pytest.mark.parametrize(
    ("laid", "updated"), [({}, 1), ({"zero": 1.0}, 1 / 8), ({"zero": 3.0}, 1 / 8), ({"zero": 1.0, "offload": 1.0}, 0)]
)
def test_temporaries_of_the_update_are_as_many_as_it_updates(laid: dict[str, float], updated: float) -> None:
    """PyTorch, torch.optim.Adam, foreach: about sizeof(params) more at the peak; activations are gone by then."""
    model = gpt(L, H, A, vocab=8.0, dropout=0.0)
    job = pretraining(model, 8.0, 64, trainable_share=0.5)
    found = peak(job, layout(job, dp=8.0, **laid), step_copies=100.0, workspace_bytes=1e6)
    held = 8 * (L * 2 * (4 * H + 4 * H + 8 * H) + 4 * H)  # eight tokens: stored until then, not beside them
    params = model.total_params
    temporary = 4 * 100 * 0.5 * params * updated  # of the fp32 master copy
    assert found.activations_bytes == (0 if temporary else held)
    assert found.buffers_bytes == pytest.approx(1e6 + temporary)


@pytest.mark.parametrize("life", [AUTOGRAD, FUSED])
@pytest.mark.parametrize(("master", "wanted"), [(0.0, 2.0), (4.0, 4.0)])
def test_gradients_are_as_wide_as_what_autograd_differentiates_whatever_multiplies(life, master, wanted) -> None:
    """docs.pytorch.org torch.Tensor.grad: of 16-bit weights 16 bits, their products being of 8 or not."""
    for width in (1.0, 2.0):
        job = pretraining(BARE, S, 8, master_bytes=master, gemm_bytes=width)
        assert gradient_bytes(job, partial_recipe(grad_bytes=4.0, grad_life=life)) == wanted
