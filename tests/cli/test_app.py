"""The frame of the command line: help, exit codes, and one message for whatever goes wrong."""

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner, Result

from steelyard.cli import app as frame
from steelyard.cli.app import VERBS, app
from steelyard.errors import Infeasible, UnknownName


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Let `catalog` raise whatever the test puts in the list."""
    errors: list[BaseException] = []

    @click.command()
    def broken() -> None:
        raise errors[0]

    monkeypatch.setattr(frame.App, "get_command", lambda *_: broken)
    return errors


def test_help_lists_every_verb() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert all(f"  {verb} " in result.stdout for verb in VERBS)


def test_no_arguments_is_bad_input_with_the_help() -> None:
    result = run()
    assert result.exit_code == 2
    assert "Usage:" in result.output


@pytest.mark.parametrize(("given", "meant"), [("plam", "plan"), ("catalogue", "catalog"), ("vaildate", "validate")])
def test_an_unknown_verb_gets_the_nearest(given: str, meant: str) -> None:
    result = run(given)
    assert result.exit_code == 2
    assert given in result.stderr
    assert meant in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_unknown_option_gets_the_nearest() -> None:
    result = run("catalog", "models", "--jsom")
    assert result.exit_code == 2
    assert "--jsom" in result.stderr
    assert "--json" in result.stderr
    assert result.stderr.startswith("steelyard: ")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UnknownName("model", "lama", ["llama-3-8b"]), 2, "llama-3-8b"),
        (Infeasible("nothing fits"), 3, "nothing fits"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (FileNotFoundError(2, "No such file or directory", "job.yaml"), 2, "job.yaml: No such file"),
    ],
)
def test_an_error_is_one_line_and_a_code(
    failing: list[BaseException], error: BaseException, code: int, said: str
) -> None:
    failing.append(error)
    result = run("catalog")
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stderr.lstrip("\n").startswith("steelyard: ")
    assert len(result.stderr.split("\n")[:-1]) == 1 + (code == 130)  # after ^C the message starts on its own line
    assert isinstance(result.exception, SystemExit)


def test_a_defect_is_not_hidden(failing: list[BaseException]) -> None:
    failing.append(ZeroDivisionError())
    assert isinstance(run("catalog").exception, ZeroDivisionError)


def test_a_closed_pipe_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(  # noqa: PLW1510  # the code is what is tested
            [sys.executable, "-m", "steelyard.cli", "catalog", "models"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 141
    assert done.stderr == ""


def test_help_imports_nothing_heavy() -> None:
    """What makes `--help` slow is what it imports; its milliseconds are in benchmarks/, where they belong."""
    heavy = ("numpy", "pydantic", "yaml", "rich", "steelyard.search", "steelyard.pipeline", "steelyard.catalog")
    code = "import sys; from steelyard.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
