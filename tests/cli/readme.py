"""Write the figures of README.md from runs of the code: `make docs`. Each part stands between two markers."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def steelyard(*words: str) -> str:
    """Return what a command prints."""
    command = [sys.executable, "-m", "steelyard.cli", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def plan() -> str:
    """Return the first part of the main job's plan."""
    text = steelyard("plan", "examples/llama-3-8b.yaml")
    return f"```text\n{text[: text.index('Why the rivals lost')].rstrip()}\n```"


def scores() -> str:
    """Return the table of errors."""
    summary = json.loads(steelyard("validate", "--json"))["summary"]
    time, memory, fits = summary["time"], summary["memory"], summary["fits"]
    rows = [
        (
            f"step time: mean of the median errors of {time['groups']} groups ({time['cases']:,} runs)",
            *(time[f"{key}mean_of_medians"] for key in ("", "constant_", "six_nd_")),
        ),
        ("step time: mean of the 90th percentiles", time["mean_p90"]),
        ("step time: measurements inside the 90 % interval", time["mean_coverage"]),
        (
            f"peak memory: mean of the median errors of {memory['groups']} groups ({memory['cases']:,} runs)",
            memory["mean_of_medians"],
        ),
        ("peak memory: measurements inside the 90 % interval", memory["mean_coverage"]),
        (f"of {fits['ran_out']:,} runs that ran out of memory, predicted not to fit", fits["ran_out_refused"]),
        (f"of {fits['ran']:,} runs that ran, predicted to fit", fits["ran_allowed"]),
    ]
    head = "| what | Steelyard | one utilisation per chip | 6ND at 40 % |\n|---|---|---|---|\n"
    return head + "\n".join(line(*row) for row in rows)


def line(name: Any, *values: float) -> str:
    """Return one row of the table."""
    cells = [f"{100 * value:.1f} %" for value in values] + [""] * (3 - len(values))
    return f"| {name} | {' | '.join(cells)} |"


def part(text: str, name: str) -> str:
    """Return what stands between the markers of a part."""
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert found is not None, f"README.md has no part {name}"
    return found[1]


def main() -> None:
    """Write both parts anew."""
    text = README.read_text("utf-8")
    for name, made in (("plan", plan()), ("scores", scores())):
        text = text.replace(part(text, name), made)
    README.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
