"""Megatron-core: the arguments of Megatron-LM's `pretrain_gpt.py`, in a script that starts it with torchrun.

Source: github.com/NVIDIA/Megatron-LM at 000c4ac2, megatron/training/arguments.py: each argument, its default, and what
is asserted of several; the text of `--pipeline-model-parallel-layout` is in megatron/core/transformer/moe/README.md.
"""

from collections.abc import Iterable
from types import MappingProxyType

from steelyard.job import ModelSpec
from steelyard.launchers.answer import Blank, LaunchFile
from steelyard.launchers.sheet import LaunchJob, Sheet, Value
from steelyard.launchers.texts import argument_text, script_text, torchrun
from steelyard.launchers.writers import writer
from steelyard.strategies.partition import partition_sizes

_PROGRAM = Blank("MEGATRON_LM", "folder of a checkout of NVIDIA/Megatron-LM")
_ROPE = Blank("ROTARY_BASE", "base of the rotary embedding (rope_theta of its config.json)")
_FILLED = (
    ("--lr", Blank("LEARNING_RATE", "peak learning rate")),
    ("--data-path", Blank("DATA_PATH", "prefix of the tokenized data, as tools/preprocess_data.py writes it")),
    ("--tokenizer-type", Blank("TOKENIZER_TYPE", "such as HuggingFaceTokenizer")),
    ("--tokenizer-model", Blank("TOKENIZER_MODEL", "name or file of the tokenizer")),
)
_PRECISIONS = MappingProxyType[str, tuple[tuple[str, Value], ...]](
    {
        "bf16": (("--bf16", True),),
        "fp16": (("--fp16", True),),
        "fp8": (("--bf16", True), ("--fp8-format", "hybrid")),
        "fp4": (("--bf16", True), ("--fp4-format", "e2m1")),
    }
)
_RECOMPUTE = MappingProxyType[str, tuple[tuple[str, Value], ...]](
    {
        "selective": (("--recompute-granularity", "selective"),),
        "full": (
            ("--recompute-granularity", "full"),
            ("--recompute-method", "uniform"),
            ("--recompute-num-layers", 1),
        ),
    }
)
_NORMS = MappingProxyType({"rmsnorm": "RMSNorm", "layernorm": "LayerNorm"})
_POSITIONS = MappingProxyType({"rope": "rope", "learned": "learned_absolute", "relative": "relative", "none": "none"})
_MLPS = MappingProxyType({"swiglu": "--swiglu", "relu2": "--squared-relu"})
_BIASES = MappingProxyType(
    {("no", False): ("--disable-bias-linear",), ("qkv", False): ("--disable-bias-linear", "--add-qkv-bias"),
     ("all", True): ()}
)  # fmt: skip


@writer(
    "megatron-core",
    source="github.com/NVIDIA/Megatron-LM at 000c4ac2, megatron/training/arguments.py",
    kinds=("decoder",),
    adapters=False,
)
def fill_megatron_core(sheet: Sheet) -> tuple[LaunchFile, ...]:
    """Note every setting as an argument of `pretrain_gpt.py`, and return the script that starts it."""
    model = sheet.job.decoder
    call = f'{torchrun(sheet)} "${{{_PROGRAM.name}}}/pretrain_gpt.py"'
    sheet.blanks.append(_PROGRAM)
    _degrees(sheet)
    _pipeline(sheet, model)
    _experts(sheet, model)
    _sharding(sheet)
    _step(sheet)
    _model(sheet, model)
    _attention(sheet, model)
    _routed(sheet, model)
    _training(sheet)
    for key, blank in _FILLED:
        sheet.fixed(key, blank)
    exports = (("CUDA_DEVICE_MAX_CONNECTIONS", 1),) if max(sheet.job.layout.tp, sheet.job.layout.cp) > 1 else ()
    return (LaunchFile("launch.sh", script_text(sheet, call, [argument_text(one) for one in sheet.lines], exports)),)


def _degrees(sheet: Sheet) -> None:
    job = sheet.job
    sheet.put("tp", "--tensor-model-parallel-size", job.number("tp"))
    sheet.put("pp", "--pipeline-model-parallel-size", job.number("pp"))
    sheet.put("cp", "--context-parallel-size", job.number("cp"))
    sheet.implied("dp", "devices over tp, pp and cp")
    if job.layout.sp:
        sheet.put("sp", "--sequence-parallel")
    else:
        sheet.implied("sp", "off without --sequence-parallel")


