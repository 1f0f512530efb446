"""Whole plans, from one device to 16,384: candidates, what was ruled out, seconds cold and warm, peak memory."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from click.testing import CliRunner

from benchmarks.cold import INSTALLED, STEELYARD, TIMES
from steelyard.cli.app import app

EXAMPLES = Path(__file__).parent.parent / "examples"
ONE = ("llama-3-8b", "--task", "qlora", "--tokens", "10M", "--sequence", "4096", "--devices", "1")
PLANS: dict[str, tuple[str, ...]] = {
    "QLoRA of 8B, 1 device": ONE,
    "lora-70b.yaml, to 16": (str(EXAMPLES / "lora-70b.yaml"),),
    "llama-3-8b.yaml, to 1,024": (str(EXAMPLES / "llama-3-8b.yaml"),),
    "qwen3-moe.yaml, to 1,024": (str(EXAMPLES / "qwen3-moe.yaml"),),
    "llama-3.1-405b.yaml, to 16,384": (str(EXAMPLES / "llama-3.1-405b.yaml"),),
}
COUNTS = ("considered", "out_of_memory", "dominated", "bounded", "predicted")
WARM = "import sys\nfrom benchmarks.plans import warm\nprint(warm(sys.argv[1:]))"


def lines() -> list[str]:
    """Plan each example in fresh processes and once more in a warm one."""
    head = ("plan", *(name.replace("_", " ") for name in COUNTS), "cold s", "warm s", "peak MB")
    found = [f"| {' | '.join(head)} |", "|---" + "|--:" * (len(head) - 1) + "|"]
    for name, arguments in PLANS.items():
        runs = [fresh(arguments) for _ in range(TIMES)]
        counts = runs[0][0]["counts"]
        cells = [f"{counts[key]:,}" for key in COUNTS]
        seconds = f"{min(run[1] for run in runs):.2f}", f"{repeat_s(arguments):.2f}"
        cells += [*seconds, f"{max(run[2] for run in runs):.0f}"]
        found.append(f"| {name} | {' | '.join(cells)} |")
    found.append("Each of two processes holds at most the peak; considered are layouts x counts x chips x stacks.")
    return found


def fresh(arguments: tuple[str, ...]) -> tuple[dict[str, dict[str, int]], float, float]:
    """Return what a plan in a fresh process prints, its seconds, and the largest process's peak megabytes."""
    start = time.perf_counter()
    process = subprocess.Popen((*STEELYARD, "plan", *arguments, "--json"), stdout=subprocess.PIPE, env=INSTALLED)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    process.stdout.close()
    return json.loads(printed), time.perf_counter() - start, used.ru_maxrss / 1e3


def repeat_s(arguments: tuple[str, ...]) -> float:
    """Return the seconds of a plan in a process that has made it before."""
    made = subprocess.run(
        (sys.executable, "-c", WARM, *arguments), capture_output=True, text=True, check=True, env=INSTALLED
    )
    return float(made.stdout.splitlines()[-1])


def warm(arguments: list[str]) -> float:
    """Make a plan, then return the seconds of the fastest of some repetitions."""
    best = float("inf")
    for _ in range(TIMES):
        start = time.perf_counter()
        CliRunner().invoke(app, ["plan", *arguments, "--json"])
        best = min(best, time.perf_counter() - start)
    return best
