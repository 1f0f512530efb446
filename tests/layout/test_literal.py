"""Layouts as people write them: read, filled in, written back, and refused with the arithmetic."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import gpt, pretraining

from steelyard.catalog import load
from steelyard.errors import BadLayout
from steelyard.layout import BOUNDS, check_layout, parse, size, space, text_of
from steelyard.strategies.partition import PARTITIONS
from steelyard.strategies.recompute import RECOMPUTE
from steelyard.strategies.registry import SCHEDULES
from steelyard.tables import Layout, take

JOB = pretraining(gpt(32, 4096, 32, kv_heads=8.0), 8192, 1024)
ANY = load().capability("any")
RULES = f"{', '.join(rule.name for rule in PARTITIONS[:-1])} or {PARTITIONS[-1].name}"
POLICIES = f"{', '.join(RECOMPUTE[:-1])} or {RECOMPUTE[-1]}"


def read(text: str, devices: int = 64, stack: str = "any") -> Layout:
    return parse(text, JOB, devices, 8, 1e9, load().capability(stack))


def test_the_example_of_the_manual():
    layout = read("tp=2,pp=1,dp=32,mbs=2,zero=1")
    assert (layout.tp, layout.dp, layout.micro_batches, layout.sp, layout.shard_devices) == (2, 32, 16, 1, 32)


def test_what_is_left_out_is_filled_in():
    layout = read("tp=8, pp=2, recompute=full")
    assert (layout.dp, layout.micro_batches, layout.recompute, layout.partition) == (4, 256, 2, 0)
    assert text_of(read("")) == "tp=1,pp=1,dp=64,mbs=1,ga=16,zero=0"
    assert text_of(read("", stack="fsdp2")) == "tp=1,pp=1,dp=64,mbs=1,ga=16,zero=2"


@pytest.mark.parametrize(
    ("text", "devices", "message"),
    [
        (
            "tp=8,pp=4,dp=16",
            480,
            r"tp × pp × dp = 512 but the job has 480 devices; nearest: tp=2,pp=15,dp=16; tp=8,pp=15,dp=4",
        ),
        (
            "tp=8,cp=2,dp=16",
            480,
            r"tp × pp × cp × dp = 256 but the job has 480 devices; nearest: .*tp=8,pp=15,cp=2,dp=2",
        ),
        ("tp=3", 48, r"32 heads; tp may be 1, 2, 4, 8, 16, 32"),
        ("dp=64,mbs=3", 64, r"dp × micro-batch = 192 .* global batch is 1024 samples; nearest dp × micro-batch: 128"),
        ("pp=64,dp=1", 64, r"pp = 64 but the model has 32 layers"),
        ("ep=4", 64, r"ep = 4 but the model has no experts"),
        ("shard=7", 64, r"shard = 7 but dp × cp = 64"),
        ("zero=5", 64, r"zero = 5"),
        ("tpp=2", 64, r"cannot read 'tpp=2'.*nearest: tp"),
        ("tp", 64, r"cannot read 'tp'"),
        ("tp=2,tp=4", 64, r"gives tp twice"),
        ("tp=-2", 64, r"tp='-2'.*whole number"),
        ("recompute=half", 64, POLICIES),
        ("tp=0", 64, r"^tp='0' in layout 'tp=0' is not a whole number of at least 1"),
        ("dp=64,mbs=0", 64, r"^mbs='0' in layout 'dp=64,mbs=0' is not a whole number of at least 1"),
        (",,,", 64, r"^layout ',,,' names no setting; write such as tp=2,pp=1,mbs=2, or leave it out"),
        ("pp=4,schedule=interleaved", 64, r"schedule = interleaved but vpp = 1; give vpp=2 or schedule=1f1b"),
        ("schedule=gpipe", 64, r"schedule = gpipe but pp = 1, which is no pipeline; give pp=2 or more, or no schedule"),
        ("schedule=interleaved", 64, r"schedule = interleaved but pp = 1, .*; give pp=2,vpp=2 or more, or no schedule"),
        ("pp=4,vpp=2,schedule=1f1b", 64, r"schedule = 1f1b but vpp = 2; give vpp=1 or schedule=interleaved"),
        ("sp=5", 64, r"sp = 5, flash = 1, offload = 0, recompute = 0; sp, flash and offload are 0 or 1"),
        ("tp=1,sp=1", 64, r"sp = 1 with cp × tp = 1 and 8192 tokens"),
        (
            "zzzzzz=2",
            64,
            r"nearest: tp, pp, vpp, schedule, cp, dp, ep, etp, zero, shard, mbs, ga, sp, .*, offload, partition$",
        ),
        ("pp=4,partition=half", 64, rf"{RULES}, or the blocks of each stage, as in 15-17-17-15"),
        ("pp=4,partition=8-8-8", 64, r"partition = 8\*3 has 3 entries and 24 blocks, but pp × vpp = 4 and .* 32 "),
        ("pp=4,partition=7-9-9-8", 64, r"partition = 7-9-9-8 has 4 entries and 33 blocks, but .* 32 blocks; .* add up"),
        (
            "pp=4,partition=0-12-10-10",
            64,
            r"leaves stage 1 of 4 without a block; .*every stage a block",
        ),
        ("pp=4,partition=12-0-10-10", 64, r"leaves stage 2 of 4 without a block"),
        ("pp=2,vpp=2,partition=16-0-16-0", 64, r"leaves stage 2 of 2 without a block"),
        ("pp=32,partition=ends", 64, r"partition = ends leaves stage 32 of 32 without a block; .*every stage a block"),
        ("zerro=2", 64, r"keys nearest: zero$"),
        ("tp=2,dp=16", 64, r"nearest: ([^;]+; ){3}tp × pp"),  # three, the least changed first
        ("tp=32,pp=32,dp=1", 1031, r"no layout of 1031 devices suits model and batch"),
    ],
)
def test_impossible_layouts_say_the_arithmetic(text, devices, message):
    with pytest.raises(BadLayout, match=message):
        read(text, devices)


def test_a_degree_of_a_layout_of_numbers_is_named_too():
    broken = replace(read("tp=2"), micro_batch=0.5, ep=0.0)
    with pytest.raises(BadLayout, match=r"^layout: ep = 0, micro_batch = 0.5; every degree"):
        check_layout(broken, JOB, 8, 1e9, ANY)


@pytest.mark.parametrize(
    ("stack", "text", "message"),
    [
        (
            "deepspeed",
            "pp=8,schedule=dualpipe",
            r"no pipeline \(no stack is known to run dualpipe: leave the stack out",
        ),
        ("deepspeed", "schedule=zb-v", r"no pipeline \(zb-v runs on fsdp2, internevo, zero-bubble\)"),
        ("megatron-core", "pp=8,schedule=zb-h2", r"schedule 1f1b/interleaved, not zb-h2 \(zb-h2 runs on zero-bubble\)"),
        ("nanotron", "pp=8,schedule=zb-h1", r"1f1b/gpipe, not zb-h1 \(zb-h1 runs on internevo, zero-bubble\)"),
        ("zero-bubble", "pp=8,schedule=afab", r"not gpipe \(gpipe runs on axlearn, fsdp2, nanotron, paxml\)"),
        ("axlearn", "pp=8,schedule=1f1b", r"schedule gpipe, not 1f1b \(1f1b runs on fsdp2, internevo, "),
    ],
)
def test_a_stack_without_a_schedule_says_who_has_it(stack: str, text: str, message: str) -> None:
    with pytest.raises(BadLayout, match=message):
        read(text, stack=stack)


@pytest.mark.parametrize(
    ("stack", "text"),
    [
        ("fsdp2", "pp=8,vpp=2,schedule=zb-v"), ("fsdp2", "pp=8,schedule=gpipe"), ("nanotron", "pp=8,schedule=afab"),
        ("internevo", "tp=8,pp=8,schedule=zb-h1"), ("internevo", "tp=8,pp=8,vpp=2,schedule=zb-v"),
        ("zero-bubble", "tp=8,pp=8,schedule=zb-h2"), ("zero-bubble", "pp=8,vpp=2,schedule=zb-v"),
        ("axlearn", "pp=8"), ("any", "pp=8,schedule=dualpipe"),
    ],
)  # fmt: skip
def test_a_stack_runs_the_schedules_of_its_code(stack: str, text: str) -> None:
    made = read(text, stack=stack)
    named = dict(part.split("=") for part in text.split(",")).get("schedule", "gpipe")
    assert int(made.schedule) == SCHEDULES[named.replace("afab", "gpipe")].code


def test_a_stack_says_what_it_can():
    with pytest.raises(BadLayout, match="deepspeed runs offload, nvme, ZeRO 1/2/3, recompute none/full"):
        read("tp=2", stack="deepspeed")
    with pytest.raises(BadLayout, match="network between nodes is unknown"):
        parse("", JOB, 16, 8, float("nan"), ANY)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        read(text)
    except BadLayout as error:
        message = str(error)
    else:
        message = "read"
    assert message


@given(st.integers(0, 10**6), st.sampled_from(["megatron-core", "fsdp2", "maxtext", "deepspeed"]))
def test_every_layout_of_the_space_reads_back(seed, stack):
    layouts = space(JOB, [64], 8, load().capability(stack), BOUNDS)
    row = take(layouts, np.array(seed % size(layouts)))
    assert read(text_of(row), stack=stack) == row


def test_a_stack_says_which_partitions_it_has():
    has = load().capability("fsdp2").partitions
    lacking = [rule.name for rule in PARTITIONS if rule.name not in has]
    says = rf"fsdp2 runs .*, partition {'/'.join(has)}, not {lacking[0]}; the software stack"
    with pytest.raises(BadLayout, match=says):
        read(f"pp=4,partition={lacking[0]}", stack="fsdp2")


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("pp=4", ""),
        ("pp=4,partition=even", ""),
        ("pp=4,partition=Ends", ",partition=ends"),
        ("pp=4,partition=7-9-9-7", ",partition=7-9-9-7"),
        ("pp=4,partition=5-9*3", ",partition=5-9*3"),
        ("pp=4,partition=7-9*2-7", ",partition=7-9-9-7"),
        ("pp=2,vpp=2,partition=7-9-9-7", ",partition=7-9-9-7"),
        ("pp=1,partition=32", ",partition=32"),
    ],
)
def test_a_partition_is_written_as_it_is_read(given, written):
    laid = read(given)
    text = text_of(laid)
    assert f"{written}," in f"{text},"
    assert ("partition" in text) == bool(written)
    assert read(text) == laid


def test_what_is_filled_in_follows_from_all_degrees():
    layout = read("tp=4,cp=2,pp=2")
    assert (layout.dp, layout.shard_devices, layout.micro_batches) == (4, 8, 256)
    uneven = read("pp=3,dp=16,mbs=2", devices=48)
    assert (uneven.partition, uneven.micro_batches) == (0, 32)
    assert read("", devices=1).micro_batches == 1024
    with pytest.raises(BadLayout, match=r"tp × pp × dp = 8 but the job has 4 devices"):
        read("tp=8", devices=4)
    with pytest.raises(BadLayout, match=r"tp × pp × dp = 60 but the job has 64 devices"):
        read("tp=5", devices=64)
    with pytest.raises(BadLayout, match=r"nearest: tp=1,pp=32,dp=2; "):  # as many stages as layers
        read("pp=32,dp=3", devices=64)


def test_sequence_parallelism_is_filled_in_where_ranks_divide_the_sequence():
    """8,200 tokens are eight pieces of 1,025, which tensor ranks do not divide on context ranks."""
    job = pretraining(gpt(32, 4096, 32, kv_heads=8.0), 8200, 1024)
    for text, sp in (("tp=4", 1), ("tp=4,cp=4", 0), ("tp=8,cp=4", 0), ("cp=4", 0)):
        assert parse(text, job, 64, 8, 1e9, ANY).sp == sp


def test_what_says_nothing_is_left_out():
    plain = read("tp=2,zero=0")
    assert text_of(replace(plain, shard_devices=4.0)) == text_of(plain) == "tp=2,pp=1,dp=32,mbs=1,ga=32,zero=0"
    assert text_of(replace(plain, zero=1.0, shard_devices=4.0)).endswith("zero=1,shard=4")
    assert text_of(replace(plain, zero=1.0)).endswith("zero=1")
    assert text_of(replace(plain, sp=0.0)).endswith("zero=0,sp=0")
    assert text_of(replace(plain, tp=1.0, sp=0.0)).endswith("zero=0")


def test_degrees_that_a_number_of_heads_allows_are_powers_of_two():
    job = pretraining(gpt(32, 3072, 24), 8192, 1024)
    with pytest.raises(BadLayout, match=r"24 heads; tp may be 1, 2, 4, 8; tp must divide"):
        parse("tp=16,dp=4", job, 64, 8, 1e9, ANY)


def test_a_replica_that_divides_the_batch_is_nearest_itself():
    with pytest.raises(BadLayout, match=r"nearest dp × micro-batch: 128; "):
        read("dp=64,mbs=2,ga=3")
