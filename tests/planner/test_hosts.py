"""What people state of hosts: their memory, rates of drives in jobs and rows, a stage that drives need."""

import math

import pytest

import steelyard
from steelyard.catalog import load
from steelyard.evidence.frames.machines import run_machine
from steelyard.evidence.runs.reader import blank_run, parse_runs
from steelyard.evidence.score.validation import validate_runs

JOB = {"model": "llama-3.2-1b", "tokens": "10M", "stack": "deepspeed"}
ON = "DGX-H100:8"  # whose host the catalog does not know


def test_a_hosts_memory_is_what_is_stated_where_no_catalog_knows_it_and_where_one_does() -> None:
    away = {**JOB, "layout": "zero=3,offload=1"}
    assert math.isnan(steelyard.estimate(away, ON).host_limit_bytes)
    for on in (ON, "p5.48xlarge:8"):
        assert steelyard.estimate({**away, "host_memory": "1TB"}, on).host_limit_bytes == 1e12
    need = steelyard.estimate(away, ON).host_bytes
    assert steelyard.estimate({**away, "host_memory": need * 1.01}, ON).fits
    small = steelyard.estimate({**away, "host_memory": need * 0.99}, ON)
    assert small.fits is False
    assert "host memory" in small.fits_reason


def test_a_plan_keeps_within_the_memory_that_is_stated_of_hosts() -> None:
    asked = {**JOB, "accelerators": "H100:8", "layout": "zero=3,offload=1"}
    assert steelyard.plan({**asked, "host_memory": "2TB"}).points
    assert not steelyard.plan({**asked, "host_memory": "1GB"}).points


@pytest.mark.parametrize("recipe", ["optimizer_states=nvme", "weights=nvme", "weights=nvme,optimizer_states=nvme"])
def test_a_stage_that_drives_need_is_no_contradiction_where_their_rates_are_unknown(recipe: str) -> None:
    free, pinned = (steelyard.estimate({**JOB, "recipe": recipe}, ON, layout=one) for one in ("", "zero=3"))
    assert pinned.layout == free.layout
    assert pinned.time_s.value == pytest.approx(free.time_s.value, nan_ok=True)
    if math.isnan(pinned.time_s.value):  # parameters of so small a model pass through the host's memory
        assert any("how fast" in one.text for one in pinned.bound_by)


def test_a_row_states_the_drives_of_its_nodes() -> None:
    known = run_machine(blank_run(accelerator="H100", devices=8.0, nvme="read=25GB/s,write=12GB/s"), load()).machine
    assert (known.nvme_read_bytes_per_s, known.nvme_write_bytes_per_s) == (25e9, 12e9)
    row = {"model": "llama-3.2-1b", "stack": "deepspeed", "accelerator": "H100-80GB-SXM", "devices": "8", "tp": "1",
           "precision": "bf16", "zero_stage": "3", "batch_samples": "64", "recipe": "optimizer_states=nvme", "pp": "1",
           "sequence_tokens": "2048", "step_time_s": "9", "micro_batch": "2", "optimizer": "adamw",
           "gradient_checkpointing": "no", "flash_attention": "yes", "offload": "optimizer: nvme"}  # fmt: skip
    times = []
    for rates in ("", "read=25GB/s,write=12GB/s", "50GB/s"):
        cells = {**row, "nvme": f'"{rates}"'}
        (case, *_) = validate_runs(
            tuple(parse_runs(f"{','.join(cells)}\n{','.join(cells.values())}\n".encode(), "r.csv"))
        ).cases
        times.append(case.predicted)
    assert math.isnan(times[0])
    assert times[1] > times[2] > 0
    job = {**JOB, "recipe": "optimizer_states=nvme", "sequence": 2048, "global_batch": 64, "nvme": "50GB/s"}
    asked = steelyard.estimate(job, ON, layout="mbs=2,zero=3,recompute=none,tp=1,pp=1")
    assert float(asked.time.total_s) == pytest.approx(times[2], rel=0.01)


def test_a_measured_layout_keeps_what_it_does_not_clash_with() -> None:
    job = {"model": "llama-3-8b", "tokens": "10M", "stack": "megatron-core", "global_batch": 64}
    found = steelyard.estimate({**job, "rate": "9000@H100:8,tp=8"}, "H100:8", layout="tp=2,pp=2,mbs=2,recompute=full")
    text = found.measured_step.layout_text
    assert "tp=8" in text
    assert "mbs=2" in text
    assert "recompute=full" in text
    assert "pp=1" in text
