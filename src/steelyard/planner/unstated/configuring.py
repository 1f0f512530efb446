"""A configuration as it is pinned: so many of a machine, a job laid out on it, and what it is bought in."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from steelyard import catalog as facts
from steelyard.errors import BadInput
from steelyard.job import JobSpec, job_table
from steelyard.job.degrees import parse_degrees
from steelyard.job.job_spec import job_on
from steelyard.job.unstated.choices import unstated_settings
from steelyard.market.build import hardware_option, operating_policy
from steelyard.market.networks import with_network
from steelyard.market.offers import allowed_offers
from steelyard.market.options import Deal, Market, StackOption
from steelyard.market.pinned import pinned_deal
from steelyard.market.sites import site_option
from steelyard.market.systems import is_named, system_meant
from steelyard.market.tools import stacks_of_job
from steelyard.pipeline import host
from steelyard.planner.engine import ENGINE, asked_layout
from steelyard.planner.measured.exact import as_measured
from steelyard.planner.ownership import check_unsaved
from steelyard.planner.points import Configuration, configured, opened
from steelyard.planner.unstated.layouts import Bench, Laid, beyond_recipes_text
from steelyard.planner.unstated.stacks import chosen_layouts
from steelyard.reasons.draws import Setting
from steelyard.tables import Job, Layout, Offer, join


def configure(
    spec: JobSpec,
    accelerator: str,
    devices: int | None = None,
    layout: str = "",
    site: str = "",
    *,
    bought: bool = True,
) -> Configuration:
    """Return one pinned configuration: a system or accelerator, how many, laid out how.

    Without a number of devices it is one unit of the system; without a layout, the fastest that fits of those that the
    job allows, and where none fits the least value of each of its settings. An accelerator is bought in the cheapest
    machine in which it fits of those that the job's filters leave, and that machine is the one judged: its hosts,
    drives and network. A system is judged itself. Where nobody sells so many money is unknown, and the unit that stands
    for the accelerator is judged. The stack is the job's, else one that fits (`unstated.stacks`); what it may be
    instead, and what else nobody stated, are its possible runs.

    Args:
        spec: the job
        accelerator: or system
        devices: how many; None: as the job says, else one unit
        layout: degrees that are given
        site: where it runs; empty: where its offer does
        bought: whether an accelerator is judged in the machine it is bought in, else in the unit that stands for it
    """
    catalog = facts.load()
    check_unsaved(spec, lambda saved: configure(saved, accelerator, devices, layout, site))
    system = system_meant(accelerator, devices or spec.devices, _offers(spec, accelerator, catalog), catalog)
    count, named = devices or spec.devices or system.devices, not bought or is_named(accelerator, system)
    at = catalog.site(site).id if site else ""
    laid = _laid_out(spec, system, count, layout, catalog, named=is_named(accelerator, system))
    found = _bought(laid, spec, system, at, catalog, named)
    if not isinstance(found, str) and not named and found[1].system != system.id:
        system = catalog.systems[found[1].system]
        laid = _laid_out(spec, system, count, layout, catalog, named=True)
        found = _bought(laid, spec, system, at, catalog, named=True)
    return _configuration(laid, found, spec, system, at, layout)


@dataclass(frozen=True, slots=True)
class _LaidOut:
    """So many of a system with a job laid out on them."""

    bench: Bench
    stack: StackOption
    layout: Layout
    others: tuple[Laid, ...]


def _laid_out(
    spec: JobSpec, system: facts.System, count: int, layout: str, catalog: facts.Catalog, *, named: bool
) -> _LaidOut:
    """Return the stack and the layout of a job on so many of a system, and those that it may be run on instead."""
    hardware = hardware_option(system, spec.precision, catalog, spec.node)
    hardware = hardware if named else with_network(hardware, count, catalog)
    stacks, of_vendor = stacks_of_job(spec, [hardware.vendor], catalog, _schedules(layout, spec))
    able = tuple(stacks[index] for index in of_vendor[hardware.vendor] if stacks[index].runs_on(hardware.accelerator))
    bench = Bench(hardware, count, able)
    (stack, laid), *others = chosen_layouts(layout, spec, job_table(spec, catalog), bench)
    return _LaidOut(bench, stack, laid, tuple(others))


def _bought(
    laid: _LaidOut, spec: JobSpec, system: facts.System, at: str, catalog: facts.Catalog, named: bool
) -> tuple[Market, Deal] | str:
    """Return the deal that so many of a system are bought in, or why nobody sells them."""
    told, job = replace(spec, stack=spec.stack or laid.stack.name), job_table(spec, catalog)
    return pinned_deal(
        told, system, laid.bench.count, at, catalog, lambda market, deals: _order(job, laid, market, deals), named
    )


def _configuration(
    laid: _LaidOut, found: tuple[Market, Deal] | str, spec: JobSpec, system: facts.System, at: str, layout: str
) -> Configuration:
    """Return a job laid out on a system and bought in a deal, or not sold, as a configuration."""
    bench, stack = laid.bench, laid.stack
    if not isinstance(found, str):
        market, deal = found
        operated, spread = market.policies[deal.policy], market.policy_log_sd[deal.policy]
        place, offer = market.sites[deal.site_index], deal.price
    else:
        catalog = facts.load()
        operated, spread = operating_policy(spec, spec.purchase[0], catalog)
        place, offer, deal = site_option(at, catalog), Offer.rent(math.nan), None
    setting = as_measured(
        Setting(job_on(spec, stack.name), laid.layout, bench.hardware, stack, operated, spread, place, offer)
    )
    made = opened(configured(setting, ENGINE, system.id, deal), spec, unstated_settings(spec, layout), laid.others)
    return replace(
        made,
        unsold=found if isinstance(found, str) else made.unsold,
        beyond_recipes=beyond_recipes_text(layout, spec, job_table(spec), bench, (stack, laid.layout)),
    )


def _schedules(layout: str, spec: JobSpec) -> tuple[int, ...]:
    """Return the schedules of pipelines that a layout as it is written, else the job, allows; empty: any."""
    with suppress(BadInput):  # what is no layout is refused where it is laid out
        return {**asked_layout(spec), **(parse_degrees(layout) if layout else {})}.get("schedule", ())
    return ()


def _order(job: Job, laid: _LaidOut, market: Market, deals: Sequence[Deal]) -> NDArray[np.intp]:
    """Return the places of some deals: first those whose hosts hold what is put there, of these the cheapest first.

    Each is judged in its own machine. An unknown cost is last; a host of unknown memory holds everything.
    """
    policies = join([market.policies[deal.policy] for deal in deals])
    sites = join([market.sites[deal.site_index].site for deal in deals])
    prices = join([deal.price for deal in deals])
    machines = join([market.hardware[deal.hardware].machine for deal in deals])
    hardware, layout, stack = laid.bench.hardware, laid.layout, laid.stack.stack
    found = ENGINE.predict(job, layout, machines, hardware.kernels, stack, policies, sites, prices)
    total = np.broadcast_to(found.money.total_usd, len(deals))
    held = host(job, layout, machines, stack).total_bytes
    short = np.broadcast_to(np.greater(held, machines.host_memory_bytes), len(deals))
    rent = np.array([deal.usd_per_device_s for deal in deals])  # the cheaper where what the run costs is unknown
    return np.lexsort((rent, np.where(np.isnan(total), np.inf, total), short))


def _offers(spec: JobSpec, name: str, catalog: facts.Catalog) -> tuple[facts.OfferRow, ...]:
    """Return the offers of an accelerator, or of that of a system, that the job's filters leave."""
    return allowed_offers(replace(spec, accelerators=((catalog.system(name).accelerator, None),)), catalog)
