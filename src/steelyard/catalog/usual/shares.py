"""How often stacks have a setting, among owners of published runs who say which: what an unstated one is drawn from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from steelyard.catalog.load import Catalog
from steelyard.catalog.read import parsed_rows
from steelyard.catalog.stack_names import FALLBACK
from steelyard.catalog.usual.rows import UsualSetting, by_setting, usual_setting_of_row
from steelyard.units import Share

KINDRED_OWNERS = 1.0
"""Owners that all stacks together count as beside those of one stack: chosen; most stacks have one to three of their
own."""

TAKEN_OWNERS = 1.0
"""Owners that the setting which is taken counts as: what a stack's documents, or its recipes, have. Chosen."""


@cache
def _shipped(folder: Path) -> Mapping[tuple[str, str, str], tuple[UsualSetting, ...]]:
    return by_setting(parsed_rows(folder, "usual_settings", usual_setting_of_row))


@dataclass(frozen=True, slots=True)
class _Weights:
    """What some owners have of a setting."""

    owners: float
    shares: Mapping[float, Share]


def usual_shares(
    setting: str, stack: str, trained: str, catalog: Catalog, taken: float | None = None
) -> Mapping[float, Share]:
    r"""Return how often a setting has each of its values: of a stack, its few owners filled up with those of all.

    .. math:: w_v = \frac{n\,s_v + k\,a_v + t\,[v = v_0]}{n + k + t}

    Args:
        setting: of `evidence.frames`: recompute, micro-batch, sequence parallelism.
        stack: of the catalog; `n` owners say which value :math:`s_v` of their runs have.
        trained: `WHOLE` or `ADAPTED`.
        catalog: where the shares are looked up; :math:`a_v` are those of all stacks, which count as `KINDRED_OWNERS`.
        taken: the value :math:`v_0` that is taken of it; None: none is.

    Source: posterior mean of a multinomial share with a Dirichlet prior (Gelman et al., Bayesian Data Analysis, 3.4).

    >>> from steelyard.catalog import load
    >>> from steelyard.catalog.usual.rows import WHOLE
    >>> found = usual_shares("recompute", "hf-trainer", WHOLE, load(), taken=0.0)
    >>> found[2.0] > found[0.0] > found[1.0] > 0, round(sum(found.values()), 9)
    (True, 1.0)
    """
    parts = [_weights(setting, stack, trained, catalog)]
    kindred = _weights(setting, FALLBACK, trained, catalog)
    parts.append(_Weights(min(KINDRED_OWNERS, kindred.owners), kindred.shares))
    if taken is not None:
        parts.append(_Weights(TAKEN_OWNERS, {taken: 1.0}))
    total = sum(one.owners for one in parts)
    values = sorted({value for one in parts for value in one.shares})
    return {value: sum(one.owners * one.shares.get(value, 0.0) for one in parts) / total for value in values}


def _weights(setting: str, stack: str, trained: str, catalog: Catalog) -> _Weights:
    rows = _shipped(catalog.folder).get((setting, stack, trained), ())
    return _Weights(max((row.owners for row in rows), default=0), {row.value: row.share for row in rows})


def stack_share(stack: str, among: Collection[str], trained: str, catalog: Catalog, pipelined: bool = False) -> Share:
    """Return how often a stack is the one of several that could be used: by owners with runs of it, and one each.

    Args:
        stack: of the catalog.
        among: it and the others.
        trained: `WHOLE` or `ADAPTED`.
        catalog: where owners are counted.
        pipelined: of runs with several pipeline stages, which some stacks have far oftener than others.

    >>> from steelyard.catalog import load
    >>> from steelyard.catalog.usual.rows import WHOLE
    >>> found = [stack_share(one, ("fsdp2", "litgpt"), WHOLE, load()) for one in ("fsdp2", "litgpt")]
    >>> found[0] > found[1] > 0, sum(found)
    (True, 1.0)
    >>> some = ("fsdp2", "megatron-core")
    >>> [round(stack_share("fsdp2", some, WHOLE, load(), pipelined), 1) for pipelined in (False, True)]
    [0.6, 0.3]
    """

    def owners(name: str) -> float:
        rows = (row for key, some in _shipped(catalog.folder).items() if key[1:] == (name, trained) for row in some)
        met = float(usual_shares("pipeline", name, trained, catalog).get(1.0, 0.0)) if pipelined else 1.0
        return met * (KINDRED_OWNERS + max((row.owners for row in rows), default=0))

    return owners(stack) / sum(map(owners, among))
