"""Only what builds rows, or reads or writes a model as people and stacks do, knows the shape of a transformer."""

import ast
from dataclasses import fields, is_dataclass
from pathlib import Path

import steelyard
from steelyard import tables
from steelyard.workload import Architecture

PACKAGE = Path(steelyard.__file__).parent
BUILDERS = ("job/models/", "workload/", "evidence/frames/", "launchers/writers/")
TABLES = {field.name for table in vars(tables).values() if is_dataclass(table) for field in fields(table)}
SHAPE = {field.name for field in fields(Architecture)} - TABLES
"""Fields of `Architecture` that no table of the rooms has under the same name."""

SIZE = "how many parameters a model has, which people ask for and state"
KNOWN = {
    "claims/context.py": (
        frozenset({"attention_layers", "embedding_params"}),
        "attention and look-ups, which conventions of FLOPs count otherwise",
    ),
    "claims/models.py": (frozenset({"total_params", "vocab"}), SIZE),
    "cli/catalog.py": (frozenset({"total_params"}), SIZE),
    "job/defaults.py": (frozenset({"total_params"}), SIZE),
    "job/fields.py": (frozenset({"dropout"}), "that of adapters, which people write so"),
    "job/samples.py": (frozenset({"vocab"}), "whether a model reads text: a question to its description"),
    "job/training.py": (
        frozenset({"embedding_params", "head_params", "moe_ffn", "total_params"}),
        "the shape of the matrices that an optimizer keeps moments of",
    ),
    "report/catalog_page.py": (frozenset({"layers"}), "blocks, as a description of a model has them"),
}
"""Modules elsewhere that name some, each with the reason; one that no longer does fails."""


def named(file: Path) -> frozenset[str]:
    """Return the fields that a module asks for by name."""
    tree = ast.parse(file.read_text("utf-8"))
    return frozenset(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in SHAPE)


def importers() -> set[str]:
    """Return the modules that import `Architecture`."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        nodes = [node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
        if any(alias.name == "Architecture" for node in nodes for alias in node.names):
            found.add(file.relative_to(PACKAGE).as_posix())
    return found


def test_no_other_module_names_a_field_of_a_transformer() -> None:
    assert len(SHAPE) > 20
    files = {file.relative_to(PACKAGE).as_posix(): named(file) for file in PACKAGE.rglob("*.py")}
    elsewhere = {name: found for name, found in files.items() if found and not name.startswith(BUILDERS)}
    assert elsewhere == {name: found for name, (found, _) in KNOWN.items()}


def test_no_other_module_imports_the_shape_of_a_transformer() -> None:
    assert {name for name in importers() if not name.startswith(BUILDERS)} == {"job/training.py"}


def test_rooms_of_numbers_know_no_transformer() -> None:
    rooms = ("step/", "layout/", "run/", "energy/", "carbon/", "money/", "search/", "pipeline.py", "strategies/")
    assert not [name for name in (*importers(), *KNOWN) if name.startswith(rooms)]
