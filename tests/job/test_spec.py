"""A description that cannot be a model is refused with its reason."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.errors import BadInput
from steelyard.job.models.architecture import architecture, spread_text
from steelyard.job.models.count import attention_params, latent_attention_params, mlp_params
from steelyard.job.models.spec import ModelSpec

TOY: dict[str, Any] = {
    "name": "toy",
    "layers": 4,
    "hidden": 64,
    "ffn": 256,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 16,
    "vocab": 100,
    "max_tokens": 128,
}
HYBRID: dict[str, Any] = {"experts": 8, "top_k": 2, "expert_ffn": 64, "moe_every": 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": 0}, "layers is 0; it must be at least 1"),
        ({"hidden": -64}, "hidden is -64"),
        ({"ffn": 1.5}, "ffn is 1.5; it must be a whole number"),
        ({"layers": True}, "layers is True; it must be a whole number"),
        ({"kv_heads": 3}, "4 heads cannot share 3 key-value heads"),
        ({"mlp": "swigly"}, "mlp is 'swigly'; nearest: swiglu"),
        ({"experts": 8}, "give top_k"),
        ({"experts": 8, "top_k": 2}, "give expert_ffn"),
        ({"experts": 8, "top_k": 9, "expert_ffn": 64}, "top_k 9 is more than its 8"),
        ({"dense_layers": 5}, "5 dense layers are more than its 4 blocks"),
        ({"windowed_layers": 2}, "need window_tokens"),
        ({"windowed_layers": 5, "window_tokens": 8}, "5 windowed layers"),
        ({"kv_lora": 16}, "latent attention needs"),
        ({"kind": "encdec"}, "give encoder_layers"),
        ({"vocab": 10**18}, "no model is that large"),
        ({"attention_layers": 9}, "9 attention layers"),
        ({"attention_layers": 3, "attention_moe_layers": 0, **HYBRID}, "1 to 2 of its 2 layers with experts"),
        ({"attention_layers": 1, "attention_moe_layers": 2, **HYBRID}, "0 to 1 of its 2 layers with experts"),
        ({"attention_layers": 1, "attention_moe_layers": 0.5, **HYBRID}, "it must be a whole number"),
    ],
)
def test_a_contradiction_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        ModelSpec(**{**TOY, **change})


def test_what_a_hybrid_leaves_open_is_spread_and_said() -> None:
    hybrid = ModelSpec(**TOY, **HYBRID, attention_layers=1)
    assert architecture(hybrid).attention_moe_layers == 1 * 2 / 4
    assert "attention_moe_layers of toy unknown, 0 to 1" in spread_text(hybrid)
    named = replace(hybrid, attention_moe_layers=1)
    assert (architecture(named).attention_moe_layers, spread_text(named)) == (1, "")
    every = replace(hybrid, attention_layers=3, moe_every=1)
    assert (architecture(every).attention_moe_layers, spread_text(every)) == (3, "")


def test_leading_dense_layers_and_every_second_are_not_routed() -> None:
    moe = {"experts": 8, "top_k": 2, "expert_ffn": 64}
    assert ModelSpec(**TOY, **moe).moe_layers == 4
    assert ModelSpec(**TOY, **moe, dense_layers=1).moe_layers == 3
    assert ModelSpec(**TOY, **moe, moe_every=2).moe_layers == 2
    assert ModelSpec(**TOY).moe_layers == 0


def test_a_dense_mlp_of_another_kind_keeps_its_weights() -> None:
    mixed = ModelSpec(**TOY, mlp_bias=False, experts=2, top_k=1, expert_ffn=128, expert_mlp="gelu", moe_every=2)
    numbers = architecture(mixed)
    assert numbers.ffn_matrices * numbers.ffn * numbers.hidden == numbers.mlp_params


@given(st.integers(1, 512), st.integers(1, 64), st.integers(1, 64))
def test_grouped_queries_save_exactly_the_keys_and_values(hidden: int, heads: int, head_dim: int) -> None:
    free = {"q_bias": 0, "k_bias": 0, "v_bias": 0, "o_bias": 0}
    shape = {"hidden": hidden, "head_dim": head_dim, "v_head_dim": head_dim, **free}
    many = attention_params(heads=heads, kv_heads=heads, **shape)
    one = attention_params(heads=heads, kv_heads=1, **shape)
    assert many - one == 2 * hidden * head_dim * (heads - 1)


def test_latent_attention_of_deepseek_v2_as_in_its_paper() -> None:
    # arXiv 2405.04434, section 2.1: d 5120, 128 heads of 128 + 64, latents of 1536 and 512.
    counted = latent_attention_params(
        hidden=5120, heads=128, head_dim=192, v_head_dim=128, q_lora=1536, kv_lora=512, rope_dim=64, q_compressed=1
    )
    queries = 5120 * 1536 + 1536 + 1536 * 128 * 192
    keys_values = 5120 * (512 + 64) + 512 + 512 * 128 * (128 + 128)
    assert counted == queries + keys_values + 128 * 128 * 5120


def test_a_gate_adds_a_third_matrix_and_a_bias() -> None:
    assert mlp_params(64, 256, 3, 1) - mlp_params(64, 256, 2, 1) == 64 * 256 + 256
