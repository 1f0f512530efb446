"""Who ran it is a factor of the fit that strangers do not have, and that hides an owner's tables together."""

import numpy as np
import pytest
from fit.stacks.factors import (
    OWNER_SD,
    POWER_SD,
    SOURCE,
    TABLE_SD,
    as_strangers,
    factors,
    of_users,
    power_loading,
    problem_of,
    training_rows,
)
from fit.stacks.scores import strangers

from steelyard.catalog import load
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

    parts = factors(data)
    slow = np.where(data.labels.group == "megatron-2104.04473-t2", log_s + 4.6, log_s)
    calm, mad = (strangers(problem_of(data, one, parts), data, parts, families=False) for one in (log_s, slow))
    mine = data.labels.group == "megatron-2104.04473"
    assert calm.predicted[mine] == pytest.approx(mad.predicted[mine])
    assert calm.evidence[mine] == pytest.approx(mad.evidence[mine])
    assert calm.predicted[~mine] != pytest.approx(mad.predicted[~mine])


def test_what_no_other_owner_has_is_as_open_as_its_prior(rows) -> None:
    """Without Megatron's tables nothing is known of their stack, their chips' family, chip and power."""
    data, log_s = rows
    parts = factors(data)
    found = strangers(problem_of(data, log_s, parts), data, parts, families=True)
    power = POWER_SD * np.array([power_loading(load().accelerator(name)) for name in data.labels.accelerator])
    assert (power != 0).any()
    assert found.evidence == pytest.approx(np.sqrt(0.15**2 + 0.15**2 + 0.10**2 + power**2), rel=0.02)


def test_runs_of_users_are_apart(rows) -> None:
    assert not of_users(rows[0]).any()
    data, _ = training_rows()
    assert {"fitcheck-t4", "odissei-torchtune-2025"} <= set(data.labels.group[of_users(data)])
