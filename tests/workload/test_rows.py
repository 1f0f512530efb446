"""What the rows of a transformer add up to: bytes kept, elements moved, products, exchanges, by the papers' counts."""

from collections.abc import Collection
from typing import Any

import pytest
from tests.shapes import gpt, in_model

from steelyard.tables import Block, Kept, Part, Product, Workload
from steelyard.workload import attention_pairs, collapse, model

L, H, A, V, S = 4, 1024, 16, 50_000, 512
EXPERTS = {"moe_layers": 3.0, "moe_ffn": 384.0, "experts": 8.0, "top_k": 2.0, "shared_ffn": 256.0}
PARAMS = {"routed_params": 8 * 3 * H * 384.0, "router_params": H * 8.0, "shared_params": 3 * H * 256.0}


def rows(element_bytes: float = 2.0, **changes: float) -> Workload:
    """Return what the rows of a small GPT add up to, with fields of its shape changed."""
    return collapse(model(gpt(L, H, A, V, **changes), float(S), 0), element_bytes)


def moe(**changes: float) -> Workload:
    """Return a gated mixture of experts: one leading block without experts, three with 2 of 8 and a shared one."""
    return rows(**({"ffn_matrices": 3.0, "ffn": 4096.0} | EXPERTS | PARAMS | changes))


def amounts(parts: Collection[Part | Kept]) -> dict[tuple[str, str], float]:
    """Return the parts by kind and divisor, each of which occurs once."""
    found = {(part.kind, part.split): float(part.amount) for part in parts}
    assert len(found) == len(list(parts))
    return found


def shapes(found: Workload) -> dict[str, tuple[Any, ...]]:
    """Return each product's rows, widths and groups, and the divisors of its rows, widths and groups."""
    return {
        one.name: (one.rows, one.inner, one.outer, one.groups, *splits(one), *((r.block, r.count) for r in one.repeats))
        for one in found.products
    }


def splits(one: Product) -> tuple[str, str, str, str]:
    return one.split_rows, one.split_inner, one.split_outer, one.split_groups


def block(found: Workload, name: str) -> Block:
    return next(one for one in found.blocks if one.name == name)


# --- A dense block: Korthikanti et al. 2022, arXiv 2205.05198, section 4.1 -----------------------------------------


def test_a_block_keeps_34_bytes_a_token_and_width_and_5_a_score() -> None:
    """sbh(10 + 24/t + 5as/ht): inputs 8, masks 2, attention 8, MLP 16; softmax, its mask, dropped scores.

    What only kernels without fusion keep stands apart: fp32 inputs of two norms, queries and keys before rotation.
    """
    assert amounts(block(rows(), "dense").kept_bytes) == {
        ("fp32 norm", "sequence"): 8 * S * H,
        ("rotated", "tensor"): 4 * S * H,
        ("stream", "sequence"): 8 * S * H,
        ("mask", "sequence"): 2 * S * H,
        ("attention", "tensor"): 8 * S * H,
        ("mlp", "tensor"): 16 * S * H,
        ("scores", "tensor"): 5 * A * S**2,
    }


def test_wider_elements_keep_more_and_masks_stay_bytes() -> None:
    found = amounts(block(rows(4.0), "dense").kept_bytes)
    assert found["stream", "sequence"] == 16 * S * H
    assert found["mask", "sequence"] == 2 * S * H
    assert found["scores", "tensor"] == (4 + 1 + 4) * A * S**2
    assert not rows(dropout=0.0).embedding.kept_bytes
    plain = amounts(block(rows(dropout=0.0), "dense").kept_bytes)
    assert ("mask", "sequence") not in plain
    assert plain["scores", "tensor"] == 2 * A * S**2


def test_fewer_and_narrower_heads_keep_and_move_less() -> None:
    found = block(rows(kv_heads=4.0, head_dim=96.0, v_head_dim=32.0), "dense")
    assert amounts(found.kept_bytes)["attention", "tensor"] == 2 * S * (A * 96 + 4 * (96 + 32) + A * 32)
    assert amounts(found.moved)["inside", "tensor"] == S * (2 * 4 * H + 2 * (A + 4) * 96)


