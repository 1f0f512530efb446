"""A model described by its rows, in a file of its own: convolutional networks, and whatever no builder makes.

The file is YAML: `name`, `sample` (what one pass takes: image), `batch` and `batch_source` (samples of a usual step),
`source`, `checked`, `params` (checked against the rows), `blocks` (each with its name, count and the elements that
enter it) and `rows` (fields of `workload.row.Row`; block `head` is the end that computes the loss).
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from steelyard.catalog import load
from steelyard.catalog.read import row_models
from steelyard.errors import BadInput, nearest
from steelyard.job.documents import load_yaml, read_text
from steelyard.job.models.presets import normal_name
from steelyard.job.models.spec import MOST_PARAMS, PublishedModel
from steelyard.tables import Divisible
from steelyard.workload.row import EMBEDDING, HEAD, WHOLE, WIDTHS, Kind, Model, Row

NEEDED = ("name", "sample", "batch", "blocks", "rows")
FIELDS = (*NEEDED, "aliases", "batch_source", "source", "checked", "params")
_NO_ROW = Row(name="", block="")
ROW_TEXTS = frozenset({"name", "block", "kept_kind", "kept_width"})
KEPT_KINDS = ("activation", "mask", "logits")
LONGEST_WORD = 100
PRODUCT = ("m", "k", "n")
ROW_NUMBERS: Mapping[str, tuple[int, float]] = MappingProxyType(
    {
        **dict.fromkeys(PRODUCT, (1, 1e9)),
        "groups": (1, 1e9),
        "repeats": (1, 1e6),
        "params": (0, 1e15),
        "kept": (0, 1e12),
        "moved": (0, 1e12),
    }
)
"""The numbers of a row, with the least and the most of each."""

FILE_NUMBERS: Mapping[str, tuple[int, float]] = MappingProxyType(
    {"batch": (1, 1e9), "count": (1, 1e6), "input": (1, 1e12), "params": (1, MOST_PARAMS)}
)
LARGEST_PRODUCT = 1e18
"""Multiply-adds of one product of one sample: a language model of a trillion parameters takes as many for a million
tokens."""

SAMPLE = re.compile(r"[a-z][a-z-]{1,28}[a-rt-z]")
NO_SAMPLES = frozenset({"token", "sequence", "text", "sample", "step", "batch", "word"})
"""What a model by rows does not train on: its rows have no length that a job could choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsSpec:
    """A model as the rows of its file: what a job trains on samples of it."""

    name: str
    sample: str  # what one pass takes, in the singular: image
    batch: int  # samples of a usual step
    batch_source: str
    rows: Model
    published: PublishedModel
    params: int


def rows_spec(text: str, where: str) -> RowsSpec:
    """Return the model that the text of a file describes; BadInput names what is wrong and where."""
    return _rows_of(load_yaml(text, where), where)


def reread_rows(spec: RowsSpec) -> RowsSpec:
    """Return a model that was read back as a file of its rows would make it; BadInput where it could be none."""
    rows = []
    for row in spec.rows.rows:
        numbers = {name: getattr(row, name) for name in ROW_NUMBERS if getattr(row, name) != getattr(_NO_ROW, name)}
        texts = {name: getattr(row, name) for name in ROW_TEXTS if name in {"name", "block"} or numbers.get("kept")}
        rows.append({**texts, **numbers})
    kinds = [{"name": one.name, "count": one.count, "input": one.hidden} for one in spec.rows.kinds]
    given = {"name": spec.name, "sample": spec.sample, "batch": spec.batch, "params": spec.params}
    made = _rows_of({**given, "blocks": kinds, "rows": rows}, f"model {spec.name}")
    return replace(made, batch_source=spec.batch_source, published=spec.published)


