"""Published rows with a peak memory, as tables: what each source leaves unsaid is stated here, once, by group."""

import csv
import gzip
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from fit.memory_conventions import (
    ALIASES,
    CONVENTIONS,
    DROPOUT,
    FULL_IF_UNKNOWN,
    PLAIN,
    SHAPES,
    TIED,
    UNUSABLE,
    Convention,
)
from steelyard.job import presets
from steelyard.job.architecture import architecture
from steelyard.job.spec import ModelSpec
from steelyard.tables import Architecture, Job, Layout
from steelyard.units import GB_BYTES, GIB_BYTES

Row = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """One row ready to predict."""

    id: str
    group: str
    stack: str
    metric: str
    precision: str
    use: str
    job: Job
    layout: Layout
    overrides: Mapping[str, float]  # of the stack's table, that this row names
    measured_bytes: float  # NaN: the row ran out of memory
    device_bytes: float


def read(folder: Path) -> tuple[list[Case], dict[str, str]]:
    """Return the cases of the measured files, and why each other row with a memory figure has none."""
    cases, skipped = [], {}
    for row in _rows(folder):
        try:
            if row["id"] in UNUSABLE:
                raise ValueError(UNUSABLE[row["id"]])
            cases.append(_case(row))
        except (ValueError, KeyError) as error:
            skipped[row["id"]] = f"{row['source_group']}: {error}"
    return cases, skipped


def _rows(folder: Path) -> Iterator[Row]:
    with gzip.open(folder / "llm_runs.csv.gz", "rt", encoding="utf-8") as lines:
        yield from (row for row in csv.DictReader(lines) if row["peak_mem_gb"] or row["oom"] == "yes")
    with (folder / "simumax_b200.csv").open(encoding="utf-8") as lines:
        seen = set()
        for row in csv.DictReader(lines):
            key = (row["model"], row["tp"], row["pp"], row["ep"], row["peak_mem_gb"])
            if key not in seen:  # the micro-batch count alone does not move the peak
                seen.add(key)
                yield row | {"oom": "", "mem_unit": "GB", "use": "score"}


def _case(row: Row) -> Case:
    group = row["source_group"]
    if group not in CONVENTIONS:
        raise ValueError("no convention known (shape or stack unpublished)")
    rule = CONVENTIONS[group]
    model = _architecture(row)
    job = _job(row, rule, model)
    layout = _layout(row, rule, job)
    gib = rule.gib or "GiB" in row["mem_unit"]
    peak = float(row["peak_mem_gb"]) * (GIB_BYTES if gib else GB_BYTES) if not row["oom"] else math.nan
    return Case(
        id=row["id"],
        group=group,
        stack=rule.stack,
        metric=rule.metric,
        precision=row["precision"],
        use=row["use"],
        job=job,
        layout=layout,
        overrides=_overrides(row, job),
        measured_bytes=peak,
        device_bytes=_capacity(row["hardware"]),
    )


def _capacity(hardware: str) -> float:
    found = re.search(r"(\d+)GB", hardware)
    return float(found[1]) * GIB_BYTES if found else math.nan


def number(text: str | None, otherwise: float) -> float:
    """Return the number of a cell, or what holds where it is blank."""
    return float(text) if text else otherwise


def _architecture(row: Row) -> Architecture:
    model = row["model"]
    given = {"layers": row["n_layers"], "hidden": row["hidden"], "ffn": row["ffn"], "heads": row["heads"]}
    spec = presets.find_or_none(ALIASES.get(model, model))
    if spec is not None:
        cut = int(number(row["n_layers"], spec.layers))
        drops = spec.dropout and row["source_group"] != "sailor-sosp25"  # its memory leaves no room for masks
        return architecture(replace(spec, layers=cut, dense_layers=min(spec.dense_layers, cut), dropout=drops))
    shape = SHAPES.get(model) or {name: int(value) for name, value in _filled(row, given).items()}
    heads = shape["heads"]
    numbers = {
        "kv_heads": int(number(row["kv_heads"], heads)),
        "head_dim": shape["hidden"] // heads,
        "vocab": int(number(row["vocab"], 50257)),
        "max_tokens": 8192,
        "mlp": "gelu" if row["source_group"] in PLAIN else "swiglu",
        "tied": row["source_group"] in TIED or model == "Llama-like 1B",
        "dropout": row["source_group"] in DROPOUT,
        "position": "learned" if row["source_group"] in TIED else "rope",
    }
    if row["n_experts"]:
        numbers |= _golden_moe(row)
    return architecture(ModelSpec(name=model, **(numbers | shape)))


