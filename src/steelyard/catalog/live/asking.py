"""Ask live sources, one after the other, and write what they give; one that fails keeps what was there, and its age."""

import datetime as dt
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.catalog import store
from steelyard.catalog.live.fetch import Fetch, Unreachable
from steelyard.catalog.live.source import Ask, Live
from steelyard.catalog.load import Catalog
from steelyard.errors import UnknownName


@dataclass(frozen=True, slots=True)
class Outcome:
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


def chosen(names: Iterable[str], sources: Mapping[str, Live]) -> list[Live]:
    """Return the sources of these names; UnknownName for one that is none."""
    for name in names:
        if name not in sources:
            raise UnknownName("live source", name, sources)
    return [sources[name] for name in dict.fromkeys(names)]


def ready(
    sources: Mapping[str, Live], regions: Sequence[str], environment: Mapping[str, str] = os.environ
) -> list[Live]:
    """Return the sources that can be asked as things are: with their token, and with regions where those are needed."""
    return [
        one
        for one in sources.values()
        if (not one.variable or environment.get(one.variable)) and (regions or not one.narrow)
    ]


def refresh(
    sources: Iterable[Live],
    catalog: Catalog,
    folder: Path,
    regions: Sequence[str] = (),
    fetch: Fetch | None = None,
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Outcome]:
    """Yield the outcome of each source as it comes in. `catalog` is the shipped one; `folder` the user's own."""
    for one in sources:
        where, moment = folder / store.FOLDER / one.name, now()
        stamp = moment.astimezone(dt.UTC).replace(microsecond=0).isoformat()
        token = environment.get(one.variable, "") if one.variable else ""
        try:
            _check(one, token, regions)
            rows = one.collect(Ask(fetch or Fetch(), catalog, regions, moment, token))
            if not rows.count:
                raise Unreachable(f"{one.name} lists nothing of what was asked for")
            state = store.save(where, one.source, rows, stamp)
            yield Outcome(one.name, rows.count, "", state.answered, tuple(rows.notes))
        except Unreachable as error:
            yield _failure(one, where, stamp, str(error))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            yield _failure(one, where, stamp, f"answered in a form that cannot be read: {error!r}")


def _check(one: Live, token: str, regions: Sequence[str]) -> None:
    if one.variable and not token:
        raise Unreachable(f"it needs a token of yours in ${one.variable}")
    if one.narrow and not regions:
        raise Unreachable(f"{one.narrow}: name regions, such as --regions aws/us-east-1")


def _failure(one: Live, where: Path, stamp: str, error: str) -> Outcome:
    state = store.failed(where, stamp, error)
    return Outcome(one.name, 0, error, state.answered)
