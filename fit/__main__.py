"""Refit everything in the catalog that is fitted: `make fit DATA=…/data`, where the folder holds `measured/`.

Operators first, then the memory of stacks, then their steps, then power, which follows what a step is made of, then the
scores with more than a source left out and what they say of pairs of stack and chips without a run, how often runs have
a setting, and last what all of it predicts now, so that `validate` can tell later whether the stored scores still
belong to the code.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from fit.seal import seal


def main() -> None:
    """Run every fit in order, each in a fresh interpreter that reads what the one before wrote."""
    options = argparse.ArgumentParser(prog="python -m fit", description=__doc__)
    options.add_argument("--data", type=Path, required=True, help="folder that holds measured/")
    measured = options.parse_args().data / "measured"
    if not measured.is_dir():
        options.error(f"{measured} is no folder; give --data the folder that holds measured/")
    for module, given in (
        ("fit.kernels", ["--data", str(measured.parent)]),
        ("fit.memory", ["--write"]),
        ("fit.stacks", ["--write"]),
        ("fit.layout_spread", ["--write"]),
        ("fit.images", ["--data", str(measured.parent), "--write"]),
        ("fit.power", ["--data", str(measured), "--write"]),
        ("fit.splits", ["--data", str(measured.parent)]),
        ("fit.pairs", ["--write"]),
        ("fit.usual", ["--write"]),
    ):
        subprocess.run([sys.executable, "-m", module, *given], check=True)  # noqa: S603  # our own modules
    seal()


if __name__ == "__main__":
    main()
