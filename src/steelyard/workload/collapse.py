"""From the rows of a model to the sums that the rooms compute with: once a job, numbers alone."""

from collections.abc import Iterable, Sequence

from steelyard.tables import Block, Core, End, Kept, Part, Product, Repeat, Workload
from steelyard.units import Bytes, Count, Flop
from steelyard.workload.flops import newton_schulz_flop, product_flop, training_flop
from steelyard.workload.row import EMBEDDING, EXPERT, EXPERT_RANKS, HEAD, TENSOR, WHOLE, Kind, Model, Row

EXCHANGES = {
    "all_reduce": "reductions",
    "expert_all_reduce": "expert_reductions",
    "dispatch": "dispatches",
    "ring": "rings",
}
"""The field of a block that counts the exchanges of each kind."""


def collapse(model: Model, element_bytes: Bytes) -> Workload:
    """Return what one sample costs: products of one shape together, everything else summed by kind and divisor.

    Args:
        model: rows and blocks of a model [-]
        element_bytes: one working value of the job [byte]

    Source: the convention of FLOPs is that of `workload.flops`.
    """
    counts = {kind.name: kind.count for kind in model.kinds}
    inside = [row for row in model.rows if row.block in counts]
    products = _products(inside)
    cores = _cores(inside)
    embedding, head = _end(model, EMBEDDING, element_bytes), _end(model, HEAD, element_bytes)
    product, before, behind = (_flop(some, counts) for some in (products, embedding.products, head.products))
    attention = sum((_total(one.repeats, counts) * one.flop for one in cores), start=0.0)
    params = sum((_params(row, counts) for row in model.rows), start=0.0)
    return Workload(
        blocks=tuple(_block(model, kind, inside, products, element_bytes) for kind in model.kinds),
        products=products,
        cores=cores,
        embedding=embedding,
        head=head,
        params=params,
        active_params=sum((_params(row, counts) * row.active for row in model.rows), start=0.0),
        hidden=model.hidden,
        ring=model.ring,
        copies=model.copies,
        expert_groups=model.expert_groups,
        top_k_groups=model.top_k_groups,
        product_flop=product,
        attention_flop=attention,
        embedding_flop=before,
        head_flop=behind,
        model_flop=training_flop(product + attention + before + behind),
        tokens=model.tokens,
        divisible=model.divisible,
    )


def _total(repeats: Iterable[Repeat], counts: dict[str, Count]) -> Count:
    return sum((one.count * counts.get(one.block, 1.0) for one in repeats), start=0.0)


def _params(row: Row, counts: dict[str, Count]) -> Count:
    return row.params * row.repeats * counts.get(row.block, 1.0)


def _owner(row: Row) -> str:
    """Return whose parameters they are: experts have a data-parallel group of their own."""
    return "routed" if row.split_params == EXPERT_RANKS else "dense"


def _flop(products: Iterable[Product], counts: dict[str, Count]) -> Flop:
    each = (_total(one.repeats, counts) * product_flop(one.rows, one.inner, one.outer) for one in products)
    return sum(each, start=0.0)


def _update(one: Product, count: Count) -> tuple[str, str, Flop]:
    """Return of whose matrices it is, what divides them, and the FLOPs of one iteration on the updates of so many."""
    flop = count * one.groups * newton_schulz_flop(one.inner, one.outer)
    if one.split_groups == EXPERT:
        return "routed", EXPERT_RANKS, flop
    return "dense", TENSOR if TENSOR in (one.split_inner, one.split_outer) else WHOLE, flop


