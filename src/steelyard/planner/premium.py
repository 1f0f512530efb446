"""What a cleaner choice costs in dollars and hours, and what it emits less."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.planner.answers import CleanestPremium, Point
from steelyard.units import HOUR_S


@dataclass(frozen=True, slots=True)
class Premium:
    """What a cleaner choice costs, and what it emits less, of one kind of CO2e."""

    usd: float
    seconds: float
    less_kg: float  # NaN: unknown

    @property
    def usd_per_t(self) -> float:
        """Dollars for each tonne less; NaN where it is none.

        >>> Premium(usd=300.0, seconds=0.0, less_kg=1500.0).usd_per_t
        200.0
        """
        return self.usd / self.less_kg * 1e3 if self.less_kg > 0 else math.nan


def cleanest_premium(points: Sequence[Point]) -> CleanestPremium | None:
    """Return what the cleanest point costs over the cheapest; None where a plan has not both."""
    known = {point.label: point for point in points}
    if not {"cheapest", "cleanest"} <= known.keys():
        return None
    more = premium_between(known["cheapest"], known["cleanest"])
    return CleanestPremium(more.usd, more.seconds, more.less_kg, more.usd_per_t)


def premium_between(cheap: Point, clean: Point) -> Premium:
    """Return what the cleaner of two points costs more, takes longer, and emits less."""
    return Premium(
        clean.cost_usd.value - cheap.cost_usd.value,
        clean.time_s.value - cheap.time_s.value,
        cheap.co2e_kg.value - clean.co2e_kg.value,
    )


def premium_text(points: Sequence[Point], carbon: str) -> tuple[str, ...]:
    """Return what the cleanest point of a plan costs over its cheapest; nothing where they are one, or unknown."""
    known = {point.label: point for point in points}
    cheap, clean = known.get("cheapest"), known.get("cleanest")
    if cheap is None or clean is None:
        return ()
    more = premium_between(cheap, clean)
    if not more.less_kg > 0 or math.isnan(more.usd):
        return ()
    share = f" ({more.usd / cheap.cost_usd.value:+.0%})".replace("%", " %") if cheap.cost_usd.value > 0 else ""
    rate = f", {more.usd_per_t:,.0f} USD a tonne" if more.usd > 0 else ""
    clean_site, cheap_site = (one.site or "site unknown" for one in (clean, cheap))
    paid = f"{more.usd:+,.0f} USD{share} and {more.seconds / HOUR_S:+,.1f} h"
    less = f"{more.less_kg / 1e3:,.2f} t CO2e less, {carbon.replace('_', ' ')}{rate}"
    return (f"the cleanest ({clean_site}) costs {paid} against the cheapest ({cheap_site}), for {less}",)
