"""When to run: one configuration started now, at the best start, or paused and resumed, within its deadline.

Two questions are kept apart. *Who answers for it*: CO2e at the average intensity of the hours it runs in (location
gross, the year's figure of the site times the hour's ratio). *What moving it changes*: only the marginal intensity says
so; where it is unknown, what is avoided is unknown, however much the average differs from hour to hour.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.carbon import avoided_kgco2e, hour_kg_per_j
from steelyard.catalog import load
from steelyard.catalog.profile import HOUR, Profile, hour_of, read_profiles
from steelyard.energy import held_w
from steelyard.errors import BadInput
from steelyard.formatting.answer import Answer
from steelyard.formatting.figures import MASS, amount, dollars
from steelyard.market.options import SiteOption
from steelyard.planner.points import Configuration
from steelyard.planner.schedule import Load, Schedule, flexible, joules, paused, started_now
from steelyard.run.clock import saving_s
from steelyard.tables import Job
from steelyard.units import DAY_S, HOUR_S, KWH_J, Array
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
    """One way to lay the run in time; energy is at the facility's meter."""

    name: str
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    pauses: int = 0
    stretches: tuple[tuple[dt.datetime, dt.datetime], ...] = ()
    energy_facility_kwh: float = math.nan  # idling and restarts included
    energy_idle_kwh: float = math.nan  # of it, held without work
    energy_restart_kwh: float = math.nan  # of it, restarting
    cost_usd: float = math.nan
    co2e_location_gross_kg: float = math.nan  # at the hours' own intensity
    co2e_marginal_kg: float = math.nan
    co2e_avoided_kg: float = math.nan  # against starting now, at marginal intensity; NaN: unknown
    co2e_year_mean_kg: float = math.nan  # at the site's yearly average


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class When(Answer):
    """The ways, what they were chosen by, and what they take for granted."""

    configuration: str
    asked: dt.datetime | None = None
    offer: str = ""
    purchase: str = ""
    site: str = ""
    run_s: float = math.nan
    window_s: float = math.nan
    slack_s: float = math.nan
    slot_s: float = math.nan
    restart_s: float = math.nan  # of each resumption
    held_w: float = math.nan  # all devices, at the facility's meter
    held: bool = False  # devices stay rented while they wait
    chosen_by: str = ""  # kind of intensity that was made least; empty: none is known by the hour
    ways: tuple[Way, ...] = ()
    notes: tuple[str, ...] = ()

    def headline(self) -> str:
        """Return the configuration and the ways."""
        return f"{self.configuration}: {', '.join(way.name for way in self.ways)}"

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return the ways, a row each."""
        rows = [
            (way.name, f"{way.start:%Y-%m-%d %H:%M}" if way.start else "", f"{way.pauses}", dollars(way.cost_usd),
             amount(way.co2e_location_gross_kg, MASS))
            for way in self.ways
        ]  # fmt: skip
        return (("way", "starts", "pauses", "money", "CO2e, these hours"), *rows)


@dataclass(frozen=True, slots=True)
class Window:
    """When a run may lie: from a start on, for so long."""

    asked: dt.datetime  # the moment of the question
    start: dt.datetime
    span_s: float


def _usable_s(window: Window) -> float:
    """Return the seconds from the start to the deadline, which must be ahead of it."""
    if window.span_s <= 0:
        raise BadInput("the deadline lies before the start; give a later one (--by), or an earlier start (--start)")
    return min(window.span_s, LONGEST_S)


def best_hours(
    made: Configuration,
    longest_s: float,
    job: Job,
    profiles: Mapping[str, Profile],
    window: Window,
    held: bool | None = None,
) -> When:
    """Return when to run a configuration, by the hourly profiles known of its site (`location_gross`, `marginal`).

    Chosen by the marginal profile where there is one, else by the average one. `longest_s` is the upper end of the
    run's time. `held` says whether the devices are kept while nothing runs; by default they are, unless they are bought
    by the hour.
    """
    setting, draw, money = made.setting, made.prediction.draw, made.prediction.money
    run_s, window_s = float(draw.wall_s), _usable_s(window)
    keep = bool(made.deal and made.deal.purchase not in RELEASED) if held is None else held
    begin = _aligned(window.start, slot_s := slot_of(window_s))
    slots = math.floor((window_s - (begin - window.start).total_seconds()) / slot_s)
    restart_s = float(saving_s(job, setting.layout, setting.policy)) + float(setting.policy.restart_s)
    idle_w = float(held_w(draw.devices, draw.idle_w, draw.host_w, setting.site.site.pue))
    load = _load(made, slot_s, restart_s, idle_w, keep)
    if load.work > slots:
        raise BadInput(
            f"the run takes {run_s / HOUR_S:.1f} h and there are {slots * slot_s / HOUR_S:.1f} h until the deadline: "
            "nothing to choose; give a later one (--by), or more devices"
        )
    lit = {kind: _by_slot(profile, setting.site, kind, begin, slots, slot_s) for kind, profile in profiles.items()}
    signal = MARGINAL if MARGINAL in lit else AVERAGE if AVERAGE in lit else ""
    rates = (float(money.compute_usd) / run_s, restart_s, float(money.total_usd))
    ways: list[Way] = []
    for name, schedule in _schedules(load, lit[signal] if signal else None).items():
        ways.append(_way(name, schedule, load, lit, begin, slot_s, rates, setting.site, ways))
    return When(
        **_named(made, window),
        run_s=run_s,
        window_s=window_s,
        slack_s=window_s - run_s,
        slot_s=slot_s,
        restart_s=restart_s,
        held_w=idle_w,
        held=keep,
        chosen_by=signal,
        ways=tuple(ways),
        notes=(*_levels(profiles, setting.site), *_notes(setting.site.name, signal, keep, longest_s > window_s)),
    )


def _levels(profiles: Mapping[str, Profile], site: SiteOption) -> list[str]:
    texts = (profile.level_text(float(getattr(site.site, f"{kind}_kg_per_j"))) for kind, profile in profiles.items())
    return [text for text in texts if text]


def _named(made: Configuration, window: Window) -> dict[str, Any]:
    """Return the fields of an answer that say what it is about."""
    bought = {"offer": made.deal.offer, "purchase": made.deal.purchase} if made.deal else {}
    return {"configuration": made.text, "asked": window.asked, "site": made.setting.site.name} | bought


def hourly_profiles(site: str, file: Path | None, start: dt.datetime, window_s: float) -> Mapping[str, Profile]:
    """Return the hourly profiles of a site by kind: of the file, else of the user's own catalog."""
    catalog = load()
    places = catalog.hourly_places(catalog.sites[site]) if site else ()
    if file is None:
        return catalog.profiles_of(places, start, math.ceil(window_s / HOUR_S) + 1)
    found: dict[str, Profile] = {}
    for one in read_profiles(file):
        if not one.place or one.place in places or one.place == site:
            found.setdefault(one.quantity, one)
    if not found:
        here = ", ".join(places) or "a site that the offer does not name"
        raise BadInput(f"{file}: no hourly profile of {here}; leave out the column place to use it anyway")
    return found


