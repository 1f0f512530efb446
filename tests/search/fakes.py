"""Small random worlds and a stand-in for the pipeline that keeps its laws: nothing here is calibrated."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
from tests.shapes import filled, gpt, pretraining

from steelyard.carbon import carbon
from steelyard.catalog import load
from steelyard.catalog.peaks import PeakSpread
from steelyard.energy import energy
from steelyard.market.options import Deal, HardwareOption, Market, SiteOption, StackOption
from steelyard.money import money
from steelyard.run import draw
from steelyard.search.engine import Engine
from steelyard.tables import (
    Draw,
    Job,
    Kernels,
    Layout,
    Machine,
    Offer,
    Policy,
    Prediction,
    Site,
    Stack,
    StepMemory,
    StepTime,
)

JOB = pretraining(gpt(4, 256, 4), 1024, 16, tokens=1e9)
STACKS = ("megatron-core", "fsdp2", "deepspeed")


FRAME = ("devices", "tp", "pp", "vpp", "cp", "dp", "micro_batch")
SHARDING = ("zero", "shard_devices")
NOISE = 0.1


def mixed(layout: Layout, seed: float) -> Any:
    """Return a number around 1 that looks random and depends on every degree but recompute and offload."""
    return framed(layout, seed) * (1 + NOISE * _sine(layout, SHARDING, seed))


def framed(layout: Layout, seed: float) -> Any:
    """Return its part that sharding has no hand in: from 0.5 to 1.5."""
    return 1 + 0.5 * _sine(layout, FRAME, seed)


def _sine(layout: Layout, names: tuple[str, ...], seed: float) -> Any:
    total = sum((k + 1.37) * np.sqrt(getattr(layout, name)) for k, name in enumerate(names))
    return np.sin(12.9898 * total + seed)


def fake_memory(job: Job, layout: Layout, machine: Machine, stack: Stack) -> StepMemory:
    """Recomputing and offloading save memory; everything else is noise around a device's share."""
    saved = (1 - 0.2 * layout.recompute) * (1 - 0.3 * layout.offload)
    device = 8e9 * mixed(layout, stack.context_bytes) * saved / np.sqrt(layout.devices)
    return filled(StepMemory, device_bytes=device, needed_bytes=device)


def fake_predict(
    job: Job,
    layout: Layout,
    machine: Machine,
    kernels: Kernels,
    stack: Stack,
    policy: Policy,
    site: Site,
    offer: Offer,
) -> Prediction:
    """A step whose seconds are noise over the devices' peak, more when recomputing; the rest is real."""
    work = 6e15 / (layout.devices * machine.peak_flop_per_s)
    gemm = work * mixed(layout, stack.context_bytes) * (1 + 0.2 * layout.recompute) * kernels.time_scale
    waiting = work * mixed(layout, stack.context_bytes + 1) + 0.1 * work * layout.offload * np.sin(7.3 * layout.tp)
    waiting = waiting * kernels.time_scale
    step = filled(StepTime, gemm_s=gemm, dp_s=waiting, total_s=gemm + waiting, model_flop=3e15)
    peak = fake_memory(job, layout, machine, stack)
    drawn = draw(job, step, peak, layout, machine, kernels, policy)
    used = energy(drawn, site)
    return Prediction(step, peak, drawn, used, carbon(drawn, used, site, machine, policy), money(drawn, used, offer))


def fake_floor(job: Job, layout: Layout, machine: Machine, kernels: Kernels, stack: Stack, policy: Policy) -> Draw:
    """The least that noise and offload leave of a frame's step."""
    work = 6e15 / (layout.devices * machine.peak_flop_per_s)
    least = work * (1 - NOISE)
    gemm = least * framed(layout, stack.context_bytes) * (1 + 0.2 * layout.recompute) * kernels.time_scale
    waiting = least * framed(layout, stack.context_bytes + 1) - 0.1 * work * np.abs(np.sin(7.3 * layout.tp))
    waiting = waiting * kernels.time_scale
    step = filled(StepTime, gemm_s=gemm, dp_s=waiting, total_s=gemm + waiting)
    return draw(job, step, filled(StepMemory), layout, machine, kernels, policy)


