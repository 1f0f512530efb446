"""Writing `catalog/data/stacks_memory.csv`: documented and fitted constants, one a line, each with its source."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fit.memory_structure import BY_PRECISION, COMMON, FAMILY, STRUCTURE, Known

TARGET = Path(__file__).parents[1] / "src/steelyard/catalog/data/stacks_memory.csv"
HEADER = (
    *("entity", "precision", "quantity", "value", "unit", "log_sd"),
    *("rows", "groups", "source", "command", "checked", "note"),
)
COMMAND = "python -m fit.memory --data FOLDER --write"
CHECKED = "2026-11-21"
ANY = "any"
Line = dict[str, str]


@dataclass(frozen=True)
class Fits:
    """What the fit found, by stack; `any` is what is shared."""

    values: Mapping[str, Mapping[str, float]]
    told: Mapping[str, Sequence[str]]  # the constants that the stack's rows can tell
    spreads: Mapping[str, float]  # log sd of the whole peak on rows left out of the fit
    groups: Mapping[str, Mapping[str, int]]


def write(fits: Fits) -> None:
    """Write every stack's constants; a stack without a row of its own falls back on `any`."""
    lines = [line for stack in (ANY, *sorted({*STRUCTURE, *fits.values} - {ANY})) for line in _stack(stack, fits)]
    for (stack, precision), facts in BY_PRECISION.items():
        lines += [_line(stack, name, known.value, known.source, precision=precision) for name, known in facts.items()]
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, HEADER, lineterminator="\n")
        out.writeheader()
        out.writerows(lines)
    print(f"\nwrote {len(lines)} constants to {TARGET.name}")


def _stack(stack: str, fits: Fits) -> Iterator[Line]:
    facts: Mapping[str, Known] = COMMON if stack == ANY else STRUCTURE.get(stack, {})
    told = fits.told.get(stack, ())
    relative = FAMILY.get(stack, "")
    counts = fits.groups.get(stack, {})
    seen = {"rows": str(sum(counts.values())), "groups": str(len(counts)), "command": COMMAND}
    behind = "every group with a peak memory" if stack == ANY else ", ".join(sorted(counts))
    for name in COMMON:
        if name in told:
            yield _line(stack, name, fits.values[stack][name], f"fitted to {behind}") | seen
        elif name == "reserved_scale" and (stack in fits.spreads or name in facts):
            known = facts.get(name, COMMON[name])
            note = "log_sd: of the whole peak, on rows left out of the fit"
            spread = {"log_sd": f"{fits.spreads.get(stack, fits.spreads[ANY]):.3f}", "note": note}
            yield _line(stack, name, known.value, known.source) | seen | spread
        elif name in facts:
            yield _line(stack, name, facts[name].value, facts[name].source)
        elif name in fits.told.get(relative, ()):
            yield _line(stack, name, fits.values[relative][name], f"no rows of its own: borrowed from {relative}")


def _line(stack: str, name: str, value: float, source: str, precision: str = ANY) -> Line:
    return dict.fromkeys(HEADER, "") | {
        "entity": stack,
        "precision": precision,
        "quantity": name,
        "value": f"{value:.4g}",
        "unit": "byte" if name.endswith("_bytes") else "",
        "log_sd": "0",
        "rows": "0",
        "groups": "0",
        "source": source,
        "checked": CHECKED,
    }