def _golden_moe(row: Row) -> dict[str, Any]:
    """The MoE of Megatron-Core's memory test; its row notes MLA and shared expert."""
    return {
        "experts": int(row["n_experts"]),
        "top_k": int(row["top_k"]),
        "expert_ffn": 1024,
        "shared_ffn": 1024,
        "q_lora": 1536,
        "kv_lora": 512,
        "rope_dim": 64,
        "head_dim": 192,
        "v_head_dim": 128,
        "dense_layers": 1,
        "vocab": 128256,
    }


def _filled(row: Row, given: dict[str, str]) -> dict[str, str]:
    """Bigscience prints the size where it leaves out the number of layers or heads."""
    filled = dict(given)
    if not filled["hidden"]:
        raise ValueError("no shape published")
    hidden = float(filled["hidden"])
    filled["ffn"] = filled["ffn"] or str(4 * int(hidden))
    if not filled["layers"]:
        blocks = (float(row["n_params_b"]) * 1e9 - float(row["vocab"]) * hidden) / (12 * hidden**2)
        filled["layers"] = str(round(blocks))
    filled["heads"] = filled["heads"] or str(round(hidden / 150))
    return filled


def _job(row: Row, rule: Convention, model: Architecture) -> Job:
    if not row["seq_len"]:
        raise ValueError("no sequence length published")
    whole = row["precision"] == "fp32" or (row["source_group"] == "sailor-sosp25")
    element = 4.0 if whole else 2.0
    values = {
        "element_bytes": element,
        "gemm_bytes": {"fp8": 1.0, "fp4": 0.5}.get(row["precision"], element),
        "moment_bytes": 2.0 if "8bit" in row["optimizer"] else 8.0,
        "master_bytes": 0.0 if whole else 4.0,
        "trainable_share": 1.0,
        "frozen_bytes": 2.0,
    } | dict(rule.job)
    if row["task"] in ("lora", "qlora"):
        values["trainable_share"] = _adapters(row, model) / float(model.total_params)
        values["frozen_bytes"] = _frozen(row, model)
    return Job(
        architecture=model,
        tokens=1e9,
        sequence_tokens=float(row["seq_len"]),
        batch_sequences=number(row["global_batch"], 1.0),
        **values,
    )


def _adapters(row: Row, model: Architecture) -> float:
    printed = re.search(r"trainable ([\d,]+)", row["note"])
    if printed:
        return float(printed[1].replace(",", "").rstrip(","))
    rank = 16 if "rank 16" in row["note"] else 8
    widths = 2 * (model.hidden + model.heads * model.head_dim) + 2 * (model.hidden + model.kv_heads * model.head_dim)
    everywhere = row["source_group"] in ("prime-rl-ci", "unsloth-2023-12")
    dense = 3 * (model.hidden + model.ffn) * (model.layers - model.moe_layers)
    routed = 3 * (model.hidden + model.moe_ffn) * model.moe_layers * model.experts
    return float(rank * (widths * model.layers + everywhere * (dense + routed)))


NF4_BYTES = 0.5 + 4 / 64
"""4 bits and an fp32 scale for each block of 64 weights. Source: Dettmers et al. 2023, arXiv 2305.14314, section 3."""


