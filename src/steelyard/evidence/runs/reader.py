"""Reading cases: the published runs that come with the package, or a file of the user's own.

A file is comma-separated with a header, or one JSON object a line with the same names (what a meter writes); either may
be compressed with gzip.
"""

import csv
import gzip
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from steelyard.errors import BadInput
from steelyard.evidence.runs.accelerators import counted_devices
from steelyard.evidence.runs.columns import run_of_row
from steelyard.evidence.runs.header import check_header, check_names, our_name
from steelyard.evidence.runs.run import COLUMNS, TEXT_COLUMNS, Run
from steelyard.job.models.describe import model_known_or_none
from steelyard.job.models.kinds import takes_sequences

_GZIP = b"\x1f\x8b"
ORIGINS = ("bigscience", "finetuning", "nanotron", "nvidia", "other", "papers", "simumax", "tpu", "vtrain")
"""The files of `published/` with runs of developers and vendors, by where they come from."""

USERS = "users"
"""The file with runs of ordinary users: one card, adapters, fine-tunes, small pretraining."""


def read_runs(path: str | Path) -> tuple[Run, ...]:
    """Read the cases of one file in either header (see `columns`), compressed or not.

    >>> read_runs("no-such-runs.csv")
    Traceback (most recent call last):
        ...
    steelyard.errors.BadInput: no-such-runs.csv: cannot be read (No such file or directory); give .csv or .jsonl ...
    """
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or error
        raise BadInput(
            f"{path}: cannot be read ({reason}); give .csv or .jsonl of measured runs, plain or .gz"
        ) from error
    return tuple(parse_runs(content, str(path)))


def published_runs() -> tuple[Run, ...]:
    """Return the published runs of developers and vendors that come with the package.

    >>> len({run.group for run in published_runs()}) > 80
    True
    """
    return tuple(run for name in ORIGINS for run in _shipped(name))


def user_runs() -> tuple[Run, ...]:
    """Return the published runs of ordinary users that come with the package; they are scored apart.

    >>> {run.task for run in user_runs()} == {"pretrain", "full_ft", "lora", "qlora"}
    True
    """
    return _shipped(USERS)


@cache
def _shipped(name: str) -> tuple[Run, ...]:
    file = resources.files("steelyard.evidence.runs") / "published" / f"{name}.csv"
    return tuple(parse_runs(file.read_bytes(), name))


def parse_runs(content: bytes, where: str) -> Iterator[Run]:
    """Parse the bytes of one file; `where` names it in errors."""
    stem = Path(where).name.split(".")[0]
    text = _text(content, where)
    if text.lstrip().startswith("{") or any(name in where.lower() for name in (".jsonl", ".json")):
        objects = [_object(line, f"{where} line {number}") for number, line in enumerate(text.splitlines(), start=1)]
        yield from _cases(objects, sorted(set().union(*objects)), stem, where)
        return
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        header = [name for name in (rows.fieldnames or ()) if name]
        check_names(header, where)
        yield from _cases(rows, header, stem, where)
    except csv.Error as error:
        raise BadInput(f"{where}: not a comma-separated file ({error})") from error


def _cases(rows: Iterable[Mapping[str, Any]], header: list[str], stem: str, where: str) -> Iterator[Run]:
    rows = list(rows)
    named = next((name for name in header if our_name(name) == "accelerator"), "")
    counted = any(counted_devices(str(row.get(named) or "")) for row in rows)
    of_text = not any(trained_on_samples(row.get("model")) for row in rows)
    check_header(header, where, of_text=of_text, counted=counted)
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if not any(value for value in row.values()):
            continue
        if more := dict(row).get(None):  # type: ignore[call-overload]  # what `csv` calls cells beyond the header
            raise BadInput(f"{where} row {number}: {len(more)} cells more than the header has columns; quote commas")
        run = run_of_row(row, f"{stem}-{number}")
        if run.id in seen:  # two files joined into one: both rows stay, told apart
            run = replace(run, id=f"{run.id}#{number}")
        seen.add(run.id)
        yield run


@cache
def trained_on_samples(model: str | None) -> bool:
    """Tell whether the catalog knows that runs of a model have no sequence of tokens, whose length they could state.

    >>> trained_on_samples("llama-3-8b"), trained_on_samples("ViT-L/16"), trained_on_samples("our own")
    (False, True, False)
    """
    found = model_known_or_none(model) if model else None
    return found is not None and not takes_sequences(found)


def _object(line: str, where: str) -> dict[str, str]:
    """Return one line of JSON as a row of texts; an empty line is an empty row."""
    try:
        found = json.loads(line, object_pairs_hook=_Pairs) if line.strip() else _Pairs()
    except ValueError as error:
        raise BadInput(f"{where}: not a JSON object ({error}); give one object a line") from error
    if not isinstance(found, _Pairs):
        raise BadInput(f"{where}: {line.strip()[:40]!r} is not a JSON object; give one object a line")
    pairs = [pair for name, value in found for pair in _flat(name, value)]
    check_names([name for name, _ in pairs], where)
    return {name: _value_text(value) for name, value in pairs}


class _Pairs(list[tuple[str, Any]]):
    """The names and values of an object of JSON, a name that stands twice twice."""


def _flat(name: str, value: Any) -> list[tuple[str, Any]]:
    """Return the adapters of a job file (`lora: {rank: 16, targets: q_proj}`) as the columns they are; others whole."""
    if name == "lora" and isinstance(value, _Pairs):
        return [(f"lora_{part}", one) for part, one in value]
    return [(name, value)]


def _value_text(value: Any) -> str:
    """Return a value of JSON as a cell of a table; an object is written as a layout is: `tp=2,pp=4`."""
    if isinstance(value, _Pairs):
        return ",".join(f"{name}={_value_text(one)}" for name, one in value)
    if isinstance(value, list):
        return ",".join(map(_value_text, value))
    return "" if value is None else {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def blank_run(**given: Any) -> Run:
    """Return a run of which only the given fields are known; for tests and examples.

    >>> blank_run(model="llama-3-8b").devices
    nan
    """
    values: dict[str, Any] = {name: "" if name in TEXT_COLUMNS else math.nan for name in COLUMNS}
    return Run(**(values | {"use": "score", "memory_metric": "unknown"} | given))


def _text(content: bytes, where: str) -> str:
    try:
        plain = gzip.decompress(content) if content.startswith(_GZIP) else content
        if b"\x00" in plain:
            raise BadInput(f"{where}: holds binary data, not text; give .csv or .jsonl of measured runs, plain or .gz")
        return plain.decode("utf-8-sig")
    except (OSError, EOFError) as error:
        raise BadInput(f"{where}: the compressed file is damaged ({error}); compress it again") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{where}: not UTF-8 text ({error.reason} at byte {error.start})") from error
