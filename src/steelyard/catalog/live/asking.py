"""Ask live sources, one after the other, and write what they give; one that fails keeps what was there, and its age."""

import datetime as dt
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from steelyard.catalog import profile
from steelyard.catalog.live.fetch import Fetch, Unreachable
from steelyard.catalog.live.source import Ask, LiveSource
from steelyard.catalog.load import Catalog
from steelyard.catalog.local import store
from steelyard.catalog.local.store import LiveRows, PriceRow
from steelyard.errors import UnknownName

MOST_USD = 1e5
"""An hour of one instance: no machine on sale costs more, a number of another kind may."""

MOST_KG_PER_KWH = 5.0


@dataclass(frozen=True, slots=True)
class SourceOutcome:
    """What came of asking one source."""

    name: str
    rows: int  # read this time
    error: str  # empty: it answered
    answered: str  # when it last did; empty: never
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it answered."""
        return not self.error


def named_sources(names: Iterable[str], sources: Mapping[str, LiveSource]) -> list[LiveSource]:
    """Return the sources of these names; UnknownName for one that is none."""
    for name in names:
        if name not in sources:
            raise UnknownName("live source", name, sources)
    return [sources[name] for name in dict.fromkeys(names)]


def askable_sources(
    sources: Mapping[str, LiveSource], regions: Sequence[str], environment: Mapping[str, str] = os.environ
) -> list[LiveSource]:
    """Return the sources that can be asked as things are: with their token, and with regions where those are needed."""
    return [
        one
        for one in sources.values()
        if (not one.variable or environment.get(one.variable)) and (regions or not one.narrow)
    ]


def refresh_sources(
    sources: Iterable[LiveSource],
    catalog: Catalog,
    folder: Path,
    regions: Sequence[str] = (),
    fetch: Fetch | None = None,
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    environment: Mapping[str, str] = os.environ,
) -> Iterator[SourceOutcome]:
    """Yield the outcome of each source as it comes in. `catalog` is the shipped one; `folder` the user's own."""
    for one in sources:
        where, moment = folder / store.FOLDER / one.name, now()
        stamp = moment.astimezone(dt.UTC).replace(microsecond=0).isoformat()
        token = environment.get(one.variable, "") if one.variable else ""
        try:
            _check(one, token, regions)
            rows = checked_rows(one.collect(Ask(fetch or Fetch(), catalog, regions, moment, token)))
            if not rows.count:
                raise Unreachable(f"{one.name} lists nothing of what was asked for")
            state = store.save_rows(where, one.source, rows, stamp)
            yield SourceOutcome(one.name, rows.count, "", state.answered, tuple(rows.notes))
        except Unreachable as error:
            yield _failure(one, where, stamp, str(error))
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            yield _failure(one, where, stamp, f"answered in a form that cannot be read: {error!r}")


def checked_rows(rows: LiveRows) -> LiveRows:
    """Return rows that may be written: each readable again, and one price an offer and purchase.

    Of several prices of one the highest is taken: a search for the least cost is drawn to what is wrong.

    >>> row = PriceRow("aws", "p5.48xlarge", "us-east-1", "H100", 8, "p5", "", "spot", 20.0, "2026-11-21", "")
    >>> made = checked_rows(LiveRows(prices=[row, row._replace(usd=24.0)]))
    >>> [price.usd for price in made.prices], made.notes
    ([24.0], ['1 offers with two prices: the higher is taken'])
    """
    best: dict[tuple[str, ...], PriceRow] = {}
    torn = set()
    for row in rows.prices:
        if not (0 < row.usd < MOST_USD and row.devices > 0):
            raise ValueError(f"{row.usd} dollars an hour for {row.provider} {row.instance}")
        dt.date.fromisoformat(row.date)
        key = row.provider, row.region, row.instance, row.purchase
        if key in best and best[key].usd != row.usd:
            torn.add(key)
        if key not in best or row.usd > best[key].usd:
            best[key] = row
    for fact in rows.intensity:
        if not 0 <= float(fact["value"]) < MOST_KG_PER_KWH:
            raise ValueError(f"{fact['value']} kg/kWh in {fact['place']}")
    if rows.profiles:
        profile.profiles_of_rows(rows.profiles)
    notes = [*rows.notes, *([f"{len(torn)} offers with two prices: the higher is taken"] if torn else [])]
    return replace(rows, prices=list(best.values()), notes=notes)


def _check(one: LiveSource, token: str, regions: Sequence[str]) -> None:
    if one.variable and not token:
        raise Unreachable(f"it needs a token of yours in ${one.variable}")
    if one.narrow and not regions:
        raise Unreachable(f"{one.narrow}: name regions, such as --regions aws/us-east-1")


def _failure(one: LiveSource, where: Path, stamp: str, error: str) -> SourceOutcome:
    state = store.save_failure(where, stamp, error)
    return SourceOutcome(one.name, 0, error, state.answered)
