"""Several values of one field at once: `tokens=10B,20B,40B`."""

import re

from steelyard.errors import BadInput, nearest
from steelyard.job.fields import JOB_FIELD_NAMES
from steelyard.job.spelled.names import FIELD_ALIASES

MOST_VALUES = 12
"""Values that one question may hold: a table of more does not fit a screen."""


def parse_question(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the field that a question is about and the values that it may take.

    Values are parted by commas, or by semicolons where a value has commas of its own.

    >>> parse_question("tokens=10B, 20B,40B")
    ('tokens', ('10B', '20B', '40B'))
    >>> parse_question("accelerators=H100,H200; B200")
    ('accelerators', ('H100,H200', 'B200'))
    >>> parse_question("tokn=10B,20B")
    Traceback (most recent call last):
    steelyard.errors.BadInput: --what-if: unknown field 'tokn'; nearest: tokens, own, task
    """
    name, equals, given = text.partition("=")
    plain = name.strip().lower().lstrip("-").replace("-", "_")
    plain = FIELD_ALIASES.get(plain, plain)
    forms = "write a field and its values: tokens=10B,20B,40B, or layout=tp=2;tp=4"
    if not equals or not plain:
        raise BadInput(f"--what-if: {text[:60]!r} is no question; {forms}")
    if plain not in JOB_FIELD_NAMES:
        near = nearest(plain, [*JOB_FIELD_NAMES, *FIELD_ALIASES]) or ["tokens", "by", "budget", "accelerators"]
        raise BadInput(f"--what-if: unknown field {name.strip()[:60]!r}; nearest: {', '.join(near)}")
    values = dict.fromkeys(part.strip() for part in re.split(";" if ";" in given else ",", given))
    if len(values) < 2 or "" in values:
        raise BadInput(f"--what-if: {text[:60]!r} needs at least two values and none empty; {forms}")
    if len(values) > MOST_VALUES:
        raise BadInput(f"--what-if: {len(values)} values of {plain}; a table holds {MOST_VALUES} at most")
    return plain, tuple(values)
