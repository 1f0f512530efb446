"""Sums of rows made by hand: a model of two kinds of block whose amounts are small enough to add in one's head."""

from steelyard.tables import Divisible, Kept, Part, Repeat
from steelyard.workload import collapse
from steelyard.workload.row import Kind, Model, Row

ROWS = (
    Row(name="wide", block="a", repeats=2.0, m=3.0, k=5.0, n=7.0, params=11.0, kept=13.0, kept_kind="stream",
        moved=17.0, moved_kind="inside", exchange="all_reduce", sent=6.0),
    Row(name="mask", block="a", repeats=3.0, kept=19.0, kept_kind="mask", kept_width="byte"),
    Row(name="wide too", block="b", m=3.0, k=5.0, n=7.0, params=23.0, split_params="expert_ranks", active=0.5,
        exchange="dispatch", sent=2.0),
    Row(name="core", block="b", repeats=0.5, flop=29.0, scores=31.0, keys=37.0, head_dim=41.0, exchange="ring",
        sent=5.0),
    Row(name="none", block="b", repeats=0.0, flop=43.0, m=47.0, k=53.0, n=59.0, scores=2.0, keys=3.0),
    Row(name="empty", block="b", m=61.0, k=0.0, n=67.0),
    Row(name="no flop", block="b", scores=71.0, keys=73.0),
    Row(name="bias", block="head", n=79.0, params=83.0),
    Row(name="norm", block="head", m=7.0),
    Row(name="hidden", block="head", repeats=2.0, m=3.0, k=89.0, n=97.0, params=113.0, split_params="whole",
        kept=127.0, kept_kind="stream", moved=131.0, moved_kind="inside"),
    Row(name="projection", block="head", m=89.0, k=97.0, n=101.0, params=103.0, kept=5.0, kept_kind="stream"),
    Row(name="logits", block="head", m=2.0, kept=107.0, kept_kind="logits"),
    Row(name="table", block="embedding", params=109.0),
    Row(name="patches", block="embedding", m=6.0, k=10.0, n=14.0),
)  # fmt: skip
KINDS = (Kind(name="a", count=4.0, leading=1.0), Kind(name="b", count=10.0))


def total():
    return collapse(
        Model(
            kinds=KINDS,
            rows=ROWS,
            divisible=Divisible(14, 14, 1, 1, 1, 0, 1, 0),
            hidden=2.0,
            ring=5.0,
            copies=0.0,
            expert_groups=0.0,
            top_k_groups=0.0,
            tokens=1.0,
        ),
        2.0,
    )


def test_amounts_are_counted_as_often_as_their_row_occurs() -> None:
    a, b = total().blocks
    assert a.kept_bytes == (Kept("stream", "whole", 2 * 13 * 2), Kept("mask", "whole", 3 * 19))
    assert a.moved == (Part("inside", "whole", 2 * 17),)
    assert a.params == (Part("dense", "tensor", 2 * 11),)
    assert b.params == (Part("routed", "expert_ranks", 23),)
    assert (a.reductions, a.dispatches, a.rings) == (2 * 6 / 2, 0, 0)  # of three hidden states
    assert (b.reductions, b.dispatches, b.rings) == (0, 1, 0.5)


def test_products_of_one_shape_are_together_and_those_without_a_side_are_none() -> None:
    (product,) = total().products
    assert (product.name, product.rows, product.inner, product.outer) == ("wide", 3, 5, 7)
    assert product.repeats == (Repeat("a", 2.0), Repeat("b", 1.0))
    assert total().product_flop == 2 * 3 * 5 * 7 * (2 * 4 + 1 * 10)


def test_cores_are_rows_with_flops() -> None:
    (core,) = total().cores
    assert (core.name, core.flop, core.scores, core.keys, core.head_dim) == ("core", 29, 31, 37, 41)
    assert core.repeats == (Repeat("b", 0.5),)
    assert total().attention_flop == 29 * 0.5 * 10


def test_parameters_of_the_model_are_those_of_its_blocks_and_ends() -> None:
    found = total()
    ends, each = 83 + 103 + 109, 2 * 113
    assert found.params == 4 * 2 * 11 + 10 * 23 + ends + each
    assert found.embedding.params + found.head.params == ends
    assert found.embedding.whole_params + found.head.whole_params == each
    assert found.active_params == 4 * 2 * 11 + 10 * 23 / 2 + ends + each


def test_an_end_has_all_products_of_its_rows() -> None:
    head, embedding = total().head, total().embedding
    assert [(one.name, one.rows, one.inner, one.outer) for one in head.products] == [
        ("hidden", 3, 89, 97),
        ("projection", 89, 97, 101),
    ]
    assert [one.repeats for one in head.products] == [(Repeat("head", 2.0),), (Repeat("head", 1.0),)]
    assert (head.params, head.whole_params, head.logits, head.outputs) == (83 + 103, 2 * 113, 107, 107)
    assert head.kept_bytes == (Kept("stream", "whole", 2 * 2 * 127 + 10),)
    assert head.moved == (Part("inside", "whole", 2 * 131),)
    assert total().head_flop == 2 * (2 * 3 * 89 * 97 + 89 * 97 * 101)
    assert (embedding.params, embedding.kept_bytes, embedding.logits, embedding.outputs) == (109, (), 0, 0)
    assert [(one.name, one.rows) for one in embedding.products] == [("patches", 6)]
    assert total().embedding_flop == 2 * 6 * 10 * 14
    assert total().model_flop == 3 * (
        total().product_flop + total().attention_flop + total().embedding_flop + total().head_flop
    )
