"""Files that cannot be read or written, and terminals that lack a sign: one message with the way out."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from steelyard.cli.app import app


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("disclose", "strubell-nas", "-o", "/nosuchdir/x.md"), "make its folder first, or give another path"),
        (("disclose", "strubell-nas", "-o", "."), "it is a folder; give a file in it"),
        (("when", "gpt2", "--tokens", "1B", "--on", "H100:8", "--by", "2d", "--start", "9d"),
         "the deadline lies before the start; give a later one"),
    ],
)  # fmt: skip
def test_the_way_out_is_said(words: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(app, [*words])
    assert (done.exit_code, len(done.stderr.strip().splitlines())) == (2, 1)
    assert message in done.stderr


def test_a_file_of_nothing_but_brackets_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000, encoding="utf-8")
    for verb in ("plan", "explain", "disclose", "audit"):
        done = CliRunner().invoke(app, [verb, str(tmp_path / "deep.json")])
        assert (done.exit_code, len(done.stderr.strip().splitlines())) == (2, 1), (verb, done.stderr)


@pytest.mark.parametrize("name", ["runs.jsonl", "runs.json"])
def test_broken_lines_of_json_are_not_taken_for_a_table(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("not json\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["validate", "--cases", str(tmp_path / name)])
    assert "line 1: not a JSON object" in done.stderr


@pytest.mark.parametrize("seconds", [-5, 1e300])
def test_a_step_that_no_run_has_is_left_out_with_its_reason(seconds: float, tmp_path: Path) -> None:
    row = {"model": "llama-2-7b", "hardware": "H100-80GB", "n_chips": 8, "seq_len": 4096, "step_time_s": seconds}
    (tmp_path / "runs.jsonl").write_text(json.dumps(row), encoding="utf-8")
    done = CliRunner().invoke(app, ["validate", "--cases", str(tmp_path / "runs.jsonl"), "--json"])
    assert re.search(r"step_time_s is '(-5', below zero|1e\+300', which no run has); correct it", done.stderr)
    assert done.exit_code == 2
    assert "Warning" not in done.stderr


def test_a_terminal_without_the_signs_shows_others() -> None:
    words = ["audit", "strubell-nas"]
    done = subprocess.run(
        [sys.executable, "-m", "steelyard.cli", *words],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
