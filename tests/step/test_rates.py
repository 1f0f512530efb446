"""Which parts of a step each rate, efficiency and exposed share moves, all being different: those and no others.

A part whose seconds hang on those of others (a ring behind attention, a bubble, gradients behind compute) is left out.
"""

from dataclasses import replace

import pytest
from tests.shapes import gpt, layout, pretraining
from tests.step.neutral import (
    EXPERTS,
    HIDDEN,
    MOE,
    NETWORK,
    PARAMS,
    ROUTED,
    A,
    B,
    H,
    L,
    S,
    V,
    kernels,
    machine,
    peak,
    stack,
    step,
)
from tests.step.neutral import JOB as DENSE

from steelyard.step import stage_job, time
from steelyard.tables import Kernels, Machine, Stack

PARTS = ("gemm_s", "attention_s", "pointwise_s", "vocab_s", "tp_s", "ep_s", "pp_s", "optimizer_s")
JOB = pretraining(gpt(L, H, A, V, **(EXPERTS | {"moe_layers": 2.0}), routed_params=ROUTED), S, 64.0)
STAGED = stage_job(JOB, layout(JOB, tp=2.0, pp=2.0, cp=2.0, dp=4.0, ep=2.0, sp=0.0))
MACHINE = machine(
    peak_flop_per_s=3e14, peak16_flop_per_s=2e14, memory_bytes_per_s=2e12, domain_devices=4.0, node_devices=2.0,
    link_bytes_per_s=2e11, nic_bytes_per_s=2e10, host_bytes_per_s=3e10,
)  # fmt: skip
KERNELS = kernels(
    gemm_efficiency=0.8, gemm_launch_s=3e-6, gemm_half_width=300.0, attention_efficiency=0.6,
    attention_half_tokens=200.0, attention_half_dim=40.0, attention_legacy=0.7, unfused_efficiency=0.3,
    memory_efficiency=0.9, link_efficiency=0.75, nic_efficiency=0.65, link_hop_s=1e-5, nic_hop_s=2e-5,
)  # fmt: skip
STACK = stack(
    tp_exposed=0.9, dp_exposed=0.35, ep_exposed=0.7, pp_exposed=0.6, vocab_exposed=0.5, attention_native=0.4,
    attention_share=0.95, step_host_s=0.01, loss_bytes=11.0, pointwise_passes=13.0, update_bytes=0.75,
)  # fmt: skip
PRODUCTS, FUSED, STREAMED = {"gemm_s", "vocab_s"}, {"attention_s"}, {"pointwise_s", "vocab_s", "optimizer_s"}
LINKED, SENT, UPDATE = {"tp_s", "ep_s"}, {"pp_s"}, {"optimizer_s"}
MOVED: dict[str, set[str]] = {
    "peak_flop_per_s": {"gemm_s"},
    "peak16_flop_per_s": {"attention_s", "vocab_s"},  # the head runs at 16 bits
    "memory_bytes_per_s": STREAMED,
    "link_bytes_per_s": LINKED,
    "nic_bytes_per_s": {"pp_s"},
    "host_bytes_per_s": set(),
    "node_devices": set(),
    **dict.fromkeys(("gemm_efficiency", "gemm_launch_s", "gemm_half_width"), PRODUCTS),
    **dict.fromkeys(("attention_efficiency", "attention_half_tokens", "attention_half_dim"), FUSED),
    **dict.fromkeys(("attention_legacy", "attention_native", "attention_share"), FUSED),
    "unfused_efficiency": set(),
    "memory_efficiency": STREAMED,
    **dict.fromkeys(("link_efficiency", "link_hop_s"), LINKED),
    **dict.fromkeys(("nic_efficiency", "nic_hop_s"), SENT),
    "tp_exposed": {"tp_s"},
    "ep_exposed": {"ep_s"},
    "pp_exposed": {"pp_s"},
    "dp_exposed": set(),
    "vocab_exposed": {"vocab_s"},
    "loss_bytes": {"vocab_s"},
    "pointwise_passes": {"pointwise_s"},
    **dict.fromkeys(("weight_bytes", "grad_bytes", "step_host_s"), UPDATE),
    "update_bytes": set(),  # kept, not moved
    "gather_bytes": set(),
}


def parts(*changed: Machine | Kernels | Stack) -> dict[str, float]:
    tables = {type(table): table for table in (MACHINE, KERNELS, STACK, *changed)}
    found = time(STAGED, tables[Machine], tables[Kernels], tables[Stack])  # type: ignore[arg-type]  # by their types
    return {name: float(getattr(found, name)) for name in PARTS}


@pytest.mark.parametrize("name", MOVED)
def test_each_moves_the_parts_that_are_made_of_it(name: str) -> None:
    table = next(one for one in (MACHINE, KERNELS, STACK) if hasattr(one, name))
    before, after = parts(), parts(replace(table, **{name: getattr(table, name) * 1.09}))
    assert {part for part in PARTS if after[part] != pytest.approx(before[part], rel=1e-12)} == MOVED[name]


def test_traffic_is_of_elements_and_not_of_what_products_are_fed_or_frozen_parameters_take() -> None:
    laid = {"tp": 2.0, "pp": 2.0, "cp": 2.0, "dp": 4.0, "ep": 2.0}
    plain, narrow = (
        step(job, layout(job, **laid), nic_bytes_per_s=NETWORK)
        for job in (MOE, replace(MOE, gemm_bytes=1.0, frozen_bytes=0.5))
    )
    for name in ("tp_s", "cp_s", "ep_s", "pp_s"):
        assert getattr(narrow, name) == getattr(plain, name) > 0


@pytest.mark.parametrize("sp", [0.0, 1.0])
def test_tensor_ranks_divide_ends_and_keys_whether_or_not_they_divide_the_sequence(sp: float) -> None:
    """Tables and logits on four ranks; keys and values round a ring of two, three times: 2 S/2 h of 2 bytes."""
    laid = layout(DENSE, tp=4.0, cp=2.0, sp=sp)
    held = peak(DENSE, laid, weight_bytes=2.0, logit_bytes=4.0)
    assert (held.weights_bytes, held.logits_bytes) == (2 * PARAMS / 4, 4 * S / 2 * V / 4)
    taken = step(DENSE, laid, nic_bytes_per_s=NETWORK)
    assert taken.cp_s == pytest.approx(B * L * 3 * 2 * HIDDEN / 2 / 4 / NETWORK)


def test_a_rank_without_tensor_ranks_reduces_nothing_over_a_network_that_is_unknown() -> None:
    assert step(DENSE, layout(DENSE, dp=2.0), nic_bytes_per_s=float("nan")).tp_s == 0
