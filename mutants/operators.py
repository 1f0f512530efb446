"""The wrong formulas: one changed operator, number, branch, factor, term or name at a time, as code of its function."""

import ast
import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import CodeType
from typing import Any

from mutants.siblings import mistaken, scope_of

BINARY: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
SCALED = {ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow}  # of numbers; `&` and `|` join conditions
COMPARED: dict[type, tuple[type, type]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq, ast.GtE), ast.NotEq: (ast.Eq, ast.Gt),
}  # fmt: skip
CALLED = {"max": "min", "maximum": "minimum", "fmax": "fmin", "ceil": "floor", "any": "all", "greater": "less"}
CALLED |= {other: name for name, other in CALLED.items()}
UNITS = ("_s", "_w", "_j", "_bytes", "_flop", "_usd", "_kgco2e", "_m3", "_params", "_share")
PROSE = (ast.JoinedStr, ast.Raise, ast.arguments, ast.Assert)  # messages and annotations hold no formula
TABLE = (ast.Tuple, ast.List, ast.Dict, ast.Call)
LOAD = ast.Load()
SHOWN, AROUND = 160, 40  # characters


@dataclass(frozen=True, eq=False)
class Mutant:
    """One wrong formula: where it stands, what it was and became, and the code (or value) that takes its place."""

    module: str
    place: str  # qualified name of the function or module-level number
    before: str
    after: str
    made: Any  # code of a function, or a number

    @property
    def key(self) -> tuple[str, str, str]:
        """The room and the function, whichever file of the room it is in, and what changes."""
        return f"{self.module.split('.')[1]}.{self.place}", self.before, self.after

    @property
    def draw(self) -> str:
        return hashlib.sha256("|".join(self.key).encode()).hexdigest()


def mutants(module: str, file: Path) -> list[Mutant]:
    """Return every mutant of a module's functions, methods and numbers; no two that read the same."""
    tree = ast.parse(file.read_text("utf-8"))
    found: dict[tuple[str, str, str], Mutant] = {}
    for name, owner in places(tree):
        table = not isinstance(owner, ast.FunctionDef) and isinstance(owner.value, TABLE)
        scope = scope_of(module, name, owner) if isinstance(owner, ast.FunctionDef) else None
        for holder, field, index, node in sites(owner):
            if table and not isinstance(node, ast.Constant):
                continue  # numbers and flags of rows alone
            above = shown(owner, node)
            whole = ast.unparse(above)
            names = mistaken(node, holder, scope) if scope else ()
            for other in (*replacements(node, holder), *names):
                put(holder, field, index, other)
                before, after = excerpts(whole, ast.unparse(above if above is not node else other))
                mutant = Mutant(module, name, before, after, made_of(tree, module, name, owner, file))
                put(holder, field, index, node)
                while mutant.key in found:  # the same words stand twice in one function
                    mutant = replace(mutant, after=f"{mutant.after} (again)")
                found[mutant.key] = mutant
    return list(found.values())


def excerpts(before: str, after: str) -> tuple[str, str]:
    """Cut what two texts begin and end with alike, but for some of it, so that a survivor can be read."""
    alike = common(before, after)
    tail = min(common(before[::-1], after[::-1]), min(len(before), len(after)) - alike)
    start, ends = max(alike - AROUND, 0), tail - min(tail, AROUND)
    return tuple(f"{'…' * (start > 0)}{text[start : len(text) - ends]}{'…' * (ends > 0)}" for text in (before, after))


def common(one: str, other: str) -> int:
    differ = (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differ, min(len(one), len(other)))


