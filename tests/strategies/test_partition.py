"""Rules of partitions by hand, their words, and columns of several."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

from steelyard.errors import BadInput
from steelyard.strategies import partition
from steelyard.strategies.partition import (
    FIRST_GIVEN,
    PARTITIONS,
    blocks_before,
    cost_blocks_before,
    ends_blocks_before,
    even_blocks_before,
    given_partition,
    given_parts,
    given_sizes,
    partition_name,
    partition_number,
    partition_sizes,
)
from steelyard.strategies.settings import setting_name, setting_names, spelled_number
from steelyard.tables import Layout

HAND = float(given_partition((15, 17, 17, 15)))
OTHER = float(given_partition((40, 24)))


@pytest.mark.parametrize(
    ("rule", "blocks", "parts", "sizes"),
    [
        (0, 61, 16, [4] * 13 + [3] * 3),
        (0, 32, 1, [32]),
        (0, 3, 3, [1, 1, 1]),
        (1, 126, 16, [7, *[8] * 14, 7]),
        (1, 32, 4, [8, 9, 8, 7]),  # 34: two are left over, for the first two
        (1, 32, 1, [32]),
        (1, 5, 2, [3, 2]),
        (1, 4, 4, [1, 2, 1, 0]),
        (2, 18, 4, [5, 5, 4, 4]),  # of blocks alone: 4.5 a stage
    ],
)
def test_what_rules_make(rule: int, blocks: int, parts: int, sizes: list[int]) -> None:
    assert list(partition_sizes(rule, blocks, parts)) == sizes
    assert sum(sizes) == blocks


@pytest.mark.parametrize("rule", PARTITIONS, ids=lambda rule: rule.name)
@pytest.mark.parametrize(("blocks", "parts"), [(64, 4), (61, 16), (126, 16), (80, 7), (24, 24)])
def test_every_rule_shares_out_all_blocks_in_order(rule, blocks: int, parts: int) -> None:
    before = [float(rule.before(blocks, parts, part, 2.5)) for part in range(parts + 1)]
    assert (before[0], before[-1]) == (0, blocks)
    sizes = np.diff(before)
    assert np.all(sizes >= 0)
    assert np.all(sizes % 1 == 0)
    if rule.falls:
        assert np.all(np.diff(sizes[1:-1]) <= 0)


def test_stages_of_equal_cost_end_with_the_block_that_fills_them() -> None:
    """16 blocks and a projection worth 4 on 4 stages of 5: the last has it and no more than one block beside."""
    assert [float(cost_blocks_before(16, 4, part, 4.0)) for part in range(5)] == [0, 6, 11, 16, 16]
    assert [float(cost_blocks_before(16, 4, part, 0.0)) for part in range(5)] == [0, 5, 9, 13, 16]
    assert float(cost_blocks_before(16, 4, 2, 2.0)) == 10  # 9 and the one that they end with
    assert float(cost_blocks_before(16, 4, 1, 2.0)) == 5  # 4 whole ones of 4.5, and the one that they end with
    assert float(even_blocks_before(16, 5, 2, 99.0)) == 7
    assert float(ends_blocks_before(16, 5, 2, 99.0)) == 7


def test_a_column_of_partitions_is_each_alone() -> None:
    codes, blocks, parts = np.array([0.0, HAND, 1.0, OTHER, 2.0, 77.0]), 64.0, np.array([4.0, 4, 4, 2, 4, 4])
    for part in range(5):
        found = blocks_before(codes, blocks, parts, float(part), 4.0)
        alone = [
            float(blocks_before(code, blocks, one, float(part), 4.0)) for code, one in zip(codes, parts, strict=True)
        ]
        np.testing.assert_array_equal(found, alone)
    assert np.isnan(blocks_before(77.0, blocks, 4.0, 1.0, 4.0))
    assert np.isnan(blocks_before(FIRST_GIVEN * 1.0, blocks, 4.0, 1.0, 4.0))
    assert np.isnan(blocks_before(np.array([HAND, FIRST_GIVEN]), blocks, 4.0, 4.0, 4.0)).tolist() == [False, True]
    grid = blocks_before(np.array([[0.0, HAND]]), 64.0, 4.0, np.array([[1.0], [2.0]]), 0.0)
    np.testing.assert_array_equal(grid, [[16, 15], [32, 32]])


@pytest.mark.parametrize(("part", "before"), [(0, 0), (1, 15), (2, 32), (3, 49), (4, 64), (9, 64), (-1, 0)])
def test_blocks_before_a_part_by_hand(part: int, before: int) -> None:
    assert blocks_before(HAND, 64.0, 4.0, float(part), 0.0) == before


def test_how_many_parts_are_given() -> None:
    assert given_parts(np.array([HAND, 0.0, OTHER, 999.0])).tolist() == [4, 0, 2, 0]
    assert given_parts(np.array([[HAND], [OTHER]])).tolist() == [[4], [2]]
    assert float(given_parts(HAND)) == 4
    assert float(given_parts(np.array([0.0, 1.0]))) == 0
    assert np.isnan(given_parts(float(FIRST_GIVEN)))  # none was given so
    assert np.isnan(given_parts(np.array([HAND, FIRST_GIVEN]))).tolist() == [False, True]


def test_a_partition_has_one_number_and_a_number_one_partition() -> None:
    numbers = [given_partition(sizes) for sizes in ((1, 2), (2, 1), (1, 2))]
    assert numbers[0] == numbers[2] != numbers[1]
    assert min(numbers) >= FIRST_GIVEN
    assert [given_sizes(number) for number in numbers] == [(1, 2), (2, 1), (1, 2)]
    assert given_sizes(FIRST_GIVEN - 1) == given_sizes(10**9) == given_sizes(0) == ()


def other_process(code: str) -> list[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_a_number_is_the_same_in_every_process() -> None:
    code = "from steelyard.strategies.partition import given_partition as given; given((20, 4)); print(given((15, 17)))"
    assert other_process(code) == [str(given_partition((15, 17)))]
    assert int(float(given_partition((15, 17)))) == given_partition((15, 17)) < 2**53


def test_another_process_reads_the_same_partition_or_says_that_it_knows_none() -> None:
    layout = Layout(*[np.ones(2)] * (len(Layout.__slots__) - 1), np.array([HAND, 0.0]))
    read = (
        "import pickle, steelyard.strategies.partition as p; p.given_partition((20, 4, 4, 4));"
        f"layout = pickle.loads({pickle.dumps(layout)!r});"
        "print(*layout.partition, *map(p.partition_name, layout.partition), p.given_sizes(layout.partition[0])[1])"
    )
    assert other_process(read) == [str(HAND), "0.0", "15-17-17-15", "even", "17"]
    assert copy.deepcopy(layout).partition.tolist() == [HAND, 0.0]
    assert copy.deepcopy(Layout(*[1.0] * (len(Layout.__slots__) - 1), HAND)).partition == HAND  # one layout, no column
    bare = f"print(p.partition_name({HAND}), p.given_sizes({HAND}), p.blocks_before({HAND}, 64, 4, 1, 0.0))"
    assert other_process("import steelyard.strategies.partition as p;" + bare) == ["unknown", "()", "nan"]


def test_partitions_of_one_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "_DIGEST_BITS", 0)
    monkeypatch.setattr(partition, "_GIVEN", {})
    given_partition((1, 2))
    with pytest.raises(BadInput, match="2-1 and 1-2 share the number"):
        given_partition((2, 1))


@pytest.mark.parametrize(
    ("text", "sizes", "name"),
    [
        ("15-17-17-15", (15, 17, 17, 15), "15-17-17-15"),
        ("7-8*14-7", (7, *[8] * 14, 7), "7-8*14-7"),
        ("8*2-7", (8, 8, 7), "8-8-7"),
        ("5*3", (5, 5, 5), "5*3"),
        ("32", (32,), "32"),
        ("0-9999", (0, 9999), "0-9999"),
        ("3*1", (3,), "3"),
    ],
)
def test_partitions_by_hand_read_back(text: str, sizes: tuple[int, ...], name: str) -> None:
    number = partition_number(text)
    assert number is not None
    assert (given_sizes(number), partition_name(number)) == (sizes, name)
    assert spelled_number("partition", f" {name} ") == number
    assert setting_name("partition", number) == name


@pytest.mark.parametrize(
    "text", ["", "-", "7-", "a", "7-x", "7*", "*7", "7*x", "10000", "٣", "7*10000", "1.5", "7*2*2", "odd"]
)
def test_what_is_no_partition(text: str) -> None:
    assert partition_number(text) is None


def test_rules_have_their_names() -> None:
    names, numbers = [rule.name for rule in PARTITIONS], list(range(len(PARTITIONS)))
    assert names[:3] == ["even", "ends", "cost"]  # as files have their numbers
    assert names == list(setting_names("partition"))
    assert [partition_number(name) for name in names] == numbers
    assert [partition_name(number) for number in numbers] == names
    assert spelled_number("partition", "Ends") == 1
    assert given_sizes(spelled_number("partition", "4") or 0) == (4,)  # one stage of four blocks, not a rule's number


@pytest.mark.parametrize("rule", PARTITIONS, ids=lambda rule: rule.name)
def test_a_rule_falls_where_no_stage_between_the_ends_has_more_than_the_one_before(rule) -> None:
    """What is left over goes to the first stages; a stage ends with the block that fills it wherever that is."""
    cuts = [
        np.diff([float(rule.before(blocks, parts, part, 0.5)) for part in range(parts + 1)])[1:-1]
        for blocks in range(8, 40)
        for parts in range(4, 8)
    ]
    assert rule.falls == all(np.all(np.diff(sizes) <= 0) for sizes in cuts)


def test_rules_that_give_what_is_left_over_to_the_first_stages_fall() -> None:
    assert [rule.falls for rule in PARTITIONS[:3]] == [True, True, False]
