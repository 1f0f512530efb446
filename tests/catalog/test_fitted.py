"""Kernels and stacks: of the thing itself, else of its family, else of any; a gap is an error."""

import csv
from dataclasses import fields

import pytest

from steelyard import tables
from steelyard.catalog import kernels, kernels_rows, load, stack, stacks
from steelyard.catalog.load import Catalog
from steelyard.errors import BadCatalog, UnknownName

COLUMNS = ["entity", "precision", "quantity", "value", "unit", "log_sd", "rows", "groups", "source", "command"]
COLUMNS += ["checked", "note"]


def write(path, rows):
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, COLUMNS)
        writer.writeheader()
        for entity, precision, quantity, value in rows:
            row = {"entity": entity, "precision": precision, "quantity": quantity, "value": value, "log_sd": 0.1}
            writer.writerow(dict.fromkeys(COLUMNS, "") | row | {"rows": 3, "groups": 2, "source": "fit"})


OTHERS = ("accelerators_steps", "power", "stacks_memory")


@pytest.fixture
def fitted(tmp_path):
    for name in OTHERS:
        write(tmp_path / f"{name}.csv", [])
    every = [("any", "any", field.name, 0.5) for field in fields(tables.Kernels)]
    special = [
        ("family:nvidia-hopper", "any", "gemm_efficiency", 0.6),
        ("family:nvidia-hopper", "fp8", "gemm_efficiency", 0.55),
        ("H100-80GB-SXM", "any", "gemm_efficiency", 0.7),
        *((f"family:nvidia-{name}", "any", "time_scale", 1.0) for name in ("hopper", "ampere-dc")),
    ]
    write(tmp_path / "kernels.csv", every + special)
    stacks_any = [("any", "any", field.name, 1.0) for field in fields(tables.Stack)]
    write(tmp_path / "stacks.csv", [*stacks_any, ("fsdp2", "any", "tp_exposed", 0.3)])
    return Catalog(tmp_path)


def test_the_chip_comes_before_its_family_and_the_family_before_any(fitted):
    def efficiency(name, precision):
        return kernels(load().accelerator(name), precision, fitted).gemm_efficiency

    assert (efficiency("H100", "bf16"), efficiency("H100", "fp8")) == (0.7, 0.7)
    assert (efficiency("H200", "bf16"), efficiency("H200", "fp8")) == (0.6, 0.55)
    assert efficiency("A100", "bf16") == 0.5


def test_the_rows_behind_the_figures_can_be_cited(fitted):
    row = kernels_rows(load().accelerator("H200"), "bf16", fitted)["gemm_efficiency"]
    assert (row.entity, row.source, row.log_sd, row.rows, row.groups) == ("family:nvidia-hopper", "fit", 0.1, 3, 2)


def test_stacks_fall_back_field_by_field(fitted):
    assert stacks(fitted) == ("fsdp2",)
    assert (stack("fsdp2", fitted).tp_exposed, stack("fsdp2", fitted).dp_exposed) == (0.3, 1.0)
    with pytest.raises(UnknownName, match="fsdp2"):
        stack("fsdp3", fitted)


def test_a_gap_and_a_missing_file_are_errors_that_say_the_way_out(tmp_path):
    write(tmp_path / "kernels.csv", [("any", "any", "gemm_efficiency", 0.5)])
    for name in OTHERS:
        write(tmp_path / f"{name}.csv", [])
    with pytest.raises(BadCatalog, match=r"kernels\.csv has no \w+ for H100-80GB-SXM"):
        kernels(load().accelerator("H100"), "bf16", Catalog(tmp_path))
    with pytest.raises(BadCatalog, match=r"lacks stacks\.csv"):
        stack("fsdp2", Catalog(tmp_path))
