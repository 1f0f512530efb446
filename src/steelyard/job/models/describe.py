"""What stands behind `model:` — a preset's name, a configuration file, or a description in place."""

from collections.abc import Mapping
from dataclasses import fields as fields_of
from dataclasses import replace
from pathlib import Path
from typing import Any

from steelyard.errors import BadInput, UnknownName, nearest
from steelyard.job.models import configs, presets
from steelyard.job.models.rows_spec import RowsSpec, read_rows, rows_presets
from steelyard.job.models.spec import ModelSpec

_FIELDS = tuple(field.name for field in fields_of(ModelSpec) if field.name != "published")
_NEEDED = ("layers", "hidden", "heads", "vocab", "max_tokens")

_FILES = (".yaml", ".yml", ".json")

IMAGENET_CLASSES = 1000
"""Classes that a vision transformer is trained to tell apart unless a job says otherwise."""


def model_described(given: Any, folder: Path) -> ModelSpec | RowsSpec:
    """Return the model that is meant; relative paths start at the folder.

    >>> model_described("Llama 3.1 70B", Path()).name
    'llama-3.1-70b'
    """
    if isinstance(given, Mapping):
        named = {str(key): value for key, value in given.items()}
        return (
            configs.model_of_config(named, "model")
            if "model_type" in named and "layers" not in named
            else _from_fields(named)
        )
    text = str(given).strip()
    if not text:
        raise BadInput("model is empty; give a name such as llama-3-8b, or the path of a config.json")
    if is_file(text, folder):
        path = folder / Path(text).expanduser()
        if path.suffix.lower() in {".yaml", ".yml"}:
            return read_rows(path)
        preset = None if path.is_file() or (path / "config.json").is_file() else presets.find_model_or_none(text)
        return preset or configs.read_config(path)
    if text.lower().endswith((".json", ".yaml", ".yml")) or text.startswith((".", "~", "/")):
        raise BadInput(
            f"{text}: no such file or folder, from {folder.resolve()} on; give the path of a config.json or of a "
            "model by rows, or a model's name"
        )
    found = model_named_or_none(text)
    if found is None:
        raise UnknownName("model", text, catalog_names())
    return found


def model_named_or_none(name: str) -> ModelSpec | RowsSpec | None:
    """Return the catalog's model of a name, a transformer or one by rows; None where it has none.

    >>> model_named_or_none("ResNet-50").params, model_named_or_none("ViT-L/16").layers, model_named_or_none("none")
    (25557032, 24, None)
    """
    return presets.find_model_or_none(name) or rows_presets().get(presets.normal_name(name))


def model_known_or_none(text: str) -> ModelSpec | RowsSpec | None:
    """Return the model that a run or a claim names, the catalog's or that of a file; None where nobody knows it.

    >>> model_known_or_none("ResNet-50").name, model_known_or_none("no-such-file.yaml")
    ('resnet-50', None)
    """
    found = model_named_or_none(text)
    if found is None and text.lower().endswith(_FILES) and is_file(text, Path()):
        return model_described(text, Path())
    return found


def catalog_names() -> tuple[str, ...]:
    """Return the names of all models of the catalog, those by rows last.

    >>> catalog_names()[0], catalog_names()[-1]
    ('gpt2', 'resnet-50')
    """
    return (*presets.model_names(), *dict.fromkeys(spec.name for spec in rows_presets().values()))


def with_classes(model: ModelSpec | RowsSpec) -> tuple[ModelSpec | RowsSpec, str]:
    """Return a vision transformer with the classifier that it is trained with, and say so.

    >>> from steelyard.job.models.architecture import architecture
    >>> architecture(with_classes(presets.find_model("vit-l-16"))[0]).total_params
    304326632
    """
    if isinstance(model, ModelSpec) and model.kind == "vit" and not model.classes:
        return replace(model, classes=IMAGENET_CLASSES), "classes 1000: ImageNet-1k (arXiv 1409.0575)"
    return model, ""


def is_file(text: str, folder: Path) -> bool:
    """Return whether the text is the path of something that exists.

    >>> is_file("llama-3-8b", Path("/nowhere"))
    False
    """
    try:
        return (folder / Path(text).expanduser()).exists()
    except (OSError, ValueError, RuntimeError):
        return False


def _from_fields(given: dict[str, Any]) -> ModelSpec:
    unknown = [name for name in given if name not in _FIELDS]
    if unknown:
        near = nearest(unknown[0], _FIELDS) or ["layers", "hidden", "ffn", "heads"]
        raise BadInput(f"model: unknown field {unknown[0]!r}; nearest: {', '.join(near)}")
    missing = [name for name in _NEEDED if name not in given]
    if missing:
        raise BadInput(f"model: {missing[0]} is missing; a description needs {', '.join((*_NEEDED, 'ffn'))}")
    values = {"name": "own model", **given}
    for name in ("layers", "hidden", "heads"):
        if type(values[name]) is not int or values[name] < 1:
            raise BadInput(f"model: {name} is {values[name]!r}; it must be a whole number from 1")
    values.setdefault("kv_heads", values["heads"])
    values.setdefault("head_dim", values["hidden"] // values["heads"])
    if "ffn" not in values and "expert_ffn" not in values:
        raise BadInput("model: ffn is missing; give the width of the MLP, one branch")
    values.setdefault("ffn", values.get("expert_ffn"))
    for field in fields_of(ModelSpec):
        wrong = field.type in {str, bool} and field.name in values and type(values[field.name]) is not field.type
        if wrong:
            kind = "true or false" if field.type is bool else "text"
            raise BadInput(f"model: {field.name} is {values[field.name]!r}; it must be {kind}")
    return ModelSpec(**values)
