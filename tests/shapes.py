"""Architectures, machines and layouts that tests of several rooms share, as plain numbers."""

from dataclasses import fields
from typing import Any, TypeVar

from steelyard.job.kept.recipes import partial_recipe
from steelyard.tables import Job, Layout, Workload
from steelyard.workload import Architecture, collapse, model

Table = TypeVar("Table")


def filled(cls: type[Table], **values: Any) -> Table:
    """Return a table with the given fields and zero elsewhere."""
    return cls(**{field.name: values.get(field.name, 0.0) for field in fields(cls)})  # type: ignore[arg-type]


def distinct(cls: type[Table], **values: Any) -> Table:
    """Return a table with the given fields and, elsewhere, numbers no two of which are equal (101, 102, 103 ...)."""
    others = {field.name: 101.0 + place for place, field in enumerate(fields(cls))}  # type: ignore[arg-type]
    return cls(**(others | values))


def gpt(layers: float, hidden: float, heads: float, vocab: float = 51200.0, **changes: Any) -> Architecture:
    """Return a GPT-3-shaped architecture: ffn = 4 hidden, no gate, tied head; changes override any field."""
    width = hidden / heads
    values: dict[str, Any] = {
        "layers": layers,
        "attention_layers": layers,
        "causal": 1.0,
        "hidden": hidden,
        "heads": heads,
        "kv_heads": heads,
        "head_dim": width,
        "v_head_dim": width,
        "ffn": 4 * hidden,
        "ffn_matrices": 2.0,
        "vocab": vocab,
        "gelu": 1.0,
        "dropout": 1.0,
        "embedding_params": vocab * hidden,
        "attention_params": 4 * hidden**2,
        "mlp_params": 8 * hidden**2,
        "total_params": 12 * layers * hidden**2 + vocab * hidden,
        "active_params": 12 * layers * hidden**2 + vocab * hidden,
    }
    values |= changes
    values.setdefault("attention_moe_layers", values["attention_layers"] * values.get("moe_layers", 0.0) / layers)
    return filled(Architecture, **values)


def pretraining(architecture: Architecture, sequence: float, batch: float, **changes: Any) -> Job:
    """Return a bf16 Adam pretraining job; changes override any field."""
    values: dict[str, Any] = {
        "workload": collapse(model(architecture, sequence, 0), changes.get("element_bytes", 2.0)),
        "samples": changes.pop("tokens", 1e9) / sequence,
        "batch_samples": batch,
        "element_bytes": 2.0,
        "gemm_bytes": 2.0,
        "moment_bytes": 8.0,
        "master_bytes": 4.0,
        "recipe": partial_recipe(),
        "trainable_share": 1.0,
        "frozen_bytes": 2.0,
        "adapted_inputs": 0.0,
    }
    return filled(Job, **(values | changes))


def layout(job: Job, **changes: Any) -> Layout:
    """Return a plain one-device layout with the degrees given; what follows from them is computed."""
    values: dict[str, Any] = dict.fromkeys(("tp", "pp", "vpp", "cp", "dp", "ep", "micro_batch", "flash"), 1.0)
    values |= changes
    values.setdefault("etp", 1.0 if values["ep"] > 1 else values["tp"])
    values.setdefault("schedule", float(values["vpp"] > 1))
    values.setdefault("devices", values["tp"] * values["pp"] * values["cp"] * values["dp"])
    values.setdefault("shard_devices", values["dp"] * values["cp"])
    values.setdefault("sp", 1.0 if values["tp"] > 1 else 0.0)
    values.setdefault("micro_batches", job.batch_samples / (values["dp"] * values["micro_batch"]))
    return filled(Layout, **values)


def in_model(workload: Workload, name: str) -> dict[tuple[str, str], float]:
    """Return the sums over all blocks of what one block has in parts, by kind and divisor."""
    found: dict[tuple[str, str], float] = {}
    for block in workload.blocks:
        for part in getattr(block, name):
            key = part.kind, part.split
            found[key] = found.get(key, 0.0) + float(block.count * part.amount)
    return found
