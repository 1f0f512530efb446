"""From a point of a plan (`plan --json`, `estimate --json`) to a disclosure: everything in it is predicted."""

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from steelyard.catalog import load
from steelyard.disclosure.completion import UNKNOWN_WHY
from steelyard.disclosure.ledger import SHORT_KINDS, Cited, Disclosure, LedgerFigure, Line
from steelyard.errors import BadInput, UnknownName
from steelyard.job.samples import SEQUENCE
from steelyard.planner.answers import Estimate, Plan
from steelyard.planner.saved.agreement import replayed
from steelyard.units import KWH_J

_NEEDED = ("time_s", "devices", "accelerator", "energy_facility_kwh", "site")
_TASKS = MappingProxyType(
    {"pretrain": "training", "continued_pretrain": "training", "full_ft": "fine-tuning"}
    | dict.fromkeys(("lora", "qlora"), "fine-tuning")
)


def plan_point(found: Mapping[str, Any], label: str) -> Mapping[str, Any]:
    """Return the point of that label; of a plan without one, its first."""
    points = _rows(found.get("points", [found]))
    if not points:
        raise BadInput("the plan has no point: nothing satisfied the job, or it is cut off; relax it and plan again")
    labels = [str(point.get("label", "")) for point in points]
    if not label:
        return points[0]
    if label not in labels:
        raise BadInput(f"no point {label!r} in the plan; it has: {', '.join(labels)}")
    return points[labels.index(label)]


def disclosure_of_answer(answer: Plan | Estimate, label: str = "", name: str = "the saved answer") -> Disclosure:
    """Return the disclosure of a plan or an estimate, its point checked and computed anew, as `explain` does."""
    fresh = replayed(answer, label, name).answer
    return disclosure_of_plan(fresh.to_dict(), label)


def disclosure_of_plan(found: Mapping[str, Any], label: str = "") -> Disclosure:
    """Return the disclosure of one point of a plan, or of an estimate."""
    point = plan_point(found, label)
    broken = [name for name in _NEEDED if name not in point]
    if broken:
        raise BadInput(f"the plan lacks {', '.join(broken)}; write it with: steelyard plan JOB --json > plan.json")
    devices = _number(point["devices"])
    if not (math.isfinite(devices) and devices >= 1 and _number(point["time_s"]) > 0):
        raise BadInput("the plan's devices and time_s must be numbers above 0; write it anew with plan JOB --json")
    job = _object(found.get("job"))
    task = _TASKS.get(str(job.get("task", "")), "training")
    whole = Line(task, numbers=MappingProxyType(_numbers(point, job)))
    lines = _split(whole, _object(found.get("draw")))
    local = "; with your own calibration" if found.get("calibration") else ""
    where = f"{devices:.0f} x {point['accelerator']}"
    model = str(job.get("model", ""))
    return Disclosure(
        title=f"{model or 'a training job'} on {where}",
        basis="predicted",
        model=model,
        hardware=where,
        accelerator=str(point["accelerator"]),
        place=str(point["site"]),
        location=_location(str(point["site"])),
        task=task,
        precision=str(job.get("precision", "")),
        sample=_sample(job),
        meter=f"predicted before the run by Steelyard, {point.get('stack', '')}, {point.get('layout_text', '')}{local}",
        lines=lines,
        sources=tuple(Cited(**{key: str(row.get(key, "")) for key in _CITED}) for row in _rows(found.get("sources"))),
        notes=(*_texts(found.get("assumptions")), *_said(point, found)),
    )


_CITED = ("id", "what", "locator", "version", "checked")


