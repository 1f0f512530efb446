"""A plan and its points as the objects that `--json` prints: keys end in their unit, unknown is NaN (null in JSON)."""

import math
from collections.abc import Sequence
from typing import Any

from steelyard.catalog.spellings import RECOMPUTE
from steelyard.formatting.figures import COUNT, amount
from steelyard.job import JobSpec
from steelyard.planner.answer import Plan, Point
from steelyard.planner.operation import bill_json
from steelyard.planner.premium import premium
from steelyard.planner.variants import Variant
from steelyard.reasons.binds import Bind
from steelyard.reasons.order import Tie
from steelyard.reasons.rivals import Rival
from steelyard.reasons.sensitivity import Shift
from steelyard.reasons.simpler import Preference
from steelyard.reasons.summaries import Dot
from steelyard.tables import Layout
from steelyard.units import HOUR_S, KWH_J


def plan_mapping(plan: Plan) -> dict[str, Any]:
    """Return a plan as the object that `--json` prints: keys end in their unit, unknown is NaN (null in JSON)."""
    shared = {
        "summary": plan.summary,
        "carbon_kind": plan.carbon,
        "premium_of_cleanest": premium_mapping(plan.points),
        "counts": plan.counts,
        "partial": plan.partial,
        "assumptions": list(plan.assumptions),
        "notes": list(plan.notes),
    }
    if not plan.feasible:
        return {
            **shared,
            "frontier": [],
            "reason": plan.reason,
            "relaxations": [row.text for row in plan.relaxations],
            "relaxed_limits": [dict(row.limits) for row in plan.relaxations],
        }
    return {
        **shared,
        "frontier": [point_mapping(point) for point in plan.points],
        "points": [dot_mapping(dot) for dot in plan.frontier],
        "rivals": [f"{rival.label}: {rival.text}" for rival in plan.rivals],
        "compared": [rival_mapping(rival) for rival in plan.rivals],
        "own": list(plan.own),
        "sensitivity": [shift_mapping(shift) for shift in plan.shifts],
        "inputs_moved": list(plan.moved),
        "order": {axis: [list(group) for group in groups] for axis, groups in plan.order.items()},
    }


def premium_mapping(points: Sequence[Point]) -> dict[str, Any] | None:
    """Return what the cleanest point costs over the cheapest; None where a plan has not both."""
    known = {point.label: point for point in points}
    if not {"cheapest", "cleanest"} <= known.keys():
        return None
    more = premium(known["cheapest"], known["cleanest"])
    return {"usd": more.usd, "time_s": more.seconds, "less_co2e_kg": more.less_kg, "usd_per_t": more.usd_per_t}


def point_mapping(point: Point) -> dict[str, Any]:
    """Return one point, every figure with its interval."""
    figures = {
        "time_s": point.time_s,
        "cost_usd": point.cost_usd,
        "energy_facility_kwh": point.energy_j.scaled(1 / KWH_J),
        "co2e_kg": point.co2e_kg,
        "memory_bytes": point.memory_bytes,
    }
    ends = {f"{key}{end}": getattr(figure, name) for key, figure in figures.items() for end, name in ENDS}
    deal = point.deal
    return {
        "label": point.label,
        **ends,
        "memory_limit_bytes": point.memory_limit_bytes,
        "fits": point.fits,
        "devices": point.devices,
        "accelerator": point.hardware.accelerator,
        "system": point.system,
        "stack": point.stack.name,
        "layout": layout_mapping(point.layout),
        "layout_text": point.layout_text,
        "offer": deal.offer if deal else "",
        "purchase": deal.purchase if deal else "",
        "price_usd_per_device_h": deal.usd_per_device_s * HOUR_S if deal else math.nan,
        "price_date": deal.price_date if deal else "",
        "price_age_days": point.price_age_days,
        **bill_json(point.prediction.money, deal),
        **point.operation,
        "site": point.site.name,
        "site_candidates": point.site.possible_sites,
        "binds": "; ".join(one.text for one in point.binds),
        "bound_by": [bind_mapping(one) for one in point.binds],
        "ties": [tie_mapping(tie) for tie in point.ties],
        "preferred_over": tie_mapping(point.preferred) if point.preferred else None,
    }


ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))


