"""From a job and the catalog to the market that a search may choose from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from steelyard import catalog as facts
from steelyard.catalog import policy as operation
from steelyard.catalog.spread import FACTOR
from steelyard.catalog.stack_names import FALLBACK
from steelyard.errors import BadInput
from steelyard.job import JobSpec
from steelyard.job.kept.node_drives import NODE_AS_KNOWN, RATES_FORM, NodeSpec, with_node
from steelyard.job.purchase import OwnedSpec
from steelyard.market.billing import Billing, band_log_sd, rented_purchases
from steelyard.market.offers import allowed_offers, check_conflicts, no_offer_text
from steelyard.market.options import Deal, HardwareOption, Market, SiteOption
from steelyard.market.owned import allowed_owned, deal_fields, ownership_cost, with_pue
from steelyard.market.running import left_out_text, schedule_text
from steelyard.market.sites import site_option, surveyed_pue_notes, unknown_site_notes
from steelyard.market.systems import reach_devices
from steelyard.market.tools import kind_text, matrix_precision, puts_on_drives, stacks_of_job
from steelyard.run import reclaims_per_s
from steelyard.tables import Kernels, Machine, Policy
from steelyard.units import DAY_S
from steelyard.vocabulary import SPOT

MONTH_S = 30 * DAY_S


@dataclass(slots=True)
class _Builder:
    """Collects a market; what is equal is kept once."""

    spec: JobSpec
    catalog: facts.Catalog
    billing: Billing
    hardware: dict[tuple[str, Machine], HardwareOption] = field(default_factory=dict)
    sites: dict[str, SiteOption] = field(default_factory=dict)
    policies: dict[Policy, int] = field(default_factory=dict)
    spreads: list[Mapping[str, float]] = field(default_factory=list)  # of each policy
    known: dict[tuple[str, ...], int] = field(default_factory=dict)  # indices: chips by system, policies by purchase

    @property
    def precision(self) -> str:
        return matrix_precision(self.spec.precision, self.catalog)

    def deal(self, offer: facts.OfferRow, purchase: str) -> Deal:
        system = self.catalog.systems[offer.system]
        price = offer.prices[purchase]
        return Deal(
            offer=offer.id,
            system=system.id,
            provider=offer.provider,
            hardware=self._chip(system),
            site_index=self._site(offer.site, provider=offer.provider),
            policy=self._policy(offer, purchase),
            unit=offer.devices,
            most=max(reach_devices(system), offer.devices),
            purchase=purchase,
            site=offer.site,
            usd_per_device_s=facts.offer(offer, purchase).usd_per_device_s,  # type: ignore[arg-type]  # one offer
            price_date=price.date,
            price_source=price.source,
            **self.billing.terms(offer, purchase),
        )

    def owned_deal(self, spec: OwnedSpec) -> Deal:
        found = ownership_cost(spec, self.catalog)
        site = self.catalog.site(spec.site).id if spec.site else ""
        name = site if spec.pue is None else f"{site} PUE {spec.pue:g}"
        beside = self.billing.extra_terms("own", site)
        return Deal(
            hardware=self._chip(found.system),
            site_index=self._site(site, name, None if spec.pue is None else float(spec.pue)),
            policy=self._policy(None, "own"),
            price_date=self.billing.today.isoformat(),
            **deal_fields(found, site),
            **(beside | {"flags": (*found.flags, *beside["flags"])}),
        )

    def _chip(self, system: facts.System) -> int:
        if ("hardware", system.id) not in self.known:
            machine = machine_at_precision(system, self.precision, self.catalog, self.spec.node)
            alike = {name: _hashable(getattr(machine, name)) for name in Machine.__slots__}
            key = (system.accelerator, replace(machine, **alike))
            if key not in self.hardware:
                self.hardware[key] = hardware_option(system, self.precision, self.catalog, self.spec.node)
            self.known["hardware", system.id] = list(self.hardware).index(key)
        return self.known["hardware", system.id]

    def _site(self, site: str, name: str = "", pue: float | None = None, provider: str = "") -> int:
        name = name or site or f"somewhere of {provider}"
        if name not in self.sites:
            self.known["place", name] = len(self.sites)
            self.sites[name] = with_pue(site_option(site, self.catalog, provider), pue)
        return self.known["place", name]

    def _policy(self, offer: facts.OfferRow | None, purchase: str) -> int:
        band = self.catalog.interruptions.get((offer.instance, offer.place)) if offer and purchase == SPOT else None
        key = ("policy", purchase, *((band.instance, band.region) if band else ()))
        if key not in self.known:
            made, spread = operating_policy(self.spec, purchase, self.catalog)
            if band is not None:
                made = replace(made, preemptions_per_node_s=float(reclaims_per_s((band.low + band.high) / 2, MONTH_S)))
                spread = {**spread, "preemptions_per_node_s": band_log_sd(band, spread["preemptions_per_node_s"])}
            if made not in self.policies:
                self.spreads.append(spread)
            self.known[key] = self.policies.setdefault(made, len(self.policies))
        return self.known[key]


_NAN = math.nan


def _hashable(value: float) -> float:
    """Return one and the same NaN, so that machines with an equal unknown are equal."""
    return _NAN if math.isnan(value) else value


def market_of(spec: JobSpec, catalog: facts.Catalog, today: date | None = None) -> Market:
    """Return the chips, stacks, deals and sites that a job allows; an error where it allows none."""
    check_conflicts(spec, catalog)
    offers, precision = allowed_offers(spec, catalog), matrix_precision(spec.precision, catalog)
    able = [row for row in offers if facts.supports(catalog.accelerators[row.accelerator], precision)]
    mine = allowed_owned(spec, precision, catalog)
    if not able and not mine:
        raise BadInput(no_offer_text(spec, catalog, offers))
    builder = _Builder(spec, catalog, Billing(spec, catalog, today or datetime.now(UTC).date()))
    sold = [(row, purchase) for purchase in rented_purchases(spec.purchase) for row in able if purchase in row.prices]
    deals = tuple(builder.deal(row, how) for row, how in sold if how not in row.quarantine)
    deals += tuple(builder.owned_deal(one) for one in mine)
    if not deals:
        raise BadInput("nothing that the job allows is sold so at a price to believe; see: steelyard catalog offers")
    chips = tuple(builder.hardware.values())
    vendors = sorted({chip.vendor for chip in chips})
    orders, drives = spec.layout.get("schedule", ()), puts_on_drives(spec)
    tools, tools_of = stacks_of_job(spec, vendors, catalog, orders)
    quarantined = sum(how in row.quarantine for row, how in sold)
    notes = [f"{quarantined} doubtful prices are quarantined and not offered"] if quarantined else []
    if len(able) < len(offers):
        left = sorted({row.accelerator for row in offers} - {row.accelerator for row in able})
        notes.append(f"without a {spec.precision} peak in the catalog, so left out: {', '.join(left)}")
    rough = sorted({chip.accelerator for chip in chips if not chip.calibrated})
    if rough:
        notes.append(f"no kernels measured, those of any chip stand in (wide intervals): {', '.join(rough)}")
    notes += [*_stack_notes(vendors, [one.name for one in tools], spec, catalog), *_drive_notes(chips, drives)]
    notes += unknown_site_notes(builder.sites.values())
    notes += surveyed_pue_notes({site for deal in deals if (site := deal.site) or deal.purchase != "own"}, catalog)
    return Market(
        hardware=chips,
        stacks=tools,
        sites=tuple(builder.sites.values()),
        policies=tuple(builder.policies),
        policy_log_sd=tuple(builder.spreads),
        deals=deals,
        stacks_of_vendor=tools_of,
        notes=tuple(notes),
        layout_log_sd=catalog.layout_spread.value,
    )


def operating_policy(spec: JobSpec, purchase: str, catalog: facts.Catalog) -> tuple[Policy, Mapping[str, float]]:
    """Return how the run is operated, and the spread of what the job leaves to the catalog."""
    rows = operation.policy_rows(purchase, catalog).items()
    spread = {name: row.log_sd for name, row in rows if row.log_sd > 0 and name not in spec.policy}
    unsaved = float(spec.checkpoints == 0)
    return replace(operation.policy(purchase, catalog), **spec.policy, unsaved=unsaved), spread


def hardware_option(
    system: facts.System, precision: str, catalog: facts.Catalog, node: NodeSpec = NODE_AS_KNOWN
) -> HardwareOption:
    """Return a system's machine and kernels at a job's precision, with the host that the job states, if any."""
    precision = matrix_precision(precision, catalog)
    accelerator = catalog.accelerators[system.accelerator]
    rows = facts.kernels_rows(accelerator, precision, catalog)
    return HardwareOption(
        accelerator=accelerator.id,
        vendor=accelerator.vendor,
        machine=machine_at_precision(system, precision, catalog, node),
        kernels=Kernels(**{name: row.value for name, row in rows.items()}),
        kernels_log_sd={name: row.log_sd for name, row in rows.items() if row.log_sd > 0}
        | {FACTOR: facts.accelerator_log_sd(accelerator, precision, catalog)},
        calibrated=rows["gemm_efficiency"].entity != FALLBACK,
        family=accelerator.family,
    )


def machine_at_precision(
    system: facts.System, precision: str, catalog: facts.Catalog, node: NodeSpec = NODE_AS_KNOWN
) -> Machine:
    """Return a system's numbers. A device that is alone in its domain sends nothing, so no link can slow it.

    Where the chip multiplies at the precision and no source says how fast, its peak, and so time, are unknown (NaN).
    """
    unknown = facts.unrated(catalog.accelerators[system.accelerator], precision, catalog)
    numbers = facts.unrated_machine if unknown else facts.machine
    made = with_node(numbers(system, precision, catalog), node)
    return replace(made, link_bytes_per_s=math.inf) if system.domain_devices == 1 else made


def _stack_notes(vendors: Sequence[str], tools: Sequence[str], spec: JobSpec, catalog: facts.Catalog) -> list[str]:
    """Return on which chips a named stack does not run, and why unusual ones stand in where none is named."""
    if spec.stack is not None:
        return [text for text in {left_out_text(one, vendors, catalog) for one in tools} if text]
    orders = spec.layout.get("schedule", ())
    told = [schedule_text(spec, one, vendor, code, catalog) for one in tools for vendor in vendors for code in orders]
    return [*dict.fromkeys(filter(None, told)), *_unknown_stack_notes(vendors, spec, catalog)]


def _drive_notes(hardware: Sequence[HardwareOption], drives: bool) -> list[str]:
    """Return which accelerators are in nodes whose drives nobody timed, where a job puts something there."""
    timed = {one.accelerator for one in hardware if not math.isnan(float(one.machine.nvme_read_bytes_per_s))}
    names = ", ".join(sorted({one.accelerator for one in hardware} - timed))
    if not (drives and names):
        return []
    return [f"no source says how fast NVMe drives of nodes of these are, so not timed: {names}; write {RATES_FORM}"]


def _unknown_stack_notes(vendors: Sequence[str], spec: JobSpec, catalog: facts.Catalog) -> list[str]:
    """Return which vendors' stacks train other models only, so that any stack stands in."""
    left = [
        vendor
        for vendor in vendors
        if (planned := catalog.planned_stacks(vendor)) and not any(spec.kind in row.trains for row in planned)
    ]
    some = f"no stack that trains {kind_text(spec.kind)} is known on chips of {', '.join(left)}: any stack stands in"
    return [some] if left else []
