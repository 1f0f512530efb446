"""Laws of the boundaries, and the misconceptions of 2021 that they rule out."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import filled

from steelyard.energy import energy
from steelyard.evidence.readings.footprints import footprint, footprint_used, footprints
from steelyard.tables import Draw, Site

seconds = st.floats(0, 1e7)
watts = st.floats(0, 2e3)
STATES = ("compute", "memory", "communication", "waiting", "checkpoint", "idle")


@st.composite
def draws(draw: st.DrawFn) -> Draw:
    spent = {f"{state}_s": draw(seconds) for state in STATES}
    power = {f"{state}_w": draw(watts) for state in STATES}
    devices, host = draw(st.integers(1, 100_000)), draw(watts)
    return Draw(devices=float(devices), wall_s=sum(spent.values()), host_w=host, goodput=0.9, **spent, **power)


def at(pue: float) -> Site:
    return replace(filled(Site), pue=pue)


@given(draws(), st.floats(1, 3))
def test_each_boundary_contains_the_one_before(run: Draw, pue: float) -> None:
    footprint_used = energy(run, at(pue))
    assert 0 <= footprint_used.accelerator_j <= footprint_used.it_j <= footprint_used.facility_j


@given(draws(), st.floats(1, 3))
def test_pue_enters_once(run: Draw, pue: float) -> None:
    plain, cooled = energy(run, at(1.0)), energy(run, at(pue))
    assert plain.facility_j == plain.it_j == cooled.it_j
    assert plain.accelerator_j == cooled.accelerator_j
    assert cooled.facility_j == pytest.approx(pue * plain.facility_j)


@given(draws(), st.floats(0, 5))
def test_energy_scales_with_devices_and_with_time(run: Draw, factor: float) -> None:
    once = energy(run, at(1.2))
    more = energy(replace(run, devices=run.devices * factor), at(1.2))
    longer = {name: getattr(run, name) * factor for name in ("wall_s", *(f"{state}_s" for state in STATES))}
    assert more.facility_j == pytest.approx(factor * once.facility_j)
    assert energy(replace(run, **longer), at(1.2)).facility_j == pytest.approx(factor * once.facility_j)


@given(draws(), st.sampled_from(STATES), st.floats(0, 100))
def test_more_power_in_any_state_is_never_less_energy(run: Draw, state: str, extra: float) -> None:
    hotter = replace(run, **{f"{state}_w": getattr(run, f"{state}_w") + extra})
    assert energy(hotter, at(1.1)).it_j >= energy(run, at(1.1)).it_j


@given(draws(), st.sampled_from(STATES), st.floats(1, 1e6))
def test_a_second_in_a_state_takes_its_watts_of_every_device(run: Draw, state: str, more: float) -> None:
    power = {f"{name}_w": 100.0 + 10 * index for index, name in enumerate(STATES)}
    run = replace(run, **power)
    longer = replace(run, **{f"{state}_s": getattr(run, f"{state}_s") + more})
    extra = run.devices * power[f"{state}_w"] * more
    assert energy(longer, at(1.0)).accelerator_j - energy(run, at(1.0)).accelerator_j == pytest.approx(extra, rel=1e-3)


def test_one_run_of_every_state_by_hand() -> None:
    """Two devices; seconds 1 to 6 at 100 to 600 W are 9.1 kJ a device, and 21 s of a host at 50 W 1.05 kJ."""
    spent = {f"{state}_s": 1.0 + index for index, state in enumerate(STATES)}
    power = {f"{state}_w": 100.0 * (1 + index) for index, state in enumerate(STATES)}
    found = energy(Draw(devices=2.0, wall_s=21.0, host_w=50.0, goodput=1.0, **spent, **power), at(1.5))
    assert (found.accelerator_j, found.it_j, found.facility_j) == (18_200, 20_300, 30_450)


def test_an_unknown_wattage_stays_unknown() -> None:
    run = filled(Draw, devices=8.0, wall_s=3600.0, compute_s=3600.0, compute_w=np.nan)
    assert np.isnan(energy(run, at(1.1)).facility_j)


def test_gpt3s_1287_mwh_already_hold_the_pue() -> None:
    joules, _ = footprint_used(footprint("patterson-gpt3"))
    assert joules.facility_j / 3.6e9 == pytest.approx(1287, rel=0.01)
    assert joules.it_j / 3.6e9 == pytest.approx(1287 / 1.10, rel=0.01)


def test_more_parameters_is_not_more_energy() -> None:
    switch, gpt3 = footprint_used(footprint("patterson-switch"))[0], footprint_used(footprint("patterson-gpt3"))[0]
    assert switch.facility_j < gpt3.facility_j / 7  # 1,500B parameters against 175B


def test_tdp_is_not_power() -> None:
    measured = {row.text("id"): row.value("device_w") for row in footprints() if row.text("power") == "system"}
    tpu_v3 = [measured[f"patterson-{name}"] for name in ("t5-11b", "meena", "gshard-600b", "switch")]
    assert min(tpu_v3) == 245
    assert max(tpu_v3) == 310  # of 450 W
    assert measured["patterson-gpt3"] > 300  # the V100's TDP, exceeded by the host's share


def test_the_site_matters_inside_one_company() -> None:
    google = [
        row.value("net_kg_per_kwh")
        for row in footprints()
        if row.text("id").startswith("patterson-") and "Google" in row.text("place")
    ]
    known = [value for value in google if not np.isnan(value)]
    assert (min(known), max(known)) == (0.080, 0.545)
