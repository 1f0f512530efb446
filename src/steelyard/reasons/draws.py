r"""How sure a point is, and its lead over another: the pipeline once more under many draws of what is uncertain.

Each uncertain constant is multiplied by :math:`e^{\sigma z}` with its own spread :math:`\sigma` from the catalog; the
intervals run from the 5th to the 95th percentile. Drawn are the residual factors of chip and stack on a step (their
spread is what held-out runs show, so it already holds the spreads of the efficiencies underneath, which are therefore
not drawn again), the power shares, how a run is operated, and the values of PUE and intensity that equally near
sources give for the site (one of them each draw, all equally likely). Prices are quotes and are not drawn.

**Shared draws.** What two points have in common is drawn once for both and cancels when they are compared: the factor
and the power shares of a chip, the factor of a stack, the operation of a run, the PUE of a site, the intensity of a
grid. What is a layout's own does not cancel: a part of its stack's spread, as large as measured layouts of one job
scatter around the prediction (`Catalog.layout_spread`), is drawn for each layout by itself. The spread of a point is
the same either way.

A column of draws fills (0, 1) evenly (a Latin hypercube) in an order that its name decides: the same plan has the same
intervals, and 200 draws place the percentiles well.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog.local.step_shift import narrowed_log_sd, pair_name
from steelyard.catalog.spread import FACTOR, Traits, job_traits
from steelyard.layout import text_of
from steelyard.market.options import HardwareOption, SiteOption, StackOption
from steelyard.search.engine import Engine
from steelyard.step import waiting_share
from steelyard.tables import Job, Kernels, Layout, Offer, Policy, Prediction, Site, each, join
from steelyard.units import Array

DRAWS = 200
SEED = 2021
LOW, HIGH = 5.0, 95.0
KERNELS = (
    "time_scale",
    "compute_power",
    "memory_power",
    "communication_power",
    "waiting_power",
    "checkpoint_power",
    "idle_power",
    "host_power",
    "network_power",
)


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything that one point stands on."""

    job: Job
    layout: Layout
    hardware: HardwareOption
    stack: StackOption
    policy: Policy
    policy_log_sd: Mapping[str, float]
    site: SiteOption
    offer: Offer
    layout_log_sd: float = 0.0  # of its stack's spread, what is this layout's own


def intervals(setting: Setting, engine: Engine, carbon: str, draws: int = DRAWS) -> Array:
    """Return low and high of each objective: two rows, a column an objective; NaN where it is unknown."""
    return percentile_ends(drawn_objectives([setting], engine, carbon, draws)[:, 0])


def percentile_ends(values: Array) -> Array:
    """Return the ends of the interval of each column of draws: percentiles, NaN where a draw is unknown.

    >>> percentile_ends(np.array([[0.0, 1.0], [10.0, np.nan], [20.0, 2.0]]))
    array([[ 1., nan],
           [19., nan]])
    """
    ordered, last = np.sort(values, axis=0), values.shape[0] - 1
    place = np.array([LOW, HIGH]) / 100 * last
    before = np.minimum(place.astype(np.intp), max(last - 1, 0))
    share = (place - before).reshape(-1, *[1] * (values.ndim - 1))
    low, high = ordered[before], ordered[np.minimum(before + 1, last)]
    found: Array = np.where(share < 0.5, low + (high - low) * share, high - (high - low) * (1 - share))
    return np.where(np.isnan(ordered[-1]), np.nan, found)


def drawn_objectives(settings: Sequence[Setting], engine: Engine, carbon: str, draws: int = DRAWS) -> Array:
    """Return every objective of every setting in every draw: draws x settings x objectives."""
    options = [one.hardware for one in settings]
    kernels = join([option.kernels for option in options])
    found = _predicted(
        settings,
        engine,
        replace(kernels, **{name: _kernel(kernels, name, options, draws) for name in KERNELS}),
        _stacks(settings, step_log_sd(settings, engine), draws),
        _policies(settings, draws),
        _sites([one.site for one in settings], draws),
    )
    return _objectives(found, carbon, (draws, len(settings)))


def central_predictions(settings: Sequence[Setting], engine: Engine) -> Prediction:
    """Return the prediction of every setting without any draw: arrays over the settings."""
    kernels = join([one.hardware.kernels for one in settings])
    scales = np.array([float(one.stack.stack.time_scale) for one in settings])
    policies, sites = join([one.policy for one in settings]), join([one.site.site for one in settings])
    found = _predicted(settings, engine, kernels, scales, policies, sites)
    return each(found, lambda value: np.broadcast_to(np.asarray(value, dtype=float), len(settings)))


def _predicted(
    settings: Sequence[Setting], engine: Engine, kernels: Kernels, scales: Array, policy: Policy, site: Site
) -> Prediction:
    """Return the prediction of settings of one job."""
    return engine.predict(
        replace(settings[0].job, batch_samples=np.array([float(one.job.batch_samples) for one in settings])),
        join([one.layout for one in settings]),
        join([one.hardware.machine for one in settings]),
        kernels,
        replace(join([one.stack.stack for one in settings]), time_scale=scales),
        policy,
        site,
        join([one.offer for one in settings]),
    )


