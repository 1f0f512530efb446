"""The case book: published claims with their sources, and what an audit of each must say."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from steelyard.claims.reading import fields
from steelyard.claims.reading.claim import Claim
from steelyard.claims.reading.documents import parse_fields
from steelyard.errors import BadCatalog, BadInput, UnknownName

_KEYS = frozenset({"claim", "against", "expect", "story", "sources", "checked"})


@dataclass(frozen=True, slots=True)
class Case:
    """One case: a claim, the account to hold it against where there is one, and what must come out."""

    name: str
    story: str  # what was claimed, what happened, in two or three sentences
    sources: tuple[str, ...]
    checked: str  # the day on which the sources were read
    claim: Claim
    against: Claim | None
    expect: Mapping[str, Any]  # verdict, ratio, factors (name: value), fired (names of checks)

    @property
    def honest(self) -> bool:
        """Whether nothing may fire."""
        return not self.expect.get("fired") and not self.expect.get("factors")


@cache
def case_names() -> tuple[str, ...]:
    """Return the names of all cases.

    >>> "strubell-nas" in case_names()
    True
    """
    folder = files("steelyard.claims") / "cases"
    return tuple(sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml")))


def case_named(name: str) -> Case:
    """Return the case of a name, or raise `UnknownName` with the nearest.

    >>> case_named("strubell-nas").claim.value("pue")
    1.58
    """
    if name not in case_names():
        raise UnknownName("case", name, case_names())
    text = (files("steelyard.claims") / "cases" / f"{name}.yaml").read_text(encoding="utf-8")
    return case_of_fields(name, parse_fields(text, f"{name}.yaml"))


def case_of_fields(name: str, found: Mapping[str, Any]) -> Case:
    """Return a case from what its file holds; one without a source is an error."""
    unknown = set(found) - _KEYS
    if unknown or "claim" not in found:
        raise BadInput(f"{name}: a case has {', '.join(sorted(_KEYS))}; {sorted(unknown) or 'claim is missing'}")
    claimed = fields.claim_of_fields(found["claim"], f"{name}: claim")
    against = fields.claim_of_fields(found["against"], f"{name}: against") if found.get("against") else None
    sources = tuple(str(one) for one in found.get("sources") or ())
    if not sources:
        raise BadCatalog(f"{name}: the case has no sources; add them")
    return Case(
        name=name,
        story=str(found.get("story") or "").strip(),
        sources=sources,
        checked=str(found.get("checked") or ""),
        claim=claimed,
        against=against,
        expect=MappingProxyType(dict(found.get("expect") or {})),
    )
