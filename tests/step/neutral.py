"""A machine, kernels and a stack on which everything is free but what a test gives a price.

Rates that no test names are so high that their seconds vanish; efficiencies and exposed shares are 1, starts and host
time 0, and each device is a domain of its own, so that a group of n is a ring of n on the network. What a step then
takes is one term of it, and a paper's formula gives the number.
"""

import math
from typing import Any

from tests.shapes import filled, gpt, pretraining

from steelyard import pipeline
from steelyard.step import memory, stage_job
from steelyard.tables import Job, Kernels, Layout, Machine, Offer, Policy, Site, Stack, StepMemory, StepTime

FREE = 1e60
L, H, A, V, S, B = 4, 1024, 16, 50_000, 512, 8  # layers, width, heads, vocabulary, tokens of a sequence, batch
PEAK, MEMORY, NETWORK, LINK = 1e12, 1e11, 1e9, 1e10
HIDDEN = S * H * 2.0  # bytes of one sequence's hidden state
GPT = gpt(L, H, A, V)
JOB = pretraining(GPT, S, B)
PARAMS = GPT.total_params
EXPERTS = {"moe_layers": float(L), "moe_ffn": 512.0, "experts": 8.0, "top_k": 2.0}
ROUTED = 8 * 2 * H * 512.0  # parameters of a block's experts, without a gate
MOE = pretraining(gpt(L, H, A, V, **EXPERTS, shared_ffn=256.0, routed_params=ROUTED), S, 64.0)
MIXED_PARAMS = PARAMS - 2 * 8 * H**2 + 2 * ROUTED
MIXED = pretraining(
    gpt(L, H, A, V, **(EXPERTS | {"moe_layers": 2.0}), routed_params=ROUTED, total_params=MIXED_PARAMS), S, 64.0
)  # half of the blocks route each token to 2 of 8 experts
RATES = ("peak_flop_per_s", "peak16_flop_per_s", "memory_bytes_per_s", "link_bytes_per_s", "nic_bytes_per_s")
SHARES = ("gemm_efficiency", "attention_efficiency", "unfused_efficiency", "memory_efficiency", "link_efficiency")
EXPOSED = ("tp_exposed", "dp_exposed", "ep_exposed", "pp_exposed", "vocab_exposed")
SLOWER = ("recompute_scale", "adapter_share", "eager_scale", "upcast_scale", "attention_upcast_scale")


def machine(**given: float) -> Machine:
    """Return a machine that is free but for what is given."""
    values = dict.fromkeys((*RATES, "host_bytes_per_s"), FREE) | {"domain_devices": 1.0, "node_devices": 1.0}
    return filled(Machine, **(values | given))


def kernels(**given: float) -> Kernels:
    """Return kernels that reach every peak at every shape, but for what is given."""
    values = dict.fromkeys((*SHARES, "nic_efficiency", "time_scale", "attention_legacy"), 1.0)
    return filled(Kernels, **(values | given))


def stack(**given: float) -> Stack:
    """Return a stack that hides nothing and adds nothing, with 2-byte weights and gradients, but for what is given."""
    values = dict.fromkeys((*EXPOSED, *SLOWER, "time_scale", "attention_native", "attention_share"), 1.0)
    return filled(Stack, **(values | dict.fromkeys(("weight_bytes", "gather_bytes", "grad_bytes"), 2.0) | given))


def peak(job: Job, laid: Layout, **given: float) -> StepMemory:
    """Return peak memory under a stack that keeps and adds nothing but what is given."""
    scales = dict.fromkeys(("selective_scale", "score_copies", "score_gradients", "reserved_scale"), 1.0)
    return memory(
        stage_job(job, laid),
        filled(Machine, memory_bytes=FREE, context_bytes=math.nan),
        filled(Stack, **(scales | given)),
    )


def step(job: Job, laid: Layout, *tables: Machine | Kernels | Stack, **rates: float) -> StepTime:
    """Return a step where everything is free but the rates given and what the tables given say."""
    found = {type(table): table for table in (machine(**rates), kernels(), stack(), *tables)}
    rest = filled(Policy, checkpoint_bytes_per_s=1.0, lifetime_s=1.0), filled(Site), Offer.rent(0.0)
    return pipeline.predict(job, laid, found[Machine], found[Kernels], found[Stack], *rest).time


def alone(part: str, job: Job, laid: Layout, *tables: Any, **rates: float) -> float:
    """Return one part of such a step, which is all of it."""
    taken = step(job, laid, *tables, **rates)
    seconds = float(getattr(taken, part))
    assert abs(float(taken.total_s) - seconds) <= 1e-9 * seconds, "another part of the step is not free"
    return seconds
