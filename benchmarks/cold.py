"""Fresh processes: `--help` and `plan`, in seconds and relative to a Python that does nothing.

Bytecode is kept between runs, as an installer leaves it, whatever the environment says.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent / "examples" / "llama-3-8b.yaml"
STEELYARD = (sys.executable, "-m", "steelyard.cli")
COMMANDS = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "python -c 'import numpy'": (sys.executable, "-c", "import numpy"),
    "steelyard --help": (*STEELYARD, "--help"),
    "steelyard audit strubell-nas": (*STEELYARD, "audit", "strubell-nas"),
    "steelyard disclose strubell-nas": (*STEELYARD, "disclose", "strubell-nas"),
    "steelyard plan examples/llama-3-8b.yaml --json": (*STEELYARD, "plan", str(EXAMPLE), "--json"),
}
TIMES = 5
CACHE = Path(tempfile.gettempdir()) / "steelyard-benchmarks"
INSTALLED = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | {
    "PYTHONPYCACHEPREFIX": str(CACHE)
}
"""The environment of a run."""


def lines() -> list[str]:
    """Measure each command in fresh processes; the fastest of some is what the machine can do."""
    found, idle = [], 0.0
    for name, command in COMMANDS.items():
        seconds = fastest(command)
        idle = idle or seconds
        found.append(f"{name}: {1000 * seconds:.0f} ms, {seconds / idle:.1f} × python -c pass")
    return found


def fastest(command: tuple[str, ...]) -> float:
    """Return the seconds of the fastest of some runs."""
    best = float("inf")
    for _ in range(TIMES):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=INSTALLED)
        best = min(best, time.perf_counter() - start)
    return best
