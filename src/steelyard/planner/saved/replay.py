"""From a point of a saved answer back to the configuration that it is: same catalog, same numbers."""

import math
from dataclasses import fields, replace

from steelyard import catalog as facts
from steelyard.catalog.schema import System
from steelyard.errors import BadInput, BadLayout
from steelyard.job import JobSpec, job_table
from steelyard.job.job_spec import job_on
from steelyard.job.unstated.choices import unstated_settings
from steelyard.layout import check_layout
from steelyard.market.build import hardware_option, market_of, operating_policy
from steelyard.market.networks import with_network
from steelyard.market.options import Deal, Market, StackOption
from steelyard.market.sites import site_option
from steelyard.market.tools import as_asked, stack_options
from steelyard.planner.answers import Estimate, Plan, Point
from steelyard.planner.engine import ENGINE
from steelyard.planner.measured.exact import as_measured
from steelyard.planner.points import Configuration, configured, layout_of, opened
from steelyard.planner.saved.files import ANEW
from steelyard.planner.unstated.fitting import fitting_text
from steelyard.reasons.draws import Setting
from steelyard.search.rows import job_of_layout
from steelyard.tables import Layout, Offer
from steelyard.vocabulary import ESTIMATE_LABEL


def configuration_of(point: Point, spec: JobSpec) -> Configuration:
    """Return the configuration that a point names; `BadInput` where the catalog does not sell it any more."""
    catalog = facts.load()
    system = catalog.system(point.system)
    layout = _layout(point)
    pinned = point.label == ESTIMATE_LABEL
    job = job_of_layout(job_on(spec, point.stack) if pinned else job_table(spec), layout)
    known, stack = hardware_option(system, spec.precision, catalog, spec.node), _stack(point, system, spec, catalog)
    hardware = with_network(known, point.devices, catalog)
    _check_devices(point, layout, system, spec)
    machine = hardware.machine
    try:
        check_layout(layout, job, int(machine.domain_devices), machine.nic_bytes_per_s, stack.capability)
    except BadLayout as error:
        raise BadInput(f"the saved point cannot be run: {error}; {ANEW}") from None
    market, deal = _deal(point, spec, catalog) if point.offer else (None, None)
    if market and deal:
        policy, spread = market.policies[deal.policy], market.policy_log_sd[deal.policy]
        site, offer = market.sites[deal.site_index], deal.price
        own_sd = (
            0.0 if point.label == ESTIMATE_LABEL else market.layout_log_sd
        )  # nobody chose the layout of an estimate
    else:
        policy, spread = operating_policy(spec, spec.purchase[0], catalog)
        place = catalog.site(point.site).id if point.site else ""
        site, offer, own_sd = site_option(place, catalog), Offer.rent(math.nan), 0.0
    setting = Setting(
        job=job,
        layout=layout,
        hardware=hardware,
        stack=stack,
        policy=policy,
        policy_log_sd=spread,
        site=site,
        offer=offer,
        layout_log_sd=own_sd,
    )
    deal_of = (system.id, deal)
    if point.label == ESTIMATE_LABEL:
        return _estimated(setting, point, spec, deal_of, catalog)
    return replace(configured(as_measured(setting), ENGINE, *deal_of), unstated=unstated_settings(spec))


def _estimated(
    setting: Setting, point: Point, spec: JobSpec, deal_of: tuple[str, Deal | None], catalog: facts.Catalog
) -> Configuration:
    """Return the configuration of a saved estimate: as it was measured, over everything that nobody states."""
    others = _others(point, catalog.system(deal_of[0]), spec, catalog) if isinstance(point, Estimate) else ()
    unstated = point.unstated if isinstance(point, Estimate) else unstated_settings(spec)
    made = opened(configured(as_measured(setting), ENGINE, *deal_of), spec, unstated, others)
    return replace(made, fits_with=fitting_text(spec, made))


def first_configuration(plan: Plan, spec: JobSpec) -> Configuration | None:
    """Return the configuration of a plan's first point; None where nothing is feasible."""
    return configuration_of(plan.points[0], spec) if plan.points else None


def _stack(point: Point, system: System, spec: JobSpec, catalog: facts.Catalog) -> StackOption:
    """Return the stack of a saved point, which the catalog must know, and which must train what the job is."""
    vendor = catalog.accelerators[system.accelerator].vendor
    text = as_asked(spec.stack, point.stack, catalog)
    found, _ = stack_options([vendor], text, catalog, spec.kind, spec.precision, spec.task)
    return next(one for one in found if one.runs_on(system.accelerator))


def _others(
    found: Estimate, system: System, spec: JobSpec, catalog: facts.Catalog
) -> tuple[tuple[StackOption, Layout], ...]:
    """Return the stacks that a saved estimate may be run on instead, each with its layout."""
    return tuple(
        (_stack(replace(found, stack=one.stack), system, spec, catalog), _layout(replace(found, layout=one.layout)))
        for one in found.other_stacks
    )


def _check_devices(point: Point, layout: Layout, system: System, spec: JobSpec) -> None:
    """Refuse a point whose parts are not of one run."""
    batches = spec.batches or (spec.batch_samples,)
    batch = layout.dp * layout.micro_batch * layout.micro_batches
    for wrong, message in (
        (point.devices != layout.devices, f"has {point.devices} devices but a layout of {layout.devices:g}"),
        (point.accelerator != system.accelerator, f"is on {point.accelerator} but in {system.id}, which has none"),
        (
            batch not in batches,
            f"trains {batch:g} {spec.sample}s a step but the job {' or '.join(map(str, batches))}",
        ),
    ):
        if wrong:
            raise BadInput(f"the saved point {message}; {ANEW}")


def _layout(point: Point) -> Layout:
    """Return the layout of a saved point, its degrees at least 1."""
    if lacking := sorted({one.name for one in fields(Layout)} - point.layout.keys()):
        raise BadInput(f"the layout of the saved point lacks {', '.join(lacking)}; {ANEW}")
    try:
        layout = layout_of(point.layout)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"the layout of the saved point cannot be read ({error}); {ANEW}") from None
    small = [name for name in DEGREES if not 1 <= float(getattr(layout, name)) < math.inf]
    if small:
        raise BadInput(f"the layout of the saved point has {small[0]} below 1; {ANEW}")
    return layout


DEGREES = (
    "devices",
    "tp",
    "pp",
    "vpp",
    "cp",
    "dp",
    "ep",
    "etp",
    "shard_devices",
    "micro_batch",
    "micro_batches",
)


def _deal(point: Point, spec: JobSpec, catalog: facts.Catalog) -> tuple[Market, Deal]:
    market = market_of(replace(spec, accelerators=((point.accelerator, None),)), catalog)
    for deal in market.deals:
        named = deal.offer == point.offer and deal.purchase == point.purchase
        if named and point.devices % deal.unit == 0 and point.devices <= deal.most:
            return market, deal
    raise BadInput(f"nobody sells {point.devices} × {point.accelerator} as {point.offer} any more; plan anew")