def _frozen(row: Row, model: Architecture) -> float:
    """Bytes of a frozen parameter; quantisation leaves embeddings and output projection at 16 bits."""
    kept = float(model.embedding_params + model.head_params) / float(model.total_params)
    if row["task"] == "lora":
        return 2.0
    small = 1.0 + 0.03 if "int8" in row["note"] else 0.5 + 0.127 / 8 if "dq" in row["note"] else NF4_BYTES
    if row["source_group"].startswith("litgpt"):
        kept = float(model.embedding_params) / float(model.total_params)  # lm_head is a quantised linear layer there
    return small * (1 - kept) + 2.0 * kept


def _layout(row: Row, rule: Convention, job: Job) -> Layout:
    if not row["micro_batch"]:
        raise ValueError("no micro-batch published")
    tp, pp, cp = (number(row[name], 1.0) for name in ("tp", "pp", "cp"))
    dp = number(row["dp"], 1.0)
    zero = 3.0 if "fsdp" in row["zero_stage"] else number(row["zero_stage"], 0.0)
    if rule.stack == "internevo" and zero == 3.0:
        tp, dp = 1.0, number(row["n_chips"], 1.0)  # its tensor-parallel modes with fsdp shard weights over all
    offload = "optimizer" in row["offload"] or "CPU" in row["optimizer"] or row["offload"] == "cpu full"
    batch = number(row["micro_batch"], 1.0)
    pipelined = rule.stack != "hf-trainer"  # device_map runs one micro-batch at a time
    micro_batches = max(round(job.batch_sequences / (dp * batch)), 1) if pipelined else 1
    return Layout(
        devices=tp * pp * cp * dp,
        tp=tp,
        pp=pp,
        vpp=number(row["vpp"], 1.0),
        cp=cp,
        dp=dp,
        ep=number(row["ep"], 1.0),
        zero=zero,
        shard_devices=dp * cp,
        micro_batch=batch,
        micro_batches=float(micro_batches),
        sp=float((rule.sp or row["id"] == "R1589") and tp > 1),
        recompute={"none": 0.0, "selective": 1.0, "full": 2.0}.get(row["recompute"], _unknown_recompute(rule)),
        flash=float(row["flash_attention"] == "yes" or (rule.stack == "deepspeed" and row["date"] >= "2024")),
        offload=float(offload),
        stage_layers=_stage_layers(row, job.architecture, pp),
    )


def _unknown_recompute(rule: Convention) -> float:
    return 2.0 if rule.stack in FULL_IF_UNKNOWN else 0.0


def _stage_layers(row: Row, model: Architecture, pp: float) -> float:
    """Blocks of the largest stage; nanotron cuts by cost and counts the output projection."""
    printed = re.search(r"layers/stage \[([\d, ]+)\]", row["note"])
    if printed:  # embedding and head are counted as one each
        stages = [int(part) for part in printed[1].split(",")]
        stages[0] -= 1
        stages[-1] -= 1
        return max(blocks * (pp - rank) for rank, blocks in enumerate(stages)) / pp  # as much in flight as the heaviest
    if row["source_group"] != "nanotron-ultrascale-sweep":
        return float(math.ceil(model.layers / pp))
    block = 4 * model.heads * model.head_dim * model.hidden + 3 * model.ffn * model.hidden
    head = model.vocab * model.hidden
    share = (block * model.layers + head) / pp
    counts, stage = [0] * int(pp), 0
    for done in range(int(model.layers)):
        counts[stage] += 1
        if block * (done + 1) > share * (stage + 1) and stage + 1 < pp:
            stage += 1
    return float(max(counts))


def _overrides(row: Row, job: Job) -> dict[str, float]:
    changed: dict[str, float] = {}
    if "rl trainer" in row["note"] or "Liger" in row["framework"]:
        changed["fused_loss"] = 1.0
    if row["source_group"] == "simumax-b200":
        changed["logit_bytes"] = 6.0  # fused cross-entropy: bf16 logits and an fp32 copy
    if "activations" in row["offload"]:
        changed["activations_kept"] = 0.0
    return changed


def table(cls: type[Any], values: Mapping[str, float]) -> Any:
    """Return a table of the given fields, all others NaN, so that one used by mistake shows."""
    return cls(**{item.name: values.get(item.name, math.nan) for item in fields(cls)})
