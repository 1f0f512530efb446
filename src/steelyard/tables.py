"""The whole story in reading order: what is trained, on what, laid out how, and what it costs.

    Job → Workload → Layout on a Machine → Step (time, memory) → Draw → Energy → Carbon, Money

Every field is a number or an array of any shape that broadcasts with its neighbours (one candidate, a million
candidates, a million candidates under many draws of an uncertain constant), so a table has no shape of its own.
A flag is 0 or 1. NaN means unknown; it is never replaced by 0. A field's unit is its alias (`units`) and the
suffix of its name. Names and labels stay at the edges (`catalog`, `job`, `report`).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, TypeVar

import numpy as np

from steelyard.units import (
    Bytes,
    BytesPerSecond,
    Count,
    CubicMetres,
    CubicMetresPerJoule,
    Flop,
    FlopPerSecond,
    Joules,
    KgCo2e,
    KgCo2ePerJoule,
    PerSecond,
    Seconds,
    Share,
    Usd,
    UsdPerJoule,
    UsdPerSecond,
    Watts,
)

# --- Model: what is trained -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a quantity: of which kind it is, and which divisor of a layout divides it (`step.divisors`)."""

    kind: str
    split: str
    amount: Count


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes that the backward pass needs: of which kind of tensor, and which divisor of a layout divides them."""

    kind: str
    split: str
    amount: Bytes


@dataclass(frozen=True, slots=True)
class Repeat:
    """How often something occurs in one block of a kind."""

    block: str
    count: Count


@dataclass(frozen=True, slots=True)
class Product:
    """One matrix product of a forward pass over one sample, and the divisor of each of its dimensions."""

    name: str
    repeats: tuple[Repeat, ...]
    rows: Count  # over all groups
    inner: Count  # summed dimension
    outer: Count
    groups: Count  # separate products that the rows are spread over
    split_rows: str
    split_inner: str
    split_outer: str
    split_groups: str


@dataclass(frozen=True, slots=True)
class Core:
    """One attention core: scores and values of one sample."""

    name: str
    repeats: tuple[Repeat, ...]
    flop: Flop  # forward, as a fused kernel computes them
    unfused_flop: Flop  # as two products compute them, masked scores too
    scores: Count  # that an unfused kernel writes
    keys: Count  # that the last query sees
    head_dim: Count


@dataclass(frozen=True, slots=True)
class Block:
    """One kind of block: how many there are, and what one of them holds, keeps, moves and exchanges for one sample."""

    name: str
    count: Count  # in the model
    leading: Share  # 1: they come before all others
    hidden: Count  # elements between two of them
    params: tuple[Part, ...]  # of routed experts and all others, by what divides them
    updates: tuple[Part, ...]  # FLOPs of one Newton-Schulz iteration over its matrices
    kept_bytes: tuple[Kept, ...]  # what its backward pass needs
    narrowed: tuple[Part, ...]  # elements of these that are the input of a product and of nothing else
    doubled: tuple[Part, ...]  # elements of these that are the input of a product as well
    moved: tuple[Part, ...]  # elements that cross memory once in a forward pass
    gathered: Count  # elements of the inputs that sequence parallelism gathers
    widest: Count  # elements of the inputs of its widest operator, divided by tp
    scores: Count  # attention scores, if they were written
    experts: Count  # routed experts (0: none)
    reductions: Count  # exchanges of the hidden state in a forward pass under tensor parallelism
    expert_reductions: Count  # the same, of experts that tensor parallelism divides
    dispatches: Count  # exchanges with experts on other ranks in a forward pass
    rings: Count  # exchanges of keys and values in a forward pass


@dataclass(frozen=True, slots=True)
class End:
    """One end of a model, for one sample: what the stage that has it computes, holds, keeps and moves."""

    params: Count  # that tensor ranks divide: a table, an output projection
    whole_params: Count  # that each rank has
    products: tuple[Product, ...]  # a look-up has none
    kept_bytes: tuple[Kept, ...]
    moved: tuple[Part, ...]  # elements that cross memory once in a forward pass, beside the loss
    logits: Count  # elements at the peak
    outputs: Count  # elements that the loss reads: the logits, or what the last product makes


@dataclass(frozen=True, slots=True)
class Divisible:
    """All that a layout asks of a model: what its degrees must divide. 1 or 0 as noted: that axis is not to be had."""

    blocks: Count  # of all kinds
    stages: Count  # pp <= stages (1: pp = 1)
    heads: Count  # tp divides it (1: tp = 1)
    kv_heads: Count  # tp divides it or is a multiple of it
    ffn: Count  # tp divides it (0: no dense MLP)
    experts: Count  # ep divides it (0: ep = 1)
    sequence: Count  # 2 cp and cp tp divide it (1: cp = 1, sp = 0)
    projection: Count  # blocks with as many parameters as the output projection


@dataclass(frozen=True, slots=True)
class Workload:
    """What one sample costs in one forward pass, before any layout: rows of a model, collapsed to sums.

    FLOP convention: a multiply-add is 2; attention counts the scores that a causal kernel computes (half of the
    square); the vocabulary projection is in, the embedding look-up is not.
    """

    blocks: tuple[Block, ...]
    products: tuple[Product, ...]
    cores: tuple[Core, ...]
    embedding: End
    head: End
    params: Count
    active_params: Count  # of a token: all less the experts that it does not visit
    hidden: Count  # elements between two blocks
    ring: Count  # elements of keys and values, before tensor parallelism divides them
    copies: Count  # experts that a token visits (0: none)
    expert_groups: Count  # in which experts are routed (0: none)
    top_k_groups: Count  # of these, those that a token may visit
    product_flop: Flop  # forward, all products of all blocks
    attention_flop: Flop  # forward, scores and values of all blocks
    embedding_flop: Flop  # forward, products before the first block
    head_flop: Flop  # forward, products behind the last block
    model_flop: Flop  # forward and backward, no recompute, every parameter trained
    tokens: Count  # for people to read
    divisible: Divisible


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the tensors of a training are kept, and how long each lives; NaN: unstated, as its stack does it.

    Each entry is a fact of a framework's code or of what its user wrote. `Stack` has a default of the same name for
    every entry; `step.recipe.settled` makes one recipe of the two.
    """

    weight_bytes: Bytes  # working copy of one trained parameter beside its master copy (bf16: 2)
    cast: Share  # 1: made from the master copy when it is used, gone at the end of the backward pass (autocast, FSDP)
    frozen_bytes: Bytes  # least bytes of a frozen parameter that is not quantised (kept in fp32: 4)
    packed_bytes: Bytes  # one quantised parameter inside the blocks, its scales included (0: none is quantised)
    base_upcast: Share  # 1: norms over a quantised base, and so hidden states, are fp32, unless parameters are sharded
    weights_on_host: Share  # parameters between their uses (CPUOffload, offload_param)
    weights_on_nvme: Share  # 1: of parameters that leave the device, on the host's drives (offload_param, nvme)
    states_on_nvme: Share  # 1: of states that are offloaded, on the host's drives (offload_optimizer, nvme)
    refetched: Share  # 1: what runs again fetches parameters from the host anew (DeepSpeed)
    states_paged: Share  # 1: optimizer states go to the host when the device is full (bitsandbytes' paged optimizers)
    offload_weights: Share  # 1: parameters go to the host with optimizer states that are offloaded (FSDP)
    grad_bytes: Bytes  # gradients of one trained parameter
    grad_life: Count  # by its number (`strategies.recipe.GRADIENT_LIVES`): persistent, autograd, fused
    grad_sharded_from: Count  # lowest ZeRO stage at which gradients are sharded
    reduce_bytes: Bytes  # of one trained parameter, a second gradient where several replicas reduce theirs
    bucket_copies: Count  # of gradients that plain data parallelism reduces, in buckets that stay (DDP: 1)
    update_bytes: Bytes  # of one parameter, kept and sharded with the moments (DeepSpeed's fp32 gradients: 4)
    step_copies: Count  # of the updated parameters, for a moment while the optimizer steps (foreach: 1)
    load_bytes: Bytes  # of one parameter, whole model on every device while it is loaded (0: loaded in shards)
    fp8_copies: Count  # kept 8-bit copies of one weight under fp8 (rowwise and columnwise: 2)
    narrow_inputs: Share  # 1: inputs of products of 8 or 4 bits are kept as these had them (Transformer Engine)
    gathered_units: Count  # blocks (or embeddings) whole at once under ZeRO-3/FSDP
    root_gathered: Share  # 1: embedding and head are one unit that stays whole from forward to backward pass (FSDP1)
    logit_bytes: Bytes  # one logit at the peak (`strategies.losses`)
    logits_gathered: Share  # 1: every tensor rank has the logits of the whole vocabulary
    norm_copies: Share  # 1: norms keep an fp32 copy of their input (eager)
    activation_inputs: Share  # 1: a gated MLP keeps its activation's input beside its output (eager)
    expanded_heads: Share  # 1: keys and values are kept for every query head
    rotary_copies: Share  # 1: queries and keys are kept before and after their rotation
    expert_loop: Share  # 1: routed experts run one after another, so that gradients of one alone are alive at once
    dispatch_bytes: Bytes  # kept of each element that is sent to an expert, beside its input and output there
    score_copies: Count  # of attention scores that are written, kept over what `kept_bytes` counts (fp32 softmax: 3)
    score_gradients: Count  # of such scores, alive at once in the backward pass
    transients: Share  # gradients inside a block that are alive at once, over those of its widest operator's inputs
    stream_bytes: Bytes  # one element between two blocks (0: as wide as the job's elements; fp32 norms: 4)
    adapter_bytes: Bytes  # kept of each element of an adapter's input: cast or dropped copy and mask
    gathered_inputs: Share  # of products' inputs that sequence parallelism gathers, kept whole for the backward pass
    saved_on_host: Share  # 1: what full recomputation keeps lies on the host
    kept_on_host: Share  # 1: so does all that blocks keep which do not run again (hooks on saved tensors)
    input_gradients: Share  # 1: of adapters whose base is sharded, inputs of blocks and gradients stay to its end