def what_if_mapping(name: str, spec: JobSpec, found: Sequence[Variant]) -> dict[str, Any]:
    """Return a question's answers; assumptions and notes are those that all of them share."""
    plans = [one.plan for one in found]
    fixed = [text for key, text in (("model", spec.model.name), ("tokens", _on(spec))) if key != name]
    values = [one.value for one in found]
    asked = f"{name} is {', '.join(values[:-1])} or {values[-1]}"
    return {
        "summary": " ".join([*fixed, "if", asked]) if fixed else f"if {asked}",
        "what_if": name,
        "carbon_kind": plans[0].carbon,
        "rows": [_variant(one) for one in found],
        "assumptions": [text for text in plans[0].assumptions if all(text in plan.assumptions for plan in plans)],
        "notes": [text for text in plans[0].notes if all(text in plan.notes for plan in plans)],
    }


def _variant(one: Variant) -> dict[str, Any]:
    return {
        "value": one.value,
        "feasible": one.plan.feasible,
        "partial": one.plan.partial,
        "frontier": [point_mapping(point) for point in one.plan.points],
        "counts": one.plan.counts,
        "reason": one.plan.reason,
        "relaxations": [row.text for row in one.plan.relaxations],
        "relaxed_limits": [dict(row.limits) for row in one.plan.relaxations],
    }


def _on(spec: JobSpec) -> str:
    return f"on {amount(float(spec.tokens), COUNT)} tokens"


def bind_mapping(bind: Bind) -> dict[str, Any]:
    """Return what holds a point, and what would win without it."""
    without = dot_mapping(bind.without) if bind.without else None
    return {"what": bind.what, "without": without, "missed": bind.missed, "text": bind.text}


def tie_mapping(tie: Tie | Preference) -> dict[str, Any]:
    """Return a candidate whose order against a point is not certain."""
    dot = tie.dot if isinstance(tie, Tie) else tie.over
    return {**dot_mapping(dot), "ratio": tie.ratio, "share_of_draws": tie.better, "text": tie.text}


def rival_mapping(rival: Rival) -> dict[str, Any]:
    """Return a rival with the ratios of its figures to the point's, and the factors of what it lost by."""
    by = rival.dominated_by
    return {
        "label": rival.label,
        **dot_mapping(rival.dot),
        "ratios": dict(rival.ratios),
        "factors": dict(rival.factors),
        "dominated_by": dot_mapping(by) if by else None,
        "share_of_draws": rival.better,
    }


def shift_mapping(shift: Shift) -> dict[str, Any]:
    """Return what wins instead once an input has moved; a winner of null: nothing is feasible any more."""
    winner = dot_mapping(shift.dot) if shift.dot else None
    return {
        "label": shift.label,
        "input": shift.input,
        "change": shift.change,
        "chance": shift.chance,
        "winner": winner,
        "text": shift.text,
    }


def dot_mapping(dot: Dot) -> dict[str, Any]:
    """Return one point of the frontier in short."""
    return {
        "time_s": dot.time_s,
        "cost_usd": dot.cost_usd,
        "energy_facility_kwh": dot.energy_j / KWH_J,
        "co2e_kg": dot.co2e_kg,
        "devices": dot.devices,
        "accelerator": dot.accelerator,
        "stack": dot.stack,
        "offer": dot.offer,
        "layout_text": dot.layout_text,
    }


def layout_mapping(layout: Layout) -> dict[str, Any]:
    """Return a layout's degrees as whole numbers, recomputation as a word."""
    numbers = {name: int(getattr(layout, name)) for name in Layout.__slots__}
    return numbers | {"recompute": RECOMPUTE[numbers["recompute"]]}
