"""Which policy of recomputation a measured run had."""

import re

from steelyard.catalog.stacks import StackRule
from steelyard.evidence.runs.run import Run
from steelyard.strategies.recompute import RECOMPUTE
from steelyard.strategies.settings import spelled_number


def recompute_choices(run: Run, rule: StackRule, assumed: set[str]) -> tuple[float, ...]:
    """Return the policies that a row may mean, by number: stated, counted in its FLOPs, its stack's, or what fits.

    Args:
        run: the row.
        rule: what its stack implies.
        assumed: what the row does not say; recomputation is added where it is a guess.
    """
    full = float(RECOMPUTE.index("full"))
    stated = spelled_number("recompute", run.recompute)
    if stated is not None:
        if "toml default" in run.note:  # taken from a recipe of that time, not printed with the run
            assumed.add("recompute")
        return (float(stated),)
    if re.search(r"incl\w*\.? (full )?recompute", run.flop_convention):  # what it counts, it does
        return (full,)
    assumed.add("recompute")
    if rule.recompute:
        return (float(RECOMPUTE.index(rule.recompute)),)
    return (0.0, full - 0.75, full - 0.5, full - 0.25, full)  # shares of the blocks