@dataclass(frozen=True, slots=True)
class Job:
    """One training job: what one sample costs, and how the model is to be trained."""

    workload: Workload
    samples: Count  # to be trained on in all: sequences, images, events
    batch_samples: Count  # of one optimizer step over all devices (the global batch)
    element_bytes: Bytes  # one activation or working weight (bf16: 2)
    gemm_bytes: Bytes  # one element inside a matrix product (fp8: 1)
    moment_bytes: Bytes  # optimizer moments of one parameter (Adam fp32: 8, 8-bit: 2, SGD: 0 or 4)
    master_bytes: Bytes  # fp32 master copy of one parameter (mixed precision: 4, pure fp32 or bf16: 0)
    newton_schulz: Count  # iterations on the update of each matrix of the blocks (Muon: 5, else 0)
    trainable_share: Share  # parameters that get gradients (1: all; LoRA: adapters / total)
    frozen_bytes: Bytes  # one frozen parameter in memory (LoRA bf16: 2, QLoRA nf4: 0.5 + scales)
    adapted_inputs: Count  # summed widths of the inputs of one block's products that have adapters (LoRA; else 0)
    recipe: Recipe  # how its tensors are kept, as far as somebody said so


# --- Machine: on what, laid out how ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts of the devices, the node and the fabric, at the job's precision."""

    peak_flop_per_s: FlopPerSecond  # dense matrix peak at the job's precision
    peak16_flop_per_s: FlopPerSecond  # dense 16-bit matrix peak (attention and router run here under fp8)
    memory_bytes: Bytes  # one device, what a program can have of it
    context_bytes: Bytes  # of a program on one device, outside its allocator; NaN: unknown, as its stack has it
    memory_bytes_per_s: BytesPerSecond
    domain_devices: Count  # devices joined by the fast links (node, or rack for NVL72, or TPU slice)
    node_devices: Count  # devices of one host
    link_bytes_per_s: BytesPerSecond  # one device, one direction, inside the fast domain
    nic_bytes_per_s: BytesPerSecond  # one device's share of the network between domains; NaN: unknown
    host_bytes_per_s: BytesPerSecond  # one device to host memory, one direction (PCIe, C2C)
    host_memory_bytes: Bytes  # of one host, beside that of its devices; NaN: unknown
    nvme_bytes: Bytes  # of one host's own drives together; NaN: unknown (0: it has none)
    nvme_read_bytes_per_s: BytesPerSecond  # of one host's drives together; NaN: unknown
    nvme_write_bytes_per_s: BytesPerSecond  # of one host's drives together; NaN: unknown
    tdp_w: Watts  # one device
    idle_w: Watts  # one device, powered and waiting
    host_w: Watts  # the rest of the node, per device, as rated: an upper bound of its draw; NaN: unknown
    embodied_kgco2e: KgCo2e  # making one device with its share of the server; NaN: unknown


