"""What a run is billed for under each deal: the price, the commitment, storage, data to move, and doubts about them.

A price that is not in the catalog is never taken as nothing: storage and traffic of a provider whose price nobody
publishes are billed at the dearest that is known, and the deal says so.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

from steelyard import catalog as facts
from steelyard.errors import UnknownName
from steelyard.job import JobSpec, job_table
from steelyard.job.purchase import YEAR_S
from steelyard.money import kept_usd_per_s, moving_usd
from steelyard.run import checkpoint_bytes
from steelyard.tables import Job
from steelyard.units import DAY_S
from steelyard.vocabulary import RENTED, SPOT, TERM_YEARS

TERMS: Mapping[str, float] = {purchase: years * YEAR_S for purchase, years in TERM_YEARS.items()}
AGE_S = 180 * DAY_S
"""Prices older than this are flagged where the job sets no limit of its own."""

_DISAGREE = 0.01
"""Sources that differ by more than this are shown."""

HOME = "US"
"""Country whose regions the catalog's price of traffic between regions is of."""


def stored_bytes(spec: JobSpec, job: Job) -> float:
    """Return what is kept in storage while the job runs: its data, and so many checkpoints."""
    one = checkpoint_bytes(
        job.workload.params * job.trainable_share, job.element_bytes, job.master_bytes, job.moment_bytes
    )
    return float((spec.data.size_bytes if spec.data else 0.0) + spec.checkpoints * one)


@dataclass(frozen=True, slots=True)
class Charge:
    """A price, or what it comes to; what is doubtful about it; and the rows of `tariffs.csv` behind it."""

    usd: float
    doubt: str = ""
    rows: tuple[tuple[str, str], ...] = ()


_FREE = Charge(0.0)


@dataclass
class Billing:
    """Terms of deals for one job; what several offers share is worked out once."""

    spec: JobSpec
    catalog: facts.Catalog
    today: date
    storage: dict[str, Charge] = field(default_factory=dict)  # by provider
    moving: dict[str, Charge] = field(default_factory=dict)  # by place

    @property
    def age_s(self) -> float:
        """Age from which a price is flagged."""
        return AGE_S if self.spec.price_age_s is None else float(self.spec.price_age_s)

    @cached_property
    def kept(self) -> float:
        """Bytes kept while the job runs."""
        return stored_bytes(self.spec, job_table(self.spec, self.catalog))

    def terms(self, offer: facts.OfferRow, purchase: str) -> dict[str, Any]:
        """Return the fields of a deal that its bill and its doubts are."""
        price = offer.prices[purchase]
        beside = self.extra_terms(offer.provider, offer.place)
        flags = (*price_doubts(price, self.today, self.age_s), *beside.pop("flags"))
        if purchase == SPOT and (offer.instance, offer.place) not in self.catalog.interruptions:
            flags = (
                f"no reclaim rate of {offer.provider} is published here: the median of AWS's bands stands in",
                *flags,
            )
        if purchase in TERMS and self.spec.reserved_used is None:
            flags = (
                f"{purchase}: charged for the whole term, as nothing else is said to use it (reserved_used)",
                *flags,
            )
        return {**beside, **self.commitment(purchase), "flags": flags}

    def commitment(self, purchase: str) -> dict[str, float]:
        """Return the term of a reservation, and how many of its seconds each used one pays for."""
        used = self.spec.reserved_used
        term_s = TERMS.get(purchase, 0.0)
        per_use = (1.0 / float(used) if used else math.inf) if term_s else 1.0
        return {"term_s": term_s, "term_per_use": per_use}

    def extra_terms(self, provider: str, place: str) -> dict[str, Any]:
        """Return what storage and moved data cost at a place, and what is doubtful about it."""
        if provider not in self.storage:
            self.storage[provider] = self._storage(provider)
        if place not in self.moving:
            self.moving[place] = self._moving(place)
        stored, moved = self.storage[provider], self.moving[place]
        return {
            "storage_usd_per_s": stored.usd,
            "moving_usd": moved.usd,
            "flags": tuple(filter(None, (stored.doubt, moved.doubt))),
            "tariffs": stored.rows + moved.rows,
        }

    def _storage(self, provider: str) -> Charge:
        if not self.kept:
            return _FREE
        price = self._tariff(provider, "storage", "storage")
        return replace(price, usd=float(kept_usd_per_s(self.kept, price.usd)))

    def _moving(self, place: str) -> Charge:
        data = self.spec.data
        if data is None or not data.at or data.at == place:
            return _FREE
        given = data.egress_usd_per_byte
        price = self._egress(data.at, place) if given is None else Charge(float(given))
        return replace(price, usd=float(moving_usd(data.size_bytes, price.usd)))

    def _egress(self, at: str, place: str) -> Charge:
        """Return the price of carrying a byte from where it lies to a place."""
        known = {row.place for row in self.catalog.offers} | set(self.catalog.sites)
        if at not in known:
            raise UnknownName("site of data", at, sorted(known))
        home, inside = at.partition("/")[0], at.partition("/")[0] == place.partition("/")[0]
        found = self.catalog.tariffs.get(home, facts.Facts({})).value("egress_region")
        if inside and not math.isnan(found) and self._country(at) == self._country(place) == HOME:
            return Charge(found, "", ((home, "egress_region"),))
        price = self._tariff(home, "egress", "traffic out")
        if inside and not price.doubt:
            doubt = f"traffic between regions of {home}: the price to the internet stands in, an upper end"
            return replace(price, doubt=doubt)
        return price

    def _tariff(self, provider: str, quantity: str, name: str) -> Charge:
        tariffs = self.catalog.tariffs
        own = tariffs[provider].value(quantity) if provider in tariffs else math.nan
        if not math.isnan(own):
            return Charge(own, "", ((provider, quantity),))
        dearest = max(tariffs, key=lambda one: _known(tariffs[one].value(quantity)))
        doubt = f"{name} of {provider or 'this site'} has no known price: {dearest}'s, the dearest, stands in"
        return Charge(tariffs[dearest].value(quantity), doubt, ((dearest, quantity),))

    def _country(self, place: str) -> str:
        return self.catalog.sites[place].country if place in self.catalog.sites else ""


