"""Offload beside the name of what shards: states of the optimizer under ZeRO, parameters with them under FSDP."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.catalog import load
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.runs.spellings import worded
from steelyard.job.degrees import parse_degrees
from steelyard.job.kept.offloads import offload_of_note
from steelyard.job.unstated.usual import named_layout

LIBRARIES = st.sampled_from(["", "HF Trainer + ", "DeepSpeed ", "TRL, "])
STAGES = st.sampled_from(["ZeRO-2", "zero2", "ZeRO stage 3", "ZeRO-3", "deepspeed_zero3"])
SHARDED = st.sampled_from(["FSDP", "fsdp2", "FULL_SHARD"])
JOINTS = st.sampled_from([" ", "_", " + ", " with ", ", ", " ("])
OFFLOADS = st.sampled_from(["offload", "Offload", "CPU offload", "cpu_offload", "offloading"])
OTHERS = st.sampled_from(["activation offload", "offloading of activations", "dataset offload", "no offload"])


def read_by_all(text: str) -> set[str]:
    """Return what every reader makes of the name of a stack."""
    (row, noted) = (worded(blank_run(stack=text, devices=8.0)), worded(blank_run(note=text, devices=8.0)))
    return {row.offload, noted.offload}


@given(LIBRARIES, STAGES, JOINTS, OFFLOADS)
def test_zero_offload_moves_states_of_the_optimizer(library: str, stage: str, joint: str, word: str) -> None:
    text = f"{library}{stage}{joint}{word}" + ")" * ("(" in joint)
    assert read_by_all(text) == {"optimizer"}
    trainer = load().capability("hf-trainer")
    assert named_layout(text, trainer)["offload"] == (1,)
    assert named_layout(text, trainer)["zero"] in ((2,), (3,))


@given(LIBRARIES, SHARDED, JOINTS, OFFLOADS)
def test_an_offload_of_fsdp_moves_parameters_as_well(library: str, sharded: str, joint: str, word: str) -> None:
    assert read_by_all(f"{library}{sharded}{joint}{word}" + ")" * ("(" in joint)) == {"optimizer+params"}


@given(LIBRARIES, st.one_of(STAGES, SHARDED), st.sampled_from([", ", " + ", "; "]), OTHERS)
def test_an_offload_of_something_else_moves_no_state(library: str, name: str, joint: str, other: str) -> None:
    assert read_by_all(f"{library}{name}{joint}{other}") <= {"", "none"}


@given(STAGES, st.sampled_from(["offload_param", "offload of parameters", "param offload", "offload: params"]))
def test_parameters_move_under_zero_where_they_are_named(stage: str, words: str) -> None:
    assert read_by_all(f"{stage} {words}") == {"params"}


@pytest.mark.parametrize("text", ["ZeRO-3 offload", "zero2_offload", "FSDP with CPU offload", "ZeRO-3 + cpu offload"])
def test_a_column_or_a_setting_of_sharding_says_it_too(text: str) -> None:
    assert "optimizer" in worded(blank_run(sharding=text, devices=8.0)).offload
    assert dict(parse_degrees({"zero": text}))["offload"] == (1,)
    assert dict(parse_degrees({"zero": text, "offload": "no"}))["offload"] == (0,)


def test_what_is_denied_is_not_on_the_host() -> None:
    texts = ("ZeRO-3, no offload", "FSDP without CPU offload", "ZeRO-3 offload: none", "FSDP offload disabled")
    assert [offload_of_note(text, True) for text in texts] == ["none"] * 4
