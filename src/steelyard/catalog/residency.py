"""Where data may stay: countries, and the unions of countries that rules on data are written for."""

from collections.abc import Iterable, Sequence

from steelyard.errors import UnknownName

EU = frozenset(
    {
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
        "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
    }
)  # fmt: skip
"""The member states. Source: european-union.europa.eu, Country profiles (27 members since 2020), read 2026-11-21."""

EEA = EU | {"IS", "LI", "NO"}
"""Where the GDPR applies. Source: Agreement on the European Economic Area; Decision of its Joint Committee 154/2018."""

UNIONS = {"EU": EU, "EEA": EEA}
_ALIASES = {"UK": "GB", "USA": "US"}


def countries(names: Sequence[str], known: Iterable[str]) -> frozenset[str]:
    """Return the countries (ISO 3166-1 alpha-2) that words name; a country without any site is an UnknownName.

    >>> sorted(countries(["UK", "no"], ["GB", "NO", "US"]))
    ['GB', 'NO']
    >>> "DE" in countries(["EU"], ["DE", "US"]), "NO" in countries(["EU"], ["NO"])
    (True, False)
    """
    places = frozenset(known)
    found: set[str] = set()
    for word in names:
        plain = _ALIASES.get(word.strip().upper(), word.strip().upper())
        if plain not in UNIONS and plain not in places:
            raise UnknownName("country", word, [*UNIONS, *sorted(places)])
        found |= UNIONS.get(plain, {plain})
    return frozenset(found)
