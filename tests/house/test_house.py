"""docs/house.md is true: it names every package, the layers are those that are checked, what rooms offer exists."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import steelyard

PACKAGE = Path(steelyard.__file__).parent
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "house.md").read_text("utf-8")
PICTURE = PAGE.split("```")[1]
LAYERED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]


def parts() -> set[str]:
    """Return the packages and modules that lie directly in the package."""
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return folders | {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}


def drawn() -> list[str]:
    return [name.rstrip("/") for name in re.findall(r"^  ([a-z_]+(?:/|\.py)) ", PICTURE, re.MULTILINE)]


def offers() -> list[tuple[str, str]]:
    """Return each function that the page says a room offers, as room and name."""
    found, room = [], ""
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and cells[0] != "room" and not cells[0].startswith("-"):
            room = cells[0] or room
            names = re.findall(r"(?<![\w.])(?:[a-z_]+\.)*([a-z_]+)\(", cells[1])
            found += [(one, name) for name in names for one in [room]]
    return found


def defined(room: str) -> set[str]:
    """Return the names that the packages of a room define, functions, types and methods."""
    places = [PACKAGE / one for one in re.split(r",\s*", room)]
    files = [
        file for place in places for file in (place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")])
    ]
    trees = (ast.parse(file.read_text("utf-8")) for file in files)
    return {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_the_picture_names_every_package_once() -> None:
    assert sorted(drawn()) == sorted(parts())


def test_the_layers_are_those_that_are_checked() -> None:
    layers = next(one["layers"] for one in LAYERED if one["type"] == "layers")
    rooms = {name for layer in layers for name in re.findall(r"\w+", layer)}
    sentence = re.search(r"Layers, checked by import-linter: ([\s\S]*?)\.\n", PAGE)
    assert sentence
    written = [re.findall(r"\w+", part) for part in re.findall(r"`([^`]*)`", sentence[1])]
    order = [name for part in written for name in part]
    checked = [name for layer in layers for name in re.findall(r"\w+", layer)]
    assert set(order) <= rooms
    assert order == [name for name in checked if name in order]
    assert {name for name in checked if name not in order} == {
        "workload", "layout", "step", "run", "energy", "carbon", "money",
    }  # fmt: skip


@pytest.mark.parametrize(("room", "name"), offers(), ids=str)
def test_what_a_room_offers_is_there(room: str, name: str) -> None:
    assert name in defined(room)
