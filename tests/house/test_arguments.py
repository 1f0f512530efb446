"""Wrong arguments of the Python face: `BadInput` that says what was given and what is taken, never a traceback."""

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import steelyard
from steelyard.formatting.answer import Answer
from steelyard.launchers import write_files

JOB: dict[str, Any] = {"tokens": "1B"}
PIN: dict[str, Any] = {"on": "H100:8", **JOB}


def pinned(**arguments: Any) -> Answer:
    return steelyard.estimate("gpt2", **(PIN | arguments))


ASKED: dict[str, Callable[[Any], object]] = {
    "layout": lambda value: pinned(layout=value),
    "site": lambda value: pinned(site=value),
    "offer": lambda value: pinned(offer=value),
    "on": lambda value: pinned(on=value),
    "carbon": lambda value: pinned(carbon=value),
    "label": lambda value: steelyard.explain("gpt2", value, **PIN),
    "start": lambda value: steelyard.when("gpt2", start=value, by="7d", **PIN),
    "profile": lambda value: steelyard.when("gpt2", profile=value, by="7d", **PIN),
    "asked": lambda value: steelyard.what_if("gpt2", value, accelerators="H100:8", **JOB),
    "cases": steelyard.validate,
    "by": lambda value: steelyard.validate("runs.csv", by=value),
    "runs": steelyard.calibrate,
    "name": lambda value: steelyard.calibrate("runs.csv", name=value),
    "claim": steelyard.audit,
    "source": steelyard.disclose,
    "source of a plan": steelyard.plan,
    "source of a job": steelyard.read_job,
    "point": lambda value: steelyard.disclose("strubell-nas", point=value),
    "to": lambda value: steelyard.launch("gpt2", to=value, **PIN),
}


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("value", [5, 0.5, b"x", object(), [1]], ids=lambda one: type(one).__name__)
def test_a_value_of_another_type_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(steelyard.BadInput, match=rf"{name.partition(' ')[0]}=.* (is of type|is no kind)"):
        ASKED[name](value)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(ASKED)),
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(max_size=8),
        st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    ),
)
def test_random_values_are_answered_or_refused(name: str, value: object) -> None:
    if (name, value) == ("cases", None):
        return  # the published runs
    with suppress(steelyard.SteelyardError):
        ASKED[name](value)


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("value", ["\0", "a\0b", "a\0.csv", "{\0"], ids=repr)
def test_a_null_character_is_answered_or_refused(name: str, value: str) -> None:
    with suppress(steelyard.SteelyardError):
        ASKED[name](value)


def test_a_layout_may_be_a_mapping_and_a_kind_of_co2e_has_hyphens_or_underscores() -> None:
    assert pinned(layout={"tp": 2, "micro_batch": 4}) == pinned(layout="tp=2,mbs=4")
    assert pinned(carbon="location-net") == pinned(carbon="location_net")
    with pytest.raises(steelyard.BadInput, match="location-gross, location-net, market, marginal"):
        steelyard.plan("gpt2", carbon="foo", **JOB)


def test_what_a_job_may_be_is_said() -> None:
    with pytest.raises(steelyard.BadInput, match="source=5 is of type int; give a model's name, the path of a"):
        steelyard.plan(5)  # type: ignore[arg-type]  # a wrong type is what is tested


def test_a_pin_and_another_number_of_devices_are_refused() -> None:
    for option in ("devices", "max_devices"):
        with pytest.raises(steelyard.BadInput, match=f"--on H100:16 asks for 16 devices but {option} is 8; give"):
            steelyard.explain("gpt2", on="H100:16", **JOB, **{option: 8})
    file = {"model": "gpt2", "tokens": "1B", "devices": 8}
    assert steelyard.estimate(file, "H100:16").devices == 16  # what is pinned takes the place of a file's own
    assert steelyard.explain("gpt2", on="H100:16", devices=16, **JOB).devices == 16


def test_a_limit_on_the_command_line_takes_the_place_of_the_number_of_a_file() -> None:
    job = steelyard.read_job({"model": "gpt2", "tokens": "1B", "devices": 64}, max_devices=8)
    assert (job.devices, job.max_devices) == (None, 8)


def test_no_point_is_called_so() -> None:
    with pytest.raises(steelyard.BadInput, match="unknown point 'foo'; known: cheapest, fastest"):
        steelyard.explain("gpt2", "foo", **PIN)


def test_files_are_written_to_a_folder_that_is_given_as_text(tmp_path: Path) -> None:
    found = steelyard.launch("gpt2", stack="megatron-core", **PIN)
    assert [path.name for path in write_files(found, str(tmp_path / "out"))] == [file.name for file in found.files]


@pytest.mark.parametrize("name", ["Calibration", "Estimate", "Plan", "Validation"])
@pytest.mark.parametrize("wrong", [5, None, [1], "x"])
def test_what_is_no_object_is_no_answer(name: str, wrong: Any) -> None:
    with pytest.raises(steelyard.BadInput, match="an object is wanted"):
        getattr(steelyard, name).from_dict(wrong)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"by": dt.timedelta(days=7)}, {"by": "7d"}),
        ({"by": dt.timedelta(days=1, hours=12)}, {"by": "36h"}),
        ({"tokens": np.int64(5_000_000)}, {"tokens": 5_000_000}),
        ({"devices": np.int32(8), "budget": np.float32(512.0)}, {"devices": 8, "budget": 512.0}),
        ({"policy": {"warmup": dt.timedelta(minutes=2)}}, {"policy": {"warmup": "2m"}}),
    ],
)
def test_numbers_of_numpy_and_spans_of_time_are_what_they_say(given: dict[str, Any], text: dict[str, Any]) -> None:
    made, meant = (steelyard.read_job("gpt2", **{"tokens": "1B", **some}) for some in (given, text))
    for name in ("tokens", "deadline_s", "devices", "budget_usd", "policy"):
        assert getattr(made, name) == getattr(meant, name), name
    assert not {type(value).__module__ for value in made.given.values()} & {"numpy", "datetime"}


@pytest.mark.parametrize(
    "name", ["Audit", "Calibration", "Disclosure", "Estimate", "Launch", "Plan", "Validation", "When"]
)
@pytest.mark.parametrize("given_dict", [{}, {"label": "estimate", "devices": 8}])
def test_what_is_no_such_answer_is_said_to_lack_its_fields(name: str, given_dict: dict[str, Any]) -> None:
    if name == "Estimate" and given_dict:
        return
    with pytest.raises(steelyard.BadInput, match=f"it is no {name}: it lacks "):
        getattr(steelyard, name).from_dict(given_dict)
