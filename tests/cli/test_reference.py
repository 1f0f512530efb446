"""The reference page says what the commands say."""

from pathlib import Path

import click
import pytest
from tests.cli.reference import reference

from steelyard.cli.app import VERBS, app

PAGE = Path(__file__).parents[2] / "docs/cli.md"


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text("utf-8") == reference(), "run `make docs`"


def commands() -> dict[str, click.Command]:
    """Every command that a user can call, by what they type; those inside a group too."""
    context = click.Context(app)
    found = {}
    for verb in VERBS:
        command = app.get_command(context, verb)
        assert command is not None
        found[verb] = command
        if isinstance(command, click.Group):
            found |= {f"{verb} {name}": inner for name, inner in command.commands.items()}
    return found


@pytest.mark.parametrize("name", commands())
def test_every_option_has_a_help_text_and_stands_on_the_page(name: str) -> None:
    command = commands()[name]
    assert command.help
    assert command.short_help == VERBS.get(name, command.short_help)
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.opts[0] in PAGE.read_text("utf-8")


@pytest.mark.parametrize("name", [name for name, one in commands().items() if not isinstance(one, click.Group)])
def test_every_verb_prints_json(name: str) -> None:
    assert "--json" in [flag for option in commands()[name].params for flag in option.opts]
