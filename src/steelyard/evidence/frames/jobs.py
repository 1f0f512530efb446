"""From the training columns of a row (precision, optimizer, task) to the numbers of `Job` that its bytes depend on."""

import re
from functools import cache

from steelyard.catalog.training import Precision
from steelyard.evidence.frames.stacks import StackRule
from steelyard.evidence.runs.run import Run
from steelyard.job.training import parameter_bytes, published_optimizer
from steelyard.tables import Job, Workload
from steelyard.workload import Architecture, collapse, model

FROZEN_BYTES = (
    (r"nf4-dq", 0.5 + 0.127 / 8),  # doubly quantised scales: arXiv 2305.14314, section 3
    (r"int8|8.?bit base", 1.0),
    (r"nf4|qlora|int4|gptq|4.?bit", 0.5 + 4 / 64),  # one fp32 scale for 64 weights, the same section
)
LORA_RANK = 8.0  # PEFT's default


def run_job(case: Run, arch: Architecture, rule: StackRule, precision: Precision, batch_sequences: float) -> Job:
    """Return the job of a case at the precision and global batch that were settled for it."""
    if rule.states == "bf16" or "bf16-true" in case.note:
        precision = precision.without_master()
    held = parameter_bytes(precision, published_optimizer(case.optimizer), arch)
    element = float(held.element_bytes)
    share = trainable_share(case, arch, rule.adapters)
    return Job(
        workload=_workload(arch, case.sequence_tokens, element),
        tokens=batch_sequences * case.sequence_tokens,
        sequence_tokens=case.sequence_tokens,
        batch_sequences=batch_sequences,
        element_bytes=element,
        gemm_bytes=held.gemm_bytes,
        moment_bytes=held.moment_bytes,
        master_bytes=held.master_bytes,
        trainable_share=share,
        frozen_bytes=_frozen_bytes(case, arch, element),
        adapted_inputs=_adapted_inputs(case, arch, rule.adapters),
    )


@cache
def _workload(arch: Architecture, sequence_tokens: float, element_bytes: float) -> Workload:
    return collapse(model(arch, sequence_tokens), element_bytes)


def trainable_share(case: Run, arch: Architecture, adapters: str) -> float:
    """Return the share of parameters that are trained: 1, or the adapters' (stated, or from their rank).

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> from steelyard.evidence.frames.models import run_architecture
    >>> tuned = blank_run(model="llama-2-7b", task="lora", note="LoRA rank 16")
    >>> round(trainable_share(tuned, run_architecture(tuned)[0], "all") * 1e3, 2)
    5.93
    """
    if case.task not in ("lora", "qlora"):
        return 1.0
    stated = re.search(r"trainable ([\d,]+)", case.note)
    if stated:
        return min(1.0, float(float(stated[1].replace(",", "")) / arch.total_params))
    found = re.search(r"rank (\d+)", case.note)
    rank = float(found[1]) if found else LORA_RANK
    everywhere = _everywhere(case, adapters)
    attention = 2 * (arch.hidden + arch.heads * arch.head_dim) + 2 * (arch.hidden + arch.kv_heads * arch.head_dim)
    dense = arch.ffn_matrices * (arch.hidden + arch.ffn) * (arch.layers - arch.moe_layers)
    routed = arch.ffn_matrices * (arch.hidden + arch.moe_ffn) * arch.moe_layers * arch.experts
    widths = attention * arch.layers + (dense + routed if everywhere else 0)
    return min(1.0, float(rank * widths / arch.total_params))


def _everywhere(case: Run, adapters: str) -> bool:
    """Tell whether every linear layer has an adapter, by the row or else by its stack's recipes."""
    return adapters == "all" or bool(re.search(r"\ball linear\b", case.note.lower()))


def _adapted_inputs(case: Run, arch: Architecture, adapters: str) -> float:
    """Return the summed widths of the inputs of one block's products that have adapters: of q and v, or of all."""
    if case.task not in ("lora", "qlora"):
        return 0.0
    if not _everywhere(case, adapters):
        return float(2 * arch.hidden)
    sparse = arch.moe_layers / arch.layers
    into = (arch.ffn_matrices - 1) * arch.hidden
    mlp = (1 - sparse) * (into + arch.ffn) + sparse * arch.top_k * (into + arch.moe_ffn)
    return float(3 * arch.hidden + arch.heads * arch.v_head_dim + mlp)


def _frozen_bytes(case: Run, arch: Architecture, element_bytes: float) -> float:
    """Return the mean bytes of a frozen parameter: quantised inside the blocks, whole in the embeddings."""
    if case.task != "qlora":
        return element_bytes
    text = f"{case.note} {case.task}".lower()
    small = next(size for words, size in FROZEN_BYTES if re.search(words, text))
    outside = (arch.embedding_params + arch.head_params + arch.extra_params) / arch.total_params
    return float(small + (element_bytes - small) * outside)