def slot_of(window_s: float) -> float:
    """Return the length of a slot: five minutes in a week, an hour in a season.

    >>> [slot_of(days * 86400.0) for days in (1, 7, 14, 90)]
    [300.0, 300.0, 600.0, 3600.0]
    """
    return next((slot for slot in SLOTS_S if window_s / slot <= MOST_SLOTS), SLOTS_S[-1])


def _load(made: Configuration, slot_s: float, restart_s: float, idle_w: float, held: bool) -> Load:
    """Return what the run asks of the slots; its energy is spread evenly over them."""
    work = max(1, math.ceil(float(made.prediction.draw.wall_s) / slot_s - 1e-9))
    restart = math.ceil(restart_s / slot_s)
    return Load(
        work=work,
        restart=restart,
        work_j=float(made.prediction.energy.facility_j) / work,
        restart_j=idle_w * restart_s / restart if restart else 0.0,
        idle_j=idle_w * slot_s if held else 0.0,
    )


def _schedules(load: Load, signal: Array | None) -> dict[str, Schedule]:
    found = {"start now": started_now(load)}
    if signal is None:
        return found
    return found | {"best start": flexible(load, signal), "pause and resume": paused(load, signal)}


def _by_slot(profile: Profile, site: SiteOption, kind: str, begin: dt.datetime, slots: int, slot_s: float) -> Array:
    """Return the intensity of each slot: a usual day is laid over the site's own mean of the year, if known."""
    first = hour_of(begin)
    offset_s = (begin - first).total_seconds()
    hours = math.ceil((offset_s + slots * slot_s) / HOUR_S)
    values = profile.hours(first, hours)
    own = float(getattr(site.site, f"{kind}_kg_per_j"))
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
    site: SiteOption,
    before: Sequence[Way],
) -> Way:
    usd_per_s, restart_s, run_usd = rates
    slots = next(iter(lit.values())).size if lit else schedule.end
    drawn = joules(schedule, load, slots)
    idle = schedule.end - load.work - load.restart * schedule.pauses
    kilograms = {kind: float(drawn @ signal) for kind, signal in lit.items()}
    more_s = restart_s * schedule.pauses + (idle * slot_s if load.idle_j else 0.0)
    gross, marginal = (kilograms.get(kind, math.nan) for kind in (AVERAGE, MARGINAL))
    avoided = avoided_kgco2e(before[0].co2e_marginal_kg, marginal) if before else math.nan
    stretches = tuple(
        (begin + dt.timedelta(seconds=first * slot_s), begin + dt.timedelta(seconds=last * slot_s))
        for first, last in schedule.spans
    )
    return Way(
        name=name,
        start=stretches[0][0],
        end=stretches[-1][1],
        pauses=schedule.pauses,
        stretches=stretches,
        energy_facility_kwh=float(drawn.sum()) / KWH_J,
        energy_idle_kwh=float(idle * load.idle_j) / KWH_J,
        energy_restart_kwh=float(schedule.pauses * load.restart * load.restart_j) / KWH_J,
        cost_usd=float(run_usd + usd_per_s * more_s),
        co2e_location_gross_kg=gross,
        co2e_marginal_kg=marginal,
        co2e_avoided_kg=float(avoided),
        co2e_year_mean_kg=float(drawn.sum() * site.site.location_gross_kg_per_j),
    )


def _notes(site: str, signal: str, held: bool, late: bool) -> tuple[str, ...]:
    where = site or "the site"
    notes = []
    if not signal:
        notes.append(
            f"no hourly intensity of {where} is known, so no hour can be preferred: steelyard catalog refresh "
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
    if late:
        notes.append("at the upper end of its interval the run misses the deadline even if it starts now")
    return tuple(notes)


def _aligned(start: dt.datetime, slot_s: float) -> dt.datetime:
    """Return the first slot's begin at or after a moment: slots lie on the grid of the hour."""
    hour = hour_of(start)
    zoned = start.replace(tzinfo=dt.UTC) if start.tzinfo is None else start
    past = math.ceil((zoned - hour).total_seconds() / slot_s)
    return hour + past * dt.timedelta(seconds=slot_s) if past * slot_s < HOUR_S else hour + HOUR
