"""How far a peak may be off: parts by their shares of the bytes, and what must fit against what a device shows."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from steelyard.catalog import load, peak_spread
from steelyard.catalog.local.layer import Layer
from steelyard.catalog.peaks import (
    SEEN_SCHEDULES,
    PeakSpread,
    PeakTraits,
    device_ends,
    most_needed_bytes,
    peak_traits,
)
from steelyard.errors import BadCatalog
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.reader import published_runs, user_runs
from steelyard.strategies.settings import setting_name
from steelyard.tables import StepMemory
from steelyard.units import NORMAL_90

SPREAD = PeakSpread(base=0.02, activations=0.1, momentary=0.05, outside=1.0, guessed=0.2, unstated=0.0)


def held(states: float, activations: float, momentary: float, reserve: float, context: float) -> StepMemory:
    """Return a peak of these bytes; half of its reserve is fragments."""
    allocated = states + activations + momentary
    parts = {
        "weights_bytes": states,
        "activations_bytes": activations,
        "logits_bytes": momentary / 2,
        "buffers_bytes": momentary / 2,
        "allocated_bytes": allocated,
        "reserved_bytes": allocated + reserve,
        "device_bytes": allocated + reserve + context,
        "needed_bytes": allocated + reserve / 2 + context,
    }
    return StepMemory(**{field.name: parts.get(field.name, 0.0) for field in fields(StepMemory)})


def test_parts_count_by_their_share_of_the_bytes() -> None:
    """40 of states, 30 of activations, 10 of logits and buffers, 20 outside of tensors: by squares, written out."""
    one = held(40.0, 30.0, 10.0, 15.0, 5.0)
    traits = peak_traits(one, one.device_bytes)
    assert traits == PeakTraits(pytest.approx(0.3), pytest.approx(0.1), pytest.approx(0.2))
    squares = 0.02**2 + (0.1 * 0.3) ** 2 + (0.05 * 0.1) ** 2 + (1.0 * 0.2) ** 2
    assert SPREAD.log_sd(traits) == pytest.approx(math.sqrt(squares))
    assert SPREAD.log_sd(replace(traits, guessed=1.0)) == pytest.approx(math.sqrt(squares + 0.2**2))


def test_what_is_allocated_is_surer_than_what_the_device_shows() -> None:
    one = held(40.0, 30.0, 10.0, 15.0, 5.0)
    totals = [one.allocated_bytes, one.needed_bytes, one.device_bytes]
    spreads = [float(SPREAD.log_sd(peak_traits(one, total))) for total in totals]
    assert spreads == sorted(spreads)
    assert spreads[0] < 0.5 * spreads[-1]


BYTES = st.floats(0.0, 100.0)


@given(st.floats(1.0, 100.0), BYTES, BYTES, BYTES, BYTES, st.floats(1.0, 1000.0))
def test_a_device_shows_more_than_it_has_only_where_what_must_fit_may_not(
    states: float, activations: float, momentary: float, reserve: float, context: float, memory: float
) -> None:
    one = held(states, activations, momentary, reserve, context)
    low, high = device_ends(one, SPREAD, memory)
    assert low <= one.device_bytes
    most = most_needed_bytes(one, SPREAD)
    assert (high <= memory) == (most <= memory)
    assert high <= one.device_bytes * math.exp(NORMAL_90 * SPREAD.log_sd(peak_traits(one, one.device_bytes))) + 1e-9


@given(st.floats(1.0, 100.0), BYTES, BYTES, BYTES, st.floats(0.5, 5.0), st.floats(0.0, 1.0), st.floats(10.0, 1000.0))
def test_pages_take_room_and_widen_nothing(
    states: float, activations: float, momentary: float, reserve: float, context: float, share: float, memory: float
) -> None:
    """The same peak with a share of its states in pages: they leave the tensors, and fill what room there is."""
    near = held(states, activations, momentary, reserve, context)
    rest = held(states * (1 - share), activations, momentary, reserve, context)
    paged = float(np.clip(memory - rest.device_bytes, 0.0, states * share))
    far = replace(rest, paged_bytes=paged, device_bytes=rest.device_bytes + paged)
    assume(NORMAL_90 * SPREAD.log_sd(peak_traits(far, far.needed_bytes)) < 1)  # beyond, fewer bytes may be more
    (low, high), (_, most) = (device_ends(one, SPREAD, memory) for one in (far, near))
    assert low <= far.device_bytes <= near.device_bytes + 1e-9
    assert high <= most + 1e-9
    assert (high <= memory) == (most_needed_bytes(far, SPREAD) <= memory)


def test_a_stack_that_nobody_names_is_less_sure_and_a_calibrated_one_is_as_its_runs_leave_it() -> None:
    catalog = load()
    named, nameless = (peak_spread(name, catalog) for name in ("fsdp2", "any"))
    assert nameless.base == pytest.approx(math.hypot(named.base, named.unnamed))
    own = replace(catalog.stacks["fsdp2", "any", "reserved_scale"], log_sd=0.03)
    mine = catalog.over(Layer(stacks={("fsdp2", "any", "reserved_scale"): own}))
    assert float(peak_spread("fsdp2", mine).log_sd(PeakTraits(1.0, 1.0, 1.0, 1.0))) == pytest.approx(0.03)
    assert peak_spread("megatron-core", mine) == named


def test_a_part_that_is_not_in_the_catalog_is_named() -> None:
    with pytest.raises(BadCatalog, match="no base, activations, momentary"):
        PeakSpread.of_rows({})


def test_a_kind_without_a_measured_peak_is_less_sure() -> None:
    spread, one = replace(SPREAD, unseen=0.3), held(40.0, 30.0, 10.0, 15.0, 5.0)
    plain, strange = (float(spread.log_sd(peak_traits(one, one.device_bytes, unseen=flag))) for flag in (0.0, 1.0))
    assert strange == pytest.approx(math.hypot(plain, 0.3))
    assert most_needed_bytes(one, spread, 1.0) > most_needed_bytes(one, spread)
    assert device_ends(one, spread, 1e9, unseen=1.0)[1] > device_ends(one, spread, 1e9)[1]


def test_schedules_that_are_seen_are_those_of_rows_with_a_peak() -> None:
    found = run_frame([run for run in (*published_runs(), *user_runs()) if run.peak_memory_bytes > 0], load())
    assert set(SEEN_SCHEDULES) == {setting_name("schedule", int(one)) for one in found.layout.schedule}


@given(st.floats(1.0, 100.0), BYTES, st.floats(0.1, 100.0), st.floats(0.1, 100.0))
def test_pages_are_no_less_sure_than_states_on_the_device(
    states: float, activations: float, context: float, paged: float
) -> None:
    """Either way the same bytes are counted; no total without the pages knows of them."""
    on, off = held(states + paged, activations, 1.0, 0.0, context), held(states, activations, 1.0, 0.0, context)
    away = replace(off, paged_bytes=paged, device_bytes=off.device_bytes + paged)
    shown = peak_traits(away, away.device_bytes)
    assert float(shown.outside) == pytest.approx(float(peak_traits(on, on.device_bytes).outside))
    assert peak_traits(away, away.needed_bytes) == peak_traits(off, off.needed_bytes)
