"""Writing `catalog/data/stacks_memory.csv`: documented and fitted constants, one a line, each with its source."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from memory_structure import BY_PRECISION, COMMON, STRUCTURE, Known

TARGET = Path(__file__).parents[1] / "src/steelyard/catalog/data/stacks_memory.csv"
HEADER = "entity precision quantity value unit log_sd rows groups source command checked note".split()
COMMAND = "python fit/memory.py --data FOLDER --write"
CHECKED = "2026-11-21"
NINETY = 1.645
BETWEEN = 0.08


def write(
    rows: Any, common: dict[str, float], own: dict[str, dict[str, float]], scores: Any, names_of: Callable
) -> None:
    """Write every stack's constants; `any` holds what is shared and the spread of a stack never seen."""
    lines = [*_stack(rows, "any", common, np.ones(len(rows.cases), bool), names_of(rows), scores["unseen stack"])]
    for stack in sorted({*STRUCTURE, *own}):
        mine = rows.stack == stack
        if stack in own:
            fitted = names_of(rows.where(mine))
            lines += _stack(rows, stack, own[stack], mine, fitted, scores["5-fold"])
        else:
            lines += [_known(stack, "any", name, known) for name, known in STRUCTURE[stack].items()]
    for (stack, precision), facts in BY_PRECISION.items():
        lines += [_known(stack, precision, name, known) for name, known in facts.items()]
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, HEADER, lineterminator="\n")
        out.writeheader()
        out.writerows(lines)
    print(f"\nwrote {len(lines)} constants to {TARGET.name}")


def _stack(rows: Any, stack: str, values: dict[str, float], mine: Any, fitted: list[str], error: Any) -> list[dict]:
    facts = COMMON if stack == "any" else STRUCTURE.get(stack, {})
    lines = []
    groups = sorted({str(group) for group in rows.group[mine]})
    for name in COMMON:
        if name in fitted:
            lines.append(_fitted(stack, name, values[name], int(mine.sum()), groups))
        elif name == "reserved_scale":
            known = facts.get(name, COMMON[name])
            lines.append(_known(stack, "any", name, known) | {"log_sd": f"{_spread(error[mine], groups):.3f}"})
            lines[-1] |= {"rows": int(mine.sum()), "groups": len(groups), "command": COMMAND}
            lines[-1] |= {"note": "log_sd: of the whole peak, from rows left out of the fit"}
        elif name in facts:
            lines.append(_known(stack, "any", name, facts[name]))
    return lines


def _spread(error: Any, groups: list[str]) -> float:
    size = float(np.quantile(np.abs(error), 0.9)) / NINETY
    return size if len(groups) > 1 else float(np.hypot(size, BETWEEN))


def _unit(name: str) -> str:
    return "byte" if name.endswith("_bytes") else ""


def _known(stack: str, precision: str, name: str, known: Known) -> dict:
    return dict.fromkeys(HEADER, "") | {
        "entity": stack,
        "precision": precision,
        "quantity": name,
        "value": f"{known.value:.4g}",
        "unit": _unit(name),
        "log_sd": "0",
        "rows": 0,
        "groups": 0,
        "source": known.source,
        "checked": CHECKED,
    }


def _fitted(stack: str, name: str, value: float, count: int, groups: list[str]) -> dict:
    return dict.fromkeys(HEADER, "") | {
        "entity": stack,
        "precision": "any",
        "quantity": name,
        "value": f"{value:.4g}",
        "unit": _unit(name),
        "log_sd": "0",
        "rows": count,
        "groups": len(groups),
        "source": "fitted to " + ("every group with a peak memory" if stack == "any" else ", ".join(groups)),
        "command": COMMAND,
        "checked": CHECKED,
    }
