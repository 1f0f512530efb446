"""From rows of candidates to points: named, with intervals, and what a person needs to act on them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from steelyard.formatting.interval import Interval
from steelyard.job import JobSpec
from steelyard.layout import text_of
from steelyard.market.options import Deal, Market, StackOption
from steelyard.planner.answers import Bill, Point
from steelyard.planner.unstated.fit import ANSWERS, fit_of
from steelyard.planner.unstated.mixtures import Branch, branch_of, memory_branches
from steelyard.planner.unstated.possible import possible_ends, possible_runs
from steelyard.planner.unstated.ways import NETWORK, OF_MEMORY, PossibleRun, ways_to_run
from steelyard.reasons.draws import Setting, intervals
from steelyard.reasons.summaries import setting_of
from steelyard.run import availability_interval_s, checkpoint_bytes, interruptions_per_s, save_s, unsaved_s
from steelyard.search.candidates import Candidates, objectives
from steelyard.search.engine import Engine
from steelyard.strategies.settings import NAMED, setting_name, spelled_number
from steelyard.tables import Job, Layout, Machine, Policy, Prediction, each
from steelyard.units import HOUR_S, KWH_J
from steelyard.vocabulary import CO2E_KINDS

_PARTS = ("compute_usd", "unused_usd", "energy_usd", "storage_usd", "moving_usd")


@dataclass(frozen=True, slots=True)
class Configuration:
    """One configuration as numbers: everything it stands on, and its prediction."""

    setting: Setting
    prediction: Prediction  # the whole of it, plain numbers
    system: str
    deal: Deal | None  # None: judged without an offer
    unsold: str = ""  # why there is no offer, where one was looked for
    beyond_recipes: str = ""  # why its layout is not what recipes of its stack have; empty: it is
    fits_with: str = ""  # what fits where it may not or does not; empty: it does, or nobody looked
    unstated: tuple[str, ...] = ()  # settings that nobody stated, as `job.unstated` calls them
    branches: tuple[Branch, ...] = ()  # settings that its memory may be of, where that is open
    others: tuple[tuple[StackOption, Layout], ...] = ()  # stacks that it may be run on instead, where it names none
    possible: tuple[PossibleRun, ...] = ()  # ways to run it where that is open, itself the first

    @property
    def devices(self) -> int:
        """How many devices run the job."""
        return int(self.setting.layout.devices)

    @property
    def text(self) -> str:
        """How many of what, laid out how, with what."""
        one = self.setting
        return f"{self.devices} × {one.hardware.accelerator}, {text_of(one.layout)}, {one.stack.name}"


def configuration_of_row(job: Job, market: Market, engine: Engine, found: Candidates, row: int) -> Configuration:
    """Return a row of candidates as a configuration."""
    deal = market.deals[found.deal[row]]
    return configured(setting_of(job, market, found, row), engine, deal.system, deal)


def configured(setting: Setting, engine: Engine, system: str, deal: Deal | None) -> Configuration:
    """Return a setting with its prediction."""
    hardware = setting.hardware
    found = engine.predict(
        setting.job, setting.layout, hardware.machine, hardware.kernels, setting.stack.stack, setting.policy,
        setting.site.site, setting.offer,
    )  # fmt: skip
    return Configuration(setting, each(found, lambda value: float(np.asarray(value))), system, deal)


def opened(
    made: Configuration, spec: JobSpec, unstated: Sequence[str], others: Sequence[tuple[StackOption, Layout]]
) -> Configuration:
    """Return a configuration with the settings that its memory and its time may be of.

    Args:
        made: the configuration.
        spec: its job.
        unstated: settings that nobody stated, as `job.unstated` calls them.
        others: other stacks that the job may be run on, each with its layout.
    """
    held = ways_to_run(made.setting, others, spec, [name for name in unstated if name in OF_MEMORY])
    return replace(
        made,
        unstated=tuple(unstated),
        branches=memory_branches(held, spec, unstated),
        others=tuple(others),
        possible=possible_runs(ways_to_run(made.setting, others, spec, [*unstated, NETWORK]), spec),
    )


def objective_intervals(made: Configuration, engine: Engine, carbon: str) -> tuple[Interval, ...]:
    """Return time, money, facility energy (J) and CO2e of one kind, each with its interval over every possible run."""
    ends = possible_ends(made.possible, carbon) if len(made.possible) > 1 else intervals(made.setting, engine, carbon)
    values = objectives(made.prediction, carbon)[0]
    return tuple(_ordered(float(value), *ends[:, column]) for column, value in enumerate(values))


def point_of(made: Configuration, figures: Sequence[Interval], label: str, today: date, **reasons: object) -> Point:
    """Return a configuration as a point; `reasons` are what binds it, its ties, what it is preferred over."""
    return Point(**point_fields(made, figures, today), label=label, **reasons)  # type: ignore[arg-type]  # fields by name


def point_fields(made: Configuration, figures: Sequence[Interval], today: date) -> dict[str, object]:
    """Return the fields of a point, but for its label and its reasons."""
    one, found = made.setting, made.prediction
    time_s, cost_usd, energy_j, co2e_kg = figures
    fit = fit_of(made.branches or (branch_of(one, found.memory),))
    return {
        "time_s": time_s,
        "cost_usd": cost_usd,
        "energy_facility_kwh": energy_j.scaled(1 / KWH_J),
        "co2e_kg": co2e_kg,
        "memory_bytes": fit.memory_bytes,
        "memory_limit_bytes": fit.limit_bytes,
        "fits": fit.answer,
        "fits_word": fit.word,
        "fits_shown": ANSWERS[fit.word_shown],
        "fits_share": fit.share,
        "fits_reason": fit.unknown_host,
        "fits_with": made.fits_with,
        "host_bytes": fit.host_bytes,
        "host_limit_bytes": fit.host_limit_bytes,
        "nvme_bytes": fit.nvme_bytes,
        "nvme_limit_bytes": fit.nvme_limit_bytes,
        "devices": made.devices,
        "accelerator": one.hardware.accelerator,
        "system": made.system,
        "stack": one.stack.name,
        "stack_written": one.stack.written,
        "layout": layout_numbers(one.layout),
        "layout_text": text_of(one.layout),
        "bill": Bill(**{name: float(getattr(found.money, name)) for name in _PARTS}),
        **interruption_costs(one.job, one.layout, one.hardware.machine, one.policy, found),
        "site": one.site.name,
        "site_candidates": one.site.possible_sites,
        "energy_accelerator_kwh": found.energy.accelerator_j / KWH_J,
        "energy_it_kwh": found.energy.it_j / KWH_J,
        **{f"co2e_{name}_kg": getattr(found.carbon, f"{name}_kgco2e") for name in _CARBON},
        "water_m3": found.carbon.water_m3,
        **(_deal_fields(made.deal, today) if made.deal else {}),
    }


_CARBON = (*CO2E_KINDS, "embodied")


def _deal_fields(deal: Deal, today: date) -> dict[str, object]:
    age = float((today - date.fromisoformat(deal.price_date)).days) if deal.price_date else math.nan
    return {
        "offer": deal.offer,
        "purchase": deal.purchase,
        "price_usd_per_device_h": deal.usd_per_device_s * HOUR_S,
        "price_date": deal.price_date,
        "price_age_days": age,
        "price_source": deal.price_source,
        "price_doubts": deal.flags,
        "tariffs": deal.tariffs,
    }


def layout_numbers(layout: Layout) -> dict[str, int | str]:
    """Return a layout's degrees as whole numbers, recomputation and schedule as words."""
    numbers: dict[str, int | str] = {name: int(getattr(layout, name)) for name in Layout.__slots__}
    return numbers | {name: setting_name(name, int(getattr(layout, name))) for name in NAMED}


