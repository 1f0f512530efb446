"""Exactly the rows behind a point are cited, each with a source and a date."""

import pytest

from steelyard.catalog import load, machine, stacks
from steelyard.planner.citations import Basis, cited, reclaims, used
from steelyard.units import KWH_J

CATALOG = load()
ACCELERATORS = sorted(
    {row.accelerator for row in CATALOG.systems.values() if CATALOG.accelerators[row.accelerator].precisions}
)


def basis(accelerator: str, **more: str) -> Basis:
    precision = CATALOG.accelerators[accelerator].precisions[0]
    return Basis(accelerator=accelerator, precision=precision, system="", stack=stacks()[0], **more)


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_every_row_has_a_source_and_a_date(accelerator: str) -> None:
    rows = used(CATALOG, basis(accelerator))
    assert {row.of for row in rows} >= {"accelerator", "kernels", "stack", "operation"}
    assert all(row.source and row.checked for row in rows)
    assert len({(row.of, row.name, row.quantity) for row in rows}) == len(rows)


def test_what_is_cited_is_what_the_machine_was_made_of() -> None:
    system = CATALOG.system("p5.48xlarge")
    made = machine(system, "bf16")
    values = {row.quantity: row.value for row in used(CATALOG, Basis("H100-80GB-SXM", "bf16", system.id, stacks()[0]))}
    assert values["peak_bf16"] == f"{made.peak_flop_per_s / 1e12:g} TFLOP/s"
    assert values["memory_bandwidth"] == f"{made.memory_bytes_per_s / 1e9:g} GB/s"
    assert values["tdp"] == f"{made.tdp_w:g} W"
    assert float(values["device"].split()[0]) + float(values["server_share"].split()[0]) == made.embodied_kgco2e


def test_a_site_without_a_kind_of_carbon_cites_none() -> None:
    rows = used(CATALOG, basis("H100-80GB-SXM", site="aws/us-east-1"))
    kinds = {row.quantity: row.value for row in rows if row.of == "site"}
    assert "market" not in kinds
    gross = CATALOG.site("aws/us-east-1").facts.value("location_gross") * KWH_J
    assert kinds["location_gross"] == f"{gross:g} kg/kWh"


def test_a_spot_price_cites_how_often_it_is_reclaimed() -> None:
    offer = next(row for row in CATALOG.offers if (row.instance, row.place) in CATALOG.interruptions)
    row = next(reclaims(CATALOG, offer, "spot"))
    assert row.source in CATALOG.sources
    assert "%" in row.value
    assert not list(reclaims(CATALOG, offer, "on-demand"))


def test_sources_are_cited_once() -> None:
    rows = used(CATALOG, basis("H100-80GB-SXM"))
    found = cited(CATALOG, [*rows, *rows])
    assert len({row.id for row in found}) == len(found) > 2
