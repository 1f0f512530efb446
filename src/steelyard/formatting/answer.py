"""What every answer can do: be written as JSON and read back, be compared, pickled, and shown in short."""

import copyreg
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from types import MappingProxyType
from typing import Any, Self

from steelyard.errors import BadInput
from steelyard.formatting.decode import decode
from steelyard.formatting.encode import encode, plain
from steelyard.formatting.html import html_table


@contextmanager
def refused_as_input() -> Iterator[None]:
    """Let what is no value of a type be `BadInput` to whoever gave it."""
    try:
        yield
    except ValueError as error:
        raise BadInput(str(error)) from None


class Shown:
    """What a result is in short: a line as `repr`, a small table in a notebook; `to_dict` holds all of it."""

    __slots__ = ()

    def headline(self) -> str:
        """Return the result in one line."""
        return ""

    def table(self) -> Sequence[Sequence[str]]:
        """Return the rows of a short table, the first its head."""
        return ()

    def to_dict(self) -> dict[str, Any]:
        """Return the result as dicts, lists, text, numbers and None."""
        made: dict[str, Any] = plain(self)
        return made

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.headline()}>"

    def _repr_html_(self) -> str:
        """Return the line and the short table for a notebook."""
        line = f"<p>{escape(self.headline())}</p>"
        head, *rows = self.table() or ((),)
        return line + html_table(head, rows) if head else line


class Answer(Shown):
    """A frozen dataclass whose fields are the keys of its JSON: a key ends in its unit, unknown is NaN (null in JSON).

    An `Interval` is three keys: `time_s`, `time_s_low`, `time_s_high`. Two answers are equal if they are field by
    field, NaN to NaN.
    """

    __slots__ = ()

    def to_json(self) -> str:
        """Return the answer as JSON text, as `--json` prints it."""
        return encode(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """Return the answer that `to_dict` was made of; `BadInput` where it is none."""
        with refused_as_input():
            made: Self = decode(cls, found)
        return made

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and alike(self, other)

    def __hash__(self) -> int:
        return hash((type(self), self.to_json()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _read_back, (type(self), self.to_dict())


def _read_back(kind: type[Answer], found: Mapping[str, Any]) -> Answer:
    """Return the answer of a type from its dict: what a pickle calls."""
    return kind.from_dict(found)


copyreg.pickle(MappingProxyType, lambda view: (_view, (dict(view),)))


def _view(found: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    """Return a read-only view of a mapping: results that hold one can be pickled."""
    return MappingProxyType(found)


def alike(one: Any, other: Any) -> bool:
    """Return whether two values are the same all the way down, NaN to NaN.

    >>> alike((1.0, math.nan, {"a": 2}), (1.0, float("nan"), {"a": 2})), alike(math.nan, 0.0)
    (True, False)
    """
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(alike(a, b) for a, b in zip(one, other, strict=True))
    if dataclasses.is_dataclass(one) and type(one) is type(other):
        names = [field.name for field in dataclasses.fields(one) if field.compare]
        return all(alike(getattr(one, name), getattr(other, name)) for name in names)
    return bool(one == other)
