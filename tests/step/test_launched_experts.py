"""Experts of a rank: launched one by one by a loop, as products of a group, or all at once; by stack and month."""

import pytest

import steelyard
from steelyard.catalog import load, stack
from steelyard.catalog.stack_names import rule_of_name
from steelyard.catalog.stacks import parse_stack
from steelyard.evidence.frames.stacks import run_constants
from steelyard.evidence.runs.reader import blank_run
from steelyard.strategies.experts import EXPERT_LAUNCHES, GROUPED, LOOP, PRODUCTS, launched_experts

HELD = (1.0, 8.0, 64.0, 256.0)
BY_STACK = {
    "megatron-core": PRODUCTS,  # TEGroupedMLP: nvte_multi_tensor_gemm
    "fsdp2": GROUPED,  # torchtitan's use_grouped_mm
    "hf-trainer": GROUPED,  # Transformers 5: grouped_mm
    "maxtext": GROUPED,  # megablox
    "litgpt": LOOP,  # LLaMAMoE
    "megatron-deepspeed": LOOP,  # deepspeed/moe/experts.py
}


@pytest.mark.parametrize("name", BY_STACK)
def test_a_stack_launches_experts_as_its_code_does(name: str) -> None:
    assert stack(name).expert_launches == EXPERT_LAUNCHES[BY_STACK[name]]


def test_a_grouped_product_is_launched_once_and_a_loop_as_often_as_there_are_experts() -> None:
    assert [launched_experts(held, EXPERT_LAUNCHES[GROUPED]) for held in HELD] == [1.0] * 4
    assert [launched_experts(held, EXPERT_LAUNCHES[LOOP]) for held in HELD] == list(HELD)
    assert launched_experts(64.0, EXPERT_LAUNCHES[PRODUCTS]) == pytest.approx(1 + 63 * 6 / 27)
    assert launched_experts(0.5, 1.0) == 1.0


@pytest.mark.parametrize(
    ("text", "date", "launch"),
    [
        ("HF Trainer", "2024-05", LOOP),
        ("HF Trainer", "2026-02", GROUPED),
        ("torchtitan", "2025-03", LOOP),
        ("torchtitan", "2025-09", GROUPED),
        ("OLMo-core", "2025-09", PRODUCTS),
        ("HF Trainer, ScatterMoE", "2024-05", PRODUCTS),
        ("NeMo, no grouped GEMM", "2025-05", LOOP),
        ("NeMo", "2025-05", PRODUCTS),
    ],
)
def test_a_row_of_a_month_launches_as_releases_of_that_month_did(text: str, date: str, launch: str) -> None:
    rule = rule_of_name(load().stack_rules, text, date)
    found = run_constants(blank_run(stack=text, date=date), rule, "bf16", load())
    usual = stack(rule.stack).expert_launches
    assert found.get("expert_launches", usual) == EXPERT_LAUNCHES[launch]


def test_a_job_is_launched_as_today() -> None:
    job = {"model": "qwen3-30b-a3b", "tokens": "1B", "sequence": 4096, "global_batch": 512}
    waits = {}
    for name in ("megatron-core", "torchtitan", "litgpt", "OLMo-core"):
        found = steelyard.estimate({**job, "stack": name}, "H100:64", layout="mbs=1,recompute=full,flash=1")
        waits[name] = found.time.host_s / found.layout["micro_batches"]
    assert waits["torchtitan"] <= waits["OLMo-core"] < waits["litgpt"] / 3
    assert waits["megatron-core"] < waits["litgpt"] / 3


def test_what_launches_experts_has_a_source_and_a_known_name() -> None:
    can_run = {
        "vendors": [], "planned": 0, "trains": ["language"], "trains_source": "x", "has": [], "zero": [0],
        "zero_most_with_pp": 0, "recompute": ["none"], "source": "x", "checked": "2026-12-01",
    }  # fmt: skip
    wrong = ({"launch": "twice", "source": "x"}, "unknown launch"), ({"launch": "loop", "source": ""}, "no source")
    for given, says in wrong:
        with pytest.raises(ValueError, match=says):
            parse_stack({"stack": "made", "can_run": can_run, "experts": [given]})


def test_fewer_experts_of_a_rank_are_never_launched_slower() -> None:
    for share in EXPERT_LAUNCHES.values():
        found = [launched_experts(64 / ep, share) for ep in (1.0, 2.0, 8.0, 64.0)]
        assert found == sorted(found, reverse=True)
