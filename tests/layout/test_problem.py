"""Each rule finds its own breach, on scalars and on arrays."""

from dataclasses import replace

import numpy as np
import pytest
from tests.shapes import gpt, pretraining

from steelyard.catalog import load
from steelyard.errors import BadLayout
from steelyard.layout import Reason, parse, problem, sentence
from steelyard.layout.axes import dividing_text, lacking_axis, lacks_axis
from steelyard.strategies.partition import given_partition
from steelyard.tables import Divisible, Layout, join

JOB = pretraining(gpt(32, 4096, 32, kv_heads=8.0), 4096, 512)
FINE = Layout(
    devices=64.0, tp=4.0, pp=2.0, vpp=1.0, schedule=0.0, cp=1.0, dp=8.0, ep=1.0, etp=4.0, zero=1.0,
    shard_devices=8.0, micro_batch=2.0, micro_batches=32.0, sp=1.0, recompute=1.0, flash=1.0, offload=0.0,
    partition=0.0,
)  # fmt: skip
ANY = load().capability("any")


def by_hand(*sizes: int) -> float:
    return float(given_partition(sizes))


BREACHES = [
    ({"tp": 0.0}, Reason.DEGREES),
    ({"micro_batch": 1.5}, Reason.DEGREES),
    ({"devices": 60.0}, Reason.DEVICES),
    ({"tp": 3.0, "etp": 3.0, "devices": 48.0, "sp": 0.0}, Reason.HEADS),
    ({"pp": 64.0, "devices": 2048.0}, Reason.STAGES),
    ({"vpp": 3.0, "schedule": 1.0}, Reason.INTERLEAVE),
    ({"vpp": 2.0}, Reason.SCHEDULE),
    ({"schedule": 1.0}, Reason.SCHEDULE),
    ({"schedule": 99.0}, Reason.SCHEDULE),
    *(({"schedule": code, "pp": 1.0, "devices": 32.0}, Reason.SCHEDULE) for code in (1.0, 2.0, 3.0, 4.0, 6.0)),
    ({"schedule": 5.0, "vpp": 2.0, "pp": 1.0, "devices": 32.0}, Reason.INTERLEAVE),
    ({"vpp": 2.0, "schedule": 1.0, "pp": 1.0, "devices": 32.0}, Reason.INTERLEAVE),
    ({"cp": 3.0, "devices": 192.0, "shard_devices": 24.0}, Reason.CONTEXT),
    ({"tp": 1.0, "etp": 1.0, "devices": 16.0}, Reason.SEQUENCE),
    ({"ep": 2.0}, Reason.AXIS),
    ({"micro_batches": 31.0}, Reason.BATCH),
    ({"zero": 4.0}, Reason.ZERO),
    ({"shard_devices": 5.0}, Reason.SHARD),
    ({"offload": 0.5}, Reason.FLAGS),
    ({"recompute": 3.0}, Reason.FLAGS),
    ({"partition": by_hand(16, 15)}, Reason.PARTITION),
    ({"partition": by_hand(17, 16)}, Reason.PARTITION),
    ({"partition": by_hand(10, 12, 10)}, Reason.PARTITION),
    ({"partition": by_hand(0, 32)}, Reason.PARTITION),
    ({"partition": by_hand(32, 0)}, Reason.PARTITION),
    ({"partition": 99.0}, Reason.PARTITION),
    ({"partition": by_hand(8, 8, 8, 8, 0), "vpp": 2.0, "schedule": 1.0}, Reason.PARTITION),
    ({"partition": by_hand(0, 16, 0, 16), "vpp": 2.0, "schedule": 1.0}, Reason.PARTITION),
    ({"offload": -1.0}, Reason.FLAGS),
    ({"vpp": 2.0, "schedule": 1.0, "micro_batch": 64.0, "micro_batches": 1.0}, Reason.ROUNDS),
    ({"schedule": 6.0, "micro_batch": 32.0, "micro_batches": 2.0}, Reason.ROUNDS),
    ({"vpp": 3.0, "schedule": 5.0}, Reason.SCHEDULE),
    ({"shard_devices": 24.0}, Reason.SHARD),
]