@cache
def normal_draws(name: str, draws: int) -> Array:
    """Return the column of standard normal numbers that a name stands for."""
    column: Array = quantiles(draws)[_order(name, draws)]
    return column


@cache
def quantiles(draws: int) -> Array:
    """Return standard normal numbers that fill the distribution evenly, in rising order.

    >>> quantiles(3).round(3)
    array([-0.967,  0.   ,  0.967])
    """
    return np.array([NormalDist().inv_cdf((place + 0.5) / draws) for place in range(draws)])


def _order(name: str, draws: int) -> NDArray[np.int64]:
    order: NDArray[np.int64] = np.random.default_rng([SEED, crc32(name.encode())]).permutation(draws)
    return order


def _kernel(kernels: Kernels, name: str, options: Sequence[HardwareOption], draws: int) -> Array:
    """Return a field of the kernels of each setting, drawn where it is uncertain."""
    spreads = [option.kernels_log_sd.get(name, 0.0) for option in options]
    columns = _columns([f"{name} of {option.accelerator}" for option in options], spreads, draws)
    value: Array = getattr(kernels, name) * np.exp(columns)
    return value


def step_log_sd(settings: Sequence[Setting], engine: Engine) -> Array:
    """Return the spread of each setting's step beyond that of its chip: of its stack, and of what the step is made of.

    A stack that the user has calibrated has what its own runs leave, whatever the step is made of.
    """
    known = np.array([one.stack.stack_log_sd.get(FACTOR, 0.0) for one in settings])
    measured = np.array([one.stack.shift_log_sd for one in settings])
    if all(one.stack.spread is None for one in settings):
        return narrowed_log_sd(known, measured)
    waiting = np.broadcast_to(waiting_share(central_predictions(settings, engine).time), len(settings))
    more = [_beyond(one, float(share)) for one, share in zip(settings, waiting, strict=True)]
    return narrowed_log_sd(np.hypot(known, more), measured)


def _beyond(one: Setting, waiting: float) -> float:
    if one.stack.spread is None:
        return 0.0
    made = {name: float(np.max(flag)) for name, flag in job_traits(one.job).items()}
    made["narrow"] *= one.stack.narrow
    traits = Traits(waiting=0.0 if math.isnan(waiting) else waiting, **made)
    return float(one.stack.spread.beyond(traits))


def _stacks(settings: Sequence[Setting], spreads: Array, draws: int) -> Array:
    """Return the residual factor of each setting's stack: what its layouts share, times what is the layout's own.

    What is open of a stack on a family of chips on which no run of it was timed is that pair's alone.
    """
    own = np.minimum(spreads, [one.layout_log_sd for one in settings])
    shared = _columns([f"{FACTOR} of {one.stack.name}" for one in settings], list(np.sqrt(spreads**2 - own**2)), draws)
    names = [f"{one.hardware.accelerator} {one.stack.name} {text_of(one.layout)}" for one in settings]
    scales = np.array([float(one.stack.stack.time_scale) for one in settings])
    pairs = [f"{FACTOR} of {pair_name(one.stack.name, one.hardware.family)}" for one in settings]
    alone = _columns(pairs, [one.stack.unpaired_log_sd.get(one.hardware.family, 0.0) for one in settings], draws)
    factor: Array = scales * np.exp(shared + alone + _columns(names, list(own), draws))
    return factor


def _policies(settings: Sequence[Setting], draws: int) -> Policy:
    """Return how each run is operated, drawn where that is uncertain: alike for all runs."""
    table = join([one.policy for one in settings])
    names = {name for one in settings for name, spread in one.policy_log_sd.items() if spread}
    changed = {}
    for name in names:
        spreads = [one.policy_log_sd.get(name, 0.0) for one in settings]
        changed[name] = getattr(table, name) * np.exp(_columns([name] * len(settings), spreads, draws))
    return replace(table, **changed)


def _sites(places: Sequence[SiteOption], draws: int) -> Site:
    """Return each site with one of its rival values each draw; grids of the same values are the same grid."""
    table = join([place.site for place in places])
    changed = {}
    for name in {name for place in places for name in place.spread}:
        base = getattr(table, name)
        columns = []
        for place, value in zip(places, base, strict=True):
            rivals = np.array(place.spread.get(name, (value,)))
            key = f"{name} of {place.name if name == 'pue' else place.spread.get(name)}"
            columns.append(rivals[_order(key, draws) * rivals.size // draws])
        changed[name] = np.stack(columns, axis=1)
    return replace(table, **changed)


def _columns(names: Sequence[str], spreads: Sequence[float], draws: int) -> Array:
    """Return a column of normal draws for each name, times its spread; one row of zeros where nothing is uncertain."""
    if not any(spreads):
        return np.zeros((1, len(names)))
    return np.stack([spread * normal_draws(name, draws) for name, spread in zip(names, spreads, strict=True)], axis=1)


def _objectives(found: Prediction, carbon: str, shape: tuple[int, int]) -> Array:
    """Return time, money, facility energy and CO2e of one kind along the last axis."""
    kilograms = getattr(found.carbon, f"{carbon}_kgco2e")
    columns = (found.draw.wall_s, found.money.total_usd, found.energy.facility_j, kilograms)
    return np.stack([np.broadcast_to(np.asarray(column, dtype=float), shape) for column in columns], axis=-1)
