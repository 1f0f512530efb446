"""A BibTeX entry for every source behind a disclosure: what it is, where, in which version, when it was read."""

import re
from collections.abc import Iterable

from steelyard.disclosure.forms import form
from steelyard.disclosure.ledger import Cited, Disclosure

METHOD = """@misc{patterson2021carbon,
  title = {Carbon Emissions and Large Neural Network Training},
  author = {Patterson, David and Gonzalez, Joseph and Le, Quoc and Liang, Chen and Munguia, Lluis-Miquel and Rothchild,
            Daniel and So, David and Texier, Maud and Dean, Jeff},
  year = {2021},
  eprint = {2104.10350},
  archiveprefix = {arXiv},
  note = {Energy = device-hours x watts x PUE; CO2e = energy x intensity},
}
"""
"""Where the arithmetic of every disclosure comes from."""

_ARXIV = re.compile(r"arXiv[: ]\s*(\d{4}\.\d{4,5})", re.IGNORECASE)
ESCAPED = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


@form(".bib")
def bibtex_form(found: Disclosure, _today: str = "") -> str:
    """Return the entries, each with a key of its own."""
    keys, entries = set[str](), [METHOD]
    for one in found.sources:
        key = _key(one, keys)
        keys.add(key)
        entries.append(bibtex_entry(key, one))
    return "\n".join(entries)


def bibtex_entry(key: str, one: Cited) -> str:
    r"""Return one entry.

    >>> source = Cited("gcp-pue", "PUE & WUE of 100% of sites", "a page", "2024", "2026-11-21")
    >>> print(bibtex_entry("gcp-pue", source), end="")
    @misc{gcp-pue,
      title = {{PUE \& WUE of 100\% of sites}},
      howpublished = {a page},
      note = {2024; read 2026-11-21},
    }
    """
    note = "; ".join(filter(None, (one.version, f"read {one.checked}" if one.checked else "")))
    fields = [("title", f"{{{tex_escaped(one.what or one.locator)}}}"), ("howpublished", tex_escaped(one.locator))]
    fields.append(("note", tex_escaped(note)))
    paper = _ARXIV.search(one.locator)
    if paper:
        fields += [("eprint", paper[1]), ("archiveprefix", "arXiv")]
    lines = [f"  {name} = {{{value}}}," for name, value in fields if value]
    return "\n".join([f"@misc{{{key},", *lines, "}"]) + "\n"


def tex_escaped(text: str) -> str:
    r"""Return text that TeX prints as it is.

    >>> tex_escaped("a_b & 5% #3 {x}")
    'a\\_b \\& 5\\% \\#3 \\{x\\}'
    """
    plain = re.sub(r"\s+", " ", text).strip()
    return "".join(ESCAPED.get(sign, f"\\{sign}" if sign in "&%$#_{}" else sign) for sign in plain)


def _key(one: Cited, taken: Iterable[str]) -> str:
    paper = _ARXIV.search(one.locator)
    base = one.id or (f"arxiv-{paper[1]}" if paper else re.sub(r"[^a-z0-9]+", "-", one.locator.lower()).strip("-")[:40])
    base, number = base or "source", 1
    key, used = base, set(taken)
    while key in used:
        number += 1
        key = f"{base}-{number}"
    return key
