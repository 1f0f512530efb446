"""YAML and JSON as people write them, read without the traps of YAML 1.1."""

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from steelyard.errors import BadInput

MIB_BYTES = 2**20


class _Loader(yaml.SafeLoader):
    """YAML where `NO`, `1:30` and dates stay text, `1e9` is a number and a key that stands twice is an error."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # of the base class, not ours to share

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping, each of whose keys stands once."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value.__hash__ and key.value in seen:
                raise BadInput(f"line {key.start_mark.line + 1}: {key.value!r} stands twice; keep one")
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def load_yaml(text: str, where: str) -> Any:
    r"""Return what YAML or JSON text holds, or raise `BadInput` with the place where it breaks.

    >>> load_yaml("tokens: 1e9\nregions: [NO, DE]\nby: 2027-01-15", "job.yaml")
    {'tokens': 1000000000.0, 'regions': ['NO', 'DE'], 'by': '2027-01-15'}
    >>> load_yaml("model: {layers: 3", "job.yaml")
    Traceback (most recent call last):
    steelyard.errors.BadInput: job.yaml: broken YAML in line 1: expected ',' or '}', but got '<stream end>'; ...
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # derived from SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadInput(f"{where}: broken YAML{line}: {error.problem}; is the file cut off?") from error
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise BadInput(f"{where}: it cannot be read as YAML: {reason}") from error


def load_json(text: str, where: str) -> Any:
    """Return what JSON text holds, or raise `BadInput` with the place where it breaks.

    >>> load_json('{"hidden_size": 4096,', "config.json")
    Traceback (most recent call last):
    steelyard.errors.BadInput: config.json: broken JSON in line 1, column 22: Expecting ...; is the file cut off?
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BadInput(f"{where}: broken JSON in {place}: {error.msg}; is the file cut off?") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: it cannot be read as JSON: {str(error)[:120]}") from error


def read_text(path: Path, most_mib: int = 1, wanted: str = "a job file or a config.json") -> str:
    """Return the text of a file of at most so many MiB, or raise `BadInput` that says why not, and what is wanted."""
    try:
        if path.stat().st_size > most_mib * MIB_BYTES:
            raise BadInput(f"{path}: it is larger than {most_mib} MiB; give {wanted}")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: it is not text; give {wanted}") from error
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: {getattr(error, 'strerror', None) or error}; give {wanted}") from error
