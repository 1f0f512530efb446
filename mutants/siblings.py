"""Names that may be mistaken for one another: a table's fields of one unit, a function's parameters of one unit."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from importlib import import_module
from inspect import isfunction
from typing import Annotated, Any, get_args, get_origin, get_type_hints

BINDING = ast.Assign | ast.For | ast.comprehension


@dataclass(frozen=True)
class Scope:
    """What the names in a function are: its parameters, these and its own names, and those of its module."""

    parameters: dict[str, Any]
    names: dict[str, Any]
    module: dict[str, Any]


def function_at(module: str, place: str) -> Any:
    """Return the plain function of a module that a qualified name stands for."""
    found: Any = import_module(module)
    for part in place.split("."):
        found = vars(found)[part]
    found = getattr(found, "fget", None) or getattr(found, "__func__", found)
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    return found


def scope_of(module: str, place: str, owner: ast.FunctionDef) -> Scope:
    """Return what the names in a function are, from its annotations and what it binds to what is known."""
    space = vars(import_module(module))
    parameters = {name: hint for name, hint in hints_of(function_at(module, place)).items() if name != "return"}
    held = {"self": space[place.partition(".")[0]]} if "." in place else {}
    scope = Scope(parameters, held | parameters, space)
    bindings = [node for node in ast.walk(owner) if isinstance(node, BINDING)]
    for node in sorted(bindings, key=lambda node: target_of(node).lineno):
        if isinstance(node, ast.Assign):
            bind(target_of(node), hint_of(node.value, scope), scope)
        else:
            bind(target_of(node), element_of(node.iter, scope), scope)
    return scope


def target_of(node: BINDING) -> ast.expr:
    return node.targets[0] if isinstance(node, ast.Assign) else node.target


def bind(target: ast.expr, hint: Any, scope: Scope) -> None:
    if isinstance(target, ast.Name):
        scope.names[target.id] = hint
    elif isinstance(target, ast.Tuple) and isinstance(hint, list | tuple) and len(target.elts) == len(hint):
        for part, one in zip(target.elts, hint, strict=True):
            bind(part, one, scope)


def hint_of(node: ast.expr, scope: Scope) -> Any:
    """Return the annotation of an expression, of a tuple one for each part; None where nothing says it."""
    match node:
        case ast.Name(name):
            return scope.names.get(name)
        case ast.Tuple(parts):
            return [hint_of(part, scope) for part in parts]
        case ast.Attribute(value, name):
            return hints_of(hint_of(value, scope)).get(name)
        case ast.Call(ast.Name("replace"), [table, *_]):
            return hint_of(table, scope)
        case ast.Call(ast.Name(name)) if name in scope.module:
            called = scope.module[name]
            hint = called if is_dataclass(called) else hints_of(called).get("return")
            return get_args(hint) if get_origin(hint) is tuple and ... not in get_args(hint) else hint
    return None


def element_of(node: ast.expr, scope: Scope) -> Any:
    """Return the annotation of what a loop over an expression takes from it."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "zip":
        return [element_of(part, scope) for part in node.args]
    hint = hint_of(node, scope)
    return get_args(hint)[0] if get_origin(hint) is tuple else None


@cache
def hints_of(thing: Any) -> dict[str, Any]:
    """Return the annotations of a function, or of a table's fields and properties."""
    if isfunction(thing):
        return get_type_hints(thing, include_extras=True)
    if not is_dataclass(thing):
        return {}
    getters = {name: part.fget for name, part in vars(thing).items() if isinstance(part, property)}
    return get_type_hints(thing, include_extras=True) | {name: hints_of(f).get("return") for name, f in getters.items()}


def mistaken(node: ast.AST, holder: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """Yield the names of the same unit declared next to one, before and behind it, in its table or its function."""
    match node:
        case ast.Attribute(value, name, ast.Load()) if is_dataclass(table := hint_of(value, scope)):
            held = {field.name: hints_of(table)[field.name] for field in fields(table)}
            yield from (ast.Attribute(value, other, ast.Load()) for other in beside(name, held))
        case ast.Name(name) if name in scope.parameters and isinstance(holder, ast.Call | ast.keyword):
            yield from (ast.Name(other, ast.Load()) for other in beside(name, scope.parameters))


def beside(name: str, hints: dict[str, Any]) -> list[str]:
    """Return the two nearest of the same unit, or the one that there is: the last stands before the first."""
    if get_origin(hints.get(name)) is not Annotated:
        return []
    alike = [other for other, hint in hints.items() if hint == hints[name]]
    place = alike.index(name)
    return sorted({alike[place - 1], alike[(place + 1) % len(alike)]} - {name})