def test_elements_that_cross_memory() -> None:
    """The stream once (a stack has its passes), the activation's 4h read and written, queries and keys likewise."""
    assert amounts(block(rows(), "dense").moved) == {
        ("stream", "sequence"): S * H,
        ("inside", "tensor"): S * (2 * 4 * H + 2 * 2 * H),
    }
    gated = amounts(block(rows(ffn=3000.0, ffn_matrices=3.0), "dense").moved)
    assert gated["inside", "tensor"] == S * (3 * 3000 + 4 * H)


def test_products_of_a_block_and_which_of_their_sides_tensor_parallelism_divides() -> None:
    """Shoeybi et al. 2019, arXiv 1909.08053, section 3: columns, rows, columns, rows."""
    columns, by_rows = ("whole", "whole", "tensor", "whole"), ("whole", "tensor", "whole", "whole")
    once = ("dense", 1.0)
    assert shapes(rows(kv_heads=4.0)) == {
        "queries, keys, values": (S, H, H + 2 * 4 * 64, 1, *columns, once),
        "attention output": (S, H, H, 1, *by_rows, once),
        "MLP in": (S, H, 4 * H, 1, *columns, once),
        "MLP out": (S, 4 * H, H, 1, *by_rows, once),
    }
    gated = shapes(rows(ffn=3000.0, ffn_matrices=3.0))
    assert gated["MLP in"][:3] == (S, H, 6000)
    assert gated["MLP out"][:3] == (S, 3000, H)


def test_products_that_are_alike_are_one_that_occurs_twice() -> None:
    found = shapes(rows(ffn=float(H)))
    assert found["attention output"][-1] == ("dense", 2.0)
    assert "MLP out" not in found


def test_exchanges_of_a_block() -> None:
    """1909.08053, figure 4: one all-reduce after attention and one after the MLP; keys and values once round a ring."""
    found = block(rows(), "dense")
    assert (found.reductions, found.expert_reductions, found.dispatches, found.rings) == (2, 0, 0, 1)
    grouped = rows(kv_heads=4.0, v_head_dim=32.0)
    assert (grouped.hidden, grouped.ring, grouped.copies, grouped.tokens) == (S * H, S * 4 * (64 + 32), 0, S)
    sent = {
        one.name: one.sent
        for one in model(gpt(L, H, A, V, kv_heads=4.0, v_head_dim=32.0), float(S), 0).rows
        if one.sent
    }
    assert sent == {"attention": S * H, "keys and values to the ring": S * 4 * (64 + 32), "MLP": S * H}


def test_the_core_of_attention() -> None:
    (core,) = rows(v_head_dim=32.0).cores
    assert core.flop == 2 * S**2 / 2 * A * (64 + 32)
    assert (core.scores, core.keys, core.head_dim) == (A * S**2, S, 64)
    assert [(one.block, one.count) for one in core.repeats] == [("dense", 1.0)]


@pytest.mark.parametrize(
    ("changes", "widest"),
    [
        ({}, 2 * 4 * H),
        ({"ffn": 256.0, "kv_heads": 4.0, "v_head_dim": 128.0}, H + 4 * (64 + 128)),
        ({**EXPERTS, "ffn": 256.0, "moe_ffn": 2048.0}, 2 * (2 * H + 2 * 2048)),
    ],
)
def test_the_widest_operator_of_a_block(changes: dict[str, float], widest: float) -> None:
    found = rows(**changes).blocks[-1]
    assert found.widest == S * widest
    assert found.scores == A * S**2


def test_parameters_of_blocks_and_ends() -> None:
    """12 L h^2 and V h (2104.04473, section 2.1); what blocks leave out is spread over them; a head of its own."""
    found = rows(extra_params=8e6, norm_params=5.0, head_params=7.0)
    assert amounts(block(found, "dense").params) == {
        ("dense", "tensor"): 12 * H**2,
        ("dense", "whole"): 2e6 + 5,  # norms and final norms, which no rank divides
    }
    assert (found.embedding.params, found.head.params) == (V * H, 7)
    assert (found.embedding.whole_params, found.head.whole_params) == (0, 0)
    assert found.params == found.active_params == 12 * L * H**2 + 8e6 + 5 * L + V * H + 7


def test_both_ends() -> None:
    """2205.05198, section 4.3: a mask of sbh; 2sbh and 2sbh of the last norm and the projection; the logits apart."""
    found = rows()
    assert amounts(found.embedding.kept_bytes) == {("mask", "sequence"): S * H}
    assert amounts(found.head.kept_bytes) == {("stream", "sequence"): 4 * S * H}
    (projection,) = found.head.products
    assert (projection.rows, projection.inner, projection.outer, projection.split_outer) == (S, H, V, "tensor")
    assert (found.head.logits, found.head.outputs, found.head.moved) == (S * V, S * V, ())
    assert (found.embedding.products, found.embedding.logits, found.embedding_flop) == ((), 0, 0)
    assert found.head_flop == 2 * S * H * V