def places(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    """Yield functions, methods, module-level numbers and tables of them with their qualified names."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{part.name}", part) for part in node.body if isinstance(part, ast.FunctionDef))
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, TABLE):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            held = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
            if isinstance(target, ast.Name) and any(isinstance(value, int | float) for value in held):
                yield target.id, node
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant | ast.BinOp):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            held = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
            if isinstance(target, ast.Name) and held and all(isinstance(value, int | float) for value in held):
                yield target.id, node


def sites(owner: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Yield each node below one that may be replaced, with the holder, field and index it stands at."""
    for field, value in ast.iter_fields(owner):
        if field in {"decorator_list", "returns", "annotation", "targets", "target"}:
            continue
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(node, ast.AST) and not isinstance(node, PROSE):
                yield owner, field, index, node
                yield from sites(node)


def put(holder: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(holder, field, node)
    else:
        getattr(holder, field)[index] = node


def shown(owner: ast.AST, node: ast.AST) -> ast.AST:
    """Return the widest node around one that still fits a line, so that a survivor can be read."""
    around = [above for above in ast.walk(owner) if above is not owner and node in ast.walk(above)]
    fitting = [above for above in around if len(ast.unparse(above)) <= SHOWN and not isinstance(above, ast.If)]
    return fitting[0] if fitting else node


def made_of(tree: ast.Module, module: str, name: str, owner: Any, file: Path) -> Any:
    if not isinstance(owner, ast.FunctionDef):
        return eval(ast.unparse(owner.value), vars(import_module(module)))  # noqa: S307  # ours, changed by us
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # a number that is indexed or called
        return code_of(compile(ast.fix_missing_locations(tree), str(file), "exec"), name)


def code_of(code: CodeType, name: str) -> CodeType:
    parts = [part for part in code.co_consts if isinstance(part, CodeType)]
    found = next((part for part in parts if part.co_qualname == name), None)
    return found or next(code_of(part, name) for part in parts if name.startswith(f"{part.co_qualname}."))


def replacements(node: ast.AST, holder: ast.AST) -> Iterator[ast.AST]:
    """Yield what may wrongly stand where this node stands."""
    match node:
        case ast.BinOp() | ast.Compare() | ast.BoolOp() | ast.UnaryOp():
            yield from operations(node)
            if isinstance(node, ast.BinOp) and type(node.op) in SCALED and isinstance(holder, ast.Assign | ast.Return):
                yield three_times(node)
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.If(test, body, orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Constant(value) if getattr(holder, "arg", None) != "strict":  # zip(..., strict=True) checks, no more
            yield from (ast.Constant(other) for other in numbers_for(value))
        case ast.keyword(arg, value) if arg and arg.endswith(UNITS) and not isinstance(value, ast.Constant):
            yield ast.keyword(arg, three_times(value))
        case ast.Call(function, arguments, []):
            yield from calls(function, arguments)


def operations(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left, op, right):
            if type(op) in BINARY:
                yield ast.BinOp(left, BINARY[type(op)](), right)
            yield left
            if not isinstance(op, ast.Pow | ast.Div | ast.FloorDiv | ast.Mod):
                yield right
        case ast.Compare(left, [op], others) if type(op) in COMPARED:
            ordered = isinstance(op, ast.Gt | ast.GtE | ast.Lt | ast.LtE) or is_number(others[0])  # words have no order
            yield from (ast.Compare(left, [other()], others) for other in COMPARED[type(op)][: 1 + ordered])
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            yield from (value for value in values if len(values) == 2)
        case ast.UnaryOp(_, operand):
            yield operand


def is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def three_times(node: Any) -> ast.AST:
    return ast.BinOp(ast.Constant(3), ast.Mult(), node)


def numbers_for(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    return sorted({value + 1, 2 * value} - {value}) if isinstance(value, int | float) else []


def calls(function: ast.expr, arguments: list[ast.expr]) -> Iterator[ast.AST]:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if other := CALLED.get(name):
        dotted = isinstance(function, ast.Attribute)
        swapped = ast.Attribute(function.value, other, LOAD) if dotted else ast.Name(other, LOAD)
        yield ast.Call(swapped, arguments, [])
    if name == "where":
        test, one, two = arguments
        yield from (ast.Call(function, [test, two, one], []), one, two)
    elif (
        ast.unparse(function).startswith("np.") and name not in {"asarray", "float64", "array"} and len(arguments) <= 2
    ):
        yield from (argument for argument in arguments if not isinstance(argument, ast.Starred))
