"""Lines add up, are never mixed, and what follows from them is as sure as what it follows from."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.disclosure.runs import ALONE, RUN, estimate

from steelyard.catalog import load
from steelyard.claims import audit_claim, casebook
from steelyard.disclosure.completion import Lookup, complete_line
from steelyard.disclosure.figure_text import search_notes
from steelyard.disclosure.ledger import (
    SURENESS,
    LedgerFigure,
    Line,
    cost_per_use,
    figure_product,
    figure_sum,
    payback_ratio,
)
from steelyard.disclosure.origins.audited_claim import disclosure_of_claim
from steelyard.disclosure.origins.metered_run import disclosure_of_run
from steelyard.disclosure.origins.planned_point import disclosure_of_plan
from steelyard.errors import BadInput
from steelyard.units import KWH_J

FIGURES = st.builds(
    lambda value, spread, how: LedgerFigure(value, value / spread, value * spread, how),
    st.floats(1e-3, 1e9),
    st.floats(1, 3),
    st.sampled_from(SURENESS),
)


def test_an_estimate_is_split_into_lines_that_add_up_to_it() -> None:
    point: dict[str, Any] = json.loads(estimate())
    found = disclosure_of_plan(point)
    assert [line.scope for line in found.lines] == ["training", "idle"]
    for name, key, scale in (
        ("facility_j", "energy_facility_kwh", KWH_J),
        ("it_j", "energy_it_kwh", KWH_J),
        ("accelerator_j", "energy_accelerator_kwh", KWH_J),
        ("gross_kg", "co2e_location_gross_kg", 1.0),
        ("embodied_kg", "co2e_embodied_kg", 1.0),
        ("wall_s", "time_s", 1.0),
        ("usd", "cost_usd", 1.0),
    ):
        assert found.total(name).value == pytest.approx(point[key] * scale, rel=1e-9), name
    total = found.total("facility_j")
    assert total.low == pytest.approx(point["energy_facility_kwh_low"] * KWH_J)
    assert (found.total("market_kg").known, found.main.of("flop").known) == (False, True)


def test_a_point_of_a_plan_by_its_label() -> None:
    point = json.loads(estimate())
    plan = {
        "points": [point | {"label": "cheapest"}, point | {"label": "fastest", "devices": 128}],
        "job": point["job"],
    }
    assert disclosure_of_plan(plan).hardware == "64 x H100-80GB-SXM"
    assert disclosure_of_plan(plan, "fastest").hardware == "128 x H100-80GB-SXM"
    with pytest.raises(BadInput, match="no point 'cleanest' in the plan; it has: cheapest, fastest"):
        disclosure_of_plan(plan, "cleanest")
    with pytest.raises(BadInput, match="no point"):
        disclosure_of_plan({"points": []})


def test_a_metered_run() -> None:
    found = disclosure_of_run(RUN, "run.yaml")
    training, failed, searched, use = found.lines
    assert training.of("facility_j").value == pytest.approx(500 * KWH_J * 1.15)
    assert found.total("facility_j").value == pytest.approx(560 * KWH_J * 1.15)
    assert found.total("gross_kg").value == pytest.approx(560 * 1.15 * 0.418)
    assert found.main.of("flop").value == pytest.approx(6 * 6.738e9 * 20e9, rel=1e-3)
    assert (searched.of("flop").known, use.of("flop").known, failed.of("tokens").known) == (False, False, False)
    assert found.unstated == ("idle", "development")


def test_a_search_is_paid_back() -> None:
    assert payback_ratio(3.2, 48.5) == pytest.approx(15.16, abs=0.01)
    assert list(search_notes(disclosure_of_run(RUN, "run.yaml"), "search")) == [
        "over 16 uses: 200 kg each", "each use saves 48.5 t: 15.2 to 1 after the first", "242 to 1 after 16",
    ]  # fmt: skip
    assert cost_per_use(3.2, 16) * 16 == 3.2


def test_devices_metered_alone_get_hosts_that_are_estimated() -> None:
    line = {"scope": "training", "hours": "7.8 h", "energy": {"accelerator": "318 kWh"}}
    one = disclosure_of_run({**RUN, "lines": [line]}, "run.yaml").main.of("it_j")
    assert one.how == "estimated"
    assert 318 * KWH_J < one.low < one.value < one.high


def test_nothing_known_stays_unknown() -> None:
    found = disclosure_of_run(ALONE, "run.yaml")
    assert not any(one.known for one in found.main.numbers.values())
    assert all(one.why for one in found.main.numbers.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"meter": ""}, "run.yaml: meter is missing; say what measured the run"),
        ({"lines": "all"}, "run.yaml: lines must be a list"),
        ({"lines": []}, "run.yaml: lines must be a list"),
        ({"lines": [{"scope": "trainin"}]}, "run.yaml: line 1: unknown scope 'trainin'; nearest: training"),
        ({"lines": [{"energy": "5 kWh"}]}, "line 1: energy without its boundary; write energy: {it: 5 kWh}"),
        ({"lines": [{"energy": {"rack": "5 kWh"}}]}, "unknown boundary 'rack'; one of: accelerator, it, facility"),
        ({"lines": [{"energy": {"it": "5 parsecs"}}]}, "'5 parsecs' is not an energy"),
        ({"lines": [{"hour": "5 h"}]}, "line 1: unknown field 'hour'; nearest: hours"),
        ({"lines": [{"uses": "many"}]}, "line 1: uses: 'many' is not a count"),
        ({"place": "aws/us-eest-1"}, "unknown place 'aws/us-eest-1'; nearest: aws/us-west-1, aws/us-east-1"),
        ({"hours": "3 h"}, "hours beside lines"),
    ],
)
def test_bad_runs_say_what_is_wrong(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput) as error:
        disclosure_of_run({**RUN, **change}, "run.yaml")
    assert message in str(error.value)


@pytest.mark.parametrize("name", casebook.case_names())
def test_every_case_can_be_disclosed(name: str) -> None:
    case = casebook.case_named(name)
    found = disclosure_of_claim(case.claim, case.against, case.sources)
    assert found.audit is not None
    assert found.audit["verdict"] == case.expect["verdict"]
    for line in found.lines:
        assert all(one.known or one.why for one in line.numbers.values())


def test_what_the_audit_corrects_is_disclosed_right() -> None:
    case = casebook.case_named("flm-101b-mkwh")
    found = disclosure_of_claim(case.claim)
    energy = found.total("accelerator_j")
    assert (energy.value / KWH_J, energy.how) == (pytest.approx(40_400, rel=0.01), "corrected")
    again = audit_claim(case.claim)
    assert any("corrected" in note and f"{again.ratio:.4g}" in note for note in found.notes)


def test_a_correction_has_its_waterfall() -> None:
    flow = (disclosure_of_claim(casebook.case_named("dalle-mini").claim).audit or {})["waterfall"]
    assert flow["claimed"] / flow["other"] == pytest.approx(0.25, rel=0.01)
    assert [step["name"] for step in flow["steps"]] == ["count"]
    assert sum(step["added"] for step in flow["steps"]) == pytest.approx(flow["claimed"] - flow["other"])
    assert (disclosure_of_claim(casebook.case_named("patterson-t5").claim).audit or {})["waterfall"] is None


def test_an_honest_claim_is_disclosed_as_stated() -> None:
    found = disclosure_of_claim(casebook.case_named("lamda").claim)
    assert found.total("facility_j").value == pytest.approx(451e3 * KWH_J)
    assert found.total("net_kg").value == pytest.approx(25_200)
    assert not found.total("gross_kg").known or found.total("gross_kg").how == "estimated"


@given(st.lists(FIGURES, min_size=1, max_size=5))
def test_a_sum_is_as_sure_as_the_least_sure(figures: list[LedgerFigure]) -> None:
    one = figure_sum([(f"line {index}", figure) for index, figure in enumerate(figures)])
    assert one.value == pytest.approx(sum(figure.value for figure in figures))
    assert one.low <= one.value * (1 + 1e-12)
    assert one.value <= one.high * (1 + 1e-12)
    assert SURENESS.index(one.how) == max(SURENESS.index(figure.how) for figure in figures)


@given(st.lists(FIGURES, min_size=1, max_size=3), st.lists(FIGURES, min_size=0, max_size=2))
def test_a_product_lies_in_its_interval(over: list[LedgerFigure], under: list[LedgerFigure]) -> None:
    one = figure_product(over, under, "why")
    assert one.low <= one.value * (1 + 1e-12)
    assert one.value <= one.high * (1 + 1e-12)
    assert SURENESS.index(one.how) >= SURENESS.index("follows")
    assert not math.isnan(one.value)


def test_a_product_beyond_every_float_stays_unknown() -> None:
    numbers = {"it_j": LedgerFigure(1e308, how="measured"), "pue": LedgerFigure(1e10, how="stated")}
    assert not complete_line(Line("training", numbers=numbers), Lookup(load())).of("facility_j").known


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"energy": {"accelerator": "500 kWh", "it": "318 kWh"}},
            "boundary accelerator is 500 kWh, but at the boundary it",
        ),
        ({"energy": {"it": "90 kWh", "facility": "70 kWh"}}, "boundary it is 90 kWh, but at the boundary facility"),
        (
            {"energy": {"accelerator": "50 kWh", "facility": "40 kWh"}},
            "boundary accelerator is 50 kWh, but at the",
        ),
        ({"energy": {"it": "70 kWh"}, "pue": "0.8"}, "boundary it is 70 kWh, but at the boundary facility"),
        (
            {"energy": {"accelerator": "80 kWh"}},
            "80 kWh in 80 device-hours, 1,000 W a device, where one draws at most 770",
        ),
        ({"energy": {"it": "700 kWh"}}, "700 kWh in 80 device-hours, 8,750 W a device, where one draws at most"),
        ({"energy": {"it": "0 kWh"}}, "'0 kWh' is no number that a run can have"),
        ({"energy": {"it": "-5 kWh"}}, "-5 kWh"),
    ],
)
def test_energies_that_no_meter_can_have_are_refused(change: dict[str, Any], message: str) -> None:
    run = {"meter": "DCGM", "hours": "10 h", "hardware": "8x H100"}
    assert disclosure_of_run(
        run | {"energy": {"accelerator": "50 kWh", "it": "70 kWh", "facility": "70 kWh"}}, "run.yaml"
    )
    with pytest.raises(BadInput, match=message):
        disclosure_of_run(run | change, "run.yaml")
