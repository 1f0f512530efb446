"""`steelyard launch`: files in a folder, the text, the JSON, and one message for whatever cannot be started."""

import json
import os
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import steelyard
from steelyard.cli.app import app
from steelyard.launchers import write_files

PINNED = ("llama-3-8b", "--tokens", "20B", "--on", "H100:64", "--stack", "megatron-core", "--layout", "tp=2,zero=1")
SHARDED = ("llama-3-8b", "--tokens", "20B", "--on", "H100:16", "--stack", "fsdp2")


def run(*parts: str) -> Result:
    return CliRunner().invoke(app, ["launch", *parts])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("vit-l-16", "--samples", "100M", "--on", "H100:8", "--stack", "fsdp2"),
         "vit-l-16 is a vit; give --stack deepspeed"),
        (("llama-3-8b", "--task", "lora", "--tokens", "50M", "--on", "H100:8", "--stack", "hf-trainer"),
         "no launch writer starts the stack 'hf-trainer'; give --stack deepspeed, whose writer starts it"),
        (("llama-3-8b", "--tokens", "1B", "--on", "TPU-v5p:64"),
         "none of the stacks that are planned on chips of Google (maxtext) has a writer for it yet; writers start"),
    ],
)  # fmt: skip
def test_a_writer_that_cannot_start_the_job_names_the_stacks_whose_writers_can(
    words: tuple[str, ...], message: str
) -> None:
    done = CliRunner().invoke(app, ["launch", *words])
    assert (done.exit_code, len(done.stderr.strip().splitlines())) == (2, 1)
    assert message in done.stderr


@pytest.mark.parametrize(
    ("words", "usual", "started"),
    [
        (("--task", "full_ft", "--tokens", "1B", "--sequence", "2048"), "hf-trainer", "megatron-core"),
        (("--task", "full_ft", "--tokens", "1B", "--to", "torchtitan"), "hf-trainer", "fsdp2"),
        (("--task", "lora", "--tokens", "5M"), "hf-trainer", "deepspeed"),
    ],
)
def test_a_job_that_names_no_stack_is_started_on_one_that_has_a_writer_which_is_said(
    words: tuple[str, ...], usual: str, started: str
) -> None:
    found = json.loads(run("llama-3-8b", *words, "--on", "H100:8", "--json").stdout)
    assert (found["stack"], len(found["notes"])) == (started, 1)
    assert found["notes"][0].startswith(f"started on {started}, laid out for it, as no stack is named")
    assert f"estimated without one it is {usual}, " in found["notes"][0]
    named = json.loads(run("llama-3-8b", *words, "--on", "H100:8", "--stack", started, "--json").stdout)
    assert (found["files"], named["notes"]) == (named["files"], [])


@pytest.mark.parametrize("words", [("vit-l-16", "--samples", "1M"), ("llama-3-8b", "--task", "lora", "--tokens", "5M")])
def test_the_stack_that_is_named_does_start_it(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["launch", *words, "--on", "H100:8", "--stack", "deepspeed"])
    assert done.exit_code == 0, done.stderr


def test_a_point_of_a_plan_is_written_by_the_writer_of_its_stack(tmp_path: Path) -> None:
    result = run("llama-3-8b", "--tokens", "20B", "--accelerators", "H100:16", "--regions", "aws/us-east-1",
                 "--stack", "fsdp2", "--label", "fastest", "-o", str(tmp_path / "made"))  # fmt: skip
    assert result.exit_code == 0, result.output
    config = tomllib.loads((tmp_path / "made/torchtitan.toml").read_text("utf-8"))
    assert config["model"] == {"name": "llama3", "flavor": "8B"}
    assert os.access(tmp_path / "made/launch.sh", os.X_OK)
    assert f"wrote {tmp_path / 'made/torchtitan.toml'}" in result.stdout
    assert "LEARNING_RATE: peak learning rate" in result.stdout


def test_without_a_folder_the_files_are_printed() -> None:
    result = run(*PINNED)
    assert result.exit_code == 0, result.output
    assert "--- launch.sh" in result.stdout
    assert "--tensor-model-parallel-size 2 \\\n" in result.stdout
    assert "To fill in" in result.stdout


