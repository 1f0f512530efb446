"""The values of a `config.json`, each asked for by name and kind, with one clear message when it is not there."""

from collections.abc import Mapping
from typing import Any

from steelyard.errors import BadInput

_NOTHING = object()


class Config:
    """A `config.json` that knows where it came from; a value is asked for by the names that families give it.

    >>> Config({"n_embd": 768}, "config.json").integer("hidden_size", "n_embd")
    768
    >>> Config({"n_embd": "wide"}, "config.json").integer("n_embd")
    Traceback (most recent call last):
    steelyard.errors.BadInput: config.json: n_embd is 'wide'; it must be a whole number from 0
    """

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values, self.where = values, where

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def _find(self, names: tuple[str, ...]) -> tuple[str, Any]:
        found = [(name, self.values[name]) for name in names if name in self]
        return found[0] if found else (names[0], _NOTHING)

    def integer(self, *names: str, default: int | None = None, least: int = 0) -> int:
        """Return a whole number from the least; null and absence give the default, or an error if there is none."""
        name, value = self._find(names)
        if value is _NOTHING:
            if default is None:
                raise BadInput(f"{self.where}: {' or '.join(names)} is missing; is the file cut off?")
            return default
        number = int(value) if type(value) is float and value.is_integer() else value
        if type(number) is not int or number < least:
            raise BadInput(f"{self.where}: {name} is {_short(value)}; it must be a whole number from {least}")
        return number

    def flag(self, *names: str, default: bool) -> bool:
        """Return a truth value."""
        name, value = self._find(names)
        if value is not _NOTHING and type(value) is not bool:
            raise BadInput(f"{self.where}: {name} is {_short(value)}; it must be true or false")
        return default if value is _NOTHING else bool(value)

    def word(self, *names: str, default: str) -> str:
        """Return a text."""
        name, value = self._find(names)
        if value is not _NOTHING and type(value) is not str:
            raise BadInput(f"{self.where}: {name} is {_short(value)}; it must be text")
        return default if value is _NOTHING else str(value)

    def items(self, name: str) -> list[Any]:
        """Return a list; absence gives none."""
        value = self.values.get(name)
        if value is not None and type(value) is not list:
            raise BadInput(f"{self.where}: {name} is {_short(value)}; it must be a list")
        return list(value or ())

    def positive(self, name: str, *, default: float) -> float:
        """Return a number above zero."""
        value = self.values.get(name, default)
        if type(value) not in {int, float} or not 0 < value < 1e6:
            raise BadInput(f"{self.where}: {name} is {_short(value)}; it must be a number above zero")
        return float(value)

    def dropped(self, name: str, *, default: float) -> bool:
        """Return whether a dropout rate is above zero."""
        value = self.values.get(name)
        if value is not None and (type(value) not in {int, float} or not 0 <= value < 1):
            raise BadInput(f"{self.where}: {name} is {_short(value)}; it must be a share from 0 to below 1")
        return bool(default if value is None else value)

    def inner(self, name: str) -> "Config":
        """Return the mapping of that name; absence gives an empty one."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise BadInput(f"{self.where}: {name} is {_short(value)}; it must be a mapping")
        return Config(value or {}, f"{self.where}, {name}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
