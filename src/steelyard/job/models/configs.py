"""Reading a model's `config.json` (Hugging Face) into a `ModelSpec`; the families are in `families*`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelyard.errors import BadInput, nearest
from steelyard.job.documents import load_json, read_text
from steelyard.job.models import families, families_gpt, families_moe, families_other
from steelyard.job.models.config_values import Config
from steelyard.job.models.spec import ModelSpec

_READERS = {
    **families.DENSE_FAMILIES,
    **families_gpt.GPT_FAMILIES,
    **families_moe.MOE_FAMILIES,
    **families_other.OTHER_FAMILIES,
}
"""Each `model_type` that can be read."""


def read_config(path: str | Path) -> ModelSpec:
    """Return the model of a `config.json`, or of a folder that holds one."""
    file = Path(path).expanduser()
    if file.is_dir():
        file /= "config.json"
        if not file.is_file():
            raise BadInput(f"{path}: the folder holds no config.json; give a model's folder or file")
    elif not file.is_file():
        raise BadInput(f"{path}: no such file; give the path of a config.json")
    found = load_json(read_text(file), str(file))
    if not isinstance(found, Mapping):
        raise BadInput(f"{file}: it holds no fields; give the config.json of a model")
    return model_of_config(found, str(file), file.resolve().parent.name)


def model_of_config(values: Mapping[str, Any], where: str, name: str = "") -> ModelSpec:
    """Return the model of a configuration that is already parsed.

    >>> from steelyard.job.models.architecture import architecture
    >>> shape = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8}
    >>> rest = {"intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 8192}
    >>> architecture(model_of_config({"model_type": "llama", **shape, **rest}, "config.json")).total_params
    8030261248
    >>> model_of_config({"model_type": "resnet"}, "config.json")
    Traceback (most recent call last):
    steelyard.errors.BadInput: config.json: model_type 'resnet' is not one that can be read; nearest: ...
    """
    config = Config(values, where)
    nested = config.inner("text_config")
    kind = config.word("model_type", default="")
    if nested.values and kind not in _READERS:
        inherited = {"tie_word_embeddings": values["tie_word_embeddings"]} if "tie_word_embeddings" in config else {}
        kind = {"": kind}.get(nested.word("model_type", default=""), nested.word("model_type", default=""))
        kind = kind if kind in _READERS else f"{kind}_text"
        config = Config(inherited | dict(nested.values), nested.where)
    if kind not in _READERS:
        raise BadInput(_unknown(kind.removesuffix("_text"), where))
    shape = _READERS[kind](config)
    written = str(values.get("_name_or_path") or "").rsplit("/", 1)[-1]
    return ModelSpec(name=written or name or kind, family=kind, model_type=kind, **shape)


def _unknown(kind: str, where: str) -> str:
    if not kind:
        return f"{where}: model_type is missing; is it the config.json of a model?"
    near = nearest(kind, _READERS) or sorted(_READERS)[:6]
    return f"{where}: model_type {kind!r} is not one that can be read; nearest: {', '.join(near)}"
