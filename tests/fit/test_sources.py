"""Who ran it is a factor of the fit that strangers do not have, and that hides an owner's tables together."""

import numpy as np
import pytest

from fit import hierarchy
from fit.stacks.factors import OWNER_SD, SOURCE, TABLE_SD, as_strangers, factors, of_users, owners, training_rows
from fit.stacks.scores import strangers
from steelyard.evidence.frames.frame import frame_subset


@pytest.fixture(scope="module")
def rows():
    """The tables of one owner with two of them, and one of another."""
    data, log_s = training_rows()
    keep = np.isin(data.labels.group, ["maxtext-v4", "megatron-2104.04473", "megatron-2104.04473-t2"])
    return frame_subset(data, keep), log_s[keep]


def test_every_row_has_one_owner_and_one_table(rows) -> None:
    data, _ = rows
    parts = [part for part in factors(data) if part.field == SOURCE]
    for sd in (OWNER_SD, TABLE_SD):
        assert (np.sum([part.rows for part in parts if part.sd == sd], axis=0) == 1).all()


def test_a_stranger_has_no_source_and_all_else(rows) -> None:
    parts = factors(rows[0])
    theta = as_strangers(parts, np.ones(len(parts)))
    assert [value for value, part in zip(theta, parts, strict=True) if part.field == SOURCE] == [0.0] * 5
    assert sum(theta) == len(parts) - 5


def test_siblings_are_left_out_with_their_owner(rows) -> None:
    """Its other table, a hundred times as slow, moves nothing that is predicted of an owner's table."""
    data, log_s = rows

    def problem(measured):
        member = (owners(data) == owners(data)[0])[None, :]
        return hierarchy.Problem(
            measured, np.ones(len(data)), lambda theta: theta[0] * member[0], member, (SOURCE,), np.array([0.25])
        )

    slow = np.where(data.labels.group == "megatron-2104.04473-t2", log_s + 4.6, log_s)
    calm, mad = (strangers(problem(one), data, families=False) for one in (log_s, slow))
    mine = data.labels.group == "megatron-2104.04473"
    assert calm[mine] == pytest.approx(mad[mine])


def test_runs_of_users_are_apart(rows) -> None:
    assert not of_users(rows[0]).any()
    data, _ = training_rows()
    assert {"fitcheck-t4", "odissei-torchtune-2025"} <= set(data.labels.group[of_users(data)])
