"""Where stated numbers usually lie: it breaks ties between suspects."""

import math

from steelyard.claims.checks.relations import Relation, has_numbers, hours_terms
from steelyard.claims.checks.utilisation import claim_work
from steelyard.claims.context import ClaimContext
from steelyard.claims.prediction import ClaimPrediction
from steelyard.units import KWH_J


def usual_relations(context: ClaimContext) -> tuple[Relation, ...]:
    """Return where stated numbers usually lie: it breaks ties between suspects, and fires nothing."""
    found = [
        Relation("pue", "pue", low=1.02, high=1.7),
        Relation("intensity", "intensity", low=0.005 / KWH_J, high=1.0 / KWH_J),
    ]
    if context.accelerator is not None and not math.isnan(context.accelerator.tdp_w):
        tdp = context.accelerator.tdp_w
        found.append(Relation("watts", "power", low=0.35 * tdp, high=1.45 * tdp))
    own = (
        [row.si for row in context.site.facts.by_quantity.get("location_gross", ()) if row.used] if context.site else []
    )
    if own:
        found.append(Relation("intensity", "intensity", low=min(own) / 1.15, high=max(own) * 1.15))
    work = claim_work(context)
    if isinstance(context.prediction, ClaimPrediction) and context.peak is not None and work.amount:
        (first, _), *more = hours_terms(context.claim)
        terms = (*work.amount, *((name, -power) for name, power in more))
        _, least, most = context.prediction.mfu
        found.append(Relation("mfu", first, terms, constant=work.flop / context.peak, low=1 / most, high=2 / least))
    return tuple(one for one in found if has_numbers(one, context.numbers))
