"""The reference page says what the commands say."""

from pathlib import Path

import click
import pytest
from tests.cli.reference import reference

from steelyard.cli.app import VERBS, app

PAGE = Path(__file__).parents[2] / "docs/cli.md"


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text("utf-8") == reference(), "run `make docs`"


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_has_a_help_text_and_stands_on_the_page(verb: str) -> None:
    command = app.get_command(click.Context(app), verb)
    assert command is not None
    assert command.help
    assert command.short_help == VERBS[verb]
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.opts[0] in PAGE.read_text("utf-8")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_prints_json(verb: str) -> None:
    command = app.get_command(click.Context(app), verb)
    assert command is not None
    assert "--json" in [flag for option in command.params for flag in option.opts]
