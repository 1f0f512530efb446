"""Degrees far above every device, block and sample are answered or refused after few steps, however large."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest
from tests.shapes import gpt, pretraining

from steelyard.catalog import load
from steelyard.catalog.stack_names import rule_of_name
from steelyard.errors import BadInput, BadLayout
from steelyard.job import read_job
from steelyard.job.literals import INPUT_RANGES
from steelyard.job.measured_step import parse_rate
from steelyard.job.unstated.usual import usual_layout
from steelyard.layout import check_layout, parse
from steelyard.layout.literal import COUNTED, KEYS
from steelyard.strategies.partition import PARTITIONS

JOB = pretraining(gpt(32, 4096, 32, kv_heads=8.0), 8192, 1024)
ANY = load().capability("any")
COUNTS = [key for key, field in KEYS.items() if field in COUNTED]
STEPS = 100_000
"""Lines of code that an answer may take: some hundred times what a usual layout takes, a part of what 10**6 would."""


@contextmanager
def few_steps() -> Iterator[None]:
    """Fail where more lines of code are run than `STEPS`, so that a loop over a degree ends."""
    left = STEPS

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            pytest.fail(f"more than {STEPS} steps, in {frame.f_code.co_name}")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("number", [10**3, 10**6, 10**9 - 1])
@pytest.mark.parametrize("beside", ["", "pp=2", "pp=2,vpp=2", "tp=2,dp=4"])
@pytest.mark.parametrize("partition", ["", *(rule.name for rule in PARTITIONS), "16-16"])
@pytest.mark.parametrize("key", COUNTS)
def test_a_far_degree_is_refused_in_few_steps(key: str, beside: str, partition: str, number: int) -> None:
    rest = [part for part in beside.split(",") if part and not part.startswith(f"{key}=")]
    text = ",".join([f"{key}={number}", *rest, *([f"partition={partition}"] if partition else [])])
    with few_steps(), pytest.raises(BadLayout, match=r"\d"):
        parse(text, JOB, 8, 8, 1e9, ANY)


@pytest.mark.parametrize("number", [1e3, 1e6, 1e9])
@pytest.mark.parametrize("partition", range(len(PARTITIONS)))
@pytest.mark.parametrize("key", COUNTS)
def test_so_is_one_of_a_layout_of_numbers_with_as_many_devices(key: str, partition: int, number: float) -> None:
    fine = parse("pp=2", JOB, 8, 8, 1e9, ANY)
    far = replace(fine, partition=float(partition), **{KEYS[key]: number})
    far = replace(far, devices=far.tp * far.pp * far.cp * far.dp)
    with few_steps(), pytest.raises(BadLayout, match=r"\d"):
        check_layout(far, JOB, 8, 1e9, ANY)


def test_parts_of_a_partition_are_blocks_and_both_ends_at_most() -> None:
    parse("pp=2,vpp=17,partition=ends", JOB, 8, 8, 1e9, ANY)  # 34 parts of 32 blocks, embedding and projection
    with pytest.raises(BadLayout, match=r"partition = ends of 36 parts, but the model has 32 blocks and its two ends"):
        parse("pp=2,vpp=18,partition=ends", JOB, 8, 8, 1e9, ANY)


MOST = int(INPUT_RANGES["number of devices"][1])


@pytest.mark.parametrize("devices", [10**3, 10**6, 9_999_991, MOST])
def test_what_is_usual_of_many_devices_takes_few_steps(devices: int) -> None:
    rule = rule_of_name(load().stack_rules, "megatron")
    with few_steps():
        found = usual_layout(rule, load().capability(rule.stack), {}, (devices, devices, 4.0))
    assert found["micro_batch"][0] == 1


@pytest.mark.parametrize("devices", [MOST + 1, 999_999_999])
def test_more_devices_than_there_are_is_refused(devices: int) -> None:
    message = r"is no number of devices that a job has: at most 1e\+07"
    with pytest.raises(BadInput, match=message):
        read_job({"model": "gpt2", "tokens": "1B", "accelerators": f"H100:{devices}"})
    with pytest.raises(BadInput, match=message):
        read_job({"model": "gpt2", "tokens": "1B", "max_devices": devices})
    with pytest.raises(BadInput, match=message):
        parse_rate(f"1@H100:{devices}")


def test_a_wide_range_of_batches_says_the_way_out() -> None:
    job = {"model": "llama-3-8b", "tokens": "1T", "sequence": 64, "global_batch_min": 1}
    with pytest.raises(BadInput, match=r"at most 4096 times the lower, such as global_batch_min: 1 and .*max: 4096$"):
        read_job({**job, "global_batch_max": 10**9})
    assert len(read_job({**job, "global_batch_max": 4096}).batches) == 13
    with pytest.raises(BadInput, match=r"no batch that a job has: at most 1e\+12"):
        read_job({**job, "global_batch_max": 10**13})
