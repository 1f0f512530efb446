"""One JSON object of anything the house returns: NaN becomes null, NumPy becomes Python."""

import dataclasses
import datetime as dt
import json
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from steelyard.formatting.interval import Interval


def encode(value: Any) -> str:
    """Return the value as JSON text that any reader accepts.

    >>> print(encode({"time_s": float("nan"), "devices": 64}))
    {
      "time_s": null,
      "devices": 64
    }
    """
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """Return the value as dicts, lists, text, numbers and None, all the way down.

    >>> import numpy as np
    >>> plain({"a": np.float64(2.5), "b": np.array([1.0, np.nan]), "c": (dt.date(2026, 1, 2), np.int64(3))})
    {'a': 2.5, 'b': [1.0, None], 'c': ['2026-01-02', 3]}
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    return _structure(value)


def _structure(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        made: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            made |= _keys(field.name, getattr(value, field.name))
        return made
    if hasattr(value, "model_dump"):
        return plain(value.model_dump())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    message = f"cannot write {type(value).__name__} as JSON"
    raise TypeError(message)


def _keys(name: str, value: Any) -> dict[str, Any]:
    """Return the keys of one field: three of an interval."""
    if isinstance(value, Interval):
        return {name: plain(value.value), f"{name}_low": plain(value.low), f"{name}_high": plain(value.high)}
    return {name: plain(value)}
