"""What precisions and optimizers are in bytes: the rows of `precisions.csv` and `optimizers.csv`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from steelyard.units import Bytes, Share


@dataclass(frozen=True, slots=True)
class Precision:
    """One precision of training, with the paper or documentation that says so."""

    precision: str
    matrix_units: str  # precision of the matrix units that its products run on
    element_bytes: Bytes  # a working weight or activation
    gemm_bytes: Bytes  # an operand inside a matrix product
    master_bytes: Bytes  # the copy of a parameter that the optimizer updates
    state_share: Share  # of an fp32 moment's bytes, where moments take the type of the parameters
    source: str

    def without_master(self) -> "Precision":
        """Return it with nothing kept in 32 bits beside 16-bit work: no master copy, states as wide as parameters."""
        return replace(self, master_bytes=0.0, state_share=0.5) if self.master_bytes else self


@dataclass(frozen=True, slots=True)
class Optimizer:
    """What one optimizer keeps of a parameter, with the paper or code that says so."""

    optimizer: str
    pattern: re.Pattern[str]  # how publishers write it
    moment_bytes: Bytes  # of a parameter in the matrices of the blocks
    outer_moment_bytes: Bytes  # of a parameter in embedding and head
    wide_moment_bytes: Bytes  # of a parameter of an embedding whose states a stack keeps in 32 bits; 0: as the rest
    factored_bytes: Bytes  # of each row and each column of a matrix
    follows: bool  # moments take the type of the parameters where that is 16 bits alone
    newton_schulz: int  # iterations that orthogonalise the update of a matrix of the blocks
    master: bool  # updates a master copy where the precision has one
    paged: bool  # its states go to the host when the device is full
    foreach: bool  # stepped with lists of temporaries where its stack does so (torch.optim's foreach)
    in_backward: bool  # steps inside the backward pass, so that no gradient outlives its parameter's
    source: str


_BYTES = ("moment_bytes", "outer_moment_bytes", "wide_moment_bytes", "factored_bytes")


def precision_of_row(row: Mapping[str, str]) -> Precision:
    """Return one row of `precisions.csv`; a row without its source or date is an error."""
    _check_source(row, "precision")
    numbers = ("element_bytes", "gemm_bytes", "master_bytes", "state_share")
    return Precision(
        precision=row["precision"],
        matrix_units=row["matrix_units"],
        source=row["source"],
        **{name: float(row[name]) for name in numbers},
    )


def optimizer_of_row(row: Mapping[str, str]) -> Optimizer:
    """Return one row of `optimizers.csv`; a row without its source or date is an error."""
    _check_source(row, "optimizer")
    return Optimizer(
        optimizer=row["optimizer"],
        pattern=re.compile(row["pattern"], re.IGNORECASE),
        newton_schulz=int(row["newton_schulz"]),
        follows=row["follows"] == "1",
        master=row["master"] == "1",
        paged=row["paged"] == "1",
        foreach=row["foreach"] == "1",
        in_backward=row["in_backward"] == "1",
        source=row["source"],
        **{name: float(row[name]) for name in _BYTES},
    )


def _check_source(row: Mapping[str, str], name: str) -> None:
    if not row["source"] or not row["checked"]:
        raise ValueError(f"{row[name]!r} has no source or date; add both")
