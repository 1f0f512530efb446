"""Constants of stacks: those that were fitted, and beside them what their files document."""

from collections.abc import Mapping
from dataclasses import replace

from steelyard.catalog.schema import Fitted
from steelyard.catalog.stack_names import FALLBACK
from steelyard.catalog.stacks import StackFile

INHERITED_SPREADS = ("time_scale", "reserved_scale")
"""Constants whose spread is that of a whole prediction."""


def with_documented(
    fitted: Mapping[tuple[str, str, str], Fitted], files: Mapping[str, StackFile]
) -> dict[tuple[str, str, str], Fitted]:
    """Return the constants of all stacks by (stack, precision, quantity): fitted, else documented, else of its modules.

    The spread of a whole prediction (`time_scale`, `reserved_scale`) that nobody fitted is that of `any`.
    """
    found: dict[tuple[str, str, str], Fitted] = {}
    for row in (*_of_modules(fitted, files), *(row for file in files.values() for row in file.constants)):
        usual = fitted.get((FALLBACK, FALLBACK, row.quantity))
        spread = usual.log_sd if usual is not None and row.quantity in INHERITED_SPREADS else row.log_sd
        found[row.entity, row.precision, row.quantity] = replace(row, log_sd=spread)
    return found | dict(fitted)


def _of_modules(fitted: Mapping[tuple[str, str, str], Fitted], files: Mapping[str, StackFile]) -> list[Fitted]:
    """Return the constants that stacks have of those whose modules they train, fitted or documented."""
    found = []
    for file in (one for one in files.values() if one.modules_of):
        documented = (row for row in files[file.modules_of].constants)
        rows = (*documented, *(row for row in fitted.values() if row.entity == file.modules_of))
        found += [replace(row, entity=file.stack, rows=0, groups=0, note=f"of {file.modules_of}") for row in rows]
    return found
