"""Planning and estimating from a job's description and the catalog: what the command line calls."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from steelyard import catalog as facts
from steelyard import pipeline
from steelyard.catalog.policy import policy
from steelyard.errors import BadInput, BadLayout
from steelyard.formatting.figures import COUNT, amount
from steelyard.job import JobSpec, job_table
from steelyard.layout import parse
from steelyard.market.build import hardware_option, market_of, operating_policy, stack_options
from steelyard.market.options import Deal, HardwareOption, Market, SiteOption, StackOption
from steelyard.market.sites import site_option
from steelyard.planner.answer import Plan, Point
from steelyard.planner.assembly import Preface, assembled
from steelyard.planner.limits import limits_of
from steelyard.planner.ownership import Explore, check_unsaved, owned_against_rent, ownership_json
from steelyard.planner.points import judged_point, with_deal
from steelyard.reasons.binds import Bind, step_text
from steelyard.reasons.draws import Setting
from steelyard.reasons.relaxations import Relaxation
from steelyard.search.batches import explore_batches
from steelyard.search.engine import Engine, Limits, Progress
from steelyard.search.explore import Exploration, explore
from steelyard.search.rows import single_layout
from steelyard.search.survivors import NOWHERE
from steelyard.step import memory
from steelyard.tables import Job, Layout, Offer
from steelyard.vocabulary import LOCATION_GROSS, ON_DEMAND

ENGINE = Engine(pipeline.predict, memory, pipeline.floor)
USUAL_MOST = 1024
"""Devices up to which a plan looks when nobody says and the deadline does not ask for more."""

FILTERS = (
    "accelerators", "regions", "providers", "deny_accelerators", "deny_regions", "deny_providers", "residency",
    "devices", "max_devices", "layout", "stack",
)  # fmt: skip
FREE: Mapping[str, Any] = {"devices": None, "max_devices": None, "layout": {}, "stack": None}
"""What a filter is when it filters nothing; an empty tuple for the rest."""


def plan(spec: JobSpec, progress: Progress | None = None, carbon: str = LOCATION_GROSS) -> Plan:
    """Return the plan of a job over the whole catalog, or over what the job allows of it.

    A job that no candidate satisfies is a `Plan` without points: `feasible` is False and `relaxations` says what to
    change. Input that cannot be read is a `BadInput`.
    """
    job = job_table(spec)
    check_unsaved(spec, lambda saved: next(iter(plan(saved, progress, carbon).points), None))
    allowed = market_of(spec, facts.load())
    limits = replace(limits_of(spec, most_devices(spec, job, allowed)), carbon=carbon)
    found = explore_batches(job, spec.batches, allowed, limits, ENGINE, progress)
    made = assembled(job, allowed, limits, ENGINE, found, preface(spec, limits, allowed))
    if made.partial:
        return made
    again: Explore = lambda some, free: explore_batches(job, spec.batches, some, free, ENGINE)  # noqa: E731
    made = replace(
        made, own=tuple(ownership_json(row) for row in owned_against_rent(spec, job, allowed, limits, ENGINE, again))
    )
    if made.feasible:
        return made
    return replace(made, relaxations=made.relaxations + dropped_filters(spec, carbon))


def preface(spec: JobSpec, limits: Limits, allowed: Market) -> Preface:
    """Return the words of a plan: what is trained, and what was assumed."""
    tokens = amount(float(spec.tokens), COUNT)
    assumed = [*spec.assumptions]
    if spec.max_devices is None and spec.devices is None:
        assumed.append(f"at most {limits.max_devices} devices: give max_devices to look further")
    assumed.append(f"CO2e is operational, {limits.carbon.replace('_', ' ')}: embodied carbon is a line of its own")
    assumed.append("prices are as quoted on their date; storage is billed while the job runs; no tax")
    return Preface(f"{spec.model.name} on {tokens} tokens", tuple(assumed), allowed.notes)


def most_devices(spec: JobSpec, job: Job, allowed: Market) -> int:
    """Return how many devices a plan looks at: 1,024, or four times what the fastest peak needs by the deadline."""
    if spec.deadline_s is None:
        return USUAL_MOST
    steps = job.tokens / (job.batch_sequences * job.sequence_tokens)
    flop = float(job.workload.model_flop) * float(job.batch_sequences) * float(steps)
    peak = max(float(chip.machine.peak_flop_per_s) for chip in allowed.hardware)
    needed = 4 * flop / (peak * float(spec.deadline_s))
    return max(USUAL_MOST, 1 << math.ceil(math.log2(max(needed, 1.0))))


def dropped_filters(spec: JobSpec, carbon: str) -> tuple[Relaxation, ...]:
    """Return which filters of the job could be left out so that something is feasible, each tried on its own."""
    made = []
    for name in FILTERS:
        if getattr(spec, name):
            free = replace(spec, **{name: FREE.get(name, ())})
            found = _feasible(free, carbon)
            if found is not None and found.feasible:
                dollars = found.candidates.points[found.front, 1].min()
                made.append(
                    Relaxation({}, (name,), f"leave out {name}: then something is feasible from ${dollars:,.0f}")
                )
    return tuple(made)


def _feasible(spec: JobSpec, carbon: str) -> Exploration | None:
    job = job_table(spec)
    try:
        allowed = market_of(spec, facts.load())
    except BadInput:
        return None
    limits = replace(limits_of(spec, most_devices(spec, job, allowed)), carbon=carbon)
    return explore_batches(job, spec.batches, allowed, limits, ENGINE)


def estimate(
    spec: JobSpec,
    accelerator: str,
    devices: int | None = None,
    layout: str = "",
    site: str = "",
    carbon: str = LOCATION_GROSS,
    today: date | None = None,
) -> Point:
    """Return one pinned configuration: a system or accelerator, how many, laid out how.

    Without a number of devices it is one unit of the system; without a layout, the fastest that fits. The offer is
    the cheapest that the job's filters leave for this accelerator and number; without one money is unknown. The stack
    is the job's, else the first that is planned on the chip and can run the layout. What does not fit in memory is
    estimated all the same: see `Point.fits`.
    """
    catalog, job = facts.load(), job_table(spec)
    check_unsaved(spec, lambda saved: estimate(saved, accelerator, devices, layout, site, carbon, today))
    system = catalog.system(accelerator)
    chip = hardware_option(system, spec.precision, catalog)
    count = devices or spec.devices or system.devices
    tools, tools_of = stack_options([chip.vendor], spec.stack, catalog)
    able = tuple(tools[index] for index in tools_of[chip.vendor])
    tool, laid = (None if layout else _fastest(job, count, chip, able)) or _laid(layout, job, count, chip, able)
    found = _cheapest(spec, system, count, catalog, site, lambda whole, one: _total(job, laid, chip, tool, whole, one))
    whole, deal = found or (None, None)
    if whole and deal:
        operated, spread = whole.policies[deal.policy], whole.policy_log_sd[deal.policy]
        place, offer = whole.sites[deal.site_index], deal.price
    else:
        operated, spread = operating_policy(spec, spec.purchase[0], catalog)
        place, offer = site_option(catalog.site(site).id if site else "", catalog), Offer.rent(math.nan)
    made = judged_point(
        Setting(job, laid, chip, tool, operated, spread, place, offer), ENGINE, carbon, "estimate", system.id
    )
    made = with_deal(made, deal, today or datetime.now(UTC).date()) if deal else made
    short = () if made.fits else (_short(made),)
    return made.named("estimate", (*short, Bind("step", step_text(made.prediction.time))))


def _laid(
    text: str, job: Job, count: int, chip: HardwareOption, tools: tuple[StackOption, ...]
) -> tuple[StackOption, Layout]:
    machine = chip.machine
    refused: BadLayout | None = None
    for tool in tools:
        try:
            layout = parse(text, job, count, int(machine.domain_devices), machine.nic_bytes_per_s, tool.capability)
        except BadLayout as error:
            refused = refused or error
        else:
            return tool, layout
    raise refused or BadLayout(f"no software stack is known for {chip.accelerator}; give --stack")


def _fastest(
    job: Job, count: int, chip: HardwareOption, tools: tuple[StackOption, ...]
) -> tuple[StackOption, Layout] | None:
    """Return the stack and layout that train fastest and fit in memory; None where nothing fits."""
    deal = Deal("", "", "", hardware=0, site_index=0, policy=0, unit=1, most=count, purchase="", usd_per_device_s=1.0)
    places, operations = (SiteOption("", NOWHERE),), (policy(ON_DEMAND),)
    whole = Market((chip,), tools, places, operations, ({},), (deal,), {chip.vendor: tuple(range(len(tools)))})
    found = explore(job, whole, Limits(devices=count), ENGINE)
    if not found.feasible:
        return None
    row = int(found.front[found.candidates.points[found.front, 0].argmin()])
    return tools[found.candidates.stack[row]], single_layout(found.candidates.layouts, row)


def _short(made: Point) -> Bind:
    need, has = (value / 2**30 for value in (made.memory_bytes.high, made.memory_limit_bytes))
    return Bind("memory", f"memory: up to {need:.0f} GiB where a device has {has:.0f}; it may not fit")


def _total(job: Job, laid: Layout, chip: HardwareOption, tool: StackOption, whole: Market, deal: Deal) -> float:
    """Return what the run costs under a deal; infinite where that is unknown."""
    policy_, site = whole.policies[deal.policy], whole.sites[deal.site_index].site
    found = ENGINE.predict(job, laid, chip.machine, chip.kernels, tool.stack, policy_, site, deal.price)
    total = float(found.money.total_usd)
    return math.inf if math.isnan(total) else total


def _cheapest(
    spec: JobSpec,
    system: facts.System,
    count: int,
    catalog: facts.Catalog,
    site: str,
    total: Callable[[Market, Deal], float],
) -> tuple[Market, Deal] | None:
    """Return the cheapest offer of a system, or of its accelerator, that sells so many at the site asked for."""
    asked = replace(spec, accelerators=((system.accelerator, None),))
    try:
        whole = market_of(asked, catalog)
    except BadInput:
        return None
    deals = whole.deals
    wanted = catalog.site(site).id if site else ""
    exact = [deal for deal in deals if deal.system == system.id]
    for some in (exact, deals):
        able = [d for d in some if count % d.unit == 0 and count <= d.most and (not wanted or d.site == wanted)]
        if able:
            return whole, min(able, key=lambda deal: total(whole, deal))
    return None
