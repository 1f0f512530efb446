"""`steelyard calibrate`: from a file to predictions that say so, and back; and what is wrong with a file, said once."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from steelyard.catalog import load
from steelyard.catalog.local import layer
from steelyard.cli.app import app

HEADER = "model,accelerator,devices,precision,stack,tp,pp,dp,sequence_tokens,batch_samples,micro_batch,step_time_s\n"
RUNS = "".join(f"llama-3-8b,H100,64,bf16,torchtitan FSDP2,1,1,64,8192,256,{size},{9.5 + size}\n" for size in (1, 2, 4))
ESTIMATE = ("estimate", "llama-3-8b", "--tokens", "1B", "--on", "H100:64", "--stack", "fsdp2")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(layer.VARIABLE, str(tmp_path / "catalog"))
    return tmp_path / "catalog"


def run(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output
    return result


def output_json(*words: str) -> Any:
    return json.loads(run(*words, "--json").stdout)


def runs_file(tmp_path: Path, text: str = HEADER + RUNS, name: str = "cluster.csv") -> str:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return str(path)


def test_later_predictions_use_it_and_say_so_until_it_is_forgotten(tmp_path: Path, folder: Path) -> None:
    before = output_json(*ESTIMATE)
    made = output_json("calibrate", runs_file(tmp_path))
    assert made["written"] == str(folder / "cluster.csv")
    after = output_json(*ESTIMATE)
    assert after["time_s"] > before["time_s"] * 1.05
    assert {row["runs"] for row in after["calibration"]} == {3}
    assert any("calibration cluster: 3 runs of cluster.csv" in line for line in after["assumptions"])
    assert output_json(*ESTIMATE, "--no-calibration") == before
    assert before["calibration"] == []
    spread = [(one["time_s_high"] - one["time_s_low"]) / one["time_s"] for one in (before, after)]
    assert spread[1] < spread[0]
    assert "calibration cluster" in " ".join(run(*ESTIMATE).stdout.split())
    assert "calibration cluster" in " ".join(run("explain", *ESTIMATE[1:]).stdout.split())
    run("calibrate", "--forget", "cluster")
    assert output_json(*ESTIMATE) == before


def test_plan_says_so_and_the_shipped_catalog_is_untouched(tmp_path: Path) -> None:
    narrow = ("plan", "llama-3-8b", "--tokens", "1B", "--accelerators", "H100:64", "--regions", "aws/us-east-1")
    run("calibrate", runs_file(tmp_path))
    said = output_json(*narrow, "--stack", "fsdp2")
    assert any("calibration cluster" in line for line in said["assumptions"])
    assert (
        "fsdp2 on H100-80GB-SXM"
        in {row["entity"] for row in said["calibration"]}
        <= {"fsdp2 on H100-80GB-SXM", "H100-80GB-SXM", "fsdp2"}
    )
    assert all(row.command != layer.COMMAND for row in load().stacks.values())


def test_a_stack_of_ones_own_can_be_planned_with(tmp_path: Path) -> None:
    made = output_json("calibrate", runs_file(tmp_path, (HEADER + RUNS).replace("torchtitan FSDP2", "Weaver 3")))
    assert made["new_stacks"] == ["weaver-3"]
    assert output_json(*ESTIMATE[:-1], "weaver-3")["stack"] == "weaver-3"
    assert "unknown stack" in run(*ESTIMATE[:-1], "weaver-3", "--no-calibration", code=2).stderr


def test_validate_predicts_with_it_and_says_so(tmp_path: Path) -> None:
    cases = runs_file(tmp_path, (HEADER + RUNS).replace("torchtitan FSDP2", "Weaver 3"))
    run("calibrate", cases)
    plain, used = (
        output_json("validate", "--cases", cases, "--no-calibration"),
        output_json("validate", "--cases", cases),
    )
    assert (plain["calibration"], {row["runs"] for row in used["calibration"]}) == ([], {3})
    errors = [[abs(case["error"]) for case in found["cases"]] for found in (plain, used)]
    assert max(errors[1]) < max(errors[0])
    assert "Calibrated on your own runs" in run("validate", "--cases", cases).stdout


def test_json_lines_are_read_as_the_same_table_is(tmp_path: Path) -> None:
    names = HEADER.strip().split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in RUNS.splitlines()]
    lines = "\n".join(json.dumps(row | {"step_time_s": float(row["step_time_s"]), "tp": 1}) for row in rows)
    table = output_json("calibrate", runs_file(tmp_path), "--dry-run")
    for name in ("cluster.jsonl", "cluster.jsonl.gz"):
        listed = output_json("calibrate", runs_file(tmp_path, lines + "\n", name), "--dry-run")
        assert [row["after"] for row in listed["shifts"]] == [row["after"] for row in table["shifts"]]


def test_a_dry_run_writes_nothing(tmp_path: Path, folder: Path) -> None:
    assert "Nothing was written" in run("calibrate", runs_file(tmp_path), "--dry-run").stdout
    assert not folder.exists()


def test_list_and_names(tmp_path: Path) -> None:
    assert "No calibrations" in run("calibrate", "--list").stdout
    run("calibrate", runs_file(tmp_path), "--name", "Cluster A!")
    assert [one["label"] for one in output_json("calibrate", "--list")["calibrations"]] == ["cluster-a"]
    assert "3 runs of cluster.csv" in run("calibrate", "--list").stdout


def test_calibrating_again_starts_from_the_shipped_fit(tmp_path: Path) -> None:
    first = output_json("calibrate", runs_file(tmp_path))
    assert output_json("calibrate", runs_file(tmp_path)) == first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column for model"),
        (HEADER, "holds no run"),
        (HEADER + "llama-3-8b,H100,64,bf16,FSDP2,8,1,64,8192,256,1,10\n", "no usable run"),
        (HEADER + "llama-3-8b,Z9,64,bf16,FSDP2,1,1,64,8192,256,1,10\n", "unknown accelerator"),
        ('{"model": "llama-3-8b"\n', "not a JSON object"),
        ('{"model": "llama-3-8b"}\n[1]\n', "line 2"),
        ("\x00\x01", "binary"),
    ],
)
def test_a_bad_file_is_one_message(tmp_path: Path, folder: Path, text: str, said: str) -> None:
    result = run("calibrate", runs_file(tmp_path, text), code=2)
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not folder.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give one of"),
        (("runs.csv", "--list"), "give one of"),
        (("no-such.csv",), "cannot be read"),
        (("--forget", "nothing"), "there are: none"),
    ],
)
def test_bad_words_are_one_message(words: tuple[str, ...], said: str) -> None:
    assert said in run("calibrate", *words, code=2).stderr


def test_a_damaged_calibration_says_the_way_out(folder: Path) -> None:
    folder.mkdir()
    (folder / "old.csv").write_text("entity,value\nx,y\n", encoding="utf-8")
    assert "--forget old" in run(*ESTIMATE, code=2).stderr
    run(*ESTIMATE, "--no-calibration")
    run("calibrate", "--forget", "old")
    run(*ESTIMATE)


def test_a_folder_that_is_a_file_is_said_to_be_one(folder: Path) -> None:
    folder.write_bytes(bytes(range(256)))
    for words in (ESTIMATE, ("calibrate", "--list"), ("catalog", "accelerators")):
        result = run(*words, code=2)
        assert f"$STEELYARD_CATALOG is {folder}, which is a file; name a folder of calibrations" in result.stderr


@pytest.mark.parametrize("name", ["mine.csv", "live/aws/prices.csv"])
def test_a_binary_file_among_ones_own_rows_is_said_to_be_no_text(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_bytes(bytes(range(128, 256)))
    result = run(*ESTIMATE, code=2)
    assert "(it is not text)" in result.stderr
    assert len(result.stderr) < 300


def test_steps_in_milliseconds_are_refused_by_name(tmp_path: Path, folder: Path) -> None:
    head, *rows = (HEADER + RUNS).strip().splitlines()
    place = head.split(",").index("step_time_s")
    cells = [row.split(",") for row in rows]
    wrong = [",".join([*row[:place], str(1000 * float(row[place])), *row[place + 1 :]]) for row in cells]
    result = run("calibrate", runs_file(tmp_path, "\n".join([head, *wrong])), code=2)
    assert "as if milliseconds were given as seconds; correct the file" in result.stderr
    assert not folder.exists()
