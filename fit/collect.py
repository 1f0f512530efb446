"""Write `src/steelyard/evidence/runs/published/*.csv` from collected files of published runs.

    python -m fit.collect llm_runs.csv.gz vtrain_a100.csv simumax_b200.csv user_runs.csv

Rows are sorted into one file for each kind of origin; files of origins without a row stay as they are. Rows under a
share-alike licence are left out. What every row of a large group repeats about its notes and shapes is written once, to
`groups.csv`, but of users' runs: there it says which kernels ran, and the reader of runs needs it in each row.
"""

import csv
import math
import re
import sys
from dataclasses import astuple, replace
from pathlib import Path

from steelyard.evidence.runs.reader import USERS, read_runs
from steelyard.evidence.runs.run import COLUMNS, Run

FOLDER = Path(__file__).parent.parent / "src" / "steelyard" / "evidence" / "runs" / "published"
SHARE_ALIKE = ("stas00/",)  # CC BY-SA-4.0
ORIGINS = (
    (
        USERS,
        r"^(fitcheck|fms-acc|vectorlm|odissei|scicom|rasbt|lumi-sc|unsloth-note|hf-blog|llm\.c-sc|mi100-qwen|deepspeed-iss)",
    ),
    ("nanotron", r"^nanotron"),
    ("bigscience", r"^bigscience"),
    ("vtrain", r"^vtrain"),
    ("simumax", r"^simumax"),
    ("nvidia", r"^(megatron|nemo|dgxc|mcore|jax-toolbox|paper-nemotron|paper-mtnlg)"),
    ("tpu", r"^(maxtext|tpu-recipes|levanter|axlearn|litgpt-xla)"),
    ("finetuning", r"^(ms-swift|litgpt|unsloth|llamafactory|xtuner|optimum|easycontext|chenyaofo|b300|prime-rl)"),
    ("other", r""),
)
STORED = re.compile(r"\s*\(?,?\s*stored id \d+\)?|a stored ")


def main(files: list[str]) -> None:
    """Read the collected files and write the cases."""
    runs = [tidy(run) for file in files for run in read_runs(file) if not run.source.startswith(SHARE_ALIKE)]
    shared = {group: common([run for run in runs if run.group == group]) for group in {run.group for run in runs}}
    runs = [without(run, *shared[run.group]) for run in runs]
    write_repeated(shared)
    for origin, _ in ORIGINS:
        rows = [run for run in runs if origin_of(run.group) == origin]
        if not rows:
            continue
        with (FOLDER / f"{origin}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows([text(value) for value in astuple(run)] for run in rows)
        print(f"{origin}: {len(rows)} rows in {len({run.group for run in rows})} groups")


def write_repeated(repeated: dict[str, tuple[list[str], str]]) -> None:
    """Write what rows of a group repeat; groups that were not collected anew keep theirs."""
    path = FOLDER / "groups.csv"
    with path.open(newline="") as stream:
        kept = {row["group"]: (row["shape_source"], row["note"]) for row in csv.DictReader(stream)}
    found = kept | {group: (shape, "; ".join(parts)) for group, (parts, shape) in repeated.items()}
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["group", "shape_source", "note"])
        writer.writerows([group, *texts] for group, texts in sorted(found.items()) if any(texts))


def common(rows: list[Run]) -> tuple[list[str], str]:
    """Return the parts of the note, and the source of the shape, that all rows of a large group repeat."""
    if len(rows) < 50 or origin_of(rows[0].group) == USERS:
        return [], ""
    parts = [part for part in parts_of(rows[0]) if all(part in parts_of(run) for run in rows)]
    shapes = {run.shape_source for run in rows}
    return parts, shapes.pop() if len(shapes) == 1 else ""


def without(run: Run, parts: list[str], shape: str) -> Run:
    """Return a row without what its group repeats."""
    note = "; ".join(part for part in parts_of(run) if part not in parts)
    return replace(run, note=note, shape_source="" if shape else run.shape_source)


def parts_of(run: Run) -> list[str]:
    """Return the remarks of a note."""
    return [part.strip() for part in run.note.split(";")]


def origin_of(group: str) -> str:
    """Return the file that a group goes to."""
    return next(origin for origin, pattern in ORIGINS if re.search(pattern, group))


def tidy(run: Run) -> Run:
    """Drop what only made sense where the row was collected."""
    note = re.sub(r";?\s*mem_unit=[^;]*", "", run.note)
    return replace(run, note=STORED.sub(" a " if "a stored" in note else "", note).replace("  ", " ").strip(" ;"),
                   source=STORED.sub("", run.source))  # fmt: skip


def text(value: object) -> str:
    """Write a number without a needless fraction, an unknown one as nothing."""
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return ""
    return str(int(value)) if value == int(value) and value < 1e15 else f"{value:.8g}"


if __name__ == "__main__":
    main(sys.argv[1:])