def _pipeline(sheet: Sheet, model: ModelSpec) -> None:
    job = sheet.job
    stages, chunks = job.number("pp"), job.number("vpp")
    runs = "interleaved" if chunks > 1 else "1f1b"
    reason = "pretrain_gpt.py runs 1F1B, and interleaved 1F1B where stages hold several chunks"
    sheet.choose("schedule", job.numbers["schedule"] == runs or stages == 1, "follows from the chunks", reason)
    sizes = partition_sizes(float(job.layout.partition), model.layers, stages * chunks)
    by_hand = job.numbers["partition"] != "cost" and len(set(sizes)) > 1
    if by_hand:
        sheet.put("partition", "--pipeline-model-parallel-layout", _stages_text(sizes))
    else:
        reason = "Megatron-core does not weigh blocks by their parameters; write the blocks of each stage"
        sheet.choose("partition", job.numbers["partition"] != "cost", "equal stages, the default", reason)
    if chunks > 1 and not by_hand:
        sheet.put("vpp", "--num-virtual-stages-per-pipeline-rank", chunks)
    else:
        sheet.implied("vpp", "parts of the layout over pp" if by_hand else "one chunk a stage, the default")


def _stages_text(sizes: Iterable[int]) -> str:
    """Return the blocks of each stage, or of each chunk of them, as Megatron-core writes them."""
    return "E" + "|".join(f"t*{size}" if size else "" for size in sizes) + "L"


def _experts(sheet: Sheet, model: ModelSpec) -> None:
    if not model.experts:
        sheet.implied("ep", "no experts, 1 is the default")
        sheet.implied("etp", "no experts")
        return
    sheet.put("ep", "--expert-model-parallel-size", sheet.job.number("ep"))
    sheet.put("etp", "--expert-tensor-parallel-size", sheet.job.number("etp"))
    if sheet.job.layout.ep > 1:
        sheet.fixed("--moe-token-dispatcher-type", "alltoall")


