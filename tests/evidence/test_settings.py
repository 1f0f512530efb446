"""The settings that a row of runs writes in its layout: every one is kept, or the row says why it is not predicted."""

import re
from dataclasses import fields, replace

import pytest

from steelyard.catalog import load
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.reader import parse_runs
from steelyard.job.degrees import DEGREE_FIELDS
from steelyard.strategies.settings import spelled_number
from steelyard.tables import Layout

DENSE = "llama-3-8b,H100,64,8192,bf16,megatron-core,512,9"
EXPERTS = "mixtral-8x7b,H100,64,4096,bf16,megatron-core,512,9"
WRITTEN = {
    "devices": "devices=64",
    "tp": "tp=8",
    "pp": "pp=4",
    "vpp": "pp=4,vpp=4",
    "schedule": "pp=4,vpp=4,schedule=interleaved",
    "cp": "cp=2",
    "dp": "dp=16",
    "ep": "ep=2",
    "etp": "tp=4,ep=2,etp=2",
    "zero": "zero=3",
    "shard_devices": "tp=1,zero=3,shard_devices=8",
    "micro_batch": "dp=16,micro_batch=2",
    "micro_batches": "dp=16,mbs=1,micro_batches=32",
    "sp": "tp=4,sp=0",
    "recompute": "recompute=full",
    "flash": "flash=0",
    "offload": "offload=1",
    "partition": "pp=4,partition=7-9-9-7",
}
"""A layout that sets each field otherwise than it is taken to be."""


def frame_of(*rows: tuple[str, str], header: str = "layout"):
    head = f"id,model,accelerator,devices,sequence_tokens,precision,stack,batch_samples,step_time_s,{header}"
    lines = [f'{number},{row},"{layout}"' for number, (row, layout) in enumerate(rows)]
    return run_frame(parse_runs("\n".join([head, *lines]).encode(), "runs.csv"), load())


def test_every_field_of_a_layout_can_be_written():
    assert {field.name for field in fields(Layout)} == set(WRITTEN) == set(DEGREE_FIELDS)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_setting_is_kept(name):
    row = EXPERTS if name in ("ep", "etp") else DENSE
    found = frame_of((row, WRITTEN[name]), (row, ""))
    assert not found.unpredicted
    setting = dict(part.split("=") for part in WRITTEN[name].replace("mbs=", "micro_batch=").split(","))
    for key, text in setting.items():
        assert getattr(found.layout, key)[0] == spelled_number(key, text), key
    kept, plain = (float(getattr(found.layout, name)[place]) for place in (0, 1))
    assert kept != plain or name in ("devices", "dp", "micro_batches")


def test_a_setting_may_stand_in_a_column_of_its_own():
    found = frame_of((DENSE, '7-9-9-7","tp=2,pp=4'), (DENSE, 'unknown","tp=2,pp=4'), header="partition,layout")
    assert not found.unpredicted
    assert [spelled_number("partition", "7-9-9-7"), 0] == found.layout.partition.tolist()


def test_objects_of_json_write_settings_as_tables_do():
    line = '{"model": "llama-3-8b", "accelerator": "H100", "devices": 64, "sequence_tokens": 8192, "precision": "bf16",'
    line += '"stack": "fsdp2", "batch_samples": 512, "step_time_s": 9, "layout": {"tp": 2, "sp": false}}'
    found = run_frame(parse_runs(line.encode(), "runs.jsonl"), load())
    assert (found.layout.tp[0], found.layout.sp[0]) == (2, 0)


@pytest.mark.parametrize(
    ("layout", "why"),
    [
        ("tp=2,tq=4", "unknown layout field 'tq'"),
        ("tp", "'tp' is not a layout field with its value"),
        (",,,", "names no field"),
        ("tp=4,pp=4,etp=2", "etp = 2 but the model has no experts"),
        ("tp=1,sp=1", "sequence parallelism needs tp > 1"),
        ("pp=4,partition=1-1-1-1", r"partition = 1\*4 has 4 entries and 4 blocks"),
        ("pp=4,schedule=interleaved,vpp=1", "a schedule"),
        ("devices=32", "devices = 32 but the column devices 64"),
        ("tp=2,pp=4,dp=4", "tp 2 x pp 4 x cp 1 x dp 4 = 32"),
        ("tp=8,pp=8,dp=1,mbs=4,ga=4", "micro_batches = 4, but"),
        ("ep=2", "ep = 2, but its other settings, the model"),
        ("tp=3,pp=1,devices=64", "does not divide 64"),
    ],
)
def test_one_row_that_cannot_be_laid_out_says_why_and_the_others_are_predicted(layout, why):
    found = frame_of((DENSE, "tp=2"), (DENSE, layout))
    assert [run.id for run in found.runs] == ["0"]
    [(run, reason)] = found.unpredicted
    assert run.id == "1"
    assert re.search(why, reason), reason


def test_a_written_layout_changes_nothing_where_the_columns_say_the_same():
    one = frame_of((DENSE, "tp=2,pp=4,vpp=1,zero=1,recompute=none,mbs=1"))
    [run] = one.runs
    bare = run_frame([replace(run, layout="")], load())
    assert all(getattr(one.layout, field.name) == getattr(bare.layout, field.name) for field in fields(Layout))
