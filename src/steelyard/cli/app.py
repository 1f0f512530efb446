"""The verbs, each imported only when it is called, and the one place where an error becomes a message."""

import errno
import importlib
import io
import os
import sys
from typing import Any, NoReturn

import click

from steelyard import __version__
from steelyard.errors import SteelyardError, nearest

VERBS = {
    "plan": "The exact frontier of time, money, energy and CO2e for a training job.",
    "estimate": "One pinned configuration: where its seconds, bytes, joules and dollars go.",
    "explain": "One plan taken apart: every term with its formula, source and catalog rows.",
    "when": "The hours to run in: now, at the best start, or paused and resumed.",
    "where": "The sites to run at: price, PUE, water, CO2e of every kind, and what a cleaner one costs.",
    "launch": "What a configuration is started with: the arguments or configuration of its stack.",
    "catalog": "What is known of accelerators, systems, models, offers and sites, with sources.",
    "calibrate": "Your own measured runs, so that later predictions are right on your machines.",
    "audit": "A published claim taken apart: which factor is off, and by how much.",
    "disclose": "What a run should say of itself: model card, SPDX, EU AI Act, SCI, table, BibTeX, page.",
    "validate": "How right the predictions are, against published runs.",
}

INTERRUPTED = 130
PIPE_CLOSED = 141


class App(click.Group):
    """A group that imports a verb on first use and ends every failure as one line on stderr."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the verbs in the order of a user's day."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(importlib.import_module(f"steelyard.cli.{cmd_name}"), f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which is nearest."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = nearest(args[0], VERBS) or list(VERBS)
            message = f"unknown command {args[0]!r}; nearest: {', '.join(near)}"
            raise click.UsageError(message, ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; a reader that went away (`| head`) is no error to report."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(PIPE_CLOSED)
        return result

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and turn whatever goes wrong on purpose into one message and an exit code."""
        extra["standalone_mode"] = False
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal that lacks a sign shows ? in its place
        try:
            code = super().main(*args, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.ctx.get_help() if error.ctx else "")
            sys.exit(2)
        except click.ClickException as error:
            fail(error.format_message(), error.exit_code)
        except SteelyardError as error:
            fail(str(error), error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            fail("interrupted", INTERRUPTED)
        except OSError as error:
            fail(_file_message(error), SteelyardError.exit_code)
        except RecursionError:
            fail("the file is nested too deeply to be read; give a job, a plan or a claim", SteelyardError.exit_code)
        sys.exit(code if isinstance(code, int) else 0)


def _file_message(error: OSError) -> str:
    """Return what is wrong with a file that cannot be read or written, and the way out."""
    ways = {
        errno.ENOENT: "make its folder first, or give another path",
        errno.EACCES: "you may not use it; give a path of your own",
        errno.EISDIR: "it is a folder; give a file in it",
        errno.ENOSPC: "the disk is full; give a path on another",
    }
    way = ways.get(error.errno or 0, "give a file in a folder that you may write to and read from")
    return f"{error.filename or 'input'}: {error.strerror or error}; {way}"


def fail(message: str, code: int) -> NoReturn:
    """Say one thing on stderr and leave."""
    click.echo(f"steelyard: {message}", err=True)
    sys.exit(code)


@click.group(cls=App, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="steelyard")
def app() -> None:
    """Plan AI training on one beam: time, memory, money, energy and CO2e.

    Start with: steelyard plan llama-3-8b --tokens 20B --by 7d --budget 5000
    """
