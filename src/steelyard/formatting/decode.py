"""From the plain objects that JSON holds back to the frozen types that they were made of: the inverse of `encode`."""

import dataclasses
import datetime as dt
import math
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from steelyard.formatting.interval import Interval


def decode(kind: Any, value: Any) -> Any:
    """Return a value of a type from what `encode.plain` made of one; null is NaN where a number belongs.

    Raises `ValueError`, with the way to the field, where the value is none of the type.

    >>> decode(tuple[float, ...], [1, 2.5, None])
    (1.0, 2.5, nan)
    >>> decode(Mapping[str, int | None], {"devices": 8, "most": None})
    {'devices': 8, 'most': None}
    """
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        made = decode(parts[0], value)
    elif origin in {Union, types.UnionType}:
        made = _one_of(parts, value)
    elif origin is tuple:
        made = _tuple(parts, value)
    elif origin is not None and issubclass(origin, Mapping):
        made = {str(key): _inside(str(key), parts[1], item) for key, item in _object(value).items()}
    elif dataclasses.is_dataclass(kind) and isinstance(kind, type):
        made = _structure(kind, value)
    else:
        made = _PLAIN[kind](value) if kind in _PLAIN else value
    return made


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _structure(kind: type, value: Any) -> Any:
    """Return a dataclass; a field that is missing has its default, one that nobody knows is passed over."""
    given, made, hints = _object(value), {}, _hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if hint is Interval:
            if field.name in given:
                made[field.name] = _interval(field.name, given)
        elif field.name in given:
            made[field.name] = _inside(field.name, hint, given[field.name])
    if absent := sorted(_needed(kind) - made.keys()):
        message = f"it is no {kind.__name__}: it lacks {', '.join(absent)}"
        raise ValueError(message)
    return kind(**made)


def _interval(name: str, given: Mapping[str, Any]) -> Interval:
    return Interval(*(_inside(key, float, given.get(key)) for key in (name, f"{name}_low", f"{name}_high")))


def _one_of(kinds: Sequence[Any], value: Any) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    some = [kind for kind in kinds if kind is not types.NoneType]
    exact = [kind for kind in some if isinstance(kind, type) and type(value) is kind]
    if not exact and isinstance(value, Mapping):  # of several types the one whose fields are all there
        exact = [kind for kind in some if _needed(kind) <= value.keys()]
    return decode((exact or some)[0], value)


def _needed(kind: Any) -> set[str]:
    if not dataclasses.is_dataclass(kind):
        return {""}
    absent = dataclasses.MISSING
    return {one.name for one in dataclasses.fields(kind) if one.default is absent and one.default_factory is absent}


def _tuple(kinds: Sequence[Any], value: Any) -> Any:
    if not isinstance(value, list | tuple):
        message = f"a list is wanted, not {value!r}"
        raise ValueError(message)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_inside(str(place), kinds[0], item) for place, item in enumerate(value))
    if len(kinds) != len(value):
        message = f"{len(kinds)} entries are wanted, not {len(value)}"
        raise ValueError(message)
    return tuple(_inside(str(place), kind, item) for place, (kind, item) in enumerate(zip(kinds, value, strict=True)))


def _inside(name: str, kind: Any, value: Any) -> Any:
    """Return a part, its name before what is wrong with it."""
    try:
        return decode(kind, value)
    except ValueError as error:
        message = f"{name}: {error}" if ": " not in str(error) else f"{name}.{error}"
        raise ValueError(message) from None


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        message = f"an object is wanted, not {value!r}"
        raise ValueError(message)
    return value


def _number(value: Any) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"a number is wanted, not {value!r}"
        raise ValueError(message)
    return float(value)


def _whole_number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"a whole number is wanted, not {value!r}"
        raise ValueError(message)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        message = f"a text is wanted, not {value!r}"
        raise ValueError(message)
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        message = f"true or false is wanted, not {value!r}"
        raise ValueError(message)
    return value


_PLAIN: Mapping[Any, Callable[[Any], Any]] = {
    float: _number,
    int: _whole_number,
    str: _text,
    bool: _flag,
    dt.datetime: lambda value: dt.datetime.fromisoformat(_text(value)),
    dt.date: lambda value: dt.date.fromisoformat(_text(value)),
}