@dataclass(frozen=True, slots=True)
class Kernels:
    """Calibrated speed of a chip's kernels and links: facts with a spread, from the catalog's efficiencies."""

    gemm_efficiency: Share  # of the matrix peak, large shapes
    gemm_launch_s: Seconds  # fixed cost of one matrix product
    gemm_half_width: Count  # width at which half of it is reached, the other two dimensions being wide
    attention_efficiency: Share  # of the 16-bit peak, fused kernel, long sequences and wide heads
    attention_half_tokens: Count  # sequence length at which half of it is reached
    attention_half_dim: Count  # head width at which half of it is reached
    attention_legacy: (
        Share  # of the fused rate, with kernels written for an older generation (FlashAttention-2 on Hopper)
    )
    unfused_efficiency: Share  # of the 16-bit peak, attention as two batched products
    memory_efficiency: Share  # of the memory bandwidth, element-wise kernels
    link_efficiency: Share  # of the in-domain link, large messages
    nic_efficiency: Share  # of the network, large messages
    link_hop_s: Seconds  # an empty collective inside the domain
    nic_hop_s: Seconds  # what each further domain adds to it
    nic_congestion: Share  # loss of network bandwidth at each doubling of the domains that exchange
    time_scale: Share  # residual factor of the chip on the whole step (1: none)
    compute_power: Share  # of the TDP, drawn by matrix products and attention
    memory_power: Share  # of the TDP, drawn by kernels that memory bounds
    communication_power: Share  # of the TDP, drawn while only communicating
    waiting_power: Share  # of the TDP, drawn while waiting for launches or for another stage
    checkpoint_power: Share  # of the TDP, drawn while writing a checkpoint
    idle_power: Share  # of the TDP, drawn without work, where the accelerator's own idle watts are unknown
    host_power: Share  # of the TDP, drawn by one device's share of its node while training
    network_power: Share  # of the TDP, drawn by one device's share of the switches, if the job leaves the fast domain