def price_doubts(price: facts.Price, today: date, limit_s: float) -> tuple[str, ...]:
    """Return what is doubtful about a price: its age, and sources that disagree.

    >>> price_doubts(facts.Price(44.0, "2025-04-04", "ec2shop"), date(2026, 11, 21), AGE_S)
    ('the price is 596 days old (limit 180)',)
    """
    limit = limit_s / DAY_S
    age = price.age_days(today)
    said = []
    if math.isnan(age):
        said.append("the price is of unknown age")
    elif age > limit:
        said.append(f"the price is {age:.0f} days old (limit {limit:.0f})")
    other = price.disagreement(_DISAGREE)
    if other is not None:
        ratio = other.usd_per_hour / price.usd_per_hour - 1
        when = f"{other.date or 'undated'}{' or before' if other.or_older else ''}"
        said.append(f"sources disagree: {other.source} ({when}) says {ratio:+.0%}; {price.source} is used")
    return tuple(said)


def rented_purchases(purchases: tuple[str, ...]) -> tuple[str, ...]:
    """Return the purchases that an offer has a price for.

    >>> rented_purchases(("spot", "own"))
    ('spot',)
    """
    return tuple(how for how in purchases if how in RENTED)


def band_log_sd(band: facts.Interruption, open_log_sd: float) -> float:
    """Return the spread of a reclaim rate that lies anywhere in its band; a band open at one end keeps the usual one.

    >>> round(band_log_sd(facts.Interruption("p4d", "aws/x", 0.05, 0.10, 0.6, "", ""), 0.92), 2)
    0.21
    """
    if band.low <= 0 or band.high >= 1:
        return open_log_sd
    return math.log(math.log1p(-band.high) / math.log1p(-band.low)) / math.sqrt(12)


def _known(value: float) -> float:
    return -math.inf if math.isnan(value) else value
