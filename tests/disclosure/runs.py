"""Things that can be disclosed: an estimate, a metered run, claims."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from steelyard.cli.app import app

RUN: dict[str, Any] = {
    "title": "our-7b",
    "model": "llama-2-7b",
    "tokens": "20B",
    "hardware": "64x H100",
    "place": "aws/us-east-1",
    "meter": "DCGM energy counters, every device",
    "lines": [
        {"scope": "training", "hours": "7.8 h", "energy": {"accelerator": "318 kWh", "it": "500 kWh"}},
        {"scope": "failed runs", "hours": "1.1 h", "energy": {"accelerator": "40 kWh", "it": "60 kWh"}},
        {"scope": "search", "energy": {"facility": "7.5 MWh"}, "co2e": "3.2 t", "uses": 16, "saves": "48.5 t"},
        {"scope": "inference", "energy": "120 kWh", "energy_boundary": "facility", "queries": "1.2M"},
    ],
}  # fmt: skip
"""A metered run with lines of every kind."""

ALONE: dict[str, Any] = {"title": "nothing known", "meter": "nothing yet", "hardware": "a board of our own"}
"""A run of which nothing is known."""

CASES = ("patterson-gpt-3", "strubell-nas", "olmo-2-13b-230mwh", "bloom-life-cycle", "llama-3.3-copied", "svd-16h")


@cache
def estimate() -> str:
    """Return what `estimate --json` prints."""
    words = ["estimate", "llama-3-8b", "--tokens", "20B", "--on", "H100:64", "--site", "aws/us-east-1", "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return done.stdout


def write(folder: Path) -> dict[str, Path | str]:
    """Write one of each, and return what to give to `disclose`."""
    (folder / "estimate.json").write_text(estimate(), "utf-8")
    (folder / "run.yaml").write_text(json.dumps(RUN), "utf-8")
    (folder / "alone.yaml").write_text(json.dumps(ALONE), "utf-8")
    files = {name: folder / name for name in ("estimate.json", "run.yaml", "alone.yaml")}
    return {**files, **{name: name for name in CASES}}