def test_what_a_layout_must_divide() -> None:
    found = moe(kv_heads=4.0).divisible
    assert (found.blocks, found.heads, found.kv_heads, found.experts, found.sequence) == (L, A, 4, 8, S)
    assert found.ffn == 4096
    assert moe(moe_layers=float(L)).divisible.ffn == 0  # no dense MLP is left to divide


# --- Latent attention: DeepSeek-V2, arXiv 2405.04434, section 2.1 --------------------------------------------------

LATENT = {"mla": 1.0, "q_lora": 1536.0, "kv_lora": 512.0, "rope_dim": 64.0, "head_dim": 192.0, "v_head_dim": 128.0}


def test_latent_attention_projects_down_on_every_rank_and_up_by_heads() -> None:
    found = shapes(rows(**LATENT))
    whole = ("whole", "whole", "whole", "whole")
    assert found["queries, keys, values"][:8] == (S, H, 1536 + 512 + 64, 1, *whole)
    rank, up = found["latents"][1:3]
    assert rank == 1536
    assert rank * up == 1536 * A * 192 + 512 * A * (128 + 128)
    assert found["latents"][4:8] == ("whole", "whole", "tensor", "whole")
    assert found["attention output"][1:3] == (A * 128, H)


def test_without_query_compression_queries_come_from_the_hidden_state() -> None:
    """DeepSeek-V2-Lite compresses keys and values only (arXiv 2405.04434, appendix B)."""
    found = shapes(rows(**(LATENT | {"q_lora": 0.0})))
    assert found["queries, keys, values"][2] == 512 + 64
    rank, up = found["latents"][1:3]
    assert rank == 512
    assert rank * up == H * A * 192 + 512 * A * (128 + 128)


def test_latent_attention_keeps_every_head_and_its_compressed_vectors_twice() -> None:
    found = amounts(block(rows(**LATENT, kv_heads=1.0), "dense").kept_bytes)
    assert found["attention", "tensor"] == 2 * S * (2 * A * (192 + 128) + 2 * (1536 + 512) + 64)


# --- Mixtures of experts -------------------------------------------------------------------------------------------


def test_leading_blocks_without_experts_are_a_kind_of_their_own() -> None:
    dense, sparse = moe().blocks
    assert [(one.name, one.count, one.leading, one.experts) for one in (dense, sparse)] == [
        ("dense", 1, 1, 0),
        ("moe", 3, 0, 8),
    ]
    assert (dense.gathered, sparse.gathered) == (2 * S * H, S * H)  # tokens are dispatched, not gathered, to experts
    half = moe(moe_layers=2.0).blocks
    assert [one.leading for one in half] == [0, 0]  # in turns: none comes first
    assert [one.name for one in moe(moe_layers=float(L)).blocks] == ["moe"]


def test_experts_keep_their_copies_and_the_router_its_probabilities() -> None:
    """Each of 2 copies: h in, h out and 3 x 384 inside, at 2 bytes; logits and probabilities of 8 experts at 4."""
    found = amounts(block(moe(), "moe").kept_bytes)
    assert found["expert", "tensor"] == 2 * S * 2 * (2 * H + 3 * 384)
    assert found["router", "tensor"] == 4 * S * 2 * 8
    assert found["mlp", "tensor"] == 2 * S * 3 * 256


def test_experts_move_tokens_out_and_back_and_their_own_width() -> None:
    found = amounts(block(moe(), "moe").moved)
    assert found["dispatch", "sequence"] == S * 2 * 2 * 2 * H  # 2 copies, read and written, twice
    assert found["inside", "tensor"] == S * (3 * 2 * 384 + 3 * 256 + 4 * H)