def _rows_of(given: Any, where: str) -> RowsSpec:
    if not isinstance(given, Mapping):
        raise BadInput(f"{where}: it holds no fields; write name, sample, batch, blocks and rows")
    if "model" in given and "rows" not in given:
        raise BadInput(f"{where}: it is a job, not a model by rows; give it where a job is asked for: plan {where}")
    _check_names(given, FIELDS, where)
    for name in NEEDED:
        if not given.get(name):
            raise BadInput(f"{where}: {name} is missing; a model by rows needs {', '.join(NEEDED)}")
    aliases = given.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(one, str) and one.strip() for one in aliases):
        raise BadInput(f"{where}: aliases is {str(aliases)[:60]!r}; it must be a list of names")
    rows = tuple(_row(one, f"{where}: row {index}") for index, one in enumerate(_list(given, "rows", where), 1))
    blocks = enumerate(_list(given, "blocks", where), 1)
    kinds = tuple(_kind(one, rows, f"{where}: block {index}") for index, one in blocks)
    _check_blocks(kinds, rows, where)
    total = _checked_total(given, _total(kinds, rows), where)
    _check_texts(given, ("name", "sample"), where)
    _check_texts(given, ("source", "checked", "batch_source"), where, longest=1000)
    published = PublishedModel(params=total, source=str(given.get("source", "")), checked=str(given.get("checked", "")))
    return RowsSpec(
        name=str(given["name"]),
        sample=_sample(str(given["sample"]), where),
        batch=int(_number(given, "batch", where, *FILE_NUMBERS["batch"])),
        batch_source=str(given.get("batch_source", "as the file says")),
        rows=_model(kinds, rows),
        published=published,
        params=total,
    )


def read_rows(path: Path) -> RowsSpec:
    """Return the model that a file describes by rows."""
    return rows_spec(read_text(path), str(path))


@cache
def rows_presets() -> Mapping[str, RowsSpec]:
    """Return the models by rows that come with the catalog, by each of their names.

    >>> rows_presets()["resnet50"].params
    25557032
    """
    found: dict[str, RowsSpec] = {}
    for name, text in row_models(load().folder).items():
        spec = rows_spec(text, f"rows/{name}.yaml")
        aliases = load_yaml(text, name).get("aliases", ())
        found |= {normal_name(one): spec for one in (spec.name, *aliases)}
    return found


def _model(kinds: tuple[Kind, ...], rows: tuple[Row, ...]) -> Model:
    """Return the rows as a model that only data parallelism divides."""
    blocks = sum(kind.count for kind in kinds)
    return Model(
        kinds=kinds,
        rows=rows,
        divisible=Divisible(blocks=blocks, stages=1, heads=1, kv_heads=1, ffn=0, experts=0, sequence=1, projection=0),
        hidden=max(kind.hidden for kind in kinds),
        ring=1.0,
        copies=0.0,
        expert_groups=0.0,
        top_k_groups=0.0,
        tokens=1.0,
    )


def _list(given: Mapping[str, Any], name: str, where: str) -> list[Any]:
    if not isinstance(given[name], list) or not all(isinstance(one, Mapping) for one in given[name]):
        raise BadInput(f"{where}: {name} must be a list of mappings, one for each")
    return list(given[name])


