"""Which policy of recomputation a run had: by its name, as a share of its blocks, as a list of what is kept."""

import re

from steelyard.catalog.stack_names import StackRule
from steelyard.evidence.frames.shapes import ModelShape, RowsShape
from steelyard.evidence.runs.columns import says, unreadable
from steelyard.evidence.runs.run import Run
from steelyard.job.unstated.usual import usual_recompute
from steelyard.strategies.recompute import RECOMPUTE
from steelyard.strategies.settings import spelled_number
from steelyard.workload import Architecture

_FULL = float(RECOMPUTE.index("full"))
_SELECTIVE = float(RECOMPUTE.index("selective"))

KEPT_PRODUCTS: dict[str, frozenset[str]] = {
    "full": frozenset(),
    "custom": frozenset(),
    "save_out_proj": frozenset({"out"}),
    "save_qkv_proj": frozenset({"qkv"}),
    "qkv_proj_offloaded": frozenset({"qkv"}),
    "save_dot_except_mlp": frozenset({"qkv", "out"}),
    "save_dot_with_context_except_mlp": frozenset({"qkv", "out"}),
    "save_dot_except_mlpwi": frozenset({"qkv", "out", "down"}),
}
"""Products of a block that MaxText's policies of these names keep, on the device or the host; the others run again.

Source: github.com/AI-Hypercomputer/maxtext, get_remat_policy of its decoders. `custom` recomputes every tensor that its
configuration does not name; which it names, rows do not say.
"""

KEEPS_PRODUCTS = re.compile(r"minimal(_flash|_with_context|_offloaded)?")
"""MaxText's policies that keep every product of a block, and run the rest again, as selective recomputation does."""


_MODULE = r"(?:selective|core_attn|attn norm|moe_act|layernorm|mla_up_proj|shared_experts|mlp|moe)"
_MODULES = re.compile(rf"{_MODULE}(?: ?[,+] ?{_MODULE})*")
_PRODUCTS = re.compile(r"\bmlp\b|\bmoe\b")
"""Modules of Megatron-core's `recompute_modules`; those of the MLP repeat its products
(github.com/NVIDIA/Megatron-LM, megatron/core/transformer/transformer_config.py)."""

EVERY_SECOND = re.compile(
    r"(?:selective )?op|selective ac|selective ?[:(]? ?2\)?|every (?:other|second) (?:layer|block|op)|half"
)
"""Every second block, or every second product of each block: torchtitan's selective policies
(github.com/pytorch/torchtitan, distributed/activation_checkpoint.py)."""


def recompute_choices(run: Run, arch: ModelShape, rule: StackRule, assumed: set[str]) -> tuple[float, ...]:
    """Return the policies that a row may mean, by number: stated, counted in its FLOPs, its stack's, or what fits.

    Args:
        run: the row.
        arch: the shape of its model.
        rule: what its stack implies.
        assumed: what the row does not say; recomputation is added where it is a guess.
    """
    named = re.search(r"remat[ _]policy[ =:]*([a-z_]+)", run.note.lower())
    for text in ([named[1]] if named else []) + [run.recompute]:
        stated = recompute_number(text, arch)
        if stated is not None:
            if "toml default" in run.note or text == "custom" or lists_modules(text):  # not printed, or not counted
                assumed.add("recompute")
            return (stated,)
    if says(run.recompute):
        raise unreadable(run, "recompute")
    if re.search(r"incl\w*\.? (full )?recompute", run.flop_convention):  # what it counts, it does
        return (_FULL,)
    assumed.add("recompute")
    usual = usual_recompute(rule)
    if usual:
        return (usual,) if usual == _FULL else (usual, _FULL)  # a run that ran did fit
    return (0.0, _FULL - 0.75, _FULL - 0.5, _FULL - 0.25, _FULL)  # shares of the blocks


def lists_modules(text: str) -> bool:
    """Tell whether a text lists modules that run again whose tensors no policy here drops one by one.

    >>> [lists_modules(text) for text in ("moe_act, layernorm", "core_attn", "full", "selective")]
    [True, False, False, False]
    """
    plain = text.strip().lower()
    return bool(_MODULES.fullmatch(plain)) and bool(set(re.findall(r"\w+", plain)) - {"core_attn", "selective"})


def recompute_number(text: str, arch: ModelShape) -> float | None:
    """Return the number of the policy that a text names, as `tables.Layout` has it; None where it names none.

    A share of the blocks, and a list of the products that a block keeps, lie between none (1) and full (2).

    >>> from steelyard.job.models.architecture import architecture
    >>> from steelyard.job.models.presets import find_model
    >>> arch = architecture(find_model("llama-2-7b"))
    >>> texts = ("full", "minimal_flash", "every 2nd layer", "8 of 32 layers", "25 %", "unknown")
    >>> [recompute_number(text, arch) for text in texts]
    [2.0, 1.0, 1.5, 1.25, 1.25, None]
    >>> [round(recompute_number(text, arch), 2) for text in ("save_qkv_proj", "save_dot_except_mlp")]
    [1.75, 1.67]
    """
    plain = text.strip().lower()
    spelled = spelled_number("recompute", plain)
    if spelled is not None:
        return float(spelled)
    if KEEPS_PRODUCTS.fullmatch(plain):
        return _SELECTIVE
    if modules := _MODULES.fullmatch(plain):
        return _SELECTIVE if not _PRODUCTS.search(modules[0]) else _FULL - _kept(arch, frozenset({"qkv", "out"}))
    if plain in KEPT_PRODUCTS:
        return _FULL - _kept(arch, KEPT_PRODUCTS[plain])
    share = _share(plain, 1.0 if isinstance(arch, RowsShape) else float(arch.layers))
    return None if share is None else _FULL - 1 + share if share else 0.0


def _kept(arch: ModelShape, products: frozenset[str]) -> float:
    return kept_share(arch, products) if isinstance(arch, Architecture) else 0.0


def kept_share(arch: Architecture, kept: frozenset[str]) -> float:
    """Return the share of a block's forward products that need not run again."""
    width = arch.moe_ffn * arch.top_k + arch.shared_ffn if arch.experts else arch.ffn
    products = {
        "qkv": arch.hidden * (arch.heads + 2 * arch.kv_heads) * arch.head_dim,
        "out": arch.hidden * arch.heads * arch.v_head_dim,
        "up": (arch.ffn_matrices - 1) * arch.hidden * width,
        "down": arch.hidden * width,
    }
    return float(sum(products[name] for name in kept) / sum(products.values()))


def _share(text: str, layers: float) -> float | None:
    """Return the share of the blocks that a text counts: `8 of 32 layers`, `every 2nd layer`, `25 %`, `16 layers`."""
    if EVERY_SECOND.fullmatch(text):
        return 0.5
    if every := re.search(r"every (\d+)(?:st|nd|rd|th)? ?(?:layers?|blocks?)?$", text):
        return min(1.0, 1 / max(1, int(every[1])))
    if part := re.search(r"(\d+) ?(?:of|/) ?(\d+)", text):
        return min(1.0, int(part[1]) / max(1, int(part[2])))
    if percent := re.search(r"(\d+(?:\.\d+)?) ?(?:%|percent)", text):
        return min(1.0, float(percent[1]) / 100)
    if span := re.search(r"layers? (\d+) ?(?:-|to) ?(\d+)", text):
        return min(1.0, (int(span[2]) - int(span[1]) + 1) / layers)
    counted = re.search(r"(?:^|\b)(?:(\d+) (?:layers|blocks)|block (\d+))", text)
    return min(1.0, int(counted[1] or counted[2]) / layers) if counted else None