@dataclass(frozen=True, slots=True)
class Stack:
    """A software stack as a calibrated entity: what Megatron-core, FSDP2 or MaxText make of the same layout."""

    time_scale: Share  # residual factor on the whole step (1: none)
    layer_host_s: Seconds  # host time to launch one block's forward and backward
    moe_host_s: Seconds  # the same on top, for a block with routed experts: routing, permutation, many products
    expert_host_s: Seconds  # the same, for the products of one expert, or of a group in one launch
    expert_launches: Share  # of what an expert takes to launch, that each further one of a rank takes (grouped: 0)
    step_host_s: Seconds  # host time of one optimizer step: data, logging, zeroing
    doubling_loss: Share  # of the step, lost at each doubling of the domains: stragglers, congestion
    vocab_exposed: Share  # of the last stage's vocabulary work that the pipeline's other stages wait for
    loss_bytes: Bytes  # one logit moved through memory by the loss, forward and backward
    pointwise_passes: Count  # times the hidden state crosses memory in a block's forward
    adapter_passes: Count  # times the input of an adapted product crosses memory in a forward, for the adapter (LoRA)
    adapter_share: Share  # of these passes, where products add adapters to their output in place (modules: 1)
    unpack_bytes: Bytes  # moved for each quantised parameter in a pass over it: packed read, 16 bits written and read
    recompute_scale: Share  # of a forward pass that a recomputed one takes (its last products are not repeated)
    eager_scale: Share  # of the time of what moves memory, norms and rotary embeddings being kernels apart (fused: 1)
    upcast_scale: Share  # the same, hidden states over a quantised base being in fp32 (left in 16 bits: 1)
    attention_upcast_scale: Share  # of the time of attention, where nothing casts such states back (cast: 1)
    attention_native: Share  # 1: fused attention uses kernels of the chip's own generation (cuDNN, FlashAttention-3)
    attention_share: Share  # of the rate of FlashAttention-2, with fused kernels before it
    tp_exposed: Share  # of tensor-parallel traffic that compute does not hide
    dp_exposed: Share  # of data-parallel traffic that compute cannot hide
    ep_exposed: Share  # of expert all-to-alls that compute does not hide
    pp_exposed: Share  # of stage-to-stage traffic that compute does not hide
    pp_scattered: Share  # 1: ranks of one tensor-parallel group send a part each of what all hold; 0: all of it
    gather_bytes: Bytes  # of one parameter, when ZeRO-3 gathers it (float8 all-gather: 1)
    host_update_s: Seconds  # of all processors of a host, to update one offloaded parameter (0: the device updates)
    host_buffers: Count  # copies of what is offloaded to a host, its buffers for transfers among them
    host_gradient_bytes: Bytes  # least of an offloaded gradient, where a master copy is updated from it (DeepSpeed: 4)
    nvme_weight_buffer: Count  # parameters that a rank's buffers hold on their way between drive and device
    nvme_weights_kept: Count  # trained parameters of a rank that stay in the host's memory, unless there are more
    nvme_state_buffers: Count  # buffers of a rank through which states of one group pass, as wide as fp32
    nvme_group: Count  # parameters of a rank that are updated at once where their states are on drives
    selective_scale: Share  # of stored activations that selective recompute keeps, scores apart (1: all the rest)
    weight_bytes: Bytes  # from here on: what `Recipe` says of the same names, where a job does not
    cast: Share
    frozen_bytes: Bytes
    packed_bytes: Bytes
    base_upcast: Share
    weights_on_host: Share
    weights_on_nvme: Share
    states_on_nvme: Share
    refetched: Share
    states_paged: Share
    offload_weights: Share
    grad_bytes: Bytes
    grad_life: Count
    grad_sharded_from: Count
    reduce_bytes: Bytes
    bucket_copies: Count
    update_bytes: Bytes
    step_copies: Count
    load_bytes: Bytes
    fp8_copies: Count
    narrow_inputs: Share
    gathered_units: Count
    root_gathered: Share
    logit_bytes: Bytes
    logits_gathered: Share
    norm_copies: Share
    activation_inputs: Share
    expanded_heads: Share
    rotary_copies: Share
    expert_loop: Share
    dispatch_bytes: Bytes
    score_copies: Count
    score_gradients: Count
    transients: Share
    stream_bytes: Bytes
    adapter_bytes: Bytes
    gathered_inputs: Share
    saved_on_host: Share
    kept_on_host: Share
    input_gradients: Share
    workspace_bytes: Bytes  # inside the allocator: communication buckets, where there are several devices
    context_bytes: Bytes  # CUDA/XLA context, outside the allocator, where that of the device is unknown
    communicator_bytes: Bytes  # of the communication library, outside the allocator, where there are several devices
    reserved_scale: Share  # reserved over allocated
    fragments: Share  # of what the allocator only reserves, that it can neither return nor use for another phase


