"""Lengths of sequences as people write them, 4096, 2k, 128K tokens: in job files, options, rows and notes alike."""

import re
from typing import Any

from steelyard.job.literals import SEQUENCE_FORMS, parse_integer

_MULTIPLES = {"k": 1024, "ki": 1024, "m": 1024**2, "mi": 1024**2}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?) ?(ki?|mi?)?(?:[ _-]?(?:tok(?:en)?s?|ctx|context))?", re.IGNORECASE)
_NOTED = re.compile(
    r"(?:max[ _-]?)?(?:seq(?:uence)?s?[ _-]?(?:len(?:gth)?)?|cutoff[ _-]?len|context(?:[ _-](?:len(?:gth)?|window))?)"
    r"(?: (?:is|of))?[\"']?\s*[=: ]\s*[\"']?(\d[\d,]*(?:\.\d+)? ?[km]?)(?![\w.])",
    re.IGNORECASE,
)


def parse_sequence(value: Any) -> int:
    """Return the tokens of a sequence; a k is 1,024 of them, as of the positions of every model, an M 1,024 k.

    >>> parse_sequence("2k"), parse_sequence("4K tokens"), parse_sequence("128k"), parse_sequence("2000")
    (2048, 4096, 131072, 2000)
    >>> parse_sequence(4096), parse_sequence("4,096"), parse_sequence("1.5k")
    (4096, 4096, 1536)
    >>> parse_sequence("long")
    Traceback (most recent call last):
    steelyard.errors.BadInput: 'long' is not a whole number; write 2048, 4096 or 8192
    """
    found = _LENGTH.fullmatch(str(value).strip()) if isinstance(value, str) else None
    if found is None:
        return parse_integer(value, SEQUENCE_FORMS)
    tokens = float(found[1]) * _MULTIPLES.get((found[2] or "").lower(), 1)
    return parse_integer(tokens if tokens == int(tokens) else value, SEQUENCE_FORMS)


def sequence_taken(value: Any) -> str:
    """Return what was taken of a length that is written in thousands, which may mean either; else empty.

    >>> sequence_taken("2k"), sequence_taken("2048")
    ('sequence 2048: 2k is 2 x 1024 tokens; write 2000 where it is that', '')
    """
    found = _LENGTH.fullmatch(str(value).strip()) if isinstance(value, str) else None
    if found is None or (found[2] or "").lower() not in ("k", "m"):
        return ""
    each, plain = {"k": ("1024", 1e3), "m": ("1024 x 1024", 1e6)}[found[2].lower()]
    meant = f"{found[1]}{found[2]} is {found[1]} x {each} tokens; write {float(found[1]) * plain:.0f} where it is that"
    return f"sequence {parse_sequence(value)}: {meant}"


def sequence_of_note(note: str) -> str:
    """Return the length of a sequence that a text writes as a setting; empty where it writes none, or several.

    >>> [sequence_of_note(text) for text in ("seq_len=2k; packed", "sequence length 4096", "max_seq_len: 8192", "2k")]
    ['2k', '4096', '8192', '']
    >>> sequence_of_note("seq 2048, then seq 4096")
    ''
    """
    found = {text.strip().lower() for text in _NOTED.findall(note)}
    return found.pop() if len(found) == 1 else ""
