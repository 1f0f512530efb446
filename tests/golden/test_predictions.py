"""Every field of some 400 predictions stays what it is until a commit renews it: `make golden`."""

import math

import numpy as np
import pytest
from tests.golden.predictions import EXPERTS, IMAGES, INPUTS, numbers, predicted, rows, tables_of

from steelyard import pipeline
from steelyard.strategies.losses import LOSSES
from steelyard.tables import join
from steelyard.vocabulary import PURCHASES

TOLERANCE = 1e-9
ROWS = rows()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['model']}-{row['system']}-{row['stack']}")
def test_a_prediction_is_what_the_golden_table_says(row: dict[str, str]) -> None:
    stored = {name: float(text) for name, text in row.items() if name not in INPUTS}
    now = {name: float(text) for name, text in predicted(row).items()}
    assert now.keys() == stored.keys()
    moved = {
        name: (stored[name], now[name])
        for name in stored
        if not math.isclose(stored[name], now[name], rel_tol=TOLERANCE, abs_tol=1e-30)
        and not (math.isnan(stored[name]) and math.isnan(now[name]))
    }
    assert not moved, "predictions moved; if that is meant, `make golden` renews them: one cause a commit"


def test_all_at_once_are_what_each_is_alone() -> None:
    tables = zip(*(tables_of(row) for row in ROWS), strict=True)
    with np.errstate(invalid="ignore"):
        together = pipeline.predict(*(join(column) for column in tables))
    for name, column in numbers(together, ""):
        alone = [float(row[name]) for row in ROWS]
        np.testing.assert_allclose(np.broadcast_to(column, len(ROWS)), alone, rtol=TOLERANCE, err_msg=name)


@pytest.mark.parametrize("name", [name for name in ROWS[0] if name not in INPUTS])
def test_every_column_has_numbers_that_a_wrong_formula_moves(name: str) -> None:
    values = [float(row[name]) for row in ROWS]
    assert sum(math.isfinite(value) and value != 0 for value in values) >= 20


def test_the_table_covers_what_is_planned() -> None:
    def kinds(name: str) -> set[str]:
        return {row[name] for row in ROWS}

    def degrees(word: str) -> int:
        return sum(f"{word}=" in row["layout"] and f"{word}=1," not in row["layout"] for row in ROWS)

    assert len(ROWS) >= 200
    assert all(sum(row["model"] == model for row in ROWS) >= 8 for model in IMAGES)
    assert len(kinds("model")) >= 160
    assert len(kinds("system")) >= 50
    assert len(kinds("stack")) >= 15
    assert kinds("purchase") == set(PURCHASES)
    assert len(kinds("site")) >= 7
    assert kinds("task") == {"pretrain", "full_ft", "lora", "qlora"}
    assert kinds("precision") == {"bf16", "fp16", "fp8", "tf32"}
    assert all(degrees(word) >= 8 for word in ("tp", "pp", "vpp", "cp", "ep", "zero", "recompute", "offload", "flash"))
    assert degrees("partition") >= 6
    divided = [row for row in ROWS if "etp=" in row["layout"]]
    assert {row["model"] for row in divided} >= set(EXPERTS)
    assert all(sum(f"etp={degree}" in row["layout"] for row in divided) >= 2 for degree in (1, 2, 4, 8))
    assert all(sum(row["loss"] == name for row in ROWS) >= 4 for name in LOSSES)