def test_experts_are_products_of_their_groups() -> None:
    found = shapes(moe())
    spread = (
        ("expert_sequence", "whole", "expert_tensor", "expert"),
        ("expert_sequence", "expert_tensor", "whole", "expert"),
    )
    assert found["experts in"] == (2 * S, H, 2 * 384, 8, *spread[0], ("moe", 1.0))
    assert found["experts out"] == (2 * S, 384, H, 8, *spread[1], ("moe", 1.0))
    assert found["shared in"] == (S, H, 2 * 256, 1, "whole", "whole", "tensor", "whole", ("moe", 1.0))
    assert found["shared out"] == (S, 256, H, 1, "whole", "tensor", "whole", "whole", ("moe", 1.0))
    assert found["attention output"][-2:] == (("dense", 1.0), ("moe", 1.0))
    assert "shared in" not in shapes(moe(shared_ffn=0.0))
    assert shapes(moe(experts=1.0, top_k=1.0))["experts in"][3] == 1


def test_experts_exchange_tokens_twice_and_reduce_once() -> None:
    found = block(moe(), "moe")
    assert (found.reductions, found.expert_reductions, found.dispatches, found.rings) == (1, 1, 2, 1)
    assert moe().copies == 2
    named = {one.name: one.sent for one in model(gpt(L, H, A, V, **EXPERTS), float(S), 0).rows if one.block == "moe"}
    assert named["dispatch"] == named["combine"] == named["experts"] == S * H


def test_parameters_of_experts_are_told_apart_and_a_token_visits_2_of_8() -> None:
    found = moe()
    routed, shared = 8 * 3 * H * 384, H * 8 + 3 * H * 256
    assert amounts(block(found, "moe").params) == {
        ("dense", "tensor"): 4 * H**2 + 3 * H * 256,
        ("dense", "whole"): H * 8,  # the router
        ("routed", "expert_ranks"): routed,
    }
    whole = L * 4 * H**2 + 8 * H**2 + 3 * (routed + shared) + V * H
    assert (found.params, in_model(found, "params")["routed", "expert_ranks"]) == (whole, 3 * routed)
    assert found.active_params == whole - 3 * routed * 6 / 8


def test_flops_are_those_of_the_experts_visited() -> None:
    """2 FLOPs a multiply-add; one dense gated MLP, three of 2 x 384 and 256 (arXiv 2101.03961, section 2.1)."""
    found = moe()
    products = L * 4 * H**2 + 3 * H * 4096 + 3 * 3 * H * (2 * 384 + 256)
    assert found.product_flop == 2 * S * products
    assert found.attention_flop == L * 2 * S**2 * H
    assert found.model_flop == 3 * (found.product_flop + found.attention_flop + found.head_flop)


# --- Encoders, decoders, windows, hybrids --------------------------------------------------------------------------

T5 = {"encoder_layers": 1.0, "target_share": 0.25, "kv_heads": 4.0, "v_head_dim": 32.0}


def test_an_encoder_decoder_passes_fewer_tokens_through_its_decoder() -> None:
    """One encoder block of all tokens and three decoder blocks of a quarter of them, each a kind of its own."""
    found = rows(**T5)
    encoder, decoder = found.blocks
    assert [(one.name, one.count, one.leading) for one in found.blocks] == [
        ("encoder dense", 1, 1),
        ("decoder dense", 3, 0),
    ]
    assert (encoder.hidden, decoder.hidden) == (S * H, S * H / 4)
    assert (encoder.widest, decoder.widest) == (S * 8 * H, S * 8 * H / 4)
    into = [one for one in found.products if one.inner == H and one.outer == 4 * H]
    assert sorted((one.rows, one.repeats[0].block) for one in into) == [(S / 4, "decoder dense"), (S, "encoder dense")]
    assert (found.head.products[0].rows, found.head.logits) == (S / 4, S * V / 4)
    sparse = rows(**(T5 | EXPERTS))
    routed = [(one.rows, one.repeats[0].block) for one in sparse.products if one.groups == 8 and one.inner == H]
    assert sorted(routed) == [(S / 2, "decoder moe"), (2 * S, "encoder moe")]
    assert [one.count for one in sparse.blocks] == [1 / 4, 3 / 4, 3 / 4, 9 / 4]


