"""From a point of a saved answer back to the configuration that it is: same catalog, same numbers."""

import json
import math
from dataclasses import replace
from pathlib import Path

from steelyard import catalog as facts
from steelyard.errors import BadInput
from steelyard.job import JobSpec, job_table
from steelyard.market.build import hardware_option, market_of, operating_policy, stack_option
from steelyard.market.options import Deal, Market
from steelyard.market.sites import site_option
from steelyard.planner.answers import Estimate, Plan, Point
from steelyard.planner.engine import ENGINE
from steelyard.planner.points import Configuration, configured, layout_of
from steelyard.reasons.draws import Setting
from steelyard.search.rows import job_of_layout
from steelyard.tables import Layout, Offer, Policy


def configuration_of(point: Point, spec: JobSpec) -> Configuration:
    """Return the configuration that a point names; `BadInput` where the catalog does not sell it any more."""
    catalog = facts.load()
    system = catalog.system(point.system)
    layout = _layout(point)
    market, deal = _deal(point, spec, catalog) if point.offer else (None, None)
    if market and deal:
        policy, spread = market.policies[deal.policy], market.policy_log_sd[deal.policy]
        site, offer, own_sd = market.sites[deal.site_index], deal.price, market.layout_log_sd
    else:
        policy, spread = operating_policy(spec, spec.purchase[0], catalog)
        site, offer, own_sd = site_option(point.site, catalog), Offer.rent(math.nan), 0.0
    setting = Setting(
        job=job_of_layout(job_table(spec), layout),
        layout=layout,
        hardware=hardware_option(system, spec.precision, catalog),
        stack=stack_option(point.stack, catalog),
        policy=policy,
        policy_log_sd=spread,
        site=site,
        offer=offer,
        layout_log_sd=own_sd,
    )
    return configured(setting, ENGINE, system.id, deal)


def first_configuration(plan: Plan, spec: JobSpec) -> Configuration | None:
    """Return the configuration of a plan's first point; None where nothing is feasible."""
    return configuration_of(plan.points[0], spec) if plan.points else None


def saved_answer(path: Path) -> Plan | Estimate | None:
    """Return the plan or the estimate that a file of JSON holds; None where it is something else, or not there."""
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None  # whoever reads it as a job says what is wrong
    if not isinstance(found, dict) or "request" not in found:
        return None
    try:
        answer = Plan.from_dict(found) if "points" in found else Estimate.from_dict(found)
    except ValueError as error:
        raise BadInput(f"{path}: no answer of this version: {error}; write it anew with --json") from None
    asked = answer.request.policy if answer.request else {}
    unknown = sorted(asked.keys() - set(Policy.__slots__))
    if unknown:
        raise BadInput(f"{path}: request.policy: unknown field {unknown[0]!r}; write it anew with --json")
    return answer


def _layout(point: Point) -> Layout:
    """Return the layout of a saved point, its degrees at least 1."""
    try:
        layout = layout_of(point.layout)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"the layout of the saved point cannot be read ({error}); write it anew with --json") from None
    small = [name for name in DEGREES if not 1 <= float(getattr(layout, name)) < math.inf]
    if small:
        raise BadInput(f"the layout of the saved point has {small[0]} below 1; write it anew with --json")
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
