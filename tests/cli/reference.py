"""Write docs/cli.md from the commands themselves: `make docs`."""

import click

from steelyard.cli.app import VERBS, app

HEAD = """# The command line

Written from the commands by `make docs`; a test fails when this page is not what they say.

Exit codes: **0** done, **2** bad input (one message on stderr that names what was given, what is wrong and the nearest
valid choice), **3** a well-formed job that nothing satisfies (what fails, and the smallest relaxations, on stdout),
4 a live source did not answer, 130 interrupted. `--json` prints one object on stdout; its keys end in their unit,
unknown is `null`. Progress is shown on a terminal only.

Accelerators are written `H100` or `H100:64`; counts `20B`, `300M`, `1e9`; durations `7d`, `12h`, `1d12h`; deadlines a
duration, a date or a weekday; money `5000`, `$5k`; CO2e `500kg`, `2t`; energy `10MWh`; sites `aws/us-*`.
"""


def reference() -> str:
    """Return the page."""
    root = app.make_context("steelyard", [], resilient_parsing=True)
    parts = [HEAD]
    for verb in VERBS:
        command = app.get_command(root, verb)
        assert command is not None
        parts += pages(command, verb, root)
    return "\n".join(parts)


def pages(command: click.Command, name: str, parent: click.Context) -> list[str]:
    """Return the page of a command, and those of the commands in it."""
    context = click.Context(command, info_name=name, parent=parent, max_content_width=100, terminal_width=100)
    found = [f"## {context.command_path}\n\n```text\n{command.get_help(context).strip()}\n```\n"]
    for inner in command.list_commands(context) if isinstance(command, click.Group) else ():
        made = command.get_command(context, inner)
        assert made is not None
        found += pages(made, inner, context)
    return found


if __name__ == "__main__":
    print(reference(), end="")
