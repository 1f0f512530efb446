"""Models by name. A spelling may vary in case and punctuation; a name that only comes near is an error."""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from steelyard.catalog import load
from steelyard.errors import BadCatalog, UnknownName
from steelyard.job.models.spec import ModelSpec, PublishedModel

_FLAGS = frozenset({"tied", "mlp_bias", "head_bias", "dropout"})
_TEXTS = frozenset(
    {"family", "model_type", "kind", "norm", "mlp", "position", "attention_bias", "qk_norm", "expert_mlp"}
)
_PUBLISHED = frozenset({"aliases", "active_basis", "mismatch", "unread", "source", "checked", "verified", "note"})
_SAME_SHAPE = re.compile(r"[-_ ](hf|base|instruct|chat|it|pt)$")


def find_model(name: str) -> ModelSpec:
    """Return the model of that name, or raise `UnknownName` with the nearest.

    >>> written = ("meta-llama/Meta-Llama-3-8B", "LLAMA3.1_405B", "Qwen3_30B_a3B", "GPT OSS 120B")
    >>> [find_model(name).name for name in written]
    ['llama-3-8b', 'llama-3.1-405b', 'qwen3-30b-a3b', 'gpt-oss-120b']
    >>> find_model("llama-3-9b")
    Traceback (most recent call last):
    steelyard.errors.UnknownName: unknown model 'llama-3-9b'; nearest: llama-3-8b, ...
    """
    spec = find_model_or_none(name)
    if spec is None:
        raise UnknownName("model", name, _table())
    return spec


def find_model_or_none(name: str) -> ModelSpec | None:
    """Return the model of that name, or None.

    >>> find_model_or_none("no such model") is None
    True
    """
    index = _index()
    own = index.get(normal_name(name)) or index.get(normal_name(_SAME_SHAPE.sub("", name.strip().lower())))
    return _table()[own] if own else None


def model_names() -> tuple[str, ...]:
    """Return the names of all models, in the catalog's order.

    >>> model_names()[:2]
    ('gpt2', 'gpt2-medium')
    """
    return tuple(_table())


def normal_name(name: str) -> str:
    """Return a name without its publisher, case and punctuation; what parts two numbers stays.

    >>> normal_name("meta-llama/Llama-3.1-405B"), normal_name("Llama3.1 405b")
    ('llama3.1-405b', 'llama3.1-405b')
    >>> normal_name("gemma-22b"), normal_name("Gemma 2-2B")
    ('gemma22b', 'gemma2-2b')
    >>> normal_name("ViT-L/16"), normal_name("google/vit-large-patch16-224")
    ('vitl16', 'vitlargepatch16-224')
    """
    *publishers, plain = name.strip().lower().split("/")
    if publishers and not re.search("[a-z]", plain):  # the patch of ViT-L/16
        plain = f"{publishers[-1]}-{plain}"
    plain = plain.removeprefix("meta-")
    plain = re.sub(r"[^a-z0-9.]+", "-", plain).strip("-.")
    return re.sub(r"(?<![0-9])-|-(?![0-9])", "", plain)


@cache
def _table() -> MappingProxyType[str, ModelSpec]:
    return MappingProxyType({row["name"]: _spec(row) for row in load().models})


@cache
def _index() -> MappingProxyType[str, str]:
    index: dict[str, str] = {}
    for row in load().models:
        for spelling in (row["name"], *row["aliases"].split()):
            plain = normal_name(spelling)
            if index.setdefault(plain, row["name"]) != row["name"]:
                raise BadCatalog(f"models.csv: {spelling!r} names both {index[plain]} and {row['name']}")
    return MappingProxyType(index)


def _spec(row: Mapping[str, str]) -> ModelSpec:
    values: dict[str, Any] = {}
    for column, text in row.items():
        if column in _PUBLISHED or column.startswith("published_") or not text:
            continue
        values[column] = text == "yes" if column in _FLAGS else text if column in _TEXTS | {"name"} else int(text)
    published = PublishedModel(
        params=int(row["published_params"] or 0),
        precision=row["published_precision"],
        active=int(row["published_active"] or 0),
        active_basis=row["active_basis"],
        mismatch=row["mismatch"],
        tokens=int(row["published_tokens"] or 0),
        unread=tuple(row["unread"].split()),
        source=row["source"],
        checked=row["checked"],
        verified=row["verified"] == "yes",
        note=row["note"],
    )
    return ModelSpec(**values, published=published)
