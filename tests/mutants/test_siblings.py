"""One name in the place of another of its unit: which ones are tried, in real formulas, and that they are wrong."""

import ast
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Annotated

import pytest
from mutants.operators import Mutant, mutants
from mutants.siblings import beside, element_of, hint_of, scope_of
from tests.shapes import distinct

from steelyard.tables import Block, Draw, Energy, Offer
from steelyard.units import Bytes, Count, Seconds, Watts


def made(module: str) -> list[Mutant]:
    return mutants(module, Path(str(import_module(module).__file__)))


@pytest.mark.parametrize(
    ("module", "place", "after"),
    [
        ("money.bill", "money", "storage_usd(draw.compute_s,"),
        ("money.bill", "money", "electricity_usd(energy.it_j,"),
        ("run.clock", "states_s", "machine.domain_devices, policy.preemptions_per_node_s"),
        ("run.clock", "draw", "layout.devices, machine.node_devices)"),
        ("run.clock", "draw", "state_w(tdp, kernels.waiting_power, idle_w)"),
        ("step.tensors.activations", "block_kept_bytes", "job.workload.tokens / by.sequence"),
    ],
)
def test_neighbours_of_one_unit_stand_in_for_each_other(module: str, place: str, after: str) -> None:
    found = [mutant for mutant in made(f"steelyard.{module}") if mutant.place == place and after in mutant.after]
    assert found


def test_an_argument_becomes_a_parameter_of_its_unit() -> None:
    called = [mutant.after for mutant in made("steelyard.run.power") if mutant.place == "state_w"]
    assert any("np.maximum(power_share * tdp_w, tdp_w)" in after for after in called)


def test_the_two_nearest_of_the_same_unit_are_tried() -> None:
    hints = {
        "first_s": Seconds,
        "name": str,
        "second_s": Seconds,
        "watts_w": Watts,
        "third_s": Seconds,
        "last_s": Seconds,
    }
    assert beside("first_s", hints) == ["last_s", "second_s"]
    assert beside("second_s", hints) == ["first_s", "third_s"]
    assert beside("watts_w", hints) == beside("name", hints) == beside("unknown", hints) == []
    assert beside("one", {"one": Annotated[float, "s"], "other": Annotated[float, "s"]}) == ["other"]


def test_what_loops_and_assignments_bind_is_known() -> None:
    source = Path(str(import_module("steelyard.step.tensors.activations").__file__)).read_text("utf-8")
    owner = next(one for one in ast.parse(source).body if getattr(one, "name", "") == "block_kept_bytes")
    assert isinstance(owner, ast.FunctionDef)
    scope = scope_of("steelyard.step.tensors.activations", "block_kept_bytes", owner)
    assert scope.names["block"] is Block
    assert hint_of(ast.parse("block.hidden", mode="eval").body, scope) == Count
    assert hint_of(ast.parse("transient_bytes(block, job, layout, by)", mode="eval").body, scope) == Bytes
    assert element_of(ast.parse("zip(job.workload.blocks, by)", mode="eval").body, scope) == [Block, None]


def test_the_code_of_one_is_the_wrong_formula() -> None:
    module = import_module("steelyard.money.bill")
    wrong = next(one for one in made("steelyard.money.bill") if "storage_usd(draw.compute_s" in one.after)
    run, used, offer = distinct(Draw, wall_s=5.0, compute_s=3.0), Energy(1.0, 2.0, 3.0), Offer.rent(0.0)
    stored = FunctionType(wrong.made, vars(module))(run, used, distinct(Offer, storage_usd_per_s=7.0)).storage_usd
    assert (stored, module.money(run, used, offer).storage_usd) == (21.0, 0.0)
