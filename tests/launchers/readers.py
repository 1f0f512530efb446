"""What each stack makes of its files: its own rules, written down apart from the writers."""

import argparse
import json
import shlex
import tomllib
from collections.abc import Callable, Mapping

from steelyard.strategies.partition import given_partition, partition_name, partition_sizes

Settings = dict[str, int | str]
Files = Mapping[str, str]

SWITCHES = (
    "sequence-parallel", "use-distributed-optimizer", "optimizer-cpu-offload", "use-precision-aware-optimizer", "bf16",
    "fp16", "swiglu", "squared-relu", "disable-bias-linear", "add-qkv-bias", "untie-embeddings-and-output-weights",
    "multi-latent-attention", "group-query-attention", "qk-layernorm", "finetune", "cross-entropy-loss-fusion",
)  # fmt: skip
NUMBERS = {
    "tensor-model-parallel-size": 1, "pipeline-model-parallel-size": 1, "context-parallel-size": 1,
    "expert-model-parallel-size": 1, "expert-tensor-parallel-size": None, "num-distributed-optimizer-instances": 1,
    "num-virtual-stages-per-pipeline-rank": None, "micro-batch-size": None, "global-batch-size": None,
    "recompute-num-layers": None, "seq-length": None, "train-iters": None, "num-layers": None, "hidden-size": None,
    "ffn-hidden-size": None, "vocab-size": None, "max-position-embeddings": None, "num-attention-heads": None,
    "kv-channels": None, "num-query-groups": 1, "q-lora-rank": None, "kv-lora-rank": 32, "qk-head-dim": 128,
    "qk-pos-emb-head-dim": 64, "v-head-dim": 128, "num-experts": None, "moe-router-topk": 2,
    "moe-router-num-groups": None, "moe-router-group-topk": None,
    "moe-ffn-hidden-size": None, "moe-shared-expert-intermediate-size": None, "hidden-dropout": 0.1,
    "attention-dropout": 0.1, "sgd-momentum": 0.9,
}  # fmt: skip
CHOICES = {
    "attention-backend": ("flash", "fused", "unfused", "local", "auto"),
    "recompute-granularity": ("full", "selective"),
    "recompute-method": ("uniform", "block"),
    "normalization": ("LayerNorm", "RMSNorm"),
    "position-embedding-type": ("learned_absolute", "rope", "mrope", "relative", "none"),
    "moe-token-dispatcher-type": ("allgather", "alltoall", "flex"),
    "optimizer": ("adam", "sgd", "muon", "dist_muon"),
    "ckpt-format": ("torch", "torch_dist", "zarr", "torch_dcp", "fsdp_dtensor"),
    "fp8-format": ("e4m3", "hybrid"),
    "fp4-format": ("e2m1",),
}
TEXTS = ("pipeline-model-parallel-layout", "moe-layer-freq", "rotary-base", "lr", "data-path", "tokenizer-type",
         "tokenizer-model", "load")  # fmt: skip


def arguments_py() -> argparse.ArgumentParser:
    """Return the part of Megatron-LM's parser that may turn up: names, defaults and choices of arguments.py."""
    parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    for name in SWITCHES:
        parser.add_argument(f"--{name}", action="store_true")
    for name, default in NUMBERS.items():
        parser.add_argument(f"--{name}", type=type(default or 0), default=default)
    for name, choices in CHOICES.items():
        parser.add_argument(f"--{name}", choices=choices)
    for name in TEXTS:
        parser.add_argument(f"--{name}")
    return parser


def call_of(script: str) -> list[str]:
    """Return the call that a script ends with, word by word."""
    return shlex.split(script[script.index("torchrun ") :].replace("\\\n", " "))


def world(call: list[str]) -> int:
    return int(call[call.index("--nnodes") + 1]) * int(call[call.index("--nproc-per-node") + 1])


def blocks_of(layout: str) -> tuple[int, ...]:
    """Return the blocks of each part of a text such as Et*3|t*2L, in the order of the model."""
    return tuple(int(part.removeprefix("t*") or 0) for part in layout.removeprefix("E").removesuffix("L").split("|"))


def partition_of(sizes: tuple[int, ...]) -> str:
    """Return the partition that has these blocks: a rule's, else by hand."""
    for rule in (0, 1):
        if sizes == partition_sizes(rule, sum(sizes), len(sizes)):
            return partition_name(rule)
    return partition_name(given_partition(sizes))


