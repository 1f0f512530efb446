"""One prediction taken apart: where its seconds, bytes, joules, dollars and grams go, term by term.

Each term names the public formula that makes it; what that formula is and where it was published is read from its own
docstring, so that the text cannot drift from the code.
"""

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from steelyard.energy.boundaries import accelerator_j, host_j
from steelyard.tables import Carbon, Draw, Energy, Money, Prediction, StepMemory, StepTime


@dataclass(frozen=True, slots=True)
class Term:
    """One part of one arm of the beam."""

    arm: str  # time, memory, run, power, energy, money, carbon
    name: str
    value: float  # in the arm's SI unit
    unit: str
    share: float  # of the arm's total; NaN where the parts are no sum
    formula: str  # module.function below steelyard
    source: str = ""  # of the formula, where it was asked for


TIME_TERMS: Final = (
    ("gemm_s", "matrix products", "step.kernels.gemm.gemm_s"),
    ("attention_s", "attention", "step.kernels.attention.attention_s"),
    ("pointwise_s", "element-wise work", "step.kernels.pointwise.pointwise_s"),
    ("vocab_s", "output layer and loss", "step.kernels.gemm.gemm_s"),
    ("recompute_s", "recomputation", "step.time.time"),
    ("host_s", "waiting for launches", "step.time.time"),
    ("tp_s", "tensor-parallel traffic", "step.network.collectives.hierarchical_all_reduce_s"),
    ("cp_s", "context-parallel traffic", "step.network.collectives.send_s"),
    ("ep_s", "expert traffic", "step.network.experts.dispatch_s"),
    ("pp_s", "stage-to-stage traffic", "step.network.collectives.send_s"),
    ("bubble_s", "pipeline bubble", "step.time.time"),
    ("dp_s", "gradient and parameter traffic", "step.network.collectives.hierarchical_all_gather_s"),
    ("optimizer_s", "optimizer and fixed cost", "step.time.time"),
)
MEMORY_TERMS: Final = (
    ("weights_bytes", "weights", "step.states.weight_bytes"),
    ("gradients_bytes", "gradients", "step.states.states"),
    ("optimizer_bytes", "optimizer states", "step.states.states"),
    ("activations_bytes", "activations", "step.tensors.activations.block_bytes"),
    ("logits_bytes", "logits", "step.tensors.buffers.edge_bytes"),
    ("buffers_bytes", "buffers and working set", "step.tensors.buffers.gathered_bytes"),
    ("paged_bytes", "paged optimizer states", "step.memory.memory"),
)
STATES: Final = (
    ("compute", "computing"),
    ("memory", "bound by memory"),
    ("communication", "communicating"),
    ("waiting", "waiting for launches or another stage"),
    ("checkpoint", "writing checkpoints"),
    ("idle", "starting and restarting"),
)
BILL: Final = (
    ("unused_usd", "unused part of the commitment", "money.commitment.unused_usd"),
    ("energy_usd", "electricity", "money.bill.electricity_usd"),
    ("storage_usd", "storage of data and checkpoints", "money.bill.storage_usd"),
    ("moving_usd", "moving data to the site", "money.bill.moving_usd"),
)
CARBON_TERMS: Final = (
    ("location_gross_kgco2e", "location-based, gross"),
    ("location_net_kgco2e", "location-based, net"),
    ("market_kgco2e", "market-based"),
    ("marginal_kgco2e", "marginal"),
)


def terms(found: Prediction) -> list[Term]:
    """Return every term of one prediction, arm by arm."""
    return [
        *time_terms(found.time),
        *memory_terms(found.memory),
        *run_terms(found.draw),
        *energy_terms(found.draw, found.energy),
        *money_terms(found.draw, found.money),
        *carbon_terms(found.carbon),
    ]


def time_terms(step: StepTime) -> list[Term]:
    """Return where the seconds of one optimizer step go."""
    return _parts("time", "s", ((name, formula, getattr(step, field)) for field, name, formula in TIME_TERMS))


