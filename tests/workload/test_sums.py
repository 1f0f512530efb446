"""The sums of a model by rows are those of a plain loop over its rows, whatever block a row is in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.job.models.architecture import architecture
from steelyard.job.models.presets import find_model, model_names
from steelyard.job.models.rows_spec import rows_spec
from steelyard.job.sample_work import forward_flop
from steelyard.tables import Workload
from steelyard.workload import collapse, model
from steelyard.workload.row import EMBEDDING, HEAD

BYTES = {"element": 2, "byte": 1, "fp32": 4}
COUNTS = {"a": 2, "b": 5, "head": 1}
NUMBER = st.integers(1, 60)


@st.composite
def row(draw: st.DrawFn, block: str) -> dict[str, Any]:
    """Return a row of a block: with or without a product, parameters, what it keeps and what it moves."""
    made: dict[str, Any] = {"name": "row", "block": block, "params": draw(st.integers(1, 999))}
    if draw(st.booleans()):
        made |= {"m": draw(NUMBER), "k": draw(NUMBER), "n": draw(NUMBER)}
    if draw(st.booleans()):
        kinds = st.sampled_from(("activation", "mask", "logits"))
        made |= {"kept": draw(NUMBER), "kept_kind": draw(kinds), "kept_width": draw(st.sampled_from(sorted(BYTES)))}
    for name in ("moved", "repeats"):
        if draw(st.booleans()):
            made[name] = draw(NUMBER)
    return made


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return rows of two kinds of blocks and of the end, at least one of each and a product at the end."""
    last = {"name": "classifier", "block": "head", "m": draw(NUMBER), "k": draw(NUMBER), "n": draw(NUMBER)}
    more = [draw(row(draw(st.sampled_from(sorted(COUNTS))))) for _ in range(draw(st.integers(0, 6)))]
    return [draw(row("a")), draw(row("b")), last, *more]


def work_of(given_rows: list[dict[str, Any]]) -> Workload:
    """Return the sums of a file of these rows."""
    blocks = [{"name": name, "count": COUNTS[name], "input": 3} for name in ("a", "b")]
    file = {"name": "random", "sample": "image", "batch": 1, "blocks": blocks, "rows": given_rows}
    return collapse(rows_spec(repr(file), "random.yaml").rows, 2.0)


@given(rows())
def test_the_sums_of_a_model_are_those_of_a_loop_over_its_rows(written: list[dict[str, Any]]) -> None:
    params = flop = kept = moved = logits = 0
    for one in written:
        times = COUNTS[one["block"]] * one.get("repeats", 1)
        params += times * one.get("params", 0)
        flop += times * 2 * one.get("m", 0) * one.get("k", 0) * one.get("n", 0)
        moved += times * one.get("moved", 0)
        if one["block"] == "head" and one.get("kept_kind") == "logits":
            logits += times * one["kept"]
        else:
            kept += times * one.get("kept", 0) * BYTES[one.get("kept_width", "element")]
    found = work_of(written)
    assert found.params == params == _summed(found, "params") + found.head.params + found.head.whole_params
    assert forward_flop(found) == flop == found.model_flop / 3
    assert _summed(found, "kept_bytes") + sum(part.amount for part in found.head.kept_bytes) == kept
    assert _summed(found, "moved") + sum(part.amount for part in found.head.moved) == moved
    assert found.head.logits == logits


def _summed(work: Workload, name: str) -> float:
    return float(sum(block.count * part.amount for block in work.blocks for part in getattr(block, name)))


def test_two_products_at_the_end_are_both_counted() -> None:
    """VGG's first and last fully connected layer, both in `head`: 100 x 64 x 64 twice, 25088 x 4096, 4096 x 1000."""
    written = [
        {"name": "body", "block": "a", "m": 100, "k": 64, "n": 64, "params": 4096},
        {"name": "body", "block": "b", "params": 1},
        {"name": "fc1", "block": "head", "m": 1, "k": 25088, "n": 4096, "params": 102764544, "kept": 4096},
        {"name": "fc2", "block": "head", "m": 1, "k": 4096, "n": 1000, "params": 4096000, "repeats": 1},
    ]
    found = work_of(written)
    assert forward_flop(found) == 215_351_296
    assert found.head.whole_params == 102764544 + 4096000
    assert found.head.outputs == 1000  # where no row names the logits, what the last product makes


@pytest.mark.parametrize("name", model_names())
def test_no_end_of_a_transformer_has_what_an_end_cannot_hold(name: str) -> None:
    """Attention cores, exchanges and parameters of experts are of blocks."""
    made = model(architecture(find_model(name)), 512, 0)
    ends = [one for one in made.rows if one.block in {EMBEDDING, HEAD}]
    assert ends
    for one in ends:
        assert (one.flop, one.exchange, one.active) == (0, "", 1)
        assert one.split_params in {"whole", "tensor"}
