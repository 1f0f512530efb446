"""What holds for every public formula of every room, found by introspection."""

import re
import warnings
from typing import Any

import numpy as np
import pint
import pytest
from pint.facets.numpy.numpy_func import implement_func
from tests.house.formulas import (
    DRAWS,
    NOT_ELEMENTWISE,
    ROOMS,
    Formula,
    build,
    formulas,
    leaves,
    number,
    public_functions,
)

# Public functions of the rooms that are not formulas, each with the reason.
WRITTEN = "reads or writes what people type"
SEARCHED = "lists whole layouts: search space, not a quantity"
NOT_FORMULAS = {
    **NOT_ELEMENTWISE,
    "strategies.denial.affirmed": WRITTEN,
    "strategies.denial.conditions_met": WRITTEN,
    "strategies.denial.denied": WRITTEN,
    "strategies.denial.named": WRITTEN,
    "workload.attention.attention": "yields rows",
    "workload.attention.cross_attention": "yields rows",
    "workload.mixer.mixer": "yields rows",
    "workload.mlp.experts": "yields rows",
    "workload.mlp.mlp": "yields rows",
    "strategies.interleaving.chunk_partition": "asks which partitions a stack has",
    "strategies.interleaving.usual_chunks": "asks which partitions a stack has",
    "strategies.experts.unstated_expert_tensor": "asks the words of a stack's rule",
    "strategies.registry.found_schedules": "finds the files of schedules",
    "strategies.registry.suiting": "picks schedules by their names",
    "strategies.registry.usual_code": "picks a schedule by its name",
    "strategies.registry.named_schedule": "picks a schedule by what is written of it",
    "strategies.schedule.any_number": "yes or no, of all layouts",
    "strategies.schedules.dual_pipe.both_ways": "yes or no, of all layouts",
    "strategies.schedules.interleaved.dividing_stages": "yes or no, of all layouts",
    "step.schedule.backward_splits": "decides whether passes are weighed",
    "step.schedule.falling": "decides how many stages are weighed",
    "strategies.partition.given_partition": WRITTEN,
    "strategies.partition.given_sizes": WRITTEN,
    "strategies.partition.partition_name": WRITTEN,
    "strategies.partition.partition_number": WRITTEN,
    "strategies.partition.partition_sizes": WRITTEN,
    "strategies.settings.setting_names": WRITTEN,
    "strategies.settings.setting_name": WRITTEN,
    "strategies.settings.spelled_number": WRITTEN,
    "step.recompute.recomputed": "finds which policies some layouts have",
    "step.recompute.recompute_s": "sums over these policies",
    "step.recompute.repeated_share": "sums over these policies",
    "step.states.by_unit": "yes or no, of all layouts",
    "step.tensors.recipe.has_drives": "yes or no, of all layouts",
    "step.tensors.recipe.settled_entry": "one entry, of any unit, of what is settled",
    "step.states.state_widths": "the bytes of one parameter in `states`",
    "step.states.states_of": "the parameters of a rank in `states`",
    "step.sums.added": "sums of any unit",
    "step.divisors.divided": "sums parts of either kind, in their unit",
    "layout.axes.dividing_text": "says what divides a model",
    "layout.axes.divisors_of": "lists divisors",
    "layout.axes.lacking_axis": "says what a model lacks",
    "layout.axes.lacks_axis": "tells which layouts a model has nothing for",
    "layout.literal.check_layout": "says why a layout is invalid",
    "layout.literal.parse": WRITTEN,
    "layout.literal.text_of": WRITTEN,
    "layout.reason.abilities_text": WRITTEN,
    "layout.reason.sentence": WRITTEN,
    "layout.valid.lacks_drives": "tells which layouts a stack has no drives for",
    "layout.valid.unsharded_away": "tells which layouts ask states to the host that their stack does not shard",
    "layout.valid.keeps_weights": "tells which layouts keep parameters that are asked to the host",
    "layout.valid.problem": "names the reason why a layout is invalid",
    "layout.columns.cross": SEARCHED,
    "layout.columns.keep": SEARCHED,
    "layout.sharded.shardings": SEARCHED,
    "layout.space.frames": SEARCHED,
    "layout.space.offloads": SEARCHED,
    "layout.space.size": SEARCHED,
    "layout.space.space": SEARCHED,
}