def test_cross_attention_makes_keys_and_values_of_the_encoder_and_queries_of_targets() -> None:
    """Vaswani et al. 2017, section 3.2.3: keys 4 x 64 and values 4 x 32 of the inputs, queries of the targets."""
    found = rows(**T5, cross_params=1000.0)
    crossed = [one for one in found.products if one.outer == 4 * (64 + 32)]
    assert [(one.rows, one.inner, one.repeats[0].block) for one in crossed] == [(S, H, "decoder dense")]
    decoder = block(found, "decoder dense")
    assert amounts(decoder.params) == {("dense", "tensor"): 4 * H**2 + 8 * H**2 + 1000}
    assert decoder.reductions == 3 / 4  # three all-reduces of a quarter of the tokens
    assert block(found, "encoder dense").reductions == 2
    kept = amounts(decoder.kept_bytes)
    own = S / 4 * (A + 4) * (64 + 32)
    assert kept["attention", "tensor"] == 2 * (own + S / 4 * A * (64 + 32) + S * 4 * (64 + 32))
    assert kept["stream", "sequence"] == 2 * (4 + 2) * S / 4 * H
    assert kept["scores", "tensor"] == 5 * A * (S / 4) * (S / 4 + S)
    assert amounts(decoder.moved)["stream", "sequence"] == 1.5 * S / 4 * H
    assert "cross queries" not in shapes(rows())


def test_scores_of_an_encoder_decoder() -> None:
    """The encoder sees all pairs; the decoder half of the targets' square, and targets by inputs."""
    cores = {(one.name, one.repeats[0].block): one for one in rows(**T5).cores}
    flop = 2 * A * (64 + 32)
    assert cores["attention core", "encoder dense"].flop == flop * S**2
    assert cores["attention core", "decoder dense"].flop == flop * (S / 4) ** 2 / 2
    crossed = cores["cross-attention core", "decoder dense"]
    assert (crossed.flop, crossed.scores, crossed.keys) == (flop * S * S / 4, A * S * S / 4, S)


def test_an_encoder_sees_both_ways() -> None:
    (core,) = rows(causal=0.0).cores
    assert core.flop == 4 * S**2 * H


def test_half_of_the_blocks_with_a_window() -> None:
    """s w - w^2/2 pairs where a query sees w tokens: Mistral's sliding window (arXiv 2310.06825, section 2)."""
    (core,) = rows(windowed_layers=2.0, window_tokens=128.0).cores
    assert core.flop == 4 * H * (S**2 / 2 + S * 128 - 128**2 / 2) / 2


def test_a_hybrid_has_attention_in_some_of_its_blocks() -> None:
    """One block with attention and three with a mixer of 6 h^2 weights, each multiplied once with each token."""
    found = rows(attention_layers=1.0, mixer_params=6.0 * H**2)
    assert found.attention_flop == 2 * S**2 * H
    attention, mixer = found.blocks
    assert [(one.name, one.count, one.rings, one.reductions) for one in found.blocks] == [
        ("dense", 1, 1, 2),
        ("mixer dense", 3, 0, 2),
    ]
    assert shapes(found)["mixer"] == (S, H, 6 * H, 1, "whole", "whole", "tensor", "whole", ("mixer dense", 1.0))
    assert shapes(found)["MLP out"][-2:] == (("dense", 1.0), ("mixer dense", 1.0))
    assert found.product_flop == 2 * S * H**2 * (4 + 3 * 6 + 4 * 8)
    assert amounts(mixer.params) == {("dense", "tensor"): 6 * H**2 + 8 * H**2}
    kept, moved = amounts(mixer.kept_bytes), amounts(mixer.moved)
    assert (kept["mixer", "tensor"], mixer.scores, attention.scores) == (2 * S * 6 * H, 0, A * S**2)
    assert ("scores", "tensor") not in kept
    assert moved["inside", "tensor"] == S * (2 * 4 * H + 2 * 6 * H)
    windowed = rows(attention_layers=2.0, windowed_layers=2.0, window_tokens=128.0)
    assert windowed.attention_flop == 2 * 4 * H * (S * 128 - 128**2 / 2)
    alone = rows(attention_layers=1.0, windowed_layers=1.0, window_tokens=128.0)
    assert alone.attention_flop == 4 * H * (S * 128 - 128**2 / 2)
    assert rows(attention_layers=0.0).attention_flop == 0


@pytest.mark.parametrize(
    ("window", "causal", "pairs"),
    [(0, 1, 32), (0, 0, 64), (4, 1, 24), (4, 0, 48), (8, 0, 64), (6, 0, 60), (100, 1, 32), (100, 0, 64)],
)
def test_pairs_of_eight_tokens(window: float, causal: float, pairs: float) -> None:
    """s^2/2 or s^2; s w - w^2/2 with a window, twice as many where it looks both ways."""
    assert attention_pairs(8, window, 0, causal) == pairs
