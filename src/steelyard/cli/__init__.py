"""The command line: thin, and quick to start."""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code: 0 done, 2 bad input, 3 infeasible."""
    from steelyard.cli.app import app

    app.main(args=list(arguments) if arguments is not None else None, prog_name="steelyard")