@pytest.mark.parametrize(("change", "reason"), BREACHES)
def test_each_rule_finds_its_breach(change, reason):
    assert problem(JOB, FINE, 8.0, 1e9, ANY) == Reason.VALID
    assert Reason(int(problem(JOB, replace(FINE, **change), 8.0, 1e9, ANY))) == reason


@pytest.mark.parametrize(
    "change",
    [
        {"partition": by_hand(15, 17)},
        {"partition": by_hand(31, 1)},
        {"partition": 1.0},
        {"partition": 2.0},
        {"partition": by_hand(7, 8, 9, 8), "vpp": 2.0, "schedule": 1.0},
        {"partition": by_hand(0, 10, 12, 10), "vpp": 2.0, "schedule": 1.0},  # a chunk may be empty, no stage
        {"partition": by_hand(10, 12, 10, 0), "vpp": 2.0, "schedule": 1.0},
        {"partition": 1.0, "vpp": 3.0, "schedule": 1.0},  # 34 by six: chunks need not be equal
    ],
)
def test_a_partition_has_a_block_for_every_stage_and_no_block_is_left(change):
    assert problem(JOB, replace(FINE, **change), 8.0, 1e9, ANY) == Reason.VALID


def test_rules_that_leave_a_stage_without_a_block_are_refused():
    """Four blocks on four stages: with embedding and head one each, the last has none; an output projection as heavy as
    four blocks leaves two stages without any.
    """
    for model, partition, pp in ((gpt(4, 4096, 32), 1.0, 4.0), (gpt(4, 1024, 32, vocab=49152.0), 2.0, 4.0)):
        job = pretraining(model, 4096, 512)
        laid = replace(FINE, pp=pp, devices=32 * pp, partition=0.0)
        assert problem(job, laid, 8.0, 1e9, ANY) == Reason.VALID
        assert problem(job, replace(laid, partition=partition), 8.0, 1e9, ANY) == Reason.PARTITION


def test_columns_of_codes_equal_one_code_at_a_time():
    rows = [replace(FINE, **change) for change, _ in BREACHES]
    codes = problem(JOB, join(rows), 8.0, 1e9, ANY)
    assert list(codes) == [reason for _, reason in BREACHES]


def test_experts():
    job = pretraining(gpt(32, 4096, 32, experts=8.0, top_k=2.0, moe_layers=32.0), 4096, 512)
    assert problem(job, replace(FINE, ep=8.0, etp=1.0), 8.0, 1e9, ANY) == Reason.VALID
    assert problem(job, replace(FINE, ep=3.0, etp=1.0), 8.0, 1e9, ANY) == Reason.EXPERTS
    few = replace(FINE, ep=8.0, etp=1.0, tp=1.0, dp=2.0, devices=4.0, sp=0.0, shard_devices=2.0, micro_batches=128.0)
    assert problem(job, few, 8.0, 1e9, ANY) == Reason.EXPERT_RANKS


def test_key_value_heads_and_mlp_width():
    job = pretraining(gpt(32, 3072, 24, kv_heads=6.0), 4096, 512)
    assert problem(job, replace(FINE, tp=4.0), 8.0, 1e9, ANY) == Reason.KV_HEADS
    narrow = pretraining(gpt(32, 4096, 32, ffn=11006.0), 4096, 512)
    assert problem(narrow, FINE, 8.0, 1e9, ANY) == Reason.FFN


def test_an_unknown_network_keeps_the_job_inside_the_domain():
    assert problem(JOB, FINE, 8.0, np.nan, ANY) == Reason.NETWORK
    assert problem(JOB, FINE, 64.0, np.nan, ANY) == Reason.VALID


@pytest.mark.parametrize(
    ("stack", "change"),
    [
        ("deepspeed", {}),
        ("megatron-core", {"zero": 2.0}),
        ("megatron-deepspeed", {"zero": 2.0}),
        ("nanotron", {"recompute": 1.0}),
        ("megatron-core", {"shard_devices": 4.0}),
    ],
)
def test_stacks_refuse_what_they_cannot_run(stack, change):
    assert problem(JOB, replace(FINE, **change), 8.0, 1e9, load().capability(stack)) == Reason.STACK