def _check_names(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name in given:
        if name not in known:
            near = nearest(str(name), known) or known
            raise BadInput(f"{where}: unknown field {str(name)[:60]!r}; nearest: {', '.join(near)}")


def _check_texts(given: Mapping[str, Any], names: Iterable[str], where: str, longest: int = LONGEST_WORD) -> None:
    for name in names:
        if name in given and not (isinstance(given[name], str) and 0 < len(given[name].strip()) <= longest):
            raise BadInput(f"{where}: {name} is {str(given[name])[:60]!r}; it must be a text of up to {longest}")


def _sample(word: str, where: str) -> str:
    if not SAMPLE.fullmatch(word) or word in NO_SAMPLES:
        raise BadInput(
            f"{where}: sample is {word[:60]!r}; write what one pass takes, one small word in the singular such as "
            "image or event (what trains on sequences of tokens is described by its layers, not by rows)"
        )
    return word


def _number(given: Mapping[str, Any], name: str, where: str, least: float, most: float) -> float:
    value = given.get(name, least)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value <= most or value % 1:
        raise BadInput(f"{where}: {name} is {str(value)[:60]!r}; it must be a whole number from {least:g} to {most:g}")
    return float(value)


def _row(given: Mapping[str, Any], where: str) -> Row:
    _check_names(given, (*sorted(ROW_TEXTS), *sorted(ROW_NUMBERS)), where)
    if not given.get("block") or not given.get("name"):
        raise BadInput(f"{where}: it needs a block and a name")
    if given.get("kept_width", "element") not in WIDTHS:
        raise BadInput(f"{where}: kept_width is {given['kept_width']!r}; it is one of {', '.join(WIDTHS)}")
    _check_texts(given, ROW_TEXTS, where)
    if given.get("kept_kind", KEPT_KINDS[0]) not in KEPT_KINDS:
        raise BadInput(f"{where}: kept_kind is {given['kept_kind']!r}; it is one of {', '.join(KEPT_KINDS)}")
    texts = {name: str(given[name]) for name in ROW_TEXTS if name in given}
    numbers = {name: _number(given, name, where, *ends) for name, ends in ROW_NUMBERS.items() if name in given}
    _check_row(given, numbers, where)
    kept = {"kept_kind": "activation"} if numbers.get("kept") and "kept_kind" not in texts else {}
    moved = {"moved_kind": "inside"} if numbers.get("moved") else {}
    return Row(**{**kept, **moved, **texts, **numbers, "split_params": WHOLE})  # type: ignore[arg-type]  # checked above


def _check_row(given: Mapping[str, Any], numbers: Mapping[str, float], where: str) -> None:
    """Raise `BadInput` where the parts of a row do not belong together."""
    lengths = [name for name in PRODUCT if name in numbers]
    if lengths and len(lengths) < len(PRODUCT):
        raise BadInput(f"{where}: it has {' and '.join(lengths)} alone; a product needs m, k and n")
    if "groups" in numbers and not lengths:
        raise BadInput(f"{where}: groups is given without a product; give its m, k and n, or leave groups out")
    if numbers.get("groups", 1.0) > numbers.get("m", 1.0):
        raise BadInput(f"{where}: groups is {numbers['groups']:g} but m, the rows of all groups, is {numbers['m']:g}")
    if lengths and math.prod(numbers[name] for name in lengths) > LARGEST_PRODUCT:
        raise BadInput(f"{where}: m x k x n is above {LARGEST_PRODUCT:g}; no product of one sample is that large")
    for word in ("kept_kind", "kept_width"):
        if word in given and not numbers.get("kept"):
            raise BadInput(f"{where}: {word} is given but kept is not; give the elements kept, or leave {word} out")
    if not any(numbers.get(name) for name in ("m", "params", "kept", "moved")):
        raise BadInput(
            f"{where}: it has nothing; give a product (m, k, n), params, kept or moved, or leave the row out"
        )


def _kind(given: Mapping[str, Any], rows: tuple[Row, ...], where: str) -> Kind:
    _check_names(given, ("name", "count", "input"), where)
    if not given.get("name"):
        raise BadInput(f"{where}: it needs a name")
    _check_texts(given, ("name",), where)
    name = str(given["name"])
    widest = max((row.kept for row in rows if row.block == name), default=0.0)
    if name in {HEAD, EMBEDDING}:
        raise BadInput(f"{where}: its name is {name!r}, which every model has once; give the block another name")
    count, hidden = (_number(given, field, where, *FILE_NUMBERS[field]) for field in ("count", "input"))
    return Kind(name=name, count=count, hidden=hidden, widest=widest)


def _check_blocks(kinds: tuple[Kind, ...], rows: tuple[Row, ...], where: str) -> None:
    names = [kind.name for kind in kinds]
    if len(set(names)) < len(names):
        raise BadInput(f"{where}: a block is listed twice; give each kind once, with its count")
    for row in rows:
        if row.block not in {*names, HEAD}:
            near = nearest(row.block, names) or names
            raise BadInput(f"{where}: row {row.name!r} is of block {row.block!r}; nearest: {', '.join(near)}")
    for name in names:
        if not any(row.block == name for row in rows):
            raise BadInput(f"{where}: no row is of block {name[:60]!r}; give its rows, or leave it out")
    if not any(row.block == HEAD and row.n for row in rows):
        raise BadInput(f"{where}: no row of block 'head' has a product; give the layer that the loss is computed from")


def _checked_total(given: Mapping[str, Any], total: int, where: str) -> int:
    if not total:
        raise BadInput(f"{where}: no row has params; give the weights that are trained")
    if total > MOST_PARAMS:
        raise BadInput(f"{where}: the rows hold {total:.3g} parameters; no model is that large")
    stated = _number(given, "params", where, *FILE_NUMBERS["params"]) if "params" in given else total
    if stated != total:
        raise BadInput(f"{where}: params are {stated:.0f} but the rows hold {total}; one of them is wrong")
    return total


def _total(kinds: tuple[Kind, ...], rows: tuple[Row, ...]) -> int:
    counts = {kind.name: kind.count for kind in kinds}
    return int(sum(row.params * row.repeats * counts.get(row.block, 1.0) for row in rows))
