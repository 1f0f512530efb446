"""The parts of a prediction sum to it, and every part names a formula that exists and gives its source."""

import math

import pytest

from steelyard.job import read_job
from steelyard.planner.estimating import estimate_job
from steelyard.reasons.terms import CARBON_TERMS, MEMORY_TERMS, TIME_TERMS, formula, terms
from steelyard.tables import Carbon, StepMemory, StepTime

POINT = estimate_job(read_job("mixtral-8x7b", tokens="20B"), "H100", 64, "tp=2,pp=2,dp=16,ep=8,zero=1", "aws/us-east-1")
TERMS = terms(POINT.prediction)


@pytest.mark.parametrize("arm", ["time", "memory", "run", "energy", "money"])
def test_shares_sum_to_one(arm: str) -> None:
    assert sum(term.share for term in TERMS if term.arm == arm) == pytest.approx(1)


@pytest.mark.parametrize(
    ("arm", "total"),
    [
        ("time", POINT.prediction.time.total_s),
        ("memory", POINT.prediction.memory.device_bytes),
        ("run", POINT.prediction.draw.wall_s),
        ("energy", POINT.prediction.energy.facility_j),
        ("money", POINT.prediction.money.total_usd),
    ],
)
def test_terms_sum_to_the_total(arm: str, total: float) -> None:
    assert sum(term.value for term in TERMS if term.arm == arm) == pytest.approx(total)


def test_carbon_is_never_a_sum() -> None:
    assert all(math.isnan(term.share) for term in TERMS if term.arm in {"carbon", "water"})


def test_no_part_of_a_table_is_forgotten() -> None:
    assert {field for field, _, _ in TIME_TERMS} == set(StepTime.__slots__) - {"total_s", "model_flop"}
    totals = {"allocated_bytes", "reserved_bytes", "device_bytes", "needed_bytes"}
    assert {field for field, _, _ in MEMORY_TERMS} == set(StepMemory.__slots__) - totals
    assert {field for field, _ in CARBON_TERMS} == set(Carbon.__slots__) - {"embodied_kgco2e", "water_m3"}


@pytest.mark.parametrize(
    "name", sorted({term.formula for term in TERMS} | {row[2] for row in (*TIME_TERMS, *MEMORY_TERMS)})
)
def test_every_formula_exists_and_gives_its_source(name: str) -> None:
    found = formula(name)
    assert found["what"]
    assert found["source"]
