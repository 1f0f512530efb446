"""When to run: one configuration started now, at the best start, or paused and resumed, within its deadline.

Two questions are kept apart. *Who answers for it*: CO2e at the average intensity of the hours it runs in (location
gross, the year's figure of the site times the hour's ratio). *What moving it changes*: only the marginal intensity says
so; where it is unknown, what is avoided is unknown, however much the average differs from hour to hour.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.carbon import avoided_kgco2e, hour_kg_per_j
from steelyard.catalog.profile import HOUR, Profile, hour_of
from steelyard.energy import held_w
from steelyard.errors import BadInput
from steelyard.planner.answer import Point
from steelyard.planner.schedule import Load, Schedule, flexible, joules, paused, started_now
from steelyard.run.whole import saving_s
from steelyard.tables import Job
from steelyard.units import DAY_S, HOUR_S, Array
from steelyard.vocabulary import LOCATION_GROSS, MARGINAL, ON_DEMAND, SPOT

SLOTS_S = (300.0, 600.0, 900.0, 1800.0, 3600.0)
MOST_SLOTS = 2016
"""A week of five minutes; a longer window is cut into longer slots, up to an hour."""

LONGEST_S = 366 * DAY_S
RELEASED = (ON_DEMAND, SPOT)
"""Ways of buying after which devices can be given back while nothing runs."""

AVERAGE = LOCATION_GROSS


@dataclass(frozen=True, slots=True)
class Way:
    """One way to lay the run in time."""

    name: str
    stretches: tuple[tuple[dt.datetime, dt.datetime], ...]
    energy_j: float  # at the facility's meter, idling and restarts included
    idle_j: float  # of it, held without work
    restart_j: float  # of it, restarting
    cost_usd: float
    co2e_kg: Mapping[str, float]  # by kind: the hours' own intensity
    avoided_kg: float  # against starting now, at marginal intensity; NaN: unknown

    @property
    def pauses(self) -> int:
        """How often it is paused."""
        return len(self.stretches) - 1

    @property
    def start(self) -> dt.datetime:
        """When it starts."""
        return self.stretches[0][0]

    @property
    def end(self) -> dt.datetime:
        """When it ends."""
        return self.stretches[-1][1]


@dataclass(frozen=True, slots=True)
class When:
    """The ways, what they were chosen by, and what they take for granted."""

    ways: tuple[Way, ...]
    signal: str  # kind of intensity that was made least; empty: none is known by the hour
    held: bool  # devices stay rented while they wait
    slot_s: float
    window_s: float
    run_s: float
    restart_s: float  # of each resumption
    held_w: float  # all devices, at the facility's meter
    notes: tuple[str, ...]


def when(
    point: Point,
    job: Job,
    profiles: Mapping[str, Profile],
    start: dt.datetime,
    window_s: float,
    held: bool | None = None,
) -> When:
    """Return when to run a point, by the hourly profiles known of its site (by kind, `location_gross`, `marginal`).

    Chosen by the marginal profile where there is one, else by the average one. `held` says whether the devices are kept
    while nothing runs; by default they are, unless they are bought by the hour.
    """
    run_s, window_s = point.time_s.value, min(window_s, LONGEST_S)
    keep = bool(point.deal and point.deal.purchase not in RELEASED) if held is None else held
    slot_s = slot_of(window_s)
    begin = _aligned(start, slot_s)
    slots = math.floor((window_s - (begin - start).total_seconds()) / slot_s)
    restart_s = float(saving_s(job, point.layout, point.policy)) + float(point.policy.restart_s)
    draw = point.prediction.draw
    idle_w = float(held_w(draw.devices, draw.idle_w, draw.host_w, point.site.site.pue))
    load = _load(point, slot_s, restart_s, idle_w, keep)
    if load.work > slots:
        raise BadInput(
            f"the run takes {run_s / HOUR_S:.1f} h and there are {slots * slot_s / HOUR_S:.1f} h until the deadline: "
            "nothing to choose; give a later one (--by), or more devices"
        )
    lit = {kind: _by_slot(profile, point, kind, begin, slots, slot_s) for kind, profile in profiles.items()}
    signal = MARGINAL if MARGINAL in lit else AVERAGE if AVERAGE in lit else ""
    made = _schedules(load, lit[signal] if signal else None)
    usd_per_s = float(point.prediction.money.compute_usd) / run_s
    ways: list[Way] = []
    for name, schedule in made.items():
        ways.append(_way(name, schedule, load, lit, begin, slot_s, (usd_per_s, restart_s, point.cost_usd.value), ways))
    return When(
        tuple(ways), signal, keep, slot_s, window_s, run_s, restart_s, idle_w, _notes(point, signal, keep, window_s)
    )  # fmt: skip


def slot_of(window_s: float) -> float:
    """Return the length of a slot: five minutes in a week, an hour in a season.

    >>> [slot_of(days * 86400.0) for days in (1, 7, 14, 90)]
    [300.0, 300.0, 600.0, 3600.0]
    """
    return next((slot for slot in SLOTS_S if window_s / slot <= MOST_SLOTS), SLOTS_S[-1])


def _load(point: Point, slot_s: float, restart_s: float, idle_w: float, held: bool) -> Load:
    """Return what the run asks of the slots; its energy is spread evenly over them."""
    work = max(1, math.ceil(point.time_s.value / slot_s - 1e-9))
    restart = math.ceil(restart_s / slot_s)
    return Load(
        work=work,
        restart=restart,
        work_j=point.energy_j.value / work,
        restart_j=idle_w * restart_s / restart if restart else 0.0,
        idle_j=idle_w * slot_s if held else 0.0,
    )


def _schedules(load: Load, signal: Array | None) -> dict[str, Schedule]:
    found = {"start now": started_now(load)}
    if signal is None:
        return found
    return found | {"best start": flexible(load, signal), "pause and resume": paused(load, signal)}


def _by_slot(profile: Profile, point: Point, kind: str, begin: dt.datetime, slots: int, slot_s: float) -> Array:
    """Return the intensity of each slot: a usual day is laid over the site's own mean of the year, if known."""
    first = hour_of(begin)
    offset_s = (begin - first).total_seconds()
    hours = math.ceil((offset_s + slots * slot_s) / HOUR_S)
    values = profile.hours(first, hours)
    own = float(getattr(point.site.site, f"{kind}_kg_per_j"))
    if profile.yearly and not math.isnan(own):
        values = np.asarray(hour_kg_per_j(own, values / profile.mean_kg_per_j))
    index = ((offset_s + slot_s * np.arange(slots)) // HOUR_S).astype(int)
    found: Array = values[index]
    return found


def _way(
    name: str,
    schedule: Schedule,
    load: Load,
    lit: Mapping[str, Array],
    begin: dt.datetime,
    slot_s: float,
    rates: tuple[float, float, float],
    before: Sequence[Way],
) -> Way:
    usd_per_s, restart_s, run_usd = rates
    slots = next(iter(lit.values())).size if lit else schedule.end
    drawn = joules(schedule, load, slots)
    idle = schedule.end - load.work - load.restart * schedule.pauses
    kilograms = {kind: float(drawn @ signal) for kind, signal in lit.items()}
    more_s = restart_s * schedule.pauses + (idle * slot_s if load.idle_j else 0.0)
    avoided = (
        avoided_kgco2e(before[0].co2e_kg[MARGINAL], kilograms[MARGINAL]) if before and MARGINAL in lit else math.nan
    )
    return Way(
        name=name,
        stretches=tuple(
            (begin + dt.timedelta(seconds=first * slot_s), begin + dt.timedelta(seconds=last * slot_s))
            for first, last in schedule.spans
        ),
        energy_j=float(drawn.sum()),
        idle_j=float(idle * load.idle_j),
        restart_j=float(schedule.pauses * load.restart * load.restart_j),
        cost_usd=float(run_usd + usd_per_s * more_s),
        co2e_kg=kilograms,
        avoided_kg=float(avoided),
    )


def _notes(point: Point, signal: str, held: bool, window_s: float) -> tuple[str, ...]:
    place = point.site.name or "the site"
    notes = []
    if not signal:
        notes.append(
            f"no hourly intensity of {place} is known, so no hour can be preferred: steelyard catalog refresh "
            "(electricity-maps, eia, gb-grid), or your own file with --profile"
        )
    elif signal == AVERAGE:
        notes.append(
            "chosen by the average intensity of each hour; how much is avoided is unknown, since only a marginal "
            "profile says what a change of load changes"
        )
    notes.append(
        "devices are held, and paid for, while the run waits or is paused" if held
        else "devices are given back while nothing runs; that they can be had again at that hour is taken for granted"
    )  # fmt: skip
    if point.time_s.high > window_s:
        notes.append("at the upper end of its interval the run misses the deadline even if it starts now")
    return tuple(notes)


def _aligned(start: dt.datetime, slot_s: float) -> dt.datetime:
    """Return the first slot's begin at or after a moment: slots lie on the grid of the hour."""
    hour = hour_of(start)
    zoned = start.replace(tzinfo=dt.UTC) if start.tzinfo is None else start
    past = math.ceil((zoned - hour).total_seconds() / slot_s)
    return hour + past * dt.timedelta(seconds=slot_s) if past * slot_s < HOUR_S else hour + HOUR
