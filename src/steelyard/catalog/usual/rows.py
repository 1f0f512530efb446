"""Rows of `usual_settings.csv`: how often published runs of a stack have a value of a setting."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from steelyard.units import Share

WHOLE, ADAPTED = "whole", "adapters"
"""What is trained: all parameters, or adapters beside frozen ones."""


@dataclass(frozen=True, slots=True)
class UsualSetting:
    """One value of a setting, and how often it is met."""

    setting: str
    stack: str  # any: all of them
    trained: str  # `WHOLE` or `ADAPTED`
    value: float
    share: Share  # mean over owners of the share of each one's runs
    owners: int  # who say which value they have
    source: str
    command: str
    checked: str


def usual_setting_of_row(row: Mapping[str, str]) -> UsualSetting:
    """Return one row; ValueError says what of it is wrong.

    >>> row = {"setting": "recompute", "stack": "any", "trained": "whole", "value": "2", "share": "0.4", "owners": "3"}
    >>> usual_setting_of_row(row | {"source": "runs", "command": "fit", "checked": "2026-11-30"}).share
    0.4
    """
    if row["trained"] not in (WHOLE, ADAPTED):
        raise ValueError(f"trained is {row['trained']!r}, not {WHOLE} or {ADAPTED}")
    share = float(row["share"])
    if not 0 < share <= 1:
        raise ValueError(f"share {share:g} is not above 0 and at most 1")
    names = ("setting", "stack", "trained", "source", "command", "checked")
    return UsualSetting(
        value=float(row["value"]), share=share, owners=int(row["owners"]), **{name: row[name] for name in names}
    )


def by_setting(rows: Iterable[UsualSetting]) -> Mapping[tuple[str, str, str], tuple[UsualSetting, ...]]:
    """Return rows by setting, stack and what is trained."""
    found: dict[tuple[str, str, str], list[UsualSetting]] = {}
    for row in rows:
        found.setdefault((row.setting, row.stack, row.trained), []).append(row)
    return {key: tuple(some) for key, some in found.items()}
