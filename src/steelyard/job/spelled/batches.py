"""Settings of a batch that stand in a note as configurations of other tools write them."""

import re
from collections.abc import Mapping

from steelyard.job.degrees import SETTING_ALIASES

_FIELDS: Mapping[str, str] = {
    name: field for name, field in SETTING_ALIASES.items() if field in ("micro_batch", "micro_batches")
} | {"global_batch_size": "global_batch", "global_batch": "global_batch", "micro_batch": "micro_batch"}
_SETTING = re.compile(
    rf"(?<![a-z0-9_])({'|'.join(sorted(_FIELDS, key=len, reverse=True))})[\"']?\s*[=:]\s*[\"']?(\d+)(?![\w.]*\d|\w)"
)


def batch_of_note(note: str) -> Mapping[str, str]:
    """Return micro-batch, number of micro-batches and global batch that a note writes as settings.

    A setting that stands there with several numbers is none.

    >>> dict(batch_of_note("per_device_train_batch_size=2, gradient_accumulation_steps=4; packed"))
    {'micro_batch': '2', 'micro_batches': '4'}
    >>> dict(batch_of_note("mbs=2, then mbs=4; global_batch_size: 64")), dict(batch_of_note("batch 8"))
    ({'global_batch': '64'}, {})
    """
    found: dict[str, set[str]] = {}
    for name, number in _SETTING.findall(note.lower().replace("-", "_")):
        found.setdefault(_FIELDS[name], set()).add(number)
    return {field: min(numbers) for field, numbers in found.items() if len(numbers) == 1 and min(numbers) != "0"}
