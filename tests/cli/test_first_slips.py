"""First slips of somebody new: each ends in one line that says what is wrong and the way out."""

import re
from pathlib import Path

import pytest

import steelyard
from steelyard.catalog import load
from steelyard.catalog.local.layer import read_calibrations
from steelyard.errors import BadCatalog, BadInput
from steelyard.evidence.calibration import calibrate_constants
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.reader import parse_runs, read_runs
from steelyard.job import read_job
from steelyard.job.purchase import parse_data
from steelyard.market.offers import allowed_offers
from steelyard.verbs import audit

HEADER = "id,model,accelerator,devices,sequence_tokens,step_time_s,sharding,recompute,memory_metric"


@pytest.mark.parametrize("content", ["garbage", "", "a,b\n1,2\n"])
def test_a_damaged_calibration_is_named_and_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(BadCatalog, match=r"x\.csv: not a calibration \(.*its header lacks .*--forget x"):
        read_calibrations(tmp_path)


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ("garbage,none,reserved", "sharding is 'garbage'; nearest: 0, 1, 2, 3, fsdp, hsdp"),
        ("7,none,reserved", "sharding is '7'"),
        ("fdsp,none,reserved", "sharding is 'fdsp'; nearest: fsdp"),
        ("1,maybe,reserved", "recompute is 'maybe'; nearest: none"),
        ("1,selectiv,reserved", "recompute is 'selectiv'; nearest: selective"),
    ],
)
def test_a_run_with_words_that_mean_nothing_is_listed_with_them(cells: str, text: str) -> None:
    """The other runs of the file are predicted; where there is none, calibrate says why."""
    content = f"{HEADER}\nrun-1,gpt2,H100,8,1024,0.5,{cells}\nrun-2,gpt2,H100,8,1024,0.5,1,none,reserved\n"
    found = run_frame(parse_runs(content.encode(), "runs.csv"), load())
    listed = {run.id: (run, reason) for run, reason in found.unpredicted}
    run, reason = listed["run-1"]
    assert re.search(text, reason)
    assert not re.search(text, listed["run-2"][1]), "which lacks a batch alone"
    with pytest.raises(BadInput, match=f"run-1: {text}"):
        calibrate_constants([run], load(), "ours", "runs.csv", "2026-11-30")


def test_cells_without_a_column_are_refused() -> None:
    content = f"{HEADER}\nrun-1,gpt2,H100,8,1024,0.5,1,none,reserved,9,9\n"
    with pytest.raises(BadInput, match="row 1: 2 cells more than the header has columns"):
        list(parse_runs(content.encode(), "runs.csv"))


@pytest.mark.parametrize("cells", ["fsdp,full,allocated", "-,unknown,", ",,n/a", "2,no,device", "ZeRO3,none,unknown"])
def test_words_of_a_run_that_mean_something_are_taken(cells: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(f"{HEADER}\nrun-1,gpt2,H100,8,1024,0.5,{cells}\n")
    (run,) = read_runs(path)
    assert run.step_time_s == 0.5


def test_more_devices_than_samples_are_said() -> None:
    job = {"model": "resnet-50", "samples": "1M", "global_batch": 256}
    with pytest.raises(BadInput, match=r"512 devices but a batch of 256 images.*--global-batch 512 .*most 256 devices"):
        steelyard.estimate(job, "H100:512")
    with pytest.raises(BadInput, match="the global batch is 256 samples"):
        steelyard.estimate(job, "H100:512", layout="dp=512")
    assert steelyard.estimate(job, "H100:256").devices == 256


@pytest.mark.parametrize(("name", "provider"), [("amazon", "aws"), ("Google", "gcp"), ("microsoft", "azure")])
def test_providers_have_their_everyday_names(name: str, provider: str) -> None:
    found, meant = (
        allowed_offers(read_job("gpt2", tokens="1B", providers=given), load()) for given in (name, provider)
    )
    assert found == meant
    assert {row.provider for row in found} == {provider}
    kept = allowed_offers(read_job("gpt2", tokens="1B", deny_providers=name), load())
    assert provider not in {row.provider for row in kept}


def test_ranks_and_sizes_say_how_they_are_written() -> None:
    with pytest.raises(BadInput, match="-4 is not a whole number above zero; write 8, 16 or 64"):
        read_job({"model": "gpt2", "tokens": "1B", "task": "lora", "lora": {"rank": -4}})
    with pytest.raises(BadInput, match="'10' is not a size; write 500GB"):
        parse_data("10@aws/us-east-1")
    assert parse_data({"size": 5e9}).size_bytes == 5e9


@pytest.mark.parametrize("name", ["", "  "])
def test_no_name_is_no_claim(name: str) -> None:
    with pytest.raises(BadInput, match="the claim's name is empty; give its file"):
        audit(name)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a,b\n1,2\n", "no column month; columns: kg_per_kwh"),
        ("time,kg_per_kwh\nfoo,0.2\n", "time is 'foo'; columns"),
        ("time,kg_per_kwh\n2027-01-13T06:00Z,much\n", "kg_per_kwh is 'much'; columns"),
    ],
)
def test_a_profile_says_which_cell_is_wrong(content: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.csv"
    path.write_text(content)
    with pytest.raises(BadInput, match=text):
        steelyard.when("gpt2", tokens="1B", on="H100:8", by="7d", profile=path)
