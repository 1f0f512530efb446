"""What documents name is there: files, functions, types, fields, make targets, and commands with their options."""

import ast
import builtins
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from steelyard.cli.app import VERBS, app

ROOT = Path(__file__).parents[2]
CODE = ("src/steelyard", "fit", "mutants", "tests", "benchmarks", "examples", "docs")
HISTORY = {"CHANGELOG.md", "log.md"}  # they say what was
PAGES = [page for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]) if page.name not in HISTORY]
FOREIGN = {"np.any", "LLAMA3.1_405B", *vars(builtins)}  # a function of numpy; how people write a model
NAME = re.compile(r"[A-Za-z_]\w*")


@cache
def files() -> frozenset[str]:
    """Return every file and folder of the house, by its whole path from the root."""
    found = (path for top in CODE for path in (ROOT / top).rglob("*") if "__pycache__" not in path.parts)
    return frozenset(path.relative_to(ROOT).as_posix() for path in found) | {path.name for path in ROOT.iterdir()}


@cache
def defined() -> frozenset[str]:
    """Return what code defines: functions, types, arguments, variables, fields."""
    names = set()
    for file in (path for path in files() if path.endswith(".py")):
        for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.arg):
                names.add(node.arg)
    return frozenset(names)


@cache
def written() -> frozenset[str]:
    """Return the names in texts of the code and in tables of the catalog: columns, keys, files that are written."""
    words: set[str] = set()
    for file in (path for path in files() if path.endswith(".py") and path.startswith("src/")):
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        held = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        texts = (value for value in held if isinstance(value, str) and "\n" not in value)
        words |= {word for text in texts for word in re.findall(r"[\w.-]+", text)}
    for file in (path for path in files() if path.endswith((".csv", ".yaml")) and path.startswith("src/")):
        words |= set(re.findall(r"[\w.-]+", (ROOT / file).read_text("utf-8")[:200_000]))
    return frozenset(words)


def is_file(name: str) -> bool:
    return any(path == name or path.endswith(f"/{name}") for path in files())


def quoted(text: str) -> list[str]:
    plain = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [found.strip() for found in re.findall(r"`([^`\n]+)`", plain)]


def unknown(code: str) -> bool:
    """Return whether a text in backticks is written as something of the code, and is nothing of it."""
    if code in FOREIGN or "NAME" in code:
        return False
    if re.fullmatch(r"[\w./-]+\.(py|csv|yaml|md|json|toml)|[\w./-]+/", code):
        return not is_file(code.rstrip("/")) and Path(code).name not in written()
    if called := re.fullmatch(r"(?:\w+\.)*(\w+)\(.*\)", code):
        return called[1] not in defined()
    if started := re.match(r"make ([a-z]+)$|python -m ([\w.]+)", code):
        return not is_target(started[1]) if started[1] else not is_module(started[2])
    if re.fullmatch(r"[A-Za-z_]\w*(\.\w+)+|[a-z]+(_[a-z0-9]+)+|[A-Z][a-z]+[A-Z]\w*", code):
        parts = code.split(".")
        return code not in written() and not all(part in defined() | written() or is_module(part) for part in parts)
    return False


def is_target(name: str) -> bool:
    return re.search(rf"^{name}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE) is not None


def is_module(name: str) -> bool:
    path = name.replace(".", "/")
    return any(is_file(f"{path}{ending}") for ending in ("", ".py"))


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command that a page writes, in backticks or in a block, up to a pipe or a comment."""
    joined = re.sub(r"\\\n\s*", " ", text)
    blocks = re.findall(r"```.*?```", joined, re.DOTALL)
    plain = re.sub(r"```.*?```", "", joined, flags=re.DOTALL)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    for line in [*lines, *(" ".join(one.split()) for one in re.findall(r"`([^`]+)`", plain))]:
        if re.match(r"steelyard [a-z]", line):
            yield re.split(r"\s[|#>]|;|&&", line)[0].split()[1:]


def wrong(words: list[str]) -> str:
    """Return what no command has: a verb, a command in it, an option."""
    root = app.make_context("steelyard", [], resilient_parsing=True)
    command: click.Command | None = app.get_command(root, words[0]) if words[0] in VERBS else None
    if command is None:
        return words[0]
    while isinstance(command, click.Group) and len(words) > 1 and (inner := command.get_command(root, words[1])):
        command, words = inner, words[1:]
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
    return next((word for word in words if re.match(r"--[a-z]", word) and word.split("=")[0] not in known), "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    assert [code for code in quoted(page.read_text("utf-8")) if unknown(code)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_exist(page: Path) -> None:
    assert [(" ".join(one), wrong(one)) for one in commands(page.read_text("utf-8")) if wrong(one)] == []


def test_names_that_are_gone_are_found() -> None:
    gone = [
        "Stack.novel_exposed_s",
        "step/gone.py",
        "gone_function(job)",
        "make gone",
        "python -m fit.gone",
        "gone_by",
    ]
    assert [code for code in gone if not unknown(code)] == []
    there = [
        "Stack.tp_exposed",
        "step/time.py",
        "read_job(path)",
        "make fit",
        "python -m fit.changes",
        "peak_bf16",
    ]
    assert [code for code in there if unknown(code)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`steelyard paln x`", "paln"),
        ("```\nsteelyard plan x \\\n  --novel 3 | head\n```", "--novel"),
        ("`steelyard plan x\n--details --json`", ""),
        ("`steelyard catalog diff --json`", ""),
    ],
)
def test_a_command_that_is_gone_is_found(text: str, found: str) -> None:
    assert [wrong(one) for one in commands(text)] == [found]
