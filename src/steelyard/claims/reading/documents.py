"""YAML and JSON whose numbers stay as they were written."""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from steelyard.errors import BadInput

EXAMPLE = "write at least hardware: 8xA100, hours: 16 h or co2e: 12.9 t"


class _AsWritten(yaml.SafeLoader):
    """YAML whose numbers, dates and truths stay the text that was written: `1.10` keeps its zero."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # of the base class, not ours to share


_AsWritten.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|)$"), ["~", "n", ""])


def parse_fields(text: str, where: str) -> Mapping[str, Any]:
    r"""Return what YAML or JSON text holds, numbers as they were written.

    >>> parse_fields("pue: 1.10\nco2e: 626,155 lbs", "claim.yaml")
    {'pue': '1.10', 'co2e': '626,155 lbs'}
    """
    try:
        found = (
            json.loads(text, parse_float=str, parse_int=str)
            if text.lstrip().startswith("{")
            else yaml.load(text, Loader=_AsWritten)  # noqa: S506  # derived from SafeLoader
        )
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadInput(f"{where}: broken YAML{line}: {error.problem}; is the file cut off?") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise BadInput(f"{where}: it cannot be read: {reason}") from error
    if not isinstance(found, Mapping):
        raise BadInput(f"{where}: it holds no fields; write at least hardware: 8xA100, hours: 16 h or co2e: 12.9 t")
    return found