def memory_terms(peak: StepMemory) -> list[Term]:
    """Return where the bytes of the heaviest rank go; what the device shows beyond them stands last."""
    rows = [(name, formula, getattr(peak, field)) for field, name, formula in MEMORY_TERMS]
    rows.append(("fragmentation", "step.memory.memory", peak.reserved_bytes - peak.allocated_bytes))
    context = peak.device_bytes - peak.reserved_bytes - peak.paged_bytes
    rows.append(("context and communication library", "step.memory.memory", context))
    return _parts("memory", "byte", rows)


def run_terms(drawn: Draw) -> list[Term]:
    """Return where the wall-clock time of the run goes."""
    return _parts("run", "s", ((name, "run.clock.states_s", getattr(drawn, f"{key}_s")) for key, name in STATES))


def energy_terms(drawn: Draw, used: Energy) -> list[Term]:
    """Return where the joules at the facility's meter go."""
    rows = [
        (
            f"accelerators, {name}",
            "energy.boundaries.accelerator_j",
            accelerator_j(drawn.devices, getattr(drawn, f"{key}_s"), getattr(drawn, f"{key}_w")),
        )
        for key, name in STATES
    ]
    rows.append(("hosts and network", "energy.boundaries.host_j", host_j(drawn.devices, drawn.wall_s, drawn.host_w)))
    rows.append(("cooling and power supply", "energy.boundaries.facility_j", used.facility_j - used.it_j))
    return _parts("energy", "J", rows)


def money_terms(drawn: Draw, spent: Money) -> list[Term]:
    """Return what is paid for: devices from start to finish, whatever their state, and what is billed beside them."""
    rate = spent.compute_usd / drawn.wall_s
    states = [(name, "money.rent.rent_usd", rate * getattr(drawn, f"{key}_s")) for key, name in STATES]
    beside = [(name, made, getattr(spent, field)) for field, name, made in BILL]
    return _parts("money", "usd", [*states, *beside])


def carbon_terms(emitted: Carbon) -> list[Term]:
    """Return CO2e by kind, alternatives that are never a sum, and embodied carbon and water beside them."""
    kinds = [(name, "carbon.operational.operational_kgco2e", getattr(emitted, field)) for field, name in CARBON_TERMS]
    kinds.append(("embodied", "carbon.operational.embodied_kgco2e", emitted.embodied_kgco2e))
    rows = [Term("carbon", name, float(value), "kgco2e", float("nan"), formula) for name, formula, value in kinds]
    water = Term("water", "evaporated", float(emitted.water_m3), "m**3", float("nan"), "carbon.operational.water_m3")
    return [*rows, water]


def formula(name: str) -> Mapping[str, str]:
    """Return what a formula is and where it comes from, as its docstring says.

    >>> sorted(formula("workload.flops.product_flop").items())
    [('formula', 'workload.flops.product_flop'), ('source', 'Narayanan et al. 2021, ...'), ('what', 'FLOPs of one ...')]
    """
    module, _, function = f"steelyard.{name}".rpartition(".")
    text = getattr(importlib.import_module(module), function).__doc__ or ""
    source = re.search(r"Source:(.*?)(?=\n\s*\n|\n\s*Limits:|\Z)", text, re.DOTALL)
    return {
        "formula": name,
        "what": text.strip().split("\n\n")[0].replace("\n", " "),
        "source": " ".join(source[1].split()) if source else "",
    }


def _parts(arm: str, unit: str, rows: Iterable[tuple[str, str, Any]]) -> list[Term]:
    """Return the terms of a sum, those that are nothing left out."""
    found = [(name, made, float(value)) for name, made, value in rows]
    total = sum(value for _, _, value in found)
    return [
        Term(arm, name, value, unit, value / total if total else float("nan"), made)
        for name, made, value in found
        if value != 0
    ]