def test_the_json_is_the_answer(tmp_path: Path) -> None:
    found = json.loads(run(*PINNED, "--json", "-o", str(tmp_path)).stdout)
    assert (found["writer"], found["nodes"], found["node_devices"]) == ("megatron-core", 8, 8)
    assert found["files"][0]["text"] == (tmp_path / "launch.sh").read_text("utf-8")
    assert {"setting": "tp", "value": "2", "text": "--tensor-model-parallel-size 2"} in found["expressed"]
    made = steelyard.Launch.from_dict(found)
    assert made == steelyard.launch("llama-3-8b", on="H100:64", stack="megatron-core", layout="tp=2,zero=1",
                                    tokens="20B")  # fmt: skip


def test_a_saved_estimate_is_launched_as_it_is(tmp_path: Path) -> None:
    saved = tmp_path / "estimate.json"
    estimate = steelyard.estimate("llama-3-8b", "H100:64", layout="tp=4,zero=1", stack="megatron-core", tokens="20B")
    saved.write_text(estimate.to_json(), encoding="utf-8")
    assert "--tensor-model-parallel-size 4" in run(str(saved)).stdout


def test_a_file_is_never_overwritten_in_silence(tmp_path: Path) -> None:
    assert run(*SHARDED, "-o", str(tmp_path)).exit_code == 0
    (tmp_path / "torchtitan.toml").write_text("mine", encoding="utf-8")
    (tmp_path / "launch.sh").unlink()
    refused = run(*SHARDED, "-o", str(tmp_path))
    assert refused.exit_code == 2
    assert "torchtitan.toml is there already" in refused.stderr
    assert "--force" in refused.stderr
    assert not (tmp_path / "launch.sh").exists()
    assert (tmp_path / "torchtitan.toml").read_text("utf-8") == "mine"
    assert run(*SHARDED, "-o", str(tmp_path), "--force").exit_code == 0
    assert (tmp_path / "torchtitan.toml").read_text("utf-8") != "mine"


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ((*PINNED, "--to", "slurmm"), ["slurmm", "megatron-core"]),
        ((*PINNED, "--to", "torchtitan"), ["torchtitan", "fsdp2", "megatron-core", "--stack fsdp2"]),
        ((*PINNED, "--label", "greenest"), ["greenest", "cheapest"]),
        (("llama-3-8b", "--tokens", "20B", "--on", "TPU-v5p:64", "--stack", "maxtext"), ["maxtext", "megatron-core"]),
        (("resnet-50", "--samples", "1M", "--on", "H100:8", "--stack", "fsdp2"), ["resnet-50", "images", "torchtitan"]),
        (("bert-large", "--tokens", "20B", "--on", "H100:8", "--stack", "megatron-core"), ["bert-large", "encoder"]),
        (("vit-l-16", "--samples", "10M", "--on", "H100:8", "--stack", "megatron-core"), ["vit-l-16", "vit"]),
    ],
)  # fmt: skip
def test_what_cannot_be_started_is_one_message(parts: tuple[str, ...], named: list[str]) -> None:
    result = run(*parts)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    for part in named:
        assert part in result.stderr


def test_a_label_that_the_plan_lacks_names_those_that_it_has() -> None:
    result = run("llama-3-8b", "--tokens", "20B", "--accelerators", "H100:16", "--regions", "aws/us-east-1",
                 "--stack", "fsdp2", "--label", "balanced", "--budget", "1")  # fmt: skip
    assert result.exit_code == 3
    assert "Traceback" not in result.output


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    for inside in ("", "sub", "sub/deeper"):
        result = run(*PINNED, "-o", str(file / inside))
        assert result.exit_code == 2
        assert f"{file} is a file and no folder to write" in result.stderr


def test_python_writes_what_the_command_writes(tmp_path: Path) -> None:
    found = steelyard.launch("llama-3-8b", on="H100:64", stack="megatron-core", layout="tp=2,zero=1", tokens="20B")
    assert write_files(found, tmp_path / "a" / "b") == (tmp_path / "a" / "b" / "launch.sh",)
    with pytest.raises(steelyard.BadInput, match="launch writer 'slurm'"):
        steelyard.launch("llama-3-8b", to="slurm", on="H100:64", tokens="20B")
    assert "launch.sh" in repr(found)
    assert found._repr_html_().count("<tr>") == len(found.table())