@dataclass(frozen=True, slots=True)
class Layout:
    """How the job lies on the devices; `devices = tp · pp · cp · dp`, experts inside the dp·cp·tp ranks."""

    devices: Count
    tp: Count  # tensor parallel, with sequence parallel when sp = 1
    pp: Count  # pipeline stages
    vpp: Count  # chunks of layers a stage holds
    schedule: Count  # of the pipeline, by its number (`strategies.registry`)
    cp: Count  # context parallel
    dp: Count  # data parallel (replicas of the model, or shards of it under ZeRO/FSDP)
    ep: Count  # expert parallel
    etp: Count  # tensor parallel of experts
    zero: Count  # 0 none, 1 optimizer, 2 + gradients, 3 + parameters (FSDP)
    shard_devices: Count  # ranks a ZeRO shard group spans (dp · cp; less under HSDP)
    micro_batch: Count  # sequences
    micro_batches: Count  # gradient-accumulation steps of one replica
    sp: Share  # sequence parallel: activations between products are split by tp
    recompute: Count  # policy by its number (`strategies.recompute`); between two: a share of the blocks
    flash: Share  # fused attention
    offload: Share  # optimizer states and update on the host
    partition: Count  # of the blocks among the stages, by its number (`strategies.partition`)


# --- Step: seconds and bytes -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepTime:
    """Where the seconds of one optimizer step go; the parts sum to `total_s`."""

    gemm_s: Seconds
    attention_s: Seconds
    pointwise_s: Seconds
    vocab_s: Seconds
    recompute_s: Seconds
    host_s: Seconds  # waiting for kernel launches
    tp_s: Seconds  # exposed
    cp_s: Seconds  # exposed
    ep_s: Seconds  # exposed
    pp_s: Seconds  # exposed
    bubble_s: Seconds
    dp_s: Seconds  # exposed, what crosses the link of a host beside the passes included
    optimizer_s: Seconds  # update, its traffic where it is offloaded, and fixed cost of a step
    total_s: Seconds
    model_flop: Flop  # of the whole step over all devices, no recompute, attention as computed (causal half)


