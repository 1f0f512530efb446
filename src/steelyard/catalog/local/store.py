"""The user's own rows on disk: a folder a source, every file written whole or not at all.

    <catalog folder>/live/<source>/   prices.csv  intensity.csv  profiles.csv  source.csv  state.json

Prices append: a row is one price from the day it was first seen (`since`) to the day it was last seen (`date`); a new
price is a new row. Intensities append by year. Profiles are replaced: a forecast of last week serves nobody.
"""

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import NamedTuple

from steelyard.catalog.profile import PROFILE_COLUMNS, ProfileRow
from steelyard.catalog.schema import Source

FOLDER = "live"


class PriceRow(NamedTuple):
    """One price of one offer: dollars an hour for one unit of the system."""

    provider: str
    instance: str
    region: str
    accelerator: str
    devices: int
    system: str
    site: str
    purchase: str
    usd: float
    date: str  # the day of the price: of the list, or of the reading
    note: str


@dataclass(slots=True)
class LiveRows:
    """What one source gives: prices, intensities, hourly profiles; and which offers it would have listed."""

    prices: list[PriceRow] = field(default_factory=list)
    intensity: list[ProfileRow] = field(default_factory=list)  # in the columns of data/intensity.csv
    profiles: list[ProfileRow] = field(default_factory=list)  # in those of `profile.COLUMNS`
    covered: list[str] = field(default_factory=list)  # provider/region whose on-demand list was read whole
    notes: list[str] = field(default_factory=list)  # what was left out, and why

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.prices) + len(self.intensity) + len(self.profiles)


PRICE_COLUMNS = (*PriceRow._fields, "since", "source")
INTENSITY_COLUMNS = ("place", "quantity", "value", "unit", "conditions", "year", "source", "checked", "note")
SOURCE_COLUMNS = tuple(one.name for one in fields(Source))


@dataclass(frozen=True, slots=True)
class SourceState:
    """When a source was last asked, and when it last answered."""

    tried: str = ""  # ISO 8601, UTC
    answered: str = ""
    error: str = ""  # of the last try; empty: it answered
    covered: Mapping[str, str] = field(default_factory=dict)  # provider/region → day its list was last read whole


def read_state(where: Path) -> SourceState:
    """Return the state of a source's folder; a state that cannot be read is one that nothing is known of."""
    try:
        found = json.loads((where / "state.json").read_text("utf-8"))
        return SourceState(**{one.name: found[one.name] for one in fields(SourceState) if one.name in found})
    except (OSError, ValueError, TypeError):
        return SourceState()


def save_rows(where: Path, source: Source, rows: LiveRows, now: str) -> SourceState:
    """Write what a source gave, over what it gave before; the state last, so that a break leaves the old age."""
    today = now[:10]
    before = read_state(where)
    if rows.prices:
        old = stored_rows(where / "prices.csv")
        _write(where / "prices.csv", PRICE_COLUMNS, merged_prices(old, rows.prices, source.id))
    if rows.intensity:
        both = [*stored_rows(where / "intensity.csv"), *rows.intensity]  # of one year the later reading
        last = {(row["place"], row["quantity"], row["year"]): row for row in both}
        _write(where / "intensity.csv", INTENSITY_COLUMNS, last.values())
    if rows.profiles:
        replaced = {_series(row) for row in rows.profiles}
        kept = [row for row in stored_rows(where / "profiles.csv") if _series(row) not in replaced]
        _write(where / "profiles.csv", PROFILE_COLUMNS, [*kept, *rows.profiles])
    _write(where / "source.csv", SOURCE_COLUMNS, [asdict(replace(source, checked=today))])
    made = SourceState(now, now, "", {**before.covered, **dict.fromkeys(rows.covered, today)})
    _replace(where / "state.json", json.dumps(asdict(made), indent=2))
    return made


def save_failure(where: Path, now: str, error: str) -> SourceState:
    """Note that a source did not answer: the day of its last answer stays."""
    made = replace(read_state(where), tried=now, error=error)
    _replace(where / "state.json", json.dumps(asdict(made), indent=2))
    return made


def merged_prices(old: Iterable[ProfileRow], new: Sequence[PriceRow], source: str) -> list[ProfileRow]:
    """Return all prices ever seen: an unchanged one is seen until today, a changed one is a row of its own.

    >>> first = PriceRow("aws", "p5.48xlarge", "us-east-1", "H100", 8, "p5", "", "on-demand", 55.04, "2026-07-20", "")
    >>> once = merged_prices([], [first], "live-aws")
    >>> [row["since"] for row in merged_prices(once, [first._replace(date="2026-11-21")], "live-aws")]
    ['2026-07-20']
    >>> [row["usd"] for row in merged_prices(once, [first._replace(date="2026-11-21", usd=50.0)], "live-aws")]
    ['55.04', '50.0']
    """
    known: dict[tuple[str, ...], list[ProfileRow]] = {}
    for row in old:
        known.setdefault(_key(row), []).append(row)
    for price in new:
        made = {name: str(value) for name, value in price._asdict().items()} | {"since": price.date, "source": source}
        history = known.setdefault(_key(made), [])
        last = history[-1] if history else None
        if last is None:
            history.append(made)
        elif last["date"] > made["date"]:
            continue  # an older list says nothing new
        elif last["usd"] == made["usd"]:
            history[-1] = made | {"since": last["since"]}
        elif last["since"] == made["date"]:
            history[-1] = made  # read again on the day it first was seen
        else:
            history.append(made)
    return [row for history in known.values() for row in history]


def stored_rows(path: Path) -> list[ProfileRow]:
    """Return the rows of a file; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def reason_text(error: Exception) -> str:
    """Return what is wrong with a file of rows, in few words.

    >>> reason_text(KeyError("usd")), reason_text(UnicodeDecodeError("utf-8", bytes([138] * 9), 0, 1, "invalid"))
    ("KeyError('usd')", 'it is not text')
    """
    return "it is not text" if isinstance(error, UnicodeDecodeError) else repr(error)[:200]


def _series(row: ProfileRow) -> tuple[str, str, bool]:
    return row["place"], row["quantity"], bool(row["time"])


def _key(row: ProfileRow) -> tuple[str, ...]:
    return row["provider"], row["instance"], row["region"], row["purchase"]


def _write(path: Path, columns: Sequence[str], rows: Iterable[ProfileRow]) -> None:
    text = io.StringIO()
    lines = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    lines.writeheader()
    lines.writerows(rows)
    _replace(path, text.getvalue())


def _replace(path: Path, text: str) -> None:
    """Write a file beside its place, then put it there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