def layout_of(numbers: Mapping[str, int | str]) -> Layout:
    """Return the layout that `layout_numbers` was made of."""
    named = {name: spelled_number(name, str(value)) for name, value in numbers.items() if name in NAMED}
    if unknown := [name for name, number in named.items() if number is None]:
        raise ValueError(f"{unknown[0]} is {numbers[unknown[0]]!r}")
    return Layout(**{name: float(named.get(name, value)) for name, value in numbers.items()})  # type: ignore[arg-type]


def _ordered(value: float, low: float, high: float) -> Interval:
    """Return a value with ends that do not exclude it."""
    return Interval(value, min(float(low), value), max(float(high), value))


def interruption_costs(
    job: Job, layout: Layout, machine: Machine, policy: Policy, found: Prediction
) -> dict[str, float]:
    """Return what interruptions make of a run: how many to expect, how often to save, and what they cost.

    Lost are the dollars paid while nothing new is learnt: saving, restarting, and doing work again.
    """
    rate = float(
        interruptions_per_s(
            layout.devices, policy.failures_per_device_s, machine.node_devices, policy.preemptions_per_node_s
        )
    )
    parameters = job.workload.params * job.trainable_share
    one = checkpoint_bytes(parameters, job.element_bytes, job.master_bytes, job.moment_bytes)
    blocking = save_s(one, layout.devices, policy.checkpoint_bytes_per_s) * policy.checkpoint_blocking
    saved = rate > 0 and policy.unsaved == 0 and blocking > 0
    interval = float(availability_interval_s(1 / rate, policy.restart_s, blocking)) if saved else math.nan
    draw = found.draw
    once = float(draw.wall_s * draw.goodput * (1 + policy.evaluation_share) + policy.warmup_s)
    lost = max(float(draw.wall_s) - once, 0.0) / float(draw.wall_s)
    return {
        "interruptions": rate * float(draw.wall_s),
        "interruption_mean_s": 1 / rate if rate > 0 else math.nan,
        "checkpoint_interval_s": interval,
        "checkpoint_bytes": float(one),
        "goodput": float(draw.goodput),
        "lost_usd": lost * float(found.money.compute_usd),
    }


def unsaved_loss_s(layout: Layout, machine: Machine, policy: Policy, found: Prediction) -> float:
    """Return the seconds that the same run loses on average if it saves nothing."""
    rate = interruptions_per_s(
        layout.devices, policy.failures_per_device_s, machine.node_devices, policy.preemptions_per_node_s
    )
    draw = found.draw
    work = draw.wall_s * draw.goodput * (1 + policy.evaluation_share)
    return float(unsaved_s(work, rate) * (1 + rate * policy.restart_s) - work)
