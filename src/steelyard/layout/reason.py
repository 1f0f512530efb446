"""Why a layout is invalid: a code for every reason, and the sentence that a person reads."""

from enum import IntEnum

from steelyard.catalog.stack_names import FALLBACK
from steelyard.catalog.stacks import Capability
from steelyard.strategies.experts import unstated_expert_tensor
from steelyard.strategies.recompute import RECOMPUTE
from steelyard.strategies.settings import setting_name
from steelyard.tables import Layout


class Reason(IntEnum):
    """The first rule that a layout breaks; `VALID` is 0, so that a column of codes is also a mask."""

    VALID = 0
    DEGREES = 1
    DEVICES = 2
    HEADS = 3
    KV_HEADS = 4
    FFN = 5
    STAGES = 6
    INTERLEAVE = 7
    CONTEXT = 8
    SEQUENCE = 9
    EXPERTS = 10
    EXPERT_RANKS = 11
    BATCH = 12
    ZERO = 13
    SHARD = 14
    FLAGS = 15
    PARTITION = 16
    NETWORK = 17
    STACK = 18
    SCHEDULE = 19
    EXPERT_TENSOR = 20
    AXIS = 21
    ROUNDS = 22
    NVME = 23
    FUSED_GRADIENTS = 24
    KEPT_GRADIENTS = 25
    OFFLOAD = 26
    HOST_WEIGHTS = 27


SENTENCES = {
    Reason.VALID: "valid",
    Reason.DEGREES: "every degree, micro-batch and chunk count must be a whole number of at least 1",
    Reason.AXIS: "tp divides attention heads, pp blocks, cp and sp a sequence, ep and etp experts: the model lacks one",
    Reason.DEVICES: "tp × pp × cp × dp must equal the number of devices",
    Reason.HEADS: "tp must divide the attention heads",
    Reason.KV_HEADS: "tp must divide the key-value heads, or be a multiple of them",
    Reason.FFN: "tp must divide the width of the MLP",
    Reason.STAGES: "pp cannot exceed the number of layers",
    Reason.INTERLEAVE: "vpp > 1 needs pp > 1, and pp × vpp dividing the layers, or a partition, as partition=ends",
    Reason.CONTEXT: "context parallelism splits a sequence into 2 × cp equal pieces",
    Reason.SEQUENCE: "sequence parallelism needs tp > 1 and a sequence that cp × tp divides",
    Reason.EXPERTS: "ep must divide the routed experts",
    Reason.EXPERT_RANKS: "ep × etp must divide dp × cp × tp",
    Reason.EXPERT_TENSOR: "etp must divide tp",
    Reason.BATCH: "dp × micro-batch × micro-batches must equal the global batch",
    Reason.ZERO: "ZeRO stages are 0, 1, 2 and 3",
    Reason.SHARD: "a shard group must divide dp × cp",
    Reason.FLAGS: f"sp, flash and offload are 0 or 1; recompute is {', '.join(RECOMPUTE[:-1])} or {RECOMPUTE[-1]}",
    Reason.PARTITION: "a partition gives every stage a block, and names as many for each chunk as add up to the model",
    Reason.NETWORK: "the network between nodes is unknown, so stay inside one fast domain, or name another system",
    Reason.SCHEDULE: "a schedule runs stages of one chunk of blocks, or of several (vpp > 1), some of two alone",
    Reason.ROUNDS: "some schedules run only some numbers of stages and micro-batches",
    Reason.NVME: (
        "parameters and offloaded states go to NVMe drives under ZeRO-3 of DeepSpeed alone: write stack deepspeed, "
        "zero=3 and offload=1, or keep them in the host's memory (weights=host)"
    ),
    Reason.HOST_WEIGHTS: (
        "DeepSpeed offloads parameters under ZeRO-3 alone, and ignores offload_param below it: write zero=3, or leave "
        "out weights=host and offload the states of the optimizer (offload=1)"
    ),
    Reason.FUSED_GRADIENTS: "gradients fused into the backward pass are gone before another micro-batch could be added "
    "(torchtune refuses the pair, recipes/full_finetune_single_device.py): one micro-batch a step, or recipe "
    "gradients=autograd",
    Reason.KEPT_GRADIENTS: "the stack keeps its gradients until the update: those fused into the backward pass are of "
    "PyTorch's autograd (fsdp2, torchtune, hf-trainer, pytorch-eager); name one of these, or leave out gradients=fused",
    Reason.OFFLOAD: "what a stack puts on the host is what it shards: write zero=1, 2 or 3 as it asks for, or "
    "offload=0",
    Reason.STACK: "the software stack does not support this combination",
}


def sentence(code: int) -> str:
    """Return what a reason code means.

    >>> sentence(2)
    'tp × pp × cp × dp must equal the number of devices'
    """
    return SENTENCES[Reason(code)]


def abilities_text(layout: Layout, capability: Capability) -> str:
    """Return what a stack runs, and of a layout's orders that it does not which of the catalog's stacks do."""
    can = [
        name
        for name in ("tp", "sp", "pp", "vpp", "cp", "ep", "etp", "hsdp", "offload", "nvme")
        if getattr(capability, name)
    ]
    stages = "/".join(map(str, capability.zero))
    modes = "/".join(setting_name("recompute", mode) for mode in capability.recompute)
    limit = f" (≤ {capability.zero_most_with_pp} with pp)" if capability.pp else ""
    known = f"{', '.join(can) or 'plain data parallelism'}, ZeRO {stages}{limit}, recompute {modes}"
    return f"{capability.stack} runs {known}{_partitions(layout, capability)}{_experts(layout, capability)}"


def _partitions(layout: Layout, capability: Capability) -> str:
    asked = setting_name("partition", int(layout.partition))
    return f", partition {'/'.join(capability.partitions)}, not {asked}" if layout.partition else ""


def _experts(layout: Layout, capability: Capability) -> str:
    """Return how a stack lays experts on tensor ranks, where a layout asks for another way, and its schedules."""
    taken = unstated_expert_tensor(capability.expert_tensor, layout.tp, layout.ep)
    other = layout.etp != taken and not capability.etp and (layout.ep > 1 or layout.etp != layout.tp)
    told = f", experts tensor parallel {capability.expert_tensor} (etp={taken:.0f})" if other else ""
    return told + _schedules(layout, capability)


def _schedules(layout: Layout, capability: Capability) -> str:
    """Return the schedules of a stack where a layout asks for another, and who has that."""
    name = setting_name("schedule", int(layout.schedule))
    if (layout.pp <= 1 and not layout.schedule) or name in capability.schedules:
        return ""
    own = f"schedule {'/'.join(capability.schedules)}, not {name}" if capability.schedules else "no pipeline"
    able = [one for one in capability.running.get(name, ()) if one != FALLBACK]
    runs = f"{name} runs on {', '.join(able)}" if able else f"no stack is known to run {name}: leave the stack out"
    return f", {own} ({runs})"