def test_every_reason_has_a_sentence():
    assert all(sentence(reason) for reason in Reason)


@pytest.mark.parametrize(
    ("sequence", "change", "reason"),
    [
        (4097.0, {"sp": 0.0}, Reason.VALID),  # one piece, whatever its length
        (4100.0, {"cp": 2.0, "sp": 0.0}, Reason.VALID),  # four pieces of 1,025
        (4098.0, {"cp": 2.0, "sp": 0.0}, Reason.CONTEXT),  # two pieces, but not four
        (4096.0, {"cp": 2.0}, Reason.VALID),
        (4104.0, {"cp": 4.0}, Reason.SEQUENCE),  # eight pieces of 513, which 4 tensor ranks do not divide
        (4104.0, {"cp": 4.0, "sp": 0.0}, Reason.VALID),
        (4098.0, {}, Reason.SEQUENCE),
    ],
)
def test_pieces_of_a_sequence(sequence, change, reason):
    """Megatron-core splits a sequence into 2 cp pieces, so that each rank has an early and a late one."""
    job = pretraining(gpt(32, 4096, 32, kv_heads=8.0), sequence, 512)
    ranks = 8.0 * change.get("cp", 1.0)
    laid = replace(FINE, devices=ranks * 8, shard_devices=ranks, **change)
    assert Reason(int(problem(job, laid, 8.0, 1e9, ANY))) == reason


@pytest.mark.parametrize(
    ("ability", "change"),
    [
        ("tp", {}),
        ("sp", {}),
        ("schedules", {}),
        ("cp", {"cp": 2.0, "devices": 128.0, "shard_devices": 16.0}),
        ("ep", {"ep": 2.0, "etp": 1.0}),
        ("etp", {"ep": 2.0, "etp": 4.0}),
        ("etp", {"etp": 1.0}),
        ("hsdp", {"shard_devices": 4.0}),
        ("hsdp", {"shard_devices": 8.0, "cp": 2.0, "devices": 128.0}),
        ("offload", {"offload": 1.0}),
    ],
)
def test_a_stack_without_an_ability_refuses_it(ability, change):
    job = pretraining(gpt(32, 4096, 32, experts=8.0, top_k=2.0, moe_layers=16.0), 4096, 512)
    laid = replace(FINE, **change)
    assert problem(job, laid, 8.0, 1e9, ANY) == Reason.VALID
    assert problem(job, laid, 8.0, 1e9, replace(ANY, **{ability: ()})) == Reason.STACK


def test_a_stack_refuses_a_schedule_that_it_does_not_run():
    chunked = replace(FINE, vpp=2.0, schedule=1.0)
    assert problem(JOB, chunked, 8.0, 1e9, ANY) == Reason.VALID
    assert problem(JOB, chunked, 8.0, 1e9, replace(ANY, schedules=("1f1b",))) == Reason.STACK
    assert problem(JOB, FINE, 8.0, 1e9, replace(ANY, schedules=("interleaved",))) == Reason.STACK


def test_a_stack_refuses_a_partition_that_it_does_not_have():
    for partition, name in ((1.0, "ends"), (2.0, "cost"), (by_hand(15, 17), "given")):
        laid = replace(FINE, partition=partition)
        assert problem(JOB, laid, 8.0, 1e9, ANY) == Reason.VALID
        assert problem(JOB, laid, 8.0, 1e9, replace(ANY, partitions=(name,))) == Reason.VALID
        assert problem(JOB, laid, 8.0, 1e9, replace(ANY, partitions=("even",))) == Reason.STACK
    assert problem(JOB, FINE, 8.0, 1e9, replace(ANY, partitions=("ends", "given"))) == Reason.STACK
    lone = replace(FINE, pp=1.0, devices=32.0)
    assert problem(JOB, lone, 8.0, 1e9, replace(ANY, partitions=())) == Reason.VALID


