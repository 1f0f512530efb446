"""A local layer: rows fitted to a user's own runs, which win over the shipped ones of the same key.

A layer is a folder of calibrations, `<label>.csv` each, in the format of the shipped fits with one column more: the
table that a row belongs to (`kernels`, `stacks`, or `steps`: see `step_shift`); and in its subfolder `live` the rows of
live sources (`refreshed`). Nothing reads it unless it is asked to: `load()` inside `using_layer(...)`, which the
command line's verbs are.
"""

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from pathlib import Path

from steelyard.catalog.local.refreshed import NO_ROWS, Refreshed, read_refreshed
from steelyard.catalog.local.store import reason_text
from steelyard.catalog.read import parse_fitted
from steelyard.catalog.schema import Fitted
from steelyard.errors import BadCatalog, BadInput

FittedKey = tuple[str, str, str]
CALIBRATED_TABLES = ("kernels", "stacks", "steps")
"""The tables that a calibration has rows of."""

COMMAND = "steelyard calibrate"
VARIABLE = "STEELYARD_CATALOG"
_COLUMNS = ("table", *(one.name for one in fields(Fitted)))


@dataclass(frozen=True, eq=False)
class Layer:
    """Local rows by (entity, precision, quantity)."""

    kernels: Mapping[FittedKey, Fitted] = field(default_factory=dict)
    stacks: Mapping[FittedKey, Fitted] = field(default_factory=dict)
    steps: Mapping[FittedKey, Fitted] = field(default_factory=dict)  # shifts of a stack on a chip: see `step_shift`
    refreshed: Refreshed = field(default=NO_ROWS, kw_only=True)  # rows of live sources

    def __or__(self, over: "Layer") -> "Layer":
        if not over or not self:
            return self or over
        tables = ({**getattr(self, name), **getattr(over, name)} for name in CALIBRATED_TABLES)
        return Layer(*tables, refreshed=over.refreshed or self.refreshed)

    def __bool__(self) -> bool:
        return bool(self.calibrated or self.refreshed)

    @property
    def calibrated(self) -> bool:
        """Whether it has constants of one's own runs."""
        return bool(self.kernels or self.stacks or self.steps)

    def without_calibrations(self) -> "Layer":
        """Return it with the rows of live sources alone."""
        return Layer(refreshed=self.refreshed)


EMPTY = Layer()
_CURRENT: ContextVar[Layer] = ContextVar("local layer", default=EMPTY)


def current_layer() -> Layer:
    """Return the layer in use."""
    return _CURRENT.get()


@contextmanager
def using_layer(layer: Layer) -> Iterator[None]:
    """Let `load()` return the catalog with these local rows while the block runs.

    >>> with using_layer(Layer()):
    ...     bool(current_layer())
    False
    """
    token = _CURRENT.set(layer)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def layer_folder() -> Path:
    """Return where calibrations are kept: $STEELYARD_CATALOG, else the user's own data folder."""
    named = os.environ.get(VARIABLE)
    if named:
        folder = Path(named).expanduser()
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"${VARIABLE} is {named}, which is a file; name a folder of calibrations, or unset it")
        return folder
    from platformdirs import user_data_path  # noqa: PLC0415  # only here, so that planning without a layer starts fast

    return user_data_path("steelyard", appauthor=False) / "catalog"


def slug(text: str) -> str:
    """Return what people call something as a label or a local stack is named.

    >>> slug("In-house trainer (v2.1)")
    'in-house-trainer-v2.1'
    """
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")


def calibration_labels(where: Path) -> tuple[str, ...]:
    """Return the calibrations of a folder, the oldest first; none where there is no folder.

    >>> calibration_labels(Path("no-such-folder"))
    ()
    """
    found = [(path.stat().st_mtime_ns, path.stem) for path in where.glob("*.csv")] if where.is_dir() else []
    return tuple(label for _, label in sorted(found))


def read_calibrations(where: Path) -> Layer:
    """Return all calibrations of a folder as one layer; where two give the same key the later wins.

    >>> bool(read_calibrations(Path("no-such-folder")))
    False
    """
    whole = EMPTY
    for label in calibration_labels(where):
        whole |= read_calibration(where, label)
    return whole


def read_live(where: Path) -> Layer:
    """Return the rows that live sources gave as a layer.

    >>> bool(read_live(Path("no-such-folder")))
    False
    """
    rows = read_refreshed(where)
    return Layer(refreshed=rows) if rows else EMPTY


def read_layer(where: Path) -> Layer:
    """Return everything of a user's own in a folder: calibrations, and rows of live sources."""
    return read_live(where) | read_calibrations(where)


def read_calibration(where: Path, label: str) -> Layer:
    """Return one calibration."""
    path = where / f"{label}.csv"
    tables: dict[str, dict[FittedKey, Fitted]] = {name: {} for name in CALIBRATED_TABLES}
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = csv.DictReader(lines)
            if lacking := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
                raise ValueError(f"its header lacks {', '.join(lacking[:3])}")
            for row in rows:
                made = parse_fitted(row)
                if not (isfinite(made.value) and made.value >= 0 and made.log_sd >= 0):
                    raise ValueError(f"{made.quantity} is {made.value} ± {made.log_sd}")
                tables[row["table"]][made.entity, made.precision, made.quantity] = made
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        why = reason_text(error)
        message = f"{path}: not a calibration ({why}); calibrate again, or: steelyard calibrate --forget {label}"
        raise BadCatalog(message) from error
    return Layer(*(tables[name] for name in CALIBRATED_TABLES))


def write_calibration(where: Path, label: str, layer: Layer) -> Path:
    """Write one calibration, in place of an earlier one of the same label."""
    where.mkdir(parents=True, exist_ok=True)
    path = where / f"{label}.csv"
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as out:
        lines = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
        lines.writeheader()
        lines.writerows(
            {"table": name} | asdict(row) for name in CALIBRATED_TABLES for row in getattr(layer, name).values()
        )
    part.replace(path)
    return path


def calibrated_rows(rows: Iterable[Fitted]) -> list[Fitted]:
    """Return those of some rows that a calibration made."""
    return [row for row in rows if row.command == COMMAND]
