"""The plan that a search makes: named points, what binds them, what is not certain, why rivals lost, what to relax."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from steelyard.market.world import World
from steelyard.planner.answer import Counts, Plan, Point
from steelyard.planner.points import point
from steelyard.planner.premium import premium_text
from steelyard.reasons.binds import COLUMN, Held, binds
from steelyard.reasons.decision import Case
from steelyard.reasons.order import contenders, groups, ties
from steelyard.reasons.relaxations import Relaxation, relaxations, why
from steelyard.reasons.rivals import losers, rivals
from steelyard.reasons.sensitivity import shifts
from steelyard.reasons.simpler import Preferred, preference, simpler
from steelyard.reasons.summaries import dots
from steelyard.search.batches import joined
from steelyard.search.candidates import OBJECTIVES, bounds_of, within
from steelyard.search.engine import Engine, Limits
from steelyard.search.explore import Found
from steelyard.search.rows import named
from steelyard.tables import Job


@dataclass(frozen=True, slots=True)
class Said:
    """Words of a plan that do not come from the numbers."""

    summary: str
    assumptions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def answer(
    job: Job,
    world: World,
    limits: Limits,
    engine: Engine,
    found: Found,
    said: Said,
    today: date | None = None,
    explained: bool = True,
) -> Plan:
    """Return the plan that a search found: points with intervals and what binds them, or relaxations.

    Explained, also what is not certain, why rivals lost, and which inputs change a winner.
    """
    day = today or datetime.now(UTC).date()
    empty = Plan(
        summary=said.summary,
        points=(),
        frontier=(),
        rivals=(),
        order={},
        shifts=(),
        moved=(),
        reason="",
        relaxations=(),
        counts=count(found, limits),
        carbon=limits.carbon,
        assumptions=said.assumptions,
        notes=said.notes,
    )
    if not found.feasible:
        return replace(empty, reason=reason(found, limits), relaxations=relaxed(found, limits))
    case = Case(job, world, limits, engine, found.market, found.front)
    least = named(found.market.points, found.front, case.axes)
    passed = {label: better for label, row in least.items() if (better := simpler(case, row)) is not None}
    rows = recommended(case, least, passed)
    points = [_point(case, label, row, least[label], passed.get(label), day) for label, row in rows.items()]
    dearer = premium_text({one.label: one for one in points}, limits.carbon)
    notes = (*said.notes, *dearer)
    made = replace(empty, points=tuple(points), frontier=dots(world, found.market, found.front), notes=notes)
    return _explained(made, case, least, rows) if explained else made


def _explained(made: Plan, case: Case, least: Mapping[str, int], rows: Mapping[str, int]) -> Plan:
    """Return a plan with what is not certain, why rivals lost, and which inputs change a winner."""
    columns = {label: COLUMN[label] for label in rows if label in COLUMN}
    compared = [other for label, column in columns.items() for other in contenders(case, rows[label], column)]
    case.sample([*rows.values(), *compared])
    changed, inputs = shifts(case, least, nearest(case, least))
    unsure = {label: ties(case, rows[label], column) for label, column in columns.items()}
    return replace(
        made,
        points=tuple(replace(point, ties=unsure.get(point.label, ())) for point in made.points),
        rivals=rivals(case, rows, columns),
        shifts=changed,
        moved=inputs,
        order={OBJECTIVES[axis]: groups(case, rows, axis) for axis in case.axes},
    )


def nearest(case: Case, least: Mapping[str, int]) -> list[int]:
    """Return the closest rivals of every point: the best of another accelerator and of another stack."""
    found = []
    for label, row in least.items():
        if label in COLUMN:
            some = [one.row for one in losers(case, label, row, COLUMN[label])]
            found += [*some[:1], *(one for one in some[1:] if case.accelerator(one) == case.accelerator(row))]
    return found


def recommended(case: Case, least: Mapping[str, int], passed: Mapping[str, Preferred]) -> dict[str, int]:
    """Return the row of each label once simpler layouts take the place of exact optima; they join the case's market."""
    rows = dict(least)
    for label, better in passed.items():
        rows[label] = case.market.count
        case.market = joined([case.market, better.market])
    return rows


def _point(case: Case, label: str, row: int, least: int, passed: Preferred | None, day: date) -> Point:
    made = point(case.job, case.world, case.engine, case.limits.carbon, case.market, row, label, day)
    figures = (made.time_s, made.cost_usd, made.energy_j, made.co2e_kg)
    share = made.memory_bytes.high / made.memory_limit_bytes
    held = Held(label, tuple(figure.high for figure in figures), share, made.prediction.time)
    made = made.named(label, binds(held, case.market, least, case.limits, case.world))
    return replace(made, preferred=preference(case, row, least, COLUMN.get(label), passed) if passed else None)


def reason(found: Found, limits: Limits) -> str:
    """Return why nothing is feasible."""
    tally = found.tally
    if found.unseen:
        return f"interrupted before anything feasible was found: {found.unseen:,} candidates were not looked at"
    if found.market.count:
        return why(found.market, limits)
    if not tally.considered:
        return "no number of devices on offer has a valid layout of this model and batch"
    if tally.nearest_text:
        return f"no layout fits in memory; {tally.nearest_text}"
    return "every candidate that fits in memory has an unknown time or price"


def relaxed(found: Found, limits: Limits) -> tuple[Relaxation, ...]:
    """Return the smallest relaxations of the limits; none where no limit is to blame."""
    return relaxations(found.market, limits) if found.market.count and not found.unseen else ()


def count(found: Found, limits: Limits) -> Counts:
    """Return how many candidates went where."""
    tally = found.tally
    return Counts(
        considered=tally.considered,
        out_of_memory=tally.out_of_memory,
        dominated=tally.dominated,
        bounded=tally.bounded,
        predicted=tally.predicted,
        offered=found.market.count,
        within_limits=int(within(found.market.points, bounds_of(limits)).sum()),
        frontier=int(found.front.size),
        unseen=found.unseen,
    )
