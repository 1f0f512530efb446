"""What free words say of the host: which states are kept there, and what else of the run is no state."""

import re
from functools import lru_cache

from steelyard.strategies.denial import denied, named

_KEPT = 1 << 14

_IS = r"(?:is |are |was |were )?"
_BARE = r"(?![\"' _=:-]*(?:(?:of|for|the|to|is|are|=|:) ?)*(?:optim|param|weight|state|activ|grad|model|data|check))"
"""Behind an offload that does not say of what it is."""
_BETWEEN = r"[ ,_+(/-]*(?:with |and |w/ ?|plus )?(?:the )?(?:cpu[ _-]?)?"
_OF_ZERO = rf"(?:zero|ds_z|deepspeed)[ _-]*(?:stage)?[ _-]*[0-3]?{_BETWEEN}offload(?:ing|ed)?(?![a-z]){_BARE}"
_OF_FSDP = rf"(?:fsdp\d?|full[ _-]?shard\w*){_BETWEEN}offload(?:ing|ed)?(?![a-z]){_BARE}"
"""Offload beside the name of what shards: ZeRO-Offload moves states of the optimizer, under stage 3 as well, whose
parameters a setting of their own moves (deepspeed.ai/docs/config-json, offload_optimizer and offload_param); FSDP
moves parameters and what updates them (docs.pytorch.org, torch.distributed.fsdp, CPUOffload)."""
_ALONE = r"(?:^|[;,+(]|\bwith|\band) *(?:cpu[ _-]?)?offload(?:ing)?(?=\s*(?:$|[;,)+]))"
"""A phrase of a text that is nothing but offload."""
_OPTIMIZER_OFFLOAD = (
    r"offload_optimi[sz]er\w*|optimi[sz]er(?: states?)?[ _-](?:cpu[ _-])?offload\w*|zero-offload|deepspeedcpuadam"
    r"|offload\w* param\w*(?:, ?| and | ?[+/] ?)optim\w*|cpuoffloadoptimizer|z2_offload"
    r"|offload\w*[:=]?(?: of)?(?: the)? optimi[sz]er(?: states?)?"
    r"|optimi[sz]er(?: states?)? on (?:the )?(?:cpu|host)"
)
_PARAMETER_OFFLOAD = (
    rf"offload_param\w*|(?:param(?:eter)?s?|weights)[ _-]{_IS}(?:cpu[ _-])?offload\w*"
    r"|offload\w*[:=]?(?: of)?(?: the)? param\w*|cpuoffload_params"
    r"|offload\w* optim\w*(?: states?)?(?:, ?| and | ?[+/] ?)param\w*"
    r"|param(?:eter)?s? on (?:the )?(?:cpu|host)"
)
_ALL_OFFLOAD = (
    r"fsdp_offload_params|fsdp[ _](?:with )?cpu[ _]offload\w*|zero-?infinity|z3_offload|cpuoffload_all"
    r"|(?:full_shard|shard_grad_op)(?: auto_wrap)? offload"
)
_CPU_OFFLOAD = r"\bcpu[ _-]?offload\w*|offload\w* to (?:the )?(?:cpu|host)|\boffload=(?:cpu|true)"

_ALL, _UNSAID = f"{_ALL_OFFLOAD}|{_OF_FSDP}", f"{_CPU_OFFLOAD}|{_OF_ZERO}|{_ALONE}"
"""Of parameters and states; of nothing that is named."""
_WORD = r"\boffload(?:ing)?\b"

_OTHER = (
    r"(?:activations?|act|(?:activation |gradient )?check-?point(?:s|ing)?|data ?(?:sets?|load\w*)?|logging|images?"
    r"|(?:ref\w*|reward|teacher)(?: model)?|tokeni[sz]\w+|pre-?processing|kv[ -]cache|eval\w*|inputs?)"
)
_STATES = r"(?:optim\w*|param\w*|weights?|gradients?|grads?|states?)(?: states?)?"
_AND = r"(?:,? and |, | ?[+/&] ?)"
_OTHERS = rf"(?<![a-z0-9]){_OTHER}(?:{_AND}{_OTHER})*"
_TO = r"(?: (?:in)?to (?:the )?(?:cpu|host)(?: (?:memory|ram|dram))?)?"
_OF_OTHERS = re.compile(
    rf"(?P<behind>{_STATES}{_AND})?{_OTHERS} {_IS}(?:cpu[ _-])?offload\w*{_TO}"
    rf"|(?:cpu[ _-])?offload\w*(?: of| for)?(?: the)? (?P<before>{_STATES}{_AND})?{_OTHERS}{_TO}"
)
"""Other things on the host than states: activations are a term of `strategies.recipe`, the rest is nothing."""


@lru_cache(maxsize=_KEPT)
def offload_of_note(note: str, fully_sharded: bool) -> str:
    """Return what a note says is on the host, optimizer or params or both, none where it denies that; else empty.

    FSDP moves parameters and with them what updates them (docs.pytorch.org, torch.distributed.fsdp, CPUOffload); of
    other frameworks an offload without an object is the optimizer's (arXiv 2101.06840, section 4).

    >>> [offload_of_note(text, True) for text in ("activations offloaded to CPU", "dataset offloaded to the host")]
    ['', '']
    >>> texts = ("offload_optimizer: cpu", "offload_optimizer_device: none", "parameter offload", "cpu_offload=True")
    >>> [offload_of_note(text, False) for text in texts], offload_of_note("CPU offload", True)
    (['optimizer', 'none', 'params', 'optimizer'], 'optimizer+params')
    >>> [offload_of_note(text, False) for text in ("DeepSpeed ZeRO-3 Offload", "zero2_offload", "FSDP with offload")]
    ['optimizer', 'optimizer', 'optimizer+params']
    """
    note = _OF_OTHERS.sub(lambda found: found[0] if found["behind"] or found["before"] else "others", note.lower())
    every = named(_ALL, note) or (fully_sharded and named(_UNSAID, note))
    states = every or named(_OPTIMIZER_OFFLOAD, note)
    weights = every or named(_PARAMETER_OFFLOAD, note)
    if not (states or weights):
        states = named(_UNSAID, note)
    words = [name for name, found in (("optimizer", states), ("params", weights)) if found]
    none = denied(f"{_ALL}|{_OPTIMIZER_OFFLOAD}|{_PARAMETER_OFFLOAD}|{_UNSAID}|{_WORD}", note)
    return "+".join(words) or ("none" if none else "")
