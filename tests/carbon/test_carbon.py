"""Kinds of carbon that never mix; embodied carbon and water by the sources' own numbers."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import filled

from steelyard.carbon import carbon, embodied_kgco2e, sci_kgco2e, water_m3
from steelyard.catalog.policy import policy
from steelyard.energy import energy
from steelyard.evidence.readings.footprints import footprint, footprint_emitted
from steelyard.tables import Carbon, Draw, Machine, Policy, Site
from steelyard.units import HOUR_S, KWH_J

KINDS = {
    "location_gross_kg_per_j": "location_gross_kgco2e",
    "location_net_kg_per_j": "location_net_kgco2e",
    "market_kg_per_j": "market_kgco2e",
    "marginal_kg_per_j": "marginal_kgco2e",
}
RUN = filled(Draw, devices=64.0, wall_s=1e6, compute_s=1e6, compute_w=600.0, host_w=250.0)
SITE = Site(1.1, 0.4 / KWH_J, 0.2 / KWH_J, 0.0, 0.6 / KWH_J, 0.3e-3 / KWH_J, 1.5e-3 / KWH_J)
MACHINE = filled(Machine, embodied_kgco2e=575.0)
POLICY = filled(Policy, lifetime_s=1.6e8)


def emissions(site: Site) -> Carbon:
    return carbon(RUN, energy(RUN, site), site, MACHINE, POLICY)


@pytest.mark.parametrize("intensity", KINDS)
@given(st.floats(0, 1e-6))
def test_an_intensity_moves_its_own_kind_only(intensity: str, value: float) -> None:
    before, after = emissions(SITE), emissions(replace(SITE, **{intensity: value}))
    for field in fields(Carbon):
        if field.name != KINDS[intensity]:
            assert getattr(after, field.name) == getattr(before, field.name)
    facility = energy(RUN, SITE).facility_j
    assert getattr(after, KINDS[intensity]) == pytest.approx(facility * value)


@pytest.mark.parametrize("intensity", KINDS)
def test_an_unknown_kind_is_not_borrowed_from_another(intensity: str) -> None:
    found = emissions(replace(SITE, **{intensity: np.nan}))
    unknown = {field.name for field in fields(Carbon) if np.isnan(getattr(found, field.name))}
    assert unknown == {KINDS[intensity]}


def test_certificates_do_not_make_the_place_clean() -> None:
    found = emissions(SITE)
    assert found.market_kgco2e == 0
    assert found.location_gross_kgco2e > 0


def test_pue_is_in_the_emissions_once() -> None:
    bare, cooled = emissions(replace(SITE, pue=1.0)), emissions(replace(SITE, pue=1.5))
    assert cooled.location_gross_kgco2e == pytest.approx(1.5 * bare.location_gross_kgco2e)
    assert cooled.embodied_kgco2e == bare.embodied_kgco2e


def test_an_unknown_making_stays_unknown() -> None:
    machine = replace(MACHINE, embodied_kgco2e=np.nan)
    assert np.isnan(carbon(RUN, energy(RUN, SITE), SITE, machine, POLICY).embodied_kgco2e)


def test_blooms_three_lines() -> None:
    """Luccioni et al., Table 3: 24.69 t dynamic (no PUE) + 14.6 t idle + 11.2 t embodied = 50.5 t."""
    dynamic = footprint_emitted(footprint("bloom-176b-dynamic"))[0].it_j * 0.057 / KWH_J / 1e3
    idle = footprint_emitted(footprint("bloom-176b-idle"))[1].location_gross_kgco2e / 1e3
    device_s = footprint("bloom-176b-dynamic").device_s
    life = policy("on-demand").lifetime_s
    gpus = embodied_kgco2e(150.0, 384.0, device_s / 384, life) / 1e3
    servers = embodied_kgco2e(2500.0 / 8, 384.0, device_s / 384, life) / 1e3
    assert dynamic == pytest.approx(24.69, abs=0.005)
    assert idle == pytest.approx(14.6, abs=0.05)
    assert gpus == pytest.approx(3.64, abs=0.005)
    assert servers == pytest.approx(7.57, abs=0.01)
    assert dynamic + idle + gpus + servers == pytest.approx(50.5, abs=0.05)


def test_bloom_gpus_within_a_run() -> None:
    """Luccioni et al., section 4.1: 1,082,990 GPU-hours of GPUs at 150 kg over six years at 85 % are 3.64 t."""
    run = replace(RUN, devices=384.0, wall_s=1082990 / 384 * HOUR_S)
    gpus = filled(Machine, embodied_kgco2e=150.0)
    life = filled(Policy, lifetime_s=6 * 365 * 86400 * 0.85)
    assert carbon(run, energy(run, SITE), SITE, gpus, life).embodied_kgco2e / 1e3 == pytest.approx(3.64, abs=0.005)


def test_olmos_servers() -> None:
    """arXiv 2503.05804: 3,700 kg for a server of eight, four years: 22 t over 1.65 million GPU-hours."""
    making = embodied_kgco2e(3700.0 / 8, 1.0, 1.65e6 * HOUR_S, 4 * 365 * 86400.0)
    assert making / 1e3 == pytest.approx(22, abs=0.5)


@pytest.mark.parametrize(("mwh", "pue", "litres", "kilolitres"), [(131, 1.2, 1.29, 202), (257, 1.12, 3.10, 892)])
def test_olmo_2s_water(mwh: float, pue: float, litres: float, kilolitres: float) -> None:
    joules = mwh * 1e3 * KWH_J
    assert water_m3(joules, pue * joules, 0.0, litres * 1e-3 / KWH_J) == pytest.approx(kilolitres, rel=0.01)


def test_cooling_water_follows_it_energy_and_grid_water_the_meter() -> None:
    base = emissions(SITE).water_m3
    dry = emissions(replace(SITE, water_onsite_m3_per_j=0.0)).water_m3
    onsite = energy(RUN, SITE).it_j * SITE.water_onsite_m3_per_j
    assert base - dry == pytest.approx(onsite)
    warmer = emissions(replace(SITE, pue=2 * SITE.pue)).water_m3
    assert warmer - base == pytest.approx(dry)


def test_sci_spreads_both_lines_over_the_units() -> None:
    whole = sci_kgco2e(1e9, 1e-7, 50.0, 1.0)
    assert whole == pytest.approx(150.0)
    assert sci_kgco2e(1e9, 1e-7, 50.0, 1000.0) == pytest.approx(whole / 1000)
