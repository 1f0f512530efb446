"""Reading cases: the published runs that come with the package, or a file of the user's own (`.csv`, `.csv.gz`)."""

import csv
import gzip
import io
import math
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from steelyard.errors import BadInput
from steelyard.validation.case import COLUMNS, TEXT_COLUMNS, Case
from steelyard.validation.columns import case, check_header

_GZIP = b"\x1f\x8b"
ORIGINS = ("bigscience", "finetuning", "nanotron", "nvidia", "other", "papers", "simumax", "tpu", "vtrain")
"""The files of `cases/`, by where the runs come from."""


def read(path: str | Path) -> tuple[Case, ...]:
    """Read the cases of one file in either header (see `columns`), compressed or not.

    >>> read("no-such-runs.csv")
    Traceback (most recent call last):
        ...
    steelyard.errors.BadInput: no-such-runs.csv: cannot be read (No such file or directory); give a .csv or .csv.gz ...
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be read ({error.strerror or error}); give a .csv or .csv.gz of published runs"
        ) from error
    return tuple(parse(content, str(path)))


def shipped() -> tuple[Case, ...]:
    """Return the published runs that come with the package.

    >>> len({run.group for run in shipped()}) > 80
    True
    """
    folder = resources.files("steelyard.validation") / "cases"
    return tuple(run for name in ORIGINS for run in parse((folder / f"{name}.csv").read_bytes(), name))


def parse(content: bytes, where: str) -> Iterator[Case]:
    """Parse the bytes of one file; `where` names it in errors."""
    stem = Path(where).name.split(".")[0]
    rows = csv.DictReader(io.StringIO(_text(content, where), newline=""))
    try:
        check_header([name for name in (rows.fieldnames or ()) if name], where)
        seen: set[str] = set()
        for number, row in enumerate(rows, start=1):
            if not any(value for value in row.values()):
                continue
            run = case(row, f"{stem}-{number}")
            if run.id in seen:  # two files joined into one: both rows stay, told apart
                run = replace(run, id=f"{run.id}#{number}")
            seen.add(run.id)
            yield run
    except csv.Error as error:
        raise BadInput(f"{where}: not a comma-separated file ({error})") from error


def blank(**given: Any) -> Case:
    """Return a case of which only the given fields are known; for tests and examples.

    >>> blank(model="llama-3-8b").devices
    nan
    """
    values: dict[str, Any] = {name: "" if name in TEXT_COLUMNS else math.nan for name in COLUMNS}
    return Case(**(values | {"use": "score", "memory_metric": "unknown"} | given))


def _text(content: bytes, where: str) -> str:
    try:
        plain = gzip.decompress(content) if content.startswith(_GZIP) else content
        if b"\x00" in plain:
            raise BadInput(f"{where}: holds binary data, not text; give a .csv or .csv.gz of published runs")
        return plain.decode("utf-8-sig")
    except (OSError, EOFError) as error:
        raise BadInput(f"{where}: the compressed file is damaged ({error}); compress it again") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{where}: not UTF-8 text ({error.reason} at byte {error.start})") from error