@pytest.mark.parametrize(
    ("stages", "zero", "dp", "reason"),
    [
        ((1, 2), 0.0, 1.0, Reason.VALID),  # one rank has nothing to shard
        ((1, 2), 0.0, 2.0, Reason.STACK),
        ((1, 2), 1.0, 2.0, Reason.VALID),
        ((0, 1), 2.0, 1.0, Reason.STACK),
        ((0, 2), 1.0, 1.0, Reason.STACK),
        ((0, 1), 0.0, 2.0, Reason.VALID),
    ],
)
def test_zero_stages_of_a_stack(stages, zero, dp, reason):
    laid = replace(FINE, pp=1.0, dp=dp, devices=4 * dp, shard_devices=dp, micro_batches=256 / dp)
    can = replace(ANY, zero=stages)
    assert Reason(int(problem(JOB, replace(laid, zero=zero), 8.0, 1e9, can))) == reason


def test_a_model_without_a_dense_mlp_has_no_width_to_divide():
    job = pretraining(gpt(32, 4096, 32, ffn=11006.0, experts=8.0, top_k=2.0, moe_layers=32.0), 4096, 512)
    assert problem(job, FINE, 8.0, 1e9, ANY) == Reason.VALID


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ep": 2.0, "etp": 1.0}, Reason.AXIS),
        ({"etp": 2.0}, Reason.AXIS),
        ({"etp": 1.0}, Reason.VALID),  # says nothing of a model without experts
        ({}, Reason.VALID),
    ],
)
def test_a_model_without_experts_has_no_expert_axes(change, reason):
    assert Reason(int(problem(JOB, replace(FINE, **change), 8.0, 1e9, ANY))) == reason


NETWORK = Divisible(blocks=17, stages=1, heads=1, kv_heads=1, ffn=0, experts=0, sequence=1, projection=0)
LONE = dict.fromkeys(("tp", "pp", "cp", "ep", "etp", "vpp"), 1.0) | {
    "sp": 0.0, "dp": 64.0, "shard_devices": 64.0, "micro_batches": 4.0
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tp": 2}, "tp = 2 but the model has no attention heads to share out"),
        ({"pp": 100}, "pp = 100 but the model cannot be cut into stages"),
        ({"vpp": 2}, "vpp = 2 but the model cannot be cut into stages"),
        ({"cp": 2}, "cp = 2 but the model has no sequence to split"),
        ({"sp": 1}, "sp = 1 but the model has no sequence to split"),
        ({"ep": 4}, "ep = 4 but the model has no experts"),
        ({"etp": 2}, "etp = 2 but the model has no experts"),
    ],
)
def test_a_model_of_rows_alone_is_divided_by_dp(change, words):
    job = replace(JOB, workload=replace(JOB.workload, divisible=NETWORK))
    laid = replace(FINE, **LONE)
    assert problem(job, laid, 8.0, 1e9, ANY) == Reason.VALID
    assert problem(job, replace(laid, **change), 8.0, 1e9, ANY) == Reason.AXIS
    text = ",".join(f"{name}={value}" for name, value in change.items())
    with pytest.raises(BadLayout, match=rf"^layout {text}: {words}; only dp divides it$"):
        parse(text, job, 64, 8, 1e9, ANY)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({}, "what divides it: tp (1, 2, 4, 8, 16 or 32), pp (up to 32), cp, dp"),
        ({"heads": 12.0, "kv_heads": 3.0, "ffn": 30.0}, "what divides it: tp (1, 3 or 6), pp (up to 32), cp, dp"),
        ({"heads": 1.0, "kv_heads": 1.0, "experts": 4.0, "sequence": 2.0}, "what divides it: pp (up to 32), ep, dp"),
    ],
)
def test_what_divides_a_model_is_said_in_its_numbers(sizes, words):
    assert dividing_text(replace(JOB.workload.divisible, **sizes)) == words


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        ({"tp": 2}, False),
        ({"pp": 2, "vpp": 2, "cp": 2, "sp": 1, "ep": 2, "etp": 2}, False),
        ({}, False),
    ],
)
def test_the_least_of_an_axis_is_enough_for_it(change, lacks):
    small = replace(NETWORK, stages=2, heads=2, kv_heads=2, experts=1, sequence=2)
    assert bool(lacks_axis(small, replace(FINE, **(LONE | change)))) is lacks
    assert bool(lacking_axis(small, change)) is lacks