# Formulas in which a byte is a mere number, each with the reason.
PRECISION = "a precision is recognised by its bytes"
LOSS = "the loss works at four bytes an element at every precision"
COUNTED_BYTES = {
    "step.compute.forward": LOSS,
    "step.time.paging_s": PRECISION,
    "step.time.time": LOSS,
    "step.tick.slowest_tick": PRECISION,
    "step.tensors.activations.block_kept_bytes": PRECISION,
    "step.tensors.buffers.unpacked_bytes": PRECISION,
    "step.tensors.recipe.frozen_width": PRECISION,
    "step.tensors.recipe.resident": PRECISION,
    "step.tensors.recipe.upcast": PRECISION,
    "step.states.copy_bytes": PRECISION,
    "step.drive.drive_memory": PRECISION,
    "step.drive.fetching_s": PRECISION,
    "step.drive.swapping_s": PRECISION,
    "step.host.host_memory": PRECISION,
    "step.offload.streamed_s": PRECISION,
    "step.offload.crossing_bytes": PRECISION,
    "step.offload.fetched_bytes": PRECISION,
    "step.offload.resting_bytes": PRECISION,
    "step.memory.memory": PRECISION,
    "step.memory.evicted_bytes": PRECISION,
    "step.memory.heaviest_peak": PRECISION,
    "step.states.states": PRECISION,
    "step.states.weight_bytes": PRECISION,
}

# Formulas that pint cannot follow, each with the reason. A reason that no longer holds fails the test.
NOT_FOR_PINT: dict[str, str] = {}

FORMULAS = formulas(*ROOMS, "job")  # in `job` only what is a formula; the rest of that room reads what people write
SCALARS = {name: formula for name, formula in FORMULAS.items() if not formula.composed}


for name in ("fmin", "fmax"):  # pint knows minimum and maximum only
    implement_func("ufunc", name, input_units="all_consistent", output_unit="match_input")


def registry() -> pint.UnitRegistry:
    units = pint.UnitRegistry(None)
    for definition in ("s = [time]", "byte = [information]", "flop = [operation]", "J = [energy]", "W = J / s"):
        units.define(definition)
    for definition in ("usd = [money]", "kgco2e = [carbon]", "m = [length]"):
        units.define(definition)
    return units


UNITS = registry()


def dimension(unit: str, counted: frozenset[str]) -> Any:
    """Return the unit as pint knows it, the counted ones (flop, byte) being mere numbers."""
    return UNITS.parse_units("" if unit in counted else re.sub("|".join(counted) or "$.", "1", unit))


def wrong_dimensions(formula: Formula, draw: int, *counts: str) -> list[str]:
    """Call the formula on quantities and name each result whose dimension is not the declared one."""
    counted = frozenset(counts)

    def make(name: str, unit: str) -> Any:
        value = np.float64(number(name, unit, draw))
        asked = dimension(unit, counted)
        return value if asked.dimensionless else UNITS.Quantity(value, asked)

    arguments = {name: build(hint, name, make) for name, hint in formula.parameters.items()}
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", pint.UnitStrippedWarning)
            result = formula.function(**arguments)
    except (pint.DimensionalityError, pint.UnitStrippedWarning) as error:
        return [str(error)]
    return [
        f"{path}: {getattr(value, 'units', 'a number')} is not {unit or 'a number'}"
        for path, value, unit in leaves(result, formula.result)
        if not same_dimension(value, dimension(unit, counted))
    ]