def _products(rows: Sequence[Row]) -> tuple[Product, ...]:
    """Return the distinct products, each with its occurrences in a block of each kind."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        if _multiplies(row):
            shape = (row.m, row.k, row.n, row.groups, row.split_m, row.split_k, row.split_n, row.split_groups)
            found.setdefault(shape, []).append(row)
    alike: dict[tuple[Repeat, ...], tuple[Repeat, ...]] = {}  # one object for equal counts, which are added up at once
    return tuple(
        Product(
            name=same[0].name,
            repeats=alike.setdefault(_repeats(same), _repeats(same)),
            rows=same[0].m,
            inner=same[0].k,
            outer=same[0].n,
            groups=same[0].groups,
            split_rows=same[0].split_m,
            split_inner=same[0].split_k,
            split_outer=same[0].split_n,
            split_groups=same[0].split_groups,
        )
        for same in found.values()
    )


def _multiplies(row: Row) -> bool:
    return bool(row.m and row.k and row.n and row.repeats)


def _repeats(rows: Sequence[Row]) -> tuple[Repeat, ...]:
    blocks = dict.fromkeys(row.block for row in rows)
    return tuple(Repeat(block, sum(row.repeats for row in rows if row.block == block)) for block in blocks)


def _cores(rows: Sequence[Row]) -> tuple[Core, ...]:
    """Return the distinct attention cores, each with its occurrences in a block of each kind."""
    found: dict[tuple[Flop, Flop, Count, Count, Count], list[Row]] = {}
    for row in rows:
        if row.flop and row.repeats:
            found.setdefault((row.flop, row.unfused_flop, row.scores, row.keys, row.head_dim), []).append(row)
    return tuple(Core(same[0].name, _repeats(same), *shape) for shape, same in found.items())


def _block(model: Model, kind: Kind, rows: Sequence[Row], products: Sequence[Product], element_bytes: Bytes) -> Block:
    mine = [row for row in rows if row.block == kind.name]
    payloads = {name: model.ring if name == "ring" else model.hidden for name in EXCHANGES}
    exchanges = {
        field: sum((row.repeats * row.sent / payloads[name] for row in mine if row.exchange == name), start=0.0)
        for name, field in EXCHANGES.items()
    }
    return Block(
        name=kind.name,
        count=kind.count,
        leading=kind.leading,
        hidden=kind.hidden,
        params=_parts((_owner(row), row.split_params, row.params * row.repeats) for row in mine),
        updates=_parts(_update(one, each.count) for one in products for each in one.repeats if each.block == kind.name),
        kept_bytes=_kept(mine, element_bytes),
        narrowed=_parts((row.kept_kind, row.split_kept, row.narrowed * row.repeats) for row in mine),
        doubled=_parts((row.kept_kind, row.split_kept, row.doubled * row.repeats) for row in mine),
        moved=_parts((row.moved_kind, row.split_moved, row.moved * row.repeats) for row in mine),
        gathered=kind.gathered,
        widest=kind.widest,
        scores=kind.scores,
        experts=kind.experts,
        **exchanges,
    )


def _end(model: Model, block: str, element_bytes: Bytes) -> End:
    """Return an end of the model; one whose rows name no logits has those that its last product makes."""
    mine = [row for row in model.rows if row.block == block]
    params = [(row.split_params == TENSOR, row.params * row.repeats) for row in mine]
    products = [row for row in mine if _multiplies(row)]
    logits = sum((row.kept * row.repeats for row in mine if row.kept_kind == "logits"), start=0.0)
    made = products[-1].m * products[-1].n if products and block == HEAD else 0.0
    return End(
        params=sum((amount for split, amount in params if split), start=0.0),
        whole_params=sum((amount for split, amount in params if not split), start=0.0),
        products=_products(mine),
        kept_bytes=_kept([row for row in mine if row.kept_kind != "logits"], element_bytes),
        moved=_parts((row.moved_kind, row.split_moved, row.moved * row.repeats) for row in mine),
        logits=logits,
        outputs=logits or made,
    )


def _kept(rows: Sequence[Row], element_bytes: Bytes) -> tuple[Kept, ...]:
    widths = {"element": element_bytes, "byte": 1.0, "fp32": 4.0}
    sums = _sums(
        (row.kept_kind, row.split_kept, row.kept * row.repeats * widths[row.kept_width])
        for row in rows
        if row.kept_kind
    )
    return tuple(Kept(kind, split, amount) for (kind, split), amount in sums.items())


def _parts(amounts: Iterable[tuple[str, str, Count]]) -> tuple[Part, ...]:
    return tuple(Part(kind, split, amount) for (kind, split), amount in _sums(amounts).items())


def _sums(amounts: Iterable[tuple[str, str, Count]]) -> dict[tuple[str, str], Count]:
    """Return the sums by kind and divisor, those of 0 left out."""
    sums: dict[tuple[str, str], Count] = {}
    for kind, split, amount in amounts:
        if amount:
            sums[kind, split] = sums.get((kind, split), 0.0) + amount
    return sums