@dataclass(frozen=True, slots=True)
class StepMemory:
    """Where the bytes of the heaviest rank go at the peak of a step."""

    weights_bytes: Bytes
    gradients_bytes: Bytes
    optimizer_bytes: Bytes
    activations_bytes: Bytes
    logits_bytes: Bytes
    buffers_bytes: Bytes  # gathered parameters, communication buckets, recompute working set
    allocated_bytes: Bytes  # the sum above: what the framework's allocator counts
    reserved_bytes: Bytes  # with fragmentation: what the allocator holds
    paged_bytes: Bytes  # states of a paged optimizer in what room is left, which no allocator counts
    device_bytes: Bytes  # with these, context and communication library: what the device shows
    needed_bytes: Bytes  # the same without the reserve that an allocator can return: what must fit


@dataclass(frozen=True, slots=True)
class HostMemory:
    """What lies in one host's memory for its devices; the parts sum to the total."""

    weights_bytes: Bytes
    gradients_bytes: Bytes
    optimizer_bytes: Bytes
    activations_bytes: Bytes
    total_bytes: Bytes


@dataclass(frozen=True, slots=True)
class DriveMemory:
    """What lies on one host's NVMe drives for its devices; the parts sum to the total."""

    weights_bytes: Bytes
    gradients_bytes: Bytes
    optimizer_bytes: Bytes
    total_bytes: Bytes


