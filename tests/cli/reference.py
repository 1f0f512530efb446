"""Write docs/cli.md from the commands themselves: `make docs`."""

import click

from steelyard.cli.app import VERBS, app

HEAD = """# The command line

Written from the commands by `make docs`; a test fails when this page is not what they say.

Exit codes: **0** done, **2** bad input (one message on stderr that names what was given, what is wrong and the nearest
valid choice), **3** a well-formed job that nothing satisfies (what fails, and the smallest relaxations, on stdout),
130 interrupted. `--json` prints one object on stdout; its keys end in their unit, unknown is `null`. Progress is shown
on a terminal only.

Accelerators are written `H100` or `H100:64`; counts `20B`, `300M`, `1e9`; durations `7d`, `12h`, `1d12h`; deadlines a
duration, a date or a weekday; money `5000`, `$5k`; CO2e `500kg`, `2t`; energy `10MWh`; places `aws/us-*`.
"""


def reference() -> str:
    """Return the page."""
    root = app.make_context("steelyard", [], resilient_parsing=True)
    parts = [HEAD]
    for verb in VERBS:
        command = app.get_command(root, verb)
        assert command is not None
        context = click.Context(command, info_name=verb, parent=root, max_content_width=100, terminal_width=100)
        parts.append(f"## steelyard {verb}\n\n```text\n{command.get_help(context).strip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(reference(), end="")