def _said(point: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    points = _rows(found.get("points"))
    return (f"the point named {point.get('label')} of a plan with {len(points)}",) if len(points) > 1 else ()


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _numbers(point: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, LedgerFigure]:
    """Return the figures of a point in SI."""
    seconds, devices = _spread(point, "time_s"), _number(point["devices"])
    energy = _spread(point, "energy_facility_kwh", KWH_J)
    made = {"wall_s": seconds, "devices": _given(devices), "device_s": seconds.times(devices), "facility_j": energy}
    for name, key in (("accelerator_j", "energy_accelerator_kwh"), ("it_j", "energy_it_kwh")):
        value = _number(point.get(key)) * KWH_J
        made[name] = _share(energy, value)
    for kind, short in SHORT_KINDS.items():
        value = _number(point.get(f"co2e_{kind}_kg"))
        made[f"{short}_kg"] = _share(energy, value)
        made[f"{short}_kg_per_j"] = LedgerFigure(_over(value, energy.value), how="catalog", why="grid of the site")
    made["embodied_kg"] = LedgerFigure(_number(point.get("co2e_embodied_kg")), how="predicted", why="by hours in use")
    made["water_m3"] = LedgerFigure(_number(point.get("water_m3")), how="predicted")
    made["usd"] = _spread(point, "cost_usd")
    made["pue"] = LedgerFigure(_over(energy.value, made["it_j"].value), how="catalog", why="PUE of the site")
    for name, over in (("it_w", "it_j"), ("accelerator_w", "accelerator_j")):
        made[name] = LedgerFigure(_over(made[over].value, made["device_s"].value), how="predicted")
    for name in ("parameters", "active_parameters", "samples" if _sample(job) else "tokens", "flop"):
        made[name] = _given(_number(job.get(name)))
    if made["flop"].known:
        made["flop_per_s"] = LedgerFigure(made["flop"].value / made["device_s"].value, how="predicted")
    return {
        name: one if one.known else LedgerFigure(why=UNKNOWN_WHY.get(name, "not in the plan"))
        for name, one in made.items()
    }


def _sample(job: Mapping[str, Any]) -> str:
    """Return what the job's model takes where that is no text, in the singular."""
    word = str(job.get("sample", ""))
    return "" if word == SEQUENCE or not math.isfinite(_number(job.get("samples"))) else word


def _share(energy: LedgerFigure, value: float) -> LedgerFigure:
    """Return a figure that is as uncertain as the energy it goes by."""
    return (
        energy.times(value / energy.value)
        if energy.known and energy.value > 0
        else LedgerFigure(value, how="predicted")
    )


def _over(value: float, by: float) -> float:
    return value / by if by > 0 else math.nan


def _given(value: float) -> LedgerFigure:
    return LedgerFigure(value, how="stated", why="as planned")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _spread(point: Mapping[str, Any], key: str, scale: float = 1.0) -> LedgerFigure:
    value, low, high = (_number(point.get(f"{key}{end}")) * scale for end in ("", "_low", "_high"))
    return LedgerFigure(value, low, high, "predicted", "90 % interval")


OVER_TIME = frozenset({"wall_s", "device_s", "embodied_kg", "usd"})
OVER_ENERGY = frozenset(
    {"accelerator_j", "it_j", "facility_j", "gross_kg", "net_kg", "market_kg", "marginal_kg", "water_m3"}
)


def _split(total: Line, draw: Mapping[str, Any]) -> tuple[Line, ...]:
    """Return training and idling apart, where the estimate tells them apart."""
    wall, idle = _number(draw.get("wall_s")), _number(draw.get("idle_s"))
    watts = _number(draw.get("idle_w")) + _number(draw.get("host_w"))
    joules = _over(total.of("it_j").value, total.of("devices").value)
    if not all(map(math.isfinite, (wall, idle, watts, joules))) or not 0 < idle < wall or not idle * watts < joules:
        return (total,)
    shares = dict.fromkeys(OVER_TIME, idle / wall) | dict.fromkeys(OVER_ENERGY, idle * watts / joules)
    shares["accelerator_j"] = (
        idle * _number(draw["idle_w"]) * _over(total.of("devices").value, total.of("accelerator_j").value)
    )
    busy = {name: one.times(1 - shares.get(name, 0.0)) for name, one in total.numbers.items()}
    waiting = {name: total.of(name).times(share) for name, share in shares.items()}
    waiting |= {name: total.of(name) for name in ("devices", "pue", "gross_kg_per_j")}
    for made in (busy, waiting):
        for power, energy in (("it_w", "it_j"), ("accelerator_w", "accelerator_j")):
            made[power] = LedgerFigure(_over(made[energy].value, made["device_s"].value), how="predicted")
    return (
        replace(total, numbers=MappingProxyType(busy)),
        Line("idle", "warm-up and restarts", MappingProxyType(waiting), note="devices held without computing"),
    )


def _location(site: str) -> str:
    try:
        return f"{load().site(site).location} ({site})"
    except UnknownName:
        return site
