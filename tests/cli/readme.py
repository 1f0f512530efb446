"""Write the figures of README.md from runs of the code: `make docs`. Each part stands between two markers."""

import re
import subprocess
import sys
from pathlib import Path

from tests.evidence.accuracy import summary

from steelyard.evidence.runs.reader import published_runs
from steelyard.evidence.score.validation import Validation, validate_runs

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def steelyard(*words: str) -> str:
    """Return what a command prints."""
    command = [sys.executable, "-m", "steelyard.cli", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def plan() -> str:
    """Return the main job's plan."""
    text = steelyard("plan", "examples/llama-3-8b.yaml")
    return f"```text\n{text.rstrip()}\n```"


def scores(report: Validation) -> str:
    """Return the table of errors."""
    return summary(report)


def part(text: str, name: str) -> str:
    """Return what stands between the markers of a part."""
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert found is not None, f"README.md has no part {name}"
    return found[1]


def main() -> None:
    """Write both parts anew."""
    text = README.read_text("utf-8")
    for name, made in (("plan", plan()), ("scores", scores(validate_runs(published_runs())))):
        text = text.replace(part(text, name), made)
    README.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
