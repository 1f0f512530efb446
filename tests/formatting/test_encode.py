"""JSON that every reader accepts."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.formatting.encode import encode, plain

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@dataclass(frozen=True)
class Pair:
    time_s: float
    devices: int


@given(VALUES)
def test_any_value_is_strict_json(value: object) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(encode(value), parse_constant=refuse)


def test_numpy_dataclasses_and_paths_become_plain() -> None:
    value = {"pair": Pair(np.float32(1.5), np.int32(2)), "path": Path("a/b"), "flags": {True}, "array": np.ones((1, 2))}
    assert plain(value) == {
        "pair": {"time_s": 1.5, "devices": 2},
        "path": "a/b",
        "flags": [True],
        "array": [[1.0, 1.0]],
    }


def test_numbers_keep_every_digit() -> None:
    assert json.loads(encode(math.pi)) == math.pi


def test_what_has_no_json_form_is_an_error() -> None:
    with pytest.raises(TypeError, match="cannot write object"):
        encode(object())
