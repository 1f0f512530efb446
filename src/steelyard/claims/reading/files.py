"""From a file or a mapping to a claim: claim files, model cards, CodeCarbon, MLPerf logs, ML CO2 Impact."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelyard.claims.reading import cards, fields, logs
from steelyard.claims.reading.claim import Claim
from steelyard.claims.reading.documents import parse_fields
from steelyard.errors import BadInput
from steelyard.job.documents import read_text
from steelyard.planner.saved.files import is_answer

MOST_MIB = 16
_WANTED = "a claim in YAML or JSON, a model card, an emissions.csv, a log or a case's name"

_READERS = (logs.read_codecarbon, logs.read_mlperf, cards.read_model_card, cards.read_impact_paragraph)
"""Asked in turn whether a text is theirs; what none of them knows is a claim file."""

CLAIM_FILES = frozenset({".yaml", ".yml", ".json"})


def read_claim(source: str | Path | Mapping[str, Any]) -> Claim:
    """Return the claim of a file or a mapping.

    >>> read_claim({"hardware": "8xA100 for 16 h"}).value("wall")
    57600.0
    """
    if isinstance(source, Mapping):
        return _claim(source, "claim")
    path = Path(source)
    return claim_of_text(read_text(path, MOST_MIB, _WANTED), str(path), claim_file=path.suffix.lower() in CLAIM_FILES)


def claim_of_text(text: str, where: str, *, claim_file: bool = False) -> Claim:
    r"""Return the claim of a text, of whatever kind it is.

    >>> card = "---\nco2_eq_emissions:\n  emissions: 1710\n  hardware_used: A100-SXM4-40GB\n---\n"
    >>> made = claim_of_text(card, "README.md")
    >>> made.value("co2e"), made.hardware.id
    (1.71, 'A100-40GB-SXM')
    """
    if not claim_file:
        for reader in _READERS:
            found = reader(text, where)
            if found is not None:
                return fields.claim_of_fields(found, where)
    return _claim(parse_fields(text, where), where)


def _claim(found: Mapping[str, Any], where: str) -> Claim:
    """Return the claim of fields; a prediction of Steelyard's own is none."""
    if is_answer(found):
        raise BadInput(
            f"{where}: it is what plan or estimate printed with --json: a prediction, and no claim to audit; "
            f"take it apart with steelyard explain, or write its disclosure with steelyard disclose"
        )
    return fields.claim_of_fields(found, where)