def _sharding(sheet: Sheet) -> None:
    job = sheet.job
    stage, ranks, group = job.number("zero"), job.number("dp") * job.number("cp"), job.number("shard_devices")
    if stage == 1:
        sheet.put("zero", "--use-distributed-optimizer")
    else:
        reason = "the distributed optimizer shards optimizer states alone"
        sheet.choose("zero", stage == 0, "nothing is sharded, the default", reason)
    if stage == 1 and group < ranks:
        sheet.put("shard_devices", "--num-distributed-optimizer-instances", ranks // group)
    else:
        sheet.choose(
            "shard_devices", stage < 2, "all of dp cp" if stage else "nothing is sharded", "no such stage is written"
        )
    if not job.layout.offload:
        sheet.implied("offload", "off without --optimizer-cpu-offload")
    elif stage == 1:
        sheet.put("offload", "--optimizer-cpu-offload")
        sheet.fixed("--use-precision-aware-optimizer")
    else:
        sheet.lacks("offload", "--use-precision-aware-optimizer, which it needs, needs the distributed optimizer")


def _step(sheet: Sheet) -> None:
    job = sheet.job
    sheet.put("micro_batch", "--micro-batch-size", job.number("micro_batch"))
    sheet.put("batch_samples", "--global-batch-size", job.batch_samples)
    sheet.implied("micro_batches", "global batch over micro-batch and dp")
    policy = str(job.numbers["recompute"])
    _all(sheet, "recompute", _RECOMPUTE.get(policy))
    if policy not in _RECOMPUTE:
        reason = "--recompute-granularity is selective or full"
        sheet.choose("recompute", policy == "none", "off without --recompute-granularity", reason)
    sheet.put("flash", "--attention-backend", "fused" if job.layout.flash else "unfused")
    sheet.put("sequence_tokens", "--seq-length", job.number("sequence_tokens"))
    sheet.lacks("document_tokens", "its layers mask what is later alone (attn_mask_type causal), documents do not")
    sheet.put("steps", "--train-iters", job.steps)


def _all(sheet: Sheet, setting: str, lines: tuple[tuple[str, Value], ...] | None) -> None:
    for number, (key, value) in enumerate(lines or ()):
        if number:
            sheet.fixed(key, value)
        else:
            sheet.put(setting, key, value)


def _model(sheet: Sheet, model: ModelSpec) -> None:
    sheet.put("model", "--num-layers", model.layers)
    sheet.fixed("--hidden-size", model.hidden)
    sheet.fixed("--ffn-hidden-size", model.ffn)
    sheet.fixed("--vocab-size", model.vocab)
    sheet.fixed("--max-position-embeddings", max(model.max_tokens, sheet.job.number("sequence_tokens")))
    if model.norm in _NORMS:
        sheet.fixed("--normalization", _NORMS[model.norm])
    else:
        sheet.lacks("model", "--normalization is LayerNorm or RMSNorm", model.norm)
    if model.mlp in _MLPS:
        sheet.fixed(_MLPS[model.mlp])
    elif model.mlp != "gelu":
        sheet.lacks("model", "no argument names this activation", model.mlp)
    biased = _BIASES.get((model.attention_bias, model.mlp_bias))
    for key in biased or ():
        sheet.fixed(key)
    if biased is None:
        sheet.lacks("model", "biases are on all linear layers, none, or queries, keys and values alone", "biases")
    if not model.tied:
        sheet.fixed("--untie-embeddings-and-output-weights")
    if not model.dropout:
        sheet.fixed("--hidden-dropout", 0)
        sheet.fixed("--attention-dropout", 0)
    if model.attention_layers or model.mixer_params:
        sheet.lacks("model", "pretrain_gpt.py has softmax attention in every block", "other token mixers")


def _attention(sheet: Sheet, model: ModelSpec) -> None:
    sheet.fixed("--num-attention-heads", model.heads)
    if model.position in _POSITIONS:
        sheet.fixed("--position-embedding-type", _POSITIONS[model.position])
    else:
        sheet.lacks("model", "--position-embedding-type has no such choice", model.position)
    if model.position == "rope":
        sheet.fixed("--rotary-base", _ROPE)
    if model.kv_lora:
        sheet.fixed("--multi-latent-attention")
        if model.q_lora:
            sheet.fixed("--q-lora-rank", model.q_lora)
        sheet.fixed("--kv-lora-rank", model.kv_lora)
        sheet.fixed("--qk-head-dim", model.head_dim - model.rope_dim)
        sheet.fixed("--qk-pos-emb-head-dim", model.rope_dim)
        sheet.fixed("--v-head-dim", model.v_head_dim or model.head_dim)
    else:
        sheet.fixed("--kv-channels", model.head_dim)
        if model.kv_heads < model.heads:
            sheet.fixed("--group-query-attention")
            sheet.fixed("--num-query-groups", model.kv_heads)
    if model.qk_norm == "head":
        sheet.fixed("--qk-layernorm")
    elif model.qk_norm == "full":
        sheet.lacks("model", "--qk-layernorm norms each head", "norm over all heads")
    if model.windowed_layers:
        sheet.lacks("model", "which blocks have it (--window-attn-skip-freq) is not known", "windowed attention")


def _routed(sheet: Sheet, model: ModelSpec) -> None:
    if not model.experts:
        return
    sheet.fixed("--num-experts", model.experts)
    sheet.fixed("--moe-router-topk", model.top_k)
    if model.expert_groups:
        sheet.fixed("--moe-router-num-groups", model.expert_groups)
        sheet.fixed("--moe-router-group-topk", model.top_k_groups)
    sheet.fixed("--moe-ffn-hidden-size", model.expert_ffn)
    common = model.shared_ffn or model.shared_experts * model.expert_ffn
    if common:
        sheet.fixed("--moe-shared-expert-intermediate-size", common)
    if model.moe_every == 1:
        sheet.fixed("--moe-layer-freq", f"([0]*{model.dense_layers}+[1]*{model.layers - model.dense_layers})")
    else:
        sheet.lacks("model", "which blocks have experts (--moe-layer-freq) is not known", "blocks with experts")
    if model.expert_mlp not in {"", model.mlp}:
        sheet.lacks("model", "experts have the activation of the dense blocks", model.expert_mlp)


def _training(sheet: Sheet) -> None:
    precision = sheet.job.spec.precision
    if precision == "fp16" and sheet.job.layout.ep > 1:
        sheet.lacks("precision", "expert parallelism is refused with --fp16")
    elif precision in _PRECISIONS:
        _all(sheet, "precision", _PRECISIONS[precision])
    else:
        sheet.choose("precision", precision == "fp32", "fp32 without --bf16 and --fp16", "no argument sets it")
    _optimizer(sheet, sheet.job)
    loss = sheet.job.spec.loss
    if loss == "fused":
        sheet.put("loss", "--cross-entropy-loss-fusion")
    else:
        unfused = "unfused without --cross-entropy-loss-fusion"
        sheet.choose("loss", loss in {None, "unfused"}, unfused, "the loss is fused or unfused")
    task = sheet.job.spec.task
    if task in {"continued_pretrain", "full_ft"}:
        sheet.put("task", "--load", Blank("CHECKPOINT", "folder of the checkpoint to start from"))
        sheet.fixed("--finetune")
    else:
        sheet.choose("task", task == "pretrain", "weights are drawn anew", "pretrain_gpt.py has no adapters")
    sheet.lacks_extras("pretrain_gpt.py has no adapters", "no argument of this writer sets it: the stack's own stands")


def _optimizer(sheet: Sheet, job: LaunchJob) -> None:
    name = job.spec.optimizer
    if name == "adamw":
        sheet.put("optimizer", "--optimizer", "adam")
    elif name in {"sgd", "sgd-momentum"}:
        sheet.put("optimizer", "--optimizer", "sgd")
        if name == "sgd":
            sheet.fixed("--sgd-momentum", 0)
    elif name == "muon" and job.layout.zero == 0:
        sheet.put("optimizer", "--optimizer", "muon")
        sheet.fixed("--ckpt-format", "torch")
    else:
        held = "muon is refused with the distributed optimizer"
        sheet.lacks("optimizer", held if name == "muon" else "--optimizer is adam, sgd or muon")
