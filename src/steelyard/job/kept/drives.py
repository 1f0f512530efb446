"""What free words say of drives: what of that which leaves the device rests on NVMe, in a row, a job or a stack."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from steelyard.errors import BadInput
from steelyard.job.kept.offloads import offload_of_note
from steelyard.job.kept.phrases import sharding_of_stack
from steelyard.strategies.denial import affirmed, denied
from steelyard.strategies.settings import spelled_number

_DRIVE = r"(?:nvme|disks?|ssds?)\b"
_DRIVES = rf"offload[^;]*\b{_DRIVE}|\b{_DRIVE}[ -]offload|zero-?infinity[^;]*\b{_DRIVE}|\b{_DRIVE}[^;]*zero-?infinity"
"""How people write that states or parameters wait on a drive (ZeRO-Infinity, arXiv 2104.07857)."""

_TO_DRIVE = rf"(?:offload\w* )?(?:(?:in)?to |on )?(?:the |a |local )?\b{_DRIVE}"
_PATH = re.compile(r"[\w.]*nvme_path[\"']?\s*[=:]\s*[^\s,;}]+")
_OTHERS = r"check-?point\w*|data\w*|\b(?:ref\w*|reward|teacher|kv|eval\w*)\b|tokeni\w+|logg\w+|images?"
"""Other things that people put on drives."""
_TOKENS = re.compile(
    rf"(?P<states>optimi[sz]ers?|(?<!optimizer )states?\b)|(?P<weights>param(?:eter)?s?|weights?)"
    rf"|(?P<other>activ\w*|{_OTHERS})"
    rf"|(?P<drive>\b{_DRIVE})|(?P<memory>\b(?:cpu|host|ram|dram|none|gpu)\b)"
)
_KINDS = ("states", "weights")

NO_DRIVES: frozenset[str] = frozenset()


@lru_cache(maxsize=1 << 14)
def on_drives_of_text(text: str) -> frozenset[str]:
    """Return which of `states` and `weights` a text puts on a drive.

    A drive is of what is named before it since the last place that was named, else of what is named behind it; one that
    is of nothing is of all that the text says to be offloaded, of states at least (`kept.offloads`).

    >>> texts = ("offload_optimizer: nvme", "offload_param: nvme", "offload states, params to NVMe", "no NVMe offload")
    >>> [sorted(on_drives_of_text(text)) for text in texts]
    [['states'], ['weights'], ['states', 'weights'], []]
    >>> texts = ("optimizer cpu offload, params nvme", "NVMe offload", "ZeRO-Infinity, NVMe", "NVMe SSDs, 3.84 TB")
    >>> [sorted(on_drives_of_text(text)) for text in texts]
    [['weights'], ['states'], ['states', 'weights'], []]
    >>> sorted(on_drives_of_text("offload_optimizer_device: cpu, offload_optimizer_nvme_path: /local_nvme"))
    []
    """
    plain = _PATH.sub(" ", text.lower()).replace("_", " ")
    if not re.search(rf"\b{_DRIVE}", plain):
        return NO_DRIVES
    parts = [part for part in affirmed(plain, _TO_DRIVE).split(";") if re.search(_DRIVES, part)]
    return NO_DRIVES.union(*map(_of_part, parts))


def says_of_drives(text: str) -> bool:
    """Tell whether a text says what is on a drive, or that nothing is.

    >>> says_of_drives("no NVMe offload"), says_of_drives("NVMe offload"), says_of_drives("data on NVMe")
    (True, True, False)
    """
    return bool(on_drives_of_text(text)) or denied(_TO_DRIVE, text)


def _of_part(part: str) -> set[str]:
    tokens = [(str(one.lastgroup), one[0]) for one in _TOKENS.finditer(part)]
    found: set[str] = set()
    for place, (kind, _) in enumerate(tokens):
        if kind != "drive":
            continue
        before = _kinds_until_place(reversed(tokens[:place]))
        named = before or _kinds_until_place(tokens[place + 1 :])
        if not named:
            away = offload_of_note(part, False)
            named = [one for one, word in zip(_KINDS, ("optimizer", "params"), strict=True) if word in away] or [
                "states"
            ]
        found |= {one for one in named if one in _KINDS}
    return found


def _kinds_until_place(tokens: Iterable[tuple[str, str]]) -> list[str]:
    found = []
    for kind, _ in tokens:
        if kind in ("drive", "memory"):
            break
        found.append(kind)
    return found


_ENTRIES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "states": MappingProxyType({"states_on_nvme": 1.0}),
        "weights": MappingProxyType({"weights_on_host": 1.0, "weights_on_nvme": 1.0}),
    }
)


def drive_entries(text: str) -> dict[str, float]:
    """Return the entries of a recipe that a text says of drives.

    >>> drive_entries("DeepSpeed, offload_optimizer: nvme"), drive_entries("DeepSpeed, CPU offload")
    ({'states_on_nvme': 1.0}, {})
    """
    return {name: value for one in sorted(on_drives_of_text(text)) for name, value in _ENTRIES[one].items()}


def asks_states(entries: Mapping[str, float]) -> bool:
    """Tell whether entries of a recipe put states of the optimizer on drives."""
    return entries.get("states_on_nvme", 0.0) > 0


def asks_drives(entries: Mapping[str, float]) -> bool:
    """Tell whether entries of a recipe put anything on drives.

    >>> asks_drives({"states_on_nvme": 1.0}), asks_drives({"weights_on_host": 1.0})
    (True, False)
    """
    return asks_states(entries) or entries.get("weights_on_nvme", 0.0) > 0


DRIVE_LAYOUT: Mapping[str, tuple[int, ...]] = MappingProxyType({"zero": (3,)})
"""What holds of a layout whose parameters or states are on drives: only ZeRO-3 has swappers
(github.com/deepspeedai/DeepSpeed runtime/zero/stage3.py, `swap_optimizer` and `params_in_nvme_and_cpu`)."""


def drive_layout(entries: Mapping[str, float]) -> dict[str, tuple[int, ...]]:
    """Return what entries of a recipe that asks for drives make of a layout where nobody says: what drives need.

    >>> drive_layout({"states_on_nvme": 1.0}), drive_layout({"weights_on_nvme": 1.0}), drive_layout({})
    ({'zero': (3,), 'offload': (1,)}, {'zero': (3,)}, {})
    """
    found = dict(DRIVE_LAYOUT) if asks_drives(entries) else {}
    return found | ({"offload": (1,)} if asks_states(entries) else {})


def laid_on_drives(
    layout: Mapping[str, tuple[int, ...]], stack: str, recipe: Mapping[str, float]
) -> Mapping[str, tuple[int, ...]]:
    """Return what a job allows of its layout, with what drives need where it puts something on them.

    Args:
        layout: what it says of the layout.
        stack: as it writes it.
        recipe: entries that it gives.

    Raises:
        BadInput: the layout, or the name of the stack, rules out what drives need.

    >>> dict(laid_on_drives({"tp": (1,)}, "deepspeed", {"states_on_nvme": 1.0}))
    {'tp': (1,), 'zero': (3,), 'offload': (1,)}
    >>> laid_on_drives({"zero": (2,)}, "deepspeed, NVMe offload", {})
    Traceback (most recent call last):
    steelyard.errors.BadInput: NVMe drives need zero = 3, and the job says zero = 2; write zero=3, or weights=host
    """
    needed = drive_layout({**drive_entries(stack), **recipe})
    if not needed:
        return layout
    named = spelled_number("zero", sharding_of_stack(stack))
    stated = ({} if named is None else {"zero": (named,)}) | dict(layout)
    for name, values in needed.items():
        if name in stated and values[0] not in stated[name]:
            has = " or ".join(map(str, stated[name]))
            raise BadInput(
                f"NVMe drives need {name} = {values[0]}, and the job says {name} = {has}; write {name}={values[0]}, or "
                "weights=host"
            )
    return MappingProxyType({**layout, **needed})