def read_megatron(files: Files) -> Settings:
    call = call_of(files["launch.sh"])
    start = next(place for place, word in enumerate(call) if word.endswith("/pretrain_gpt.py"))
    args = arguments_py().parse_args(call[start + 1 :])
    tp, pp, cp = args.tensor_model_parallel_size, args.pipeline_model_parallel_size, args.context_parallel_size
    dp, chunks = world(call) // (tp * pp * cp), args.num_virtual_stages_per_pipeline_rank or 1
    sizes = (args.num_layers // (pp * chunks),) * (pp * chunks)
    if args.pipeline_model_parallel_layout:
        assert args.num_virtual_stages_per_pipeline_rank is None  # no more than one of the two
        sizes = blocks_of(args.pipeline_model_parallel_layout)
        assert len(sizes) % pp == 0
        chunks = len(sizes) // pp
    assert sum(sizes) == args.num_layers
    assert args.recompute_granularity != "full" or args.recompute_num_layers == 1
    assert "CUDA_DEVICE_MAX_CONNECTIONS=1" in files["launch.sh"] or (tp == 1 and cp == 1)
    return {
        "devices": world(call), "tp": tp, "pp": pp, "cp": cp, "dp": dp, "vpp": chunks,
        "schedule": "interleaved" if chunks > 1 else "1f1b",
        "partition": partition_of(sizes),
        "ep": args.expert_model_parallel_size,
        "etp": args.expert_tensor_parallel_size or tp,
        "zero": int(args.use_distributed_optimizer),
        "shard_devices": dp * cp // args.num_distributed_optimizer_instances,
        "micro_batch": args.micro_batch_size,
        "micro_batches": args.global_batch_size // (args.micro_batch_size * dp),
        "sp": int(args.sequence_parallel),
        "recompute": args.recompute_granularity or "none",
        "flash": int(args.attention_backend != "unfused"),
        "offload": int(args.optimizer_cpu_offload and args.use_precision_aware_optimizer),
        "sequence_tokens": args.seq_length, "batch_samples": args.global_batch_size, "steps": args.train_iters,
        "precision": (args.fp8_format and "fp8") or (args.fp4_format and "fp4") or ("bf16" if args.bf16 else
                     "fp16" if args.fp16 else "fp32"),
    }  # fmt: skip


def read_torchtitan(files: Files) -> Settings:
    config, call = tomllib.loads(files["torchtitan.toml"]), call_of(files["launch.sh"])
    lies, trains = config["parallelism"], config["training"]
    tp, pp, cp = (lies[f"{axis}_parallel_degree"] for axis in ("tensor", "pipeline", "context"))
    shard, replicas = lies["data_parallel_shard_degree"], lies["data_parallel_replicate_degree"]
    dp, local = shard * replicas, trains["local_batch_size"]
    micro_batch = lies["pipeline_parallel_microbatch_size"] if pp > 1 else local
    passes = trains["global_batch_size"] // (local * dp)
    assert passes == 1 or pp == 1  # every micro-batch of a step goes through the pipeline in one pass
    assert shard * replicas * tp * pp * cp == world(call)
    return {
        "devices": world(call), "tp": tp, "pp": pp, "cp": cp, "dp": dp, "shard_devices": shard * cp,
        "zero": {"always": 3, "never": 2}[lies["fsdp_reshard_after_forward"]],
        "ep": lies["expert_parallel_degree"],
        "etp": lies.get("expert_tensor_parallel_degree", 1) if lies["expert_parallel_degree"] > 1 else tp,
        "micro_batch": micro_batch, "micro_batches": passes * local // micro_batch,
        "sp": int(tp > 1), "flash": 1, "offload": int(trains["enable_cpu_offload"]),
        "recompute": config["activation_checkpoint"]["mode"],
        "schedule": {"1F1B": "1f1b", "Interleaved1F1B": "interleaved"}[lies.get("pipeline_parallel_schedule", "1F1B")],
        "partition": ("even", "ends")[lies.get("pipeline_parallel_first_stage_less_layers", 0)],
        "layers_per_stage": lies.get("pipeline_parallel_layers_per_stage", 0),
        "sequence_tokens": trains["seq_len"], "batch_samples": trains["global_batch_size"], "steps": trains["steps"],
    }  # fmt: skip


def read_deepspeed(files: Files) -> Settings:
    config, processes = json.loads(files["deepspeed.json"]), world(call_of(files["launch.sh"]))
    sharded = config["zero_optimization"]
    local, passes = config["train_micro_batch_size_per_gpu"], config["gradient_accumulation_steps"]
    assert config["train_batch_size"] == local * passes * processes
    return {
        "devices": processes, "dp": processes, "shard_devices": processes, "micro_batch": local,
        "micro_batches": passes, "batch_samples": config["train_batch_size"], "zero": sharded["stage"],
        "offload": int(sharded.get("offload_optimizer", {}).get("device") == "cpu"),
        "tp": 1, "pp": 1, "cp": 1, "ep": 1, "etp": 1, "vpp": 1, "sp": 0,
        "precision": next((name for name in ("bf16", "fp16") if config.get(name, {}).get("enabled")), "fp32"),
    }  # fmt: skip


READERS: dict[str, Callable[[Files], Settings]] = {
    "megatron-core": read_megatron,
    "torchtitan": read_torchtitan,
    "deepspeed": read_deepspeed,
}
