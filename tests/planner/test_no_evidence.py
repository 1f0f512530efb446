"""Orders that no evidence supports: a chip or a pair without runs is neither faster nor surer than one with many."""

import math

import pytest

import steelyard
from steelyard.catalog import load, pair_log_sd
from steelyard.catalog.tabulate import kernels_rows
from steelyard.errors import BadLayout
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.score.intervals import time_log_sd
from steelyard.planner.answers import Estimate

JOBS = {
    "lora": {"model": "llama-3.1-8b", "task": "lora"},
    "lora 70B": {"model": "llama-3.1-70b", "task": "lora"},
    "8B": {"model": "llama-3.1-8b"},
    "70B": {"model": "llama-3.1-70b"},
}


def made(name: str, on: str, layout: str = "", **given: str) -> Estimate:
    job = {**JOBS[name], "tokens": "20B", "sequence": 8192, "global_batch": 128}
    return steelyard.estimate({**job, **given}, on, layout=layout)


def width(found: Estimate) -> float:
    return math.log(found.time_s.high / found.time_s.low)


@pytest.mark.parametrize("stack", ["fsdp2", "hf-trainer", "nemo"])
@pytest.mark.parametrize("name", JOBS)
def test_a_chip_of_which_no_run_is_known_does_not_beat_one_with_a_thousand(name: str, stack: str) -> None:
    count = 64 if name == "70B" else 8
    again = "recompute=full"  # more memory spares it, whatever the chip
    seen, unseen = (made(name, f"{chip}:{count}", again, stack=stack) for chip in ("H100", "MI300X"))
    assert unseen.time.total_s > seen.time.total_s


@pytest.mark.parametrize("name", ["8B", "lora"])
def test_its_interval_is_wider(name: str) -> None:
    told_all = "recompute=full,mbs=1"  # what is left open is chip and stack
    seen, unseen = (made(name, f"{chip}:8", told_all, stack="fsdp2") for chip in ("H100", "MI300X"))
    assert width(unseen) > width(seen)
    told = [one.one_step for one in (seen, unseen)]
    assert told[1].high_before > told[0].high_before
    assert told[1].high_after / told[0].high_after < told[1].high_before / told[0].high_before


def test_a_pair_without_a_run_is_open_and_others_are_not() -> None:
    catalog = load()
    open_pair = pair_log_sd("fsdp2", "amd-cdna3", catalog)
    assert 0.05 < open_pair < 0.2
    assert pair_log_sd("torchtune", "nvidia-turing", catalog) == open_pair
    assert pair_log_sd("any", "trainium", catalog) == open_pair
    known = [("fsdp2", "nvidia-hopper"), ("deepspeed", "amd-cdna"), ("any", "tpu")]
    assert [pair_log_sd(*pair, catalog) for pair in known] == [0, 0, 0]


def test_a_row_of_such_a_pair_has_the_same_width() -> None:
    rows = [
        blank_run(id=chip, model="llama-3-8b", accelerator=chip, devices=8.0, sequence_tokens=8192.0, tp=1.0, pp=1.0,
                  stack="torchtitan", micro_batch=1.0, batch_samples=8.0, precision="bf16", sharding="fsdp")
        for chip in ("H100", "MI300X")
    ]  # fmt: skip
    found = run_frame(rows, load())
    seen, unseen = time_log_sd(found, load())
    chips = [0.575 * kernels_rows(load().accelerator(one), "bf16")["time_scale"].log_sd for one in ("H100", "MI300X")]
    more = unseen**2 - chips[1] ** 2 - (seen**2 - chips[0] ** 2)
    assert math.sqrt(more) == pytest.approx(pair_log_sd("fsdp2", "amd-cdna3", load()), rel=0.15)


def test_a_family_without_runs_is_as_slow_as_others_of_its_vendor_and_no_faster_than_any() -> None:
    """A chip's own row has what its power tells; its vendor's other families come on top of that."""
    catalog = load()

    def scale(name: str, precision: str = "bf16") -> float:
        found = kernels_rows(catalog.accelerator(name), precision)["time_scale"].value
        own = catalog.kernels.get((name, precision, "time_scale")) or catalog.kernels[name, "any", "time_scale"]
        return found / own.value

    amd = catalog.kernels["family:amd-cdna", "any", "time_scale"].value
    assert amd > 1
    assert scale("MI300X") == pytest.approx(scale("MI355X")) == pytest.approx(amd)
    assert scale("RTX-5090") == scale("Trainium2") == 1.0  # NVIDIA's other families are faster than any: no credit
    assert scale("MI250X-GCD") == 1.0
    assert scale("MI300X", "fp8") == pytest.approx(amd)


def test_attention_that_nobody_timed_is_no_better_than_the_products() -> None:
    catalog = load()
    rows = kernels_rows(catalog.accelerator("MI300X"), "bf16")
    share = rows["attention_efficiency"].value / rows["gemm_efficiency"].value
    timed = ("A100-80GB-SXM", "B200-180GB-SXM", "GB200", "H100-80GB-SXM", "H200-141GB-SXM")
    shares = []
    for name in timed:
        known = kernels_rows(catalog.accelerator(name), "bf16")
        shares.append(known["attention_efficiency"].value / known["gemm_efficiency"].value)
    assert min(shares) < share < max(shares)
    assert 0.4 < rows["attention_legacy"].value < 0.58
    for name in ("H100", "TPU-v5p", "Gaudi2", "T4"):  # their factors are fitted with what they have
        row = kernels_rows(catalog.accelerator(name), "bf16")["attention_efficiency"]
        assert row == catalog.kernels[row.entity, row.precision, row.quantity]


@pytest.mark.parametrize("name", ["lora", "8B"])
def test_an_unnamed_stack_is_not_faster_than_the_fastest_that_is_named(name: str) -> None:
    free = made(name, "H100:8")
    named = {stack: made(name, "H100:8", stack=stack) for stack in ("nemo", "fsdp2", "hf-trainer", "torchtune")}
    assert free.time.total_s >= 0.999 * min(one.time.total_s for one in named.values())
    if name == "lora":
        assert free.stack == "hf-trainer"
        assert free.time.total_s == pytest.approx(named["hf-trainer"].time.total_s)
        assert free.time.total_s > 1.2 * named["nemo"].time.total_s
        (text,) = (text for text in free.assumptions if text.startswith("stack "))
        assert text == "stack hf-trainer: or torchtune, deepspeed (--stack)"


def test_adapters_that_the_commonest_stack_cannot_lay_out_are_the_next_s() -> None:
    found = steelyard.estimate({**JOBS["lora"], "tokens": "20M"}, "H100:8", layout="tp=2")
    assert found.stack == "torchtune"
    with pytest.raises(BadLayout, match="no pipeline"):  # Megatron-core trains adapters under other names alone
        steelyard.estimate({**JOBS["lora"], "tokens": "20M"}, "H100:8", layout="tp=2,pp=2")
    deep = steelyard.estimate({**JOBS["lora"], "tokens": "20M", "stack": "nemo"}, "H100:8", layout="tp=2,pp=2")
    assert deep.layout["pp"] == 2


def test_a_plan_of_adapters_weighs_what_people_train_them_with() -> None:
    found = steelyard.plan({**JOBS["lora"], "tokens": "200M", "accelerators": "H100", "devices": 8})
    assert {row.stack for row in found.frontier} <= {"hf-trainer", "torchtune", "deepspeed"}
