"""No bare coefficient: a number in a formula is 0, 1 or 2, or a constant of its module that says what it is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import steelyard

PACKAGE = Path(steelyard.__file__).parent
ROOMS = ("step", "run", "energy", "carbon", "money")
FILES = [file for room in ROOMS for file in sorted((PACKAGE / room).rglob("*.py"))]
PLAIN = {0, 1, 2}  # and -1, which is 1 with a sign

WEIGHTS = "the ZeRO stage that shards weights too, a name rather than an amount (arXiv 1910.02054, section 5)"
FLAG = "between the two values of a flag"
KNOWN = {
    ("step/tensors/buffers", "loading_bytes", 3): WEIGHTS,
    ("step/states", "by_unit", 3): WEIGHTS,
    ("step/sharding", "gathers", 3): WEIGHTS,
    ("step/states", "state_widths", 3): WEIGHTS,
    ("run/clock", "states_s", 0.5): FLAG,
    ("run/interruptions", "rework_share", 0.5): "half of the formula in its docstring (arXiv 2410.18124)",
    ("step/stage_end", "_once", 0.5): "a reduce-scatter is half of an all-reduce (nccl-tests, PERFORMANCE.md)",
    (
        "step/network/collectives",
        "_start_s",
        8,
    ): "a tenth more for each rank beyond two, as its docstring says: 1 at 2 ranks",
    ("step/network/collectives", "_start_s", 10): "a tenth more for each rank beyond two, as its docstring says",
}
"""Numbers that stand in a formula by themselves, by module and function, each with the reason; none that is gone."""


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").as_posix()


def numbers(node: ast.AST) -> Iterator[float]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and type(part.value) in (int, float) and part.value not in PLAIN:
            yield part.value


def bare(tree: ast.Module) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a module's functions and methods, with the function; its constants have a name each."""
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            yield from ((getattr(node, "name", ""), value) for value in numbers(node))


def constants(tree: ast.Module) -> Iterator[str]:
    """Yield the names of numbers of a module below which nothing says what they are."""
    for node, below in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and list(numbers(node.value)):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            documented = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            if not documented and isinstance(node.value, ast.Constant | ast.BinOp | ast.UnaryOp):
                yield ast.unparse(target)


def test_no_formula_has_a_number_without_a_name() -> None:
    trees = {room_of(file): ast.parse(file.read_text("utf-8")) for file in FILES}
    found = {(name, function, value) for name, tree in trees.items() for function, value in bare(tree)}
    assert found == KNOWN.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_every_constant_says_what_it_is(file: Path) -> None:
    assert list(constants(ast.parse(file.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f(x):\n    return 3.6 * x", [("f", 3.6)]),
        ("def f(x):\n    return 2 * x - 1", []),
        ("SHARE = 0.35\n", []),
        ("class Part:\n    def f(self, x=7):\n        return x > 1.5", [("Part", 7), ("Part", 1.5)]),
    ],
)
def test_a_planted_number_is_found(text: str, found: list[tuple[str, float]]) -> None:
    assert list(bare(ast.parse(text))) == found


def test_a_planted_constant_without_a_word_is_found() -> None:
    assert list(constants(ast.parse('SHARE = 0.35\nOTHER = 3.5\n"""What it is."""\n'))) == ["SHARE"]
