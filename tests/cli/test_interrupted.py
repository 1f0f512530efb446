"""Ctrl-C during a plan: the best so far, marked as partial, in text and in JSON; exit code 130."""

import json
import signal
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from rich.console import Console

from steelyard.cli import plan as verb
from steelyard.cli import printing
from steelyard.cli.app import app
from steelyard.search import family

WORDS = ["plan", "llama-3-8b", "--tokens", "20B", "--accelerators", "H100", "--max-devices", "64"]


@pytest.fixture
def pressed(monkeypatch):
    @contextmanager
    def once(_what):
        yield lambda _done, _total: signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(family, "UNIT", 2000)
    monkeypatch.setattr(verb, "progress_bar", once)


@pytest.mark.usefixtures("pressed")
def test_the_best_so_far_is_printed_and_marked():
    result = CliRunner().invoke(app, WORDS)
    assert result.exit_code == 130
    assert "PARTIAL: interrupted with" in result.stdout
    assert "cheapest" in result.stdout


@pytest.mark.usefixtures("pressed")
@pytest.mark.parametrize("more", [(), ("--by", "1min")])
def test_json_says_so_too(more):
    result = CliRunner().invoke(app, [*WORDS, *more, "--json"])
    found = json.loads(result.stdout)
    assert result.exit_code == 130
    assert found["partial"] is True
    assert found["counts"]["unseen"] > 0
    assert bool(found["points"]) is not bool(more)


def test_progress_shows_the_time_left_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("rich.console.Console", lambda **_: Console(force_terminal=True, width=120))
    with printing.progress_bar("weighing") as tick:
        tick(5, 10)
        tick(6, 10)
    shown = capsys.readouterr().out
    assert "6/10" in shown
    assert "left, Ctrl-C" in shown