@dataclass(frozen=True, slots=True)
class Policy:
    """How the run is operated: what comes on top of the training steps."""

    warmup_s: Seconds  # start, compile, first steps
    evaluation_share: Share  # of training time spent evaluating
    checkpoint_bytes_per_s: BytesPerSecond  # to storage, one device
    checkpoint_blocking: Share  # of a checkpoint that stops training (asynchronous: less than 1)
    unsaved: Share  # 1: no checkpoint is written, an interruption loses everything since the start
    failures_per_device_s: PerSecond  # interruptions of the job per device-second, hardware and software
    restart_s: Seconds  # detect, reschedule, reload
    preemptions_per_node_s: PerSecond  # spot reclaims per node-second (0: on-demand)
    lifetime_s: Seconds  # of the hardware: seconds in use over which its making is spread


@dataclass(frozen=True, slots=True)
class Draw:
    """What a run draws: seconds in each power state and watts of one device and its host in each.

    Prediction (`run`) and measurement (`meter`) both end here: nothing after can tell them apart.
    """

    devices: Count
    wall_s: Seconds  # start to finish
    compute_s: Seconds  # matrix products and attention; lost work too
    memory_s: Seconds  # kernels that memory bounds: element-wise, optimizer
    communication_s: Seconds  # exposed
    waiting_s: Seconds  # bubble and launches
    checkpoint_s: Seconds
    idle_s: Seconds  # start and restarts
    compute_w: Watts  # one accelerator
    memory_w: Watts
    communication_w: Watts
    waiting_w: Watts
    checkpoint_w: Watts
    idle_w: Watts
    host_w: Watts  # one device's share of the node and the network, whole run
    goodput: Share  # productive training time over wall time


# --- Mechanization and Map: the datacenter and the place ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Site:
    """Where it runs. Four kinds of carbon intensity that are never added or substituted; NaN: unknown."""

    pue: Share
    location_gross_kg_per_j: KgCo2ePerJoule
    location_net_kg_per_j: KgCo2ePerJoule
    market_kg_per_j: KgCo2ePerJoule
    marginal_kg_per_j: KgCo2ePerJoule
    water_onsite_m3_per_j: CubicMetresPerJoule
    water_offsite_m3_per_j: CubicMetresPerJoule


@dataclass(frozen=True, slots=True)
class Offer:
    """How it is bought, and what else the run is billed for; NaN: unknown, or this provider does not sell it so."""

    usd_per_device_s: UsdPerSecond  # of one device while it is held, at the purchase chosen
    term_s: Seconds  # of a commitment that is paid whether used or not (0: none)
    term_per_use: Share  # seconds of the term paid for each that is used: 1 / its used share (inf: this run alone)
    usd_per_facility_j: UsdPerJoule  # electricity, where the price of a device leaves it out (owned machines; else 0)
    storage_usd_per_s: UsdPerSecond  # data and checkpoints, kept while the run lasts
    moving_usd: Usd  # data brought to the site, once

    @classmethod
    def rent(cls, usd_per_device_s: UsdPerSecond) -> "Offer":
        """Return a plain rent by the second: no commitment, electricity in the price, nothing kept or moved.

        >>> Offer.rent(0.001).term_s
        0.0
        """
        return cls(usd_per_device_s, 0.0, 1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Energy:
    """One run's energy at three boundaries; each contains the one before."""

    accelerator_j: Joules
    it_j: Joules  # + host, network
    facility_j: Joules  # · PUE


@dataclass(frozen=True, slots=True)
class Carbon:
    """Operational CO2e of one run by kind (alternatives, never a sum), and two lines of their own."""

    location_gross_kgco2e: KgCo2e
    location_net_kgco2e: KgCo2e
    market_kgco2e: KgCo2e
    marginal_kgco2e: KgCo2e
    embodied_kgco2e: KgCo2e
    water_m3: CubicMetres


@dataclass(frozen=True, slots=True)
class Money:
    """What one run costs; the parts sum to the total."""

    compute_usd: Usd  # devices, from start to finish
    unused_usd: Usd  # what the run must carry of a commitment that nothing else uses
    energy_usd: Usd  # electricity that is billed beside the devices
    storage_usd: Usd
    moving_usd: Usd
    total_usd: Usd


@dataclass(frozen=True, slots=True)
class Prediction:
    """Everything about one candidate, or about many."""

    time: StepTime
    memory: StepMemory
    draw: Draw
    energy: Energy
    carbon: Carbon
    money: Money


Table = TypeVar("Table")


def each(table: Table, change: Callable[[Any], Any]) -> Table:
    """Return the table with every number in it changed, nested tables included; words stay.

    >>> each(Energy(1.0, 2.0, 3.0), lambda value: value * 3)
    Energy(accelerator_j=3.0, it_j=6.0, facility_j=9.0)
    """
    return type(table)(*[_each(getattr(table, name), change) for name in _names(table)])


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, tuple):
        return tuple(each(one, change) for one in value)
    if isinstance(value, str):
        return value
    return each(value, change) if is_dataclass(value) else change(value)


