"""Find every public formula of the rooms, and make arguments for it from its annotations."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import numpy as np

import steelyard
from steelyard.step import StagedJob, stage_job
from steelyard.tables import Job, Layout

ROOMS: Final = ("strategies", "workload", "layout", "step", "run", "energy", "carbon", "money")
DRAWS = 12

# Words of tables, two of each, as a model's rows have them.
WORDS = {
    "name": ("dense", "moe"),
    "block": ("dense", "moe"),
    "kind": ("stream", "scores"),
    "split": ("tensor", "sequence"),
    "split_rows": ("whole", "expert_sequence"),
    "split_inner": ("tensor", "expert_tensor"),
    "split_outer": ("whole", "whole"),
    "split_groups": ("whole", "expert"),
}

# How large a quantity of each unit is, so that draws stay where the formulas mean something.
SCALE = {
    "": 1.0,
    "s": 1.0,
    "1/s": 1e-9,
    "byte": 1e9,
    "byte/s": 1e11,
    "flop": 1e15,
    "flop/s": 1e14,
    "W": 300.0,
    "J": 1e9,
    "usd": 1.0,
    "usd/s": 1e-3,
    "usd/J": 1e-8,
    "usd/byte": 1e-10,
    "usd/byte/s": 1e-17,
    "kgco2e": 100.0,
    "kgco2e/J": 1e-7,
    "m**3": 1.0,
    "m**3/J": 1e-9,
}


# Public functions that take and return tables and are not formulas, each with the reason.
ROWS: Final = "rows are words and numbers of one model, made once a job"
STAGES: Final = "as many stages as the layouts have in all"
NOT_ELEMENTWISE: Final = {
    "workload.collapse.collapse": ROWS,
    "workload.transformer.model": ROWS,
    "workload.attention.one_way_pairs": ROWS,
    "step.stages.stages": STAGES,
    "step.stages.busiest_stages": STAGES,
    "step.stages.one_has_all": "yes or no, of all layouts",
    "step.states.model_params": STAGES,
    "step.states.quantised": "yes or no, of all layouts",
    "step.compute.unpack_s": "nothing where no weights are packed",
    "step.rank.stage_job": STAGES,
}


@dataclass(frozen=True)
class Formula:
    """One public function of a room whose arguments and result are quantities, tables of them or a staged job."""

    name: str
    function: Callable[..., Any]
    parameters: dict[str, Any]
    result: Any

    @property
    def composed(self) -> bool:
        """True if it takes or returns a table: it puts formulas together, and they name the sources."""
        return not all(is_quantity(hint) for hint in [*self.parameters.values(), self.result])


def is_quantity(hint: Any) -> bool:
    return get_origin(hint) is Annotated and isinstance(get_args(hint)[1], str)


def is_table(hint: Any) -> bool:
    if get_origin(hint) is tuple:
        part, rest = get_args(hint) if len(get_args(hint)) == 2 else (None, None)
        return rest is ... and is_table(part)
    return is_dataclass(hint) and all(is_quantity(h) or h is str or is_table(h) for h in hints_of(hint).values())


def is_result(hint: Any) -> bool:
    if get_origin(hint) is tuple and ... not in get_args(hint):
        return all(is_result(part) for part in get_args(hint))
    return is_quantity(hint) or is_table(hint)


def hints_of(thing: Any) -> dict[str, Any]:
    return get_type_hints(thing, include_extras=True)


def modules(*rooms: str) -> Iterator[Any]:
    """Import every module of the named sub-packages."""
    for room in rooms:
        package = importlib.import_module(f"steelyard.{room}")
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)


def public_functions(*rooms: str) -> dict[str, Callable[..., Any]]:
    found = {}
    for module in modules(*rooms):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                found[f"{module.__name__.removeprefix(steelyard.__name__ + '.')}.{name}"] = function
    return found


def formulas(*rooms: str) -> dict[str, Formula]:
    found = {}
    for name, function in public_functions(*rooms).items():
        if name in NOT_ELEMENTWISE:
            continue
        hints = hints_of(function)
        result = hints.pop("return", None)
        named = list(inspect.signature(function).parameters)
        if (
            set(named) == set(hints)
            and all(h is StagedJob or is_quantity(h) or is_table(h) for h in hints.values())
            and is_result(result)
        ):
            found[name] = Formula(name, function, {key: hints[key] for key in named}, result)
    return found


def number(name: str, unit: str, draw: int) -> float:
    """One positive number for a field or argument: the same for the same name, unit and draw."""
    seed = np.random.default_rng([draw, *name.encode()])
    if unit == "" and re.search(
        r"^(causal|mla|gelu|dropout|sp|flash|offload|spot|leading|schedule|partition|resting|weights)$|_bias$|_on_host$|^offload_",
        name,
    ):
        return float(seed.choice([0.0, 1.0]))
    if unit == "" and re.search(r"share|efficiency|exposed|blocking|_power$", name):
        return float(seed.choice([0.25, 0.5, 1.0]))
    return SCALE[unit] * float(seed.choice([1.0, 2.0, 4.0, 8.0]))


def build(hint: Any, name: str, make: Callable[[str, str], Any]) -> Any:
    """Build the value of an annotation, a table field by field."""
    if is_quantity(hint):
        return make(name, get_args(hint)[1])
    if hint is str:
        return WORDS[name][0]
    if hint is StagedJob:
        return stage_job(build(Job, "job", make), build(Layout, "layout", make))
    if get_origin(hint) is tuple:
        return tuple(_worded(build(get_args(hint)[0], name, make), place) for place in (0, 1))
    return hint(**{key: build(part, key, make) for key, part in hints_of(hint).items()})


def _worded(table: Any, place: int) -> Any:
    """Return one of two elements of a tuple: the same numbers under other words."""
    words = {field.name: WORDS[field.name][place] for field in fields(table) if field.name in WORDS}
    return replace(table, **words)


def leaves(value: Any, hint: Any, path: str = "result") -> Iterator[tuple[str, Any, str]]:
    """Walk a result beside its annotation: path, value, unit."""
    if is_quantity(hint):
        yield path, value, get_args(hint)[1]
    elif get_origin(hint) is tuple and ... in get_args(hint):
        for index, part in enumerate(value):
            yield from leaves(part, get_args(hint)[0], f"{path}[{index}]")
    elif get_origin(hint) is tuple:
        for index, (part, part_hint) in enumerate(zip(value, get_args(hint), strict=True)):
            yield from leaves(part, part_hint, f"{path}[{index}]")
    else:
        hints = hints_of(hint)
        for field in (one for one in fields(hint) if hints[one.name] is not str):
            yield from leaves(getattr(value, field.name), hints[field.name], f"{path}.{field.name}")