def same_dimension(value: Any, asked: Any) -> bool:
    if isinstance(value, UNITS.Quantity):
        return bool(value.is_compatible_with(asked))
    plain = np.asarray(value, dtype=float)
    return bool(asked.dimensionless or np.all(np.isnan(plain) | (plain == 0)))


def plain_arguments(formula: Formula, draw: int) -> dict[str, Any]:
    return {
        name: build(hint, name, lambda key, unit: number(key, unit, draw)) for name, hint in formula.parameters.items()
    }


def vector_arguments(formula: Formula, draws: list[int]) -> dict[str, Any]:
    def make(name: str, unit: str) -> Any:
        return np.array([number(name, unit, draw) for draw in draws])

    return {name: build(hint, name, make) for name, hint in formula.parameters.items()}


def scalar_results(formula: Formula) -> dict[int, Any]:
    """Return what each draw gives; a draw that divides by zero is outside the formula's domain."""
    results = {}
    for draw in range(DRAWS):
        try:
            with np.errstate(all="ignore"):
                results[draw] = formula.function(**plain_arguments(formula, draw))
        except ZeroDivisionError:
            continue
    assert results, "no draw lies in the domain of this formula"
    return results


@pytest.mark.parametrize("name", FORMULAS)
def test_the_dimension_of_every_result_is_the_declared_one(name: str, request: pytest.FixtureRequest) -> None:
    if name in NOT_FOR_PINT:
        request.applymarker(pytest.mark.xfail(reason=NOT_FOR_PINT[name], strict=True))
    formula = FORMULAS[name]
    draw = next(iter(scalar_results(formula)))
    bytes_count = ["byte"] if name in COUNTED_BYTES else []
    found = wrong_dimensions(formula, draw, *bytes_count)
    assert not found or not wrong_dimensions(formula, draw, "flop", *bytes_count), found  # counts make FLOPs


@pytest.mark.parametrize("name", FORMULAS)
def test_a_scalar_call_equals_a_vector_call(name: str) -> None:
    formula = FORMULAS[name]
    scalars = scalar_results(formula)
    with np.errstate(all="ignore"):
        vector = formula.function(**vector_arguments(formula, list(scalars)))
    columns = list(leaves(vector, formula.result))
    for row, result in enumerate(scalars.values()):
        for (path, value, _), (_, column, _) in zip(leaves(result, formula.result), columns, strict=True):
            assert np.ndim(value) == 0, f"{path} of a scalar call is an array"
            expected = np.broadcast_to(column, len(scalars))[row]
            np.testing.assert_allclose(float(value), expected, rtol=1e-12, err_msg=path)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_docstring_says_what_why_and_shows_an_example(name: str) -> None:
    formula = FORMULAS[name]
    text = formula.function.__doc__ or ""
    assert text, "no docstring"
    assert arguments_of(text) in ([] if formula.composed else list(formula.parameters), list(formula.parameters))
    if not formula.composed:
        assert "Source:" in text, "no Source: in the docstring"
        assert ">>>" in text, "no worked example"


def arguments_of(text: str) -> list[str]:
    section = re.search(r"Args:\n(.*?)(?:\n\s*\n|\Z)", text, re.DOTALL)
    if section is None:
        return []
    indent = re.match(r" *", section[1])[0]
    return re.findall(rf"^{indent}(\w+):", section[1], re.MULTILINE)


@pytest.mark.parametrize("name", public_functions(*ROOMS))
def test_every_public_function_of_a_room_is_a_formula_or_says_why_not(name: str) -> None:
    assert name in FORMULAS or name in NOT_FORMULAS


def test_no_exception_outlives_its_function() -> None:
    assert set(NOT_FOR_PINT) | set(COUNTED_BYTES) <= set(FORMULAS)
    assert set(NOT_FORMULAS) <= set(public_functions(*ROOMS)) - set(FORMULAS)


def test_the_rooms_hold_formulas() -> None:
    assert SCALARS
    assert {name.split(".")[0] for name in FORMULAS} >= set(ROOMS) - {"layout"}