FAKE = Engine(fake_predict, fake_memory, fake_floor)
PEAKS = PeakSpread(0.1, 0.0, 0.0, 0.0, 0.0, 0.0)


def chip(name: str, peak: float, memory: float, domain: float, vendor: str = "NVIDIA") -> HardwareOption:
    """Return a chip of round numbers."""
    numbers = {field.name: 1.0 for field in fields(Machine)}
    numbers |= {"peak_flop_per_s": peak, "memory_bytes": memory, "domain_devices": domain, "node_devices": domain}
    numbers |= {"host_memory_bytes": np.inf, "tdp_w": 500.0, "idle_w": 50.0, "host_w": 100.0}
    shares = {field.name: 0.5 for field in fields(Kernels)} | {"time_scale": 1.0, "compute_power": 0.9}
    return HardwareOption(name, vendor, Machine(**numbers), Kernels(**shares), {"time_scale": 0.1})


def tool(name: str, seed: float) -> StackOption:
    """Return a stack that differs from others by a seed."""
    return StackOption(name, filled(Stack, context_bytes=seed), load().capability(name), PEAKS, {"time_scale": 0.1})


def site(pue: float, intensity: float) -> Site:
    """Return a site; intensity in kg per kWh."""
    return Site(pue, intensity / 3.6e6, intensity / 3.6e6, np.nan, np.nan, 0.0, 0.0)


def policy(preemptions: float = 0.0) -> Policy:
    """Return an operation with some loss of each kind."""
    return Policy(300.0, 0.01, 1e8, 0.2, 0.0, 1e-8, 600.0, preemptions, 1e8)


def market(seed: int) -> Market:
    """Return a random market of three chips, two stacks, three sites (one unknown), and a dozen deals."""
    random = np.random.default_rng(seed)
    chips = tuple(
        chip(f"chip-{k}", 1e12 * random.uniform(1, 4), 1e9 * random.uniform(2, 9), float(random.choice([1, 4, 8])))
        for k in range(3)
    )
    chips = (*chips[:2], replace(chips[2], machine=replace(chips[2].machine, tdp_w=np.nan)))  # of unknown power
    names = random.permutation(STACKS)[:2]
    tools = tuple(tool(str(name), float(k)) for k, name in enumerate(names))
    sites = [site(random.uniform(1, 1.6), random.uniform(0.01, 0.8)) for _ in range(2)]
    places = tuple(SiteOption(f"site-{k}", one) for k, one in enumerate([*sites, site(np.nan, np.nan)]))
    policies = (policy(), policy(random.uniform(0, 1e-6)))
    deals = tuple(_deal(k, random) for k in range(12))
    return Market(chips, tools, places, policies, ({}, {}), deals, {"NVIDIA": (0, 1)})


def _deal(index: int, random: np.random.Generator) -> Deal:
    unit = int(random.choice([1, 2, 4]))
    return Deal(
        offer=f"offer-{index}",
        system=f"system-{index % 3}",
        provider="fake",
        hardware=index % 3,
        site_index=int(random.integers(3)),
        policy=int(random.integers(2)),
        unit=unit,
        most=unit * int(random.choice([2, 8])),
        purchase="on-demand",
        usd_per_device_s=float(random.uniform(1, 5)) / 3600,
        term_s=float(random.choice([0.0, 0.0, 30 * 86400.0])),
        term_per_use=float(random.choice([1.0, 1.5, np.inf])),
        usd_per_facility_j=float(random.choice([0.0, 0.0, 0.1])) / 3.6e6,
        storage_usd_per_s=float(random.choice([0.0, 1e-3])),
        moving_usd=float(random.choice([0.0, 10.0])),
    )
