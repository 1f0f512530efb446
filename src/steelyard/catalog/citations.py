"""From the text of a source cell to the sources it cites.

A cell names its sources by their ids (`epoch`, `chosen: weights are cast at each use`) or by where they lie, with the
place inside: `arXiv 2104.10350 Table 4`, `pytorch/torchtitan@31a17bfd:docs/float8.md`. Every place is a locator of
sources.csv, so a text that names none of them cites nothing, and is an error that the tests find.
"""

import re
from collections.abc import Iterator, Mapping

from steelyard.catalog.schema import Source

_ARXIV = re.compile(r"arXiv (\d{4}\.\d{4,5})$")
REPOSITORY = re.compile(r"github\.com/([\w-]+/([\w.-]+))$")


def cited_ids(text: str, sources: Mapping[str, Source]) -> tuple[str, ...]:
    """Return the ids of the sources that a cell cites, in the order of sources.csv; none: it cites nothing known.

    >>> from steelyard.catalog import load
    >>> cited_ids("Dao 2023, arXiv 2307.08691: twice the first", load().sources)
    ('arxiv-2307.08691',)
    >>> cited_ids("chosen: weights are cast at each use", load().sources), cited_ids("a colleague", load().sources)
    (('chosen',), ())
    """
    head = text.partition(":")[0].strip()
    if head in sources:
        return (head,)
    for keys in (_places, _names):
        found = tuple(row.id for row in sources.values() if any(_stands_in(key, text) for key in keys(row)))
        if found:
            return found
    return ()


def _places(source: Source) -> Iterator[str]:
    """Yield what a citation of a source holds: the number of a paper, owner and name of a repository, an address."""
    for piece in source.locator.split("; "):
        paper, repository = _ARXIV.match(piece), REPOSITORY.match(piece)
        yield paper[1] if paper else repository[1] if repository else piece


def _names(source: Source) -> Iterator[str]:
    """Yield the names of repositories alone, for texts that leave the owner out."""
    yield from (found[2] for piece in source.locator.split("; ") if (found := REPOSITORY.match(piece)))


def _stands_in(key: str, text: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(key)}(?![\w-])", text, re.IGNORECASE) is not None
