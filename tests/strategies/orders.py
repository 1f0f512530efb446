"""The orders of published schedules, run pass by pass: what each stage holds, and how long it is not at work.

A pass is (kind, direction or chunk, micro-batch): F forward, B gradients of inputs, W gradients of weights, X both.
Written after figures and code of their papers, apart from the formulas that they check.
"""

from collections import Counter
from collections.abc import Callable, Mapping

Pass = tuple[str, int, int]
Cell = tuple[Pass, ...]  # passes that run at once


class Order(list[Cell]):
    """What one device does, in order; each kind of each way counts its micro-batches."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.made = most, Counter[tuple[str, int]]()

    def add(self, *kinds: tuple[str, int]) -> None:
        cell = []
        for kind, way in kinds:
            key = ("B" if kind == "X" else kind, way)
            if self.made[key] < self.most:
                cell.append((kind, way, self.made[key]))
            self.made[key] += 1
        if cell:
            self.append(tuple(cell))


def gpipe(p: int, m: int, rank: int) -> Order:
    order = Order(m)
    for kind in "FX":
        for _ in range(m):
            order.add((kind, 0))
    return order


def one_forward_one_backward(p: int, m: int, rank: int) -> Order:
    order = Order(m)
    for _ in range(p - rank):
        order.add(("F", 0))
    for _ in range(m):
        order.add(("X", 0))
        order.add(("F", 0))
    return order


def handcrafted(p: int, m: int, rank: int, first: int, most: int) -> Order:
    """Figure 3 of arXiv 2401.10241: gradients of weights start once a stage holds all that it may."""
    order = Order(m)
    for _ in range(first):
        order.add(("F", 0))
    for done in range(1, m + 1):
        order.add(("B", 0))
        if done > most - first or order.made["F", 0] >= m:
            order.add(("W", 0))
        order.add(("F", 0))
    while order.made["W", 0] < m:
        order.add(("W", 0))
    return order


def zero_bubble_h1(p: int, m: int, rank: int) -> Order:
    return handcrafted(p, m, rank, p - rank, p)


def zero_bubble_h2(p: int, m: int, rank: int) -> Order:
    return handcrafted(p, m, rank, 2 * (p - rank) - 1, 2 * p - 1)


def zero_bubble_v(p: int, m: int, rank: int) -> Order:
    """Warm-up, steady state and cool-down of PyTorch's ScheduleZBVZeroBubble; chunk 1 lies back from the last stage."""
    order, made = Order(m), Counter[str]()

    def add(*steps: str) -> None:
        for step in steps:
            made[step] += 1
            order.add((step[0], int(step[1])))

    for times, steps in ((2 * (p - rank) - 1, ("F0",)), (rank, ("F1", "F0")), (p - rank, ("F1", "B1", "W1"))):
        add(*steps * times)
    while made["F1"] < made["F0"] or made["F0"] < m:
        add(*(("F0",) if made["F0"] < m else ()), "B0", "W0", "F1", "B1", "W1")
    add(*("B0", "B1") * rank, *("B0", "W0") * (p - rank))
    add(*("W1",) * (made["B1"] - made["W1"]), *("W0",) * (made["B0"] - made["W0"]))
    return order


def dual_pipe(p: int, m: int, rank: int) -> Order:
    """The eight steps of deepseek-ai/DualPipe; way 0 goes down the stages, way 1 up."""
    near, far = (0, 1) if rank < p // 2 else (1, 0)
    half, order = min(rank, p - 1 - rank), Order(m // 2)
    inner = p // 2 - 1 - half
    waits = [far] * inner + [way for place in range(half + 1, 2 * (half + 1)) for way in [(far, near)[place % 2]]]
    waits += [near] * inner
    main = [(("F", near), ("X", far)), (("F", far), ("X", near))] * (m // 2 - p + half + 1)
    middle = [(("F", near),), (("X", far),)] if inner == 0 else main[:1]
    steps = [(("F", near),)] * 2 * inner + [(("F", near),), (("F", far),)] * (half + 1)
    steps += [(("B", far),), (("W", far),), (("F", far),)] * inner + middle + main[1:]
    steps += [(("X", far),), (("F", far), ("X", near))] * inner
    steps += [(("B" if place > half else "X", (far, near)[place % 2]),) for place in range(2 * (half + 1))]
    late = waits[inner:]
    for place in range(inner):
        steps += [(("W", late[place]),), (("B", near),)]
    for step in (*steps, *((("W", way),) for way in late[inner:])):
        order.add(*step)
    return order


def run(orders: list[Order], seconds: Mapping[str, float], place: Callable[[int, int], int], last: int):
    """Return for each device the seconds from its first pass to its last, and the passes that it held at most.

    Args:
        orders: of each device.
        seconds: of each kind of pass.
        place: of a way on a device, among all stages of that way.
        last: the place behind which a backward pass starts.
    """
    done: dict[tuple[str, int, int, int], float] = {}
    begun, clock = [0.0] * len(orders), [0.0] * len(orders)
    held, most = [0] * len(orders), [0] * len(orders)
    left = [list(order) for order in orders]
    while any(left):
        before = sum(map(len, left))
        for rank, cells in enumerate(left):
            while cells and all(key in done for one in cells[0] for key in _needed(one, cells[0], rank, place, last)):
                cell = cells.pop(0)
                needed = [done[key] for one in cell for key in _needed(one, cell, rank, place, last)]
                start = max([clock[rank], *needed])
                if len(cells) + 1 == len(orders[rank]):
                    begun[rank] = start
                clock[rank] = start + sum(seconds[kind] for kind, _, _ in cell)
                for kind, way, micro in cell:
                    done["B" if kind == "X" else kind, *_line(way, rank, place), micro] = clock[rank]
                    held[rank] += kind == "F"
                    most[rank] = max(most[rank], held[rank])
                    held[rank] -= kind in "WX"
        assert sum(map(len, left)) < before, "no device can go on"
    return [end - start for end, start in zip(clock, begun, strict=True)], most


def _line(way: int, rank: int, place: Callable[[int, int], int]) -> tuple[int, int]:
    found = place(way, rank)
    return (0, found) if isinstance(found, int) else found


def _needed(one: Pass, cell: Cell, rank: int, place: Callable[[int, int], int], last: int):
    """Yield what must be done before a pass: that of the stage before, or behind, of the same line of stages."""
    kind, way, micro = one
    line, stage = _line(way, rank, place)
    if kind == "F":
        return [("F", line, stage - 1, micro)] if stage else []
    if kind == "W":
        return [("B", line, stage, micro)]
    own = [] if ("F", way, micro) in cell else [("F", line, stage, micro)]
    return own + ([("B", line, stage + 1, micro)] if stage < last else [])
