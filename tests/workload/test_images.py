"""What only some transformers have: patches, conditioning and a pooled head; other mixers; what Muon multiplies."""

import pytest
from tests.shapes import gpt, in_model

from steelyard.tables import Part, Repeat, Workload
from steelyard.workload import collapse, model
from steelyard.workload.flops import newton_schulz_flop

PATCHES, PIXELS, H = 196.0, 16 * 16 * 3, 1024


def image(**changes: float) -> Workload:
    """Return ViT-L/16 (arXiv 2010.11929, table 1): 24 blocks of 1,024, 196 patches of 16 x 16 x 3, a class token."""
    shape = {"patches": PATCHES, "patch_params": float(PIXELS * H), "pooled": 1.0, "head_params": 1000.0 * H}
    vit = gpt(24, H, 16, 1000.0, causal=0.0, dropout=0.0, norm_params=4.0 * H, **(shape | changes))
    return collapse(model(vit, PATCHES + 1, 0), 2.0)


def small(**changes: float) -> Workload:
    """Return two kinds of blocks of width 4, twice each: MLPs of 8; 3 experts of 2 and a shared one of 5."""
    kinds = {"moe_layers": 2.0, "moe_ffn": 2.0, "experts": 3.0, "top_k": 1.0, "shared_ffn": 5.0, "ffn": 8.0}
    return collapse(model(gpt(4, 4, 2, 16.0, **(kinds | changes)), 8, 0), 2.0)


def test_each_patch_is_projected_once_before_the_first_block() -> None:
    """Section 3.1: a linear projection of P^2 C = 768 numbers to D = 1,024; 0.31 of the model's 123.1 GFLOP."""
    vit = image()
    (patch,) = vit.embedding.products
    assert (patch.name, patch.rows, patch.inner, patch.outer, patch.groups) == ("patch embedding", 196, PIXELS, H, 1)
    assert patch.repeats == (Repeat("embedding", 1.0),)
    assert vit.embedding_flop == 2 * PATCHES * PIXELS * H
    assert "patch embedding" not in {one.name for one in vit.products}
    without = image(patches=0.0)
    assert (without.embedding_flop, without.product_flop) == (0, vit.product_flop)


def test_what_comes_before_the_blocks_is_at_the_first_end_whole_on_each_tensor_rank() -> None:
    found = image(conditioning_params=6.0 * H**2, embedder_params=5.0 * H**2)
    parts = {(part.kind, part.split): float(part.amount) for part in found.blocks[0].params}
    assert parts == {("dense", "tensor"): 12 * H**2, ("dense", "whole"): 4 * H + 6 * H**2}
    assert (found.embedding.whole_params, found.head.whole_params) == (PIXELS * H + 5 * H**2, 0)


def test_a_vector_of_a_sample_conditions_each_block() -> None:
    """DiT (arXiv 2212.09748, section 3.2, adaLN-Zero): in each block six vectors of the width from one of a sample."""
    dit = image(conditioning_params=6.0 * H**2, embedder_params=5.0 * H**2)
    one = next(one for one in dit.products if one.name == "conditioning")
    assert (one.rows, one.inner, one.outer, one.repeats) == (1, H, 6 * H, (Repeat("dense", 1.0),))
    assert dit.product_flop - image().product_flop == 24 * 2 * 6 * H**2
    assert dit.embedding_flop - image().embedding_flop == 2 * 5 * H**2


def test_a_pooled_head_sees_one_vector_of_a_sample() -> None:
    """Section 3.1: a classification head is attached to the class token alone."""
    pooled, every = image().head, image(pooled=0.0).head
    (one,), (each,) = pooled.products, every.products
    assert (one.rows, one.inner, one.outer, pooled.logits) == (1, H, 1000, 1000)
    assert (each.rows, every.logits) == (PATCHES + 1, 1000 * (PATCHES + 1))
    assert image().head_flop == 2 * H * 1000


def test_the_widest_operator_of_a_block_is_a_mixer_or_the_shared_experts_where_they_are() -> None:
    """Elements of the inputs: a mixer's own width, three times that of a gated shared expert."""
    hybrid = gpt(4, 256, 4, 64.0, attention_layers=2.0, mixer_params=256 * 5000.0)
    found = {block.name: float(block.widest) for block in collapse(model(hybrid, 8, 0), 2.0).blocks}
    assert sorted(found.values()) == [8 * 2 * 4 * 256, 8 * 5000]
    shared = {
        "moe_layers": 4.0,
        "moe_ffn": 16.0,
        "experts": 8.0,
        "top_k": 2.0,
        "shared_ffn": 4096.0,
        "ffn_matrices": 3.0,
    }
    (block,) = collapse(model(gpt(4, 256, 4, 64.0, **shared), 8, 0), 2.0).blocks
    assert block.widest == 8 * 3 * 4096


@pytest.mark.parametrize(("inner", "outer"), [(2, 3), (3, 2)])
def test_an_iteration_of_newton_and_schulz_works_on_the_short_side(inner: int, outer: int) -> None:
    """KellerJordan/Muon: X X^T and B X are 2 a^2 b each, A A is 2 a^3: a = 2, b = 3: 2 x 24 + 16."""
    assert newton_schulz_flop(inner, outer) == 64


def test_an_update_multiplies_every_matrix_of_every_block() -> None:
    """By hand, of width 4: queries, keys and values 4 x 12, output 4 x 4; two MLPs or two shared experts; experts."""
    attention, mlp, shared = (4 * 16 * 12 + 128) + (4 * 64 + 128), 2 * (4 * 16 * 8 + 128), 2 * (4 * 16 * 5 + 128)
    routed = 2 * (4 * 4 * 4 + 16)  # into width 2 and out of it
    dense, sparse = small().blocks
    assert dense.updates == (Part("dense", "tensor", attention + mlp),)
    assert set(sparse.updates) == {
        Part("dense", "tensor", attention + shared),
        Part("routed", "expert_ranks", 3 * routed),
    }


def test_an_update_leaves_what_comes_before_the_blocks_to_another_optimizer() -> None:
    """KellerJordan/Muon, README: the hidden layers alone; embeddings and heads take AdamW."""
    found = in_model(image(conditioning_params=6.0 * H**2), "updates")
    assert found["dense", "tensor"] == pytest.approx(24 * (4 * H**2 * 12 * H + 8 * H**3))
    assert found["dense", "whole"] == 24 * (4 * H**2 * 6 * H + 2 * H**3)
    assert ("dense", "whole") not in in_model(image(), "updates")