def _names(table: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = table.__match_args__  # made once, with the class; `fields` looks them up anew
    return names


def take(table: Table, index: Any) -> Table:
    """Return the rows of a table that the index names, along the last axis; a lone number stays as it is.

    An index is a number, numbers, a flag for each row, or a slice, which gives views.

    >>> take(Offer.rent(np.array([1.0, 2.0, 3.0])), [2, 0]).usd_per_device_s
    array([3., 1.])
    """
    if isinstance(index, slice):
        return each(table, lambda value: value if np.ndim(value) == 0 else np.asarray(value)[..., index])
    rows = np.asarray(index)
    rows = np.flatnonzero(rows) if rows.dtype == bool else rows
    return each(table, lambda value: value if np.ndim(value) == 0 else np.asarray(value).take(rows, axis=-1))


def join(tables: Sequence[Table]) -> Table:
    """Return one table whose fields are arrays over the given tables, in their order.

    Tuples of tables are aligned by their words: an element that some tables lack counts as none of it there.

    >>> join([Offer.rent(1.0), Offer.rent(2.0)]).usd_per_device_s
    array([1., 2.])
    >>> join([End(1.0, 0, (), (Kept("mask", "whole", 2.0),), (), 0, 0), End(3.0, 0, (), (), (), 0, 0)]).kept_bytes
    (Kept(kind='mask', split='whole', amount=array([2., 0.])),)
    """
    alike = {id(table): table for table in tables}
    if len(alike) < len(tables):
        place = {key: index for index, key in enumerate(alike)}
        return take(join(list(alike.values())), [place[id(table)] for table in tables])
    first = tables[0]
    return type(first)(*[_join([getattr(table, name) for table in tables]) for name in _names(first)])


def _join(column: list[Any]) -> Any:
    first = column[0]
    if isinstance(first, str):
        return first
    if isinstance(first, tuple):
        return _aligned(column)
    return join(column) if is_dataclass(first) else np.array(column, dtype=float)


def _aligned(column: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return one tuple of tables, each over the whole column; one that a row lacks is there with an amount of 0."""
    rows = [_keyed(row) for row in column]
    models = {key: one for row in reversed(rows) for key, one in row.items()}
    return tuple(join([row.get(key) or _none_of(models[key]) for row in rows]) for key in models)


def _keyed(row: tuple[Any, ...]) -> dict[tuple[Any, ...], Any]:
    """Return the elements by their words; of those with equal words the second, third ... apart."""
    seen: Counter[tuple[str, ...]] = Counter()
    keyed = {}
    for one in row:
        words = _words(one)
        keyed[(*words, seen[words])] = one
        seen[words] += 1
    return keyed


def _words(table: Any) -> tuple[str, ...]:
    return tuple(value for name in _names(table) if isinstance(value := getattr(table, name), str))


AMOUNTS = frozenset({"amount", "count", "repeats"})
"""Fields that say how much of an element of a tuple there is; in an absent one they are 0."""


def _none_of(table: Table) -> Table:
    values = [(name, getattr(table, name)) for name in _names(table)]
    return type(table)(*[_each(one, lambda number: number * 0.0) if name in AMOUNTS else one for name, one in values])
