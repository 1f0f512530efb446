"""The command line: thin, and quick to start."""

import gc
from collections.abc import Sequence

OBJECTS = 200_000
"""New objects after which cycles are looked for: reading the catalog makes many, and none in cycles."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code: 0 done, 2 bad input, 3 infeasible."""
    gc.set_threshold(OBJECTS)
    from steelyard.cli.app import app

    app.main(args=list(arguments) if arguments is not None else None, prog_name="steelyard")
