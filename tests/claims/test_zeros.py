"""A stated 0 is kept as it is stated, and what contradicts it is named."""

from itertools import product
from typing import Any

import pytest

from steelyard.claims import Audit, audit_claim, read_claim
from steelyard.disclosure.forms import form_names
from steelyard.disclosure.origins.audited_claim import disclosure_of_claim
from steelyard.disclosure.origins.metered_run import disclosure_of_run
from steelyard.disclosure.write import write_disclosure


def audited(**claim: Any) -> Audit:
    return audit_claim(read_claim({"hardware": "8xA100", **claim}))


@pytest.mark.parametrize(
    ("claim", "verdict", "reason"),
    [
        (
            {"energy": "26 kWh", "intensity": "0", "co2e": "1 t"},
            "impossible",
            "26.00 kWh x 0 kg/kWh = 0 kg; stated",
        ),
        ({"energy": "26 kWh", "intensity": "0", "co2e": "0 t"}, "consistent", ""),
        ({"energy": "26 kWh", "intensity": "0.4", "co2e": "0 t"}, "impossible", "= 10.40 kg; stated 0 kg"),
        (
            {"hours": "10 h", "power": "300 W", "intensity": "0.4", "co2e": "0 t"},
            "impossible",
            "= 9.600 kg; stated 0",
        ),
        ({"hours": "10 h", "power": "300 W", "intensity": "0", "co2e": "1 t"}, "impossible", "= 0 kg; stated 1.000 t"),
        ({"energy": "26 kWh", "net_intensity": "0", "net_co2e": "3 kg"}, "impossible", "= 0 kg; stated 3.000 kg"),
        ({"energy": "26 kWh", "net_intensity": "0.1", "net_co2e": "0 kg"}, "impossible", "= 2.600 kg; stated 0 kg"),
        ({"energy": "26 kWh", "wue_onsite": "0 L/kWh", "water": "5 m3"}, "impossible", "0 x 26.00 kWh = 0 m³"),
        ({"energy": "26 kWh", "wue_onsite": "2 L/kWh", "water": "0 m3"}, "impossible", "= 52.00 L; stated 0 "),
        ({"energy": "26 kWh", "wue_onsite": "0 L/kWh", "water": "0 m3"}, "consistent", ""),
        (
            {"energy": "26 kWh", "place": "FR", "co2e": "0 t"},
            "doubtful",
            "implies 0 kg/kWh; country/FR",
        ),
        ({"energy": "26 kWh", "place": "FR", "co2e": "0 t", "co2e_kind": "market"}, "not enough stated", ""),
        ({"energy": "26 kWh", "co2e": "0 t"}, "not enough stated", ""),
        ({"place": "FR", "intensity": "0"}, "doubtful", "stated: 0 kg/kWh; country/FR"),
        ({"co2e": "0 t", "restated": {"co2e": "5 t"}}, "impossible", "co2e is printed twice: 0 kg here, 5.000 t there"),
        ({"co2e": "5 t", "restated": {"co2e": "0 t"}}, "impossible", "co2e is printed twice: 5.000 t here, 0 kg there"),
        ({"co2e": "0 t", "restated": {"co2e": "0 t"}}, "consistent", ""),
    ],
)
def test_what_contradicts_a_stated_zero_is_named(claim: dict[str, Any], verdict: str, reason: str) -> None:
    found = audited(**claim)
    assert (found.verdict, bool(found.reasons)) == (verdict, bool(reason))
    assert reason in "".join(found.reasons)


@pytest.mark.parametrize(("whole", "lines", "off"), [(5, (0, 0), True), (0, (1, 4), True), (0, (0, 0), False)])
def test_lines_of_zero_add_up_to_zero(whole: int, lines: tuple[int, int], off: bool) -> None:
    parts = [{"name": str(place), "co2e": f"{one} t"} for place, one in enumerate(lines)]
    found = audited(co2e=f"{whole} t", parts=parts)
    assert [one.name for one in found.fired] == (["sum"] if off else [])
    assert found.factors == ()


def test_two_accounts_of_which_one_states_zero() -> None:
    claim, other = ({"energy": "26 kWh", "co2e": co2e} for co2e in ("0 t", "5 t"))
    found = audit_claim(read_claim(claim), read_claim(other))
    assert "0 kg stated, 5.000 t by the claim" in found.reasons


@pytest.mark.parametrize(
    ("claim", "gross", "intensity"),
    [
        ({"energy": "26 kWh", "intensity": "0.4", "co2e": "0 t"}, 0.0, 0.4),
        ({"energy": "26 kWh", "intensity": "0", "co2e": "1 t"}, 1000.0, 0.0),
        ({"energy": "26 kWh", "intensity": "0"}, 0.0, 0.0),
        ({"energy": "26 kWh", "place": "FR", "co2e": "0 t"}, 0.0, 0.0),
    ],
)
def test_a_disclosure_keeps_a_stated_zero(claim: dict[str, Any], gross: float, intensity: float) -> None:
    found = disclosure_of_claim(read_claim({"hardware": "8xA100", **claim})).main
    assert found.of("gross_kg").value == pytest.approx(gross)
    assert found.of("gross_kg_per_j").value * 3.6e6 == pytest.approx(intensity)
    for name, stated in (("gross_kg", "co2e"), ("gross_kg_per_j", "intensity")):
        assert (found.of(name).how == "stated") == (stated in claim)


@pytest.mark.parametrize(("stated", "zero", "name"), [("net_co2e", "0 t", "net_kg"), ("water", "0 m3", "water_m3")])
def test_a_disclosure_keeps_a_zero_of_other_totals(stated: str, zero: str, name: str) -> None:
    one = disclosure_of_claim(read_claim({"energy": "26 kWh", "place": "FR", stated: zero})).main.of(name)
    assert (one.value, one.how) == (0.0, "stated")


def test_a_metered_run_on_a_grid_without_emissions_emits_nothing() -> None:
    run = {"meter": "DCGM", "hours": "10 h", "hardware": "8x H100", "energy": {"it": "70 kWh"}, "pue": 1.1}
    found = disclosure_of_run(run | {"intensity": 0}, "run.yaml").total("gross_kg")
    assert (found.value, found.how) == (0.0, "follows")


@pytest.mark.parametrize("zeros", list(product((None, "0 kg", "1 kg"), repeat=3)))
def test_every_form_can_be_written_with_zeros(zeros: tuple[str | None, ...]) -> None:
    claim = dict(zip(("co2e", "intensity", "net_co2e"), zeros, strict=True)) | {"energy": "26 kWh", "place": "FR"}
    found = disclosure_of_claim(read_claim({name: f"{one}/kWh" if name == "intensity" else one
                                            for name, one in claim.items() if one is not None}))  # fmt: skip
    for form in form_names():
        assert write_disclosure(found, form, "2026-11-21")
