"""The plan that a search makes: named points, what binds them, what is not certain, why rivals lost, what to relax."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from steelyard.job.degrees import degree_list_text
from steelyard.market.options import Market
from steelyard.market.pinned import unsold_number_text
from steelyard.planner.answers import Counts, Plan, Point
from steelyard.planner.points import configuration_of_row, objective_intervals, point_of
from steelyard.planner.premium import cleanest_premium, premium_text
from steelyard.reasons.binds import COLUMN, Held, binds
from steelyard.reasons.decision import Decision
from steelyard.reasons.order import contenders, order_groups, ties
from steelyard.reasons.relaxations import Relaxation, failing_limits_text, relaxations
from steelyard.reasons.rivals import losers, rivals_of
from steelyard.reasons.sensitivity import shifts
from steelyard.reasons.simpler import Preferred, preference, simpler_layout
from steelyard.reasons.summaries import summaries
from steelyard.search.batches import joined_candidates
from steelyard.search.candidates import OBJECTIVES, bounds_of, within_limits
from steelyard.search.engine import Engine, Limits
from steelyard.search.explore import Exploration
from steelyard.search.family import Search, counts_of, emptying_settings
from steelyard.search.rows import labelled_rows
from steelyard.tables import Job


@dataclass(frozen=True, slots=True)
class Preface:
    """Words of a plan that do not come from the numbers."""

    summary: str
    assumptions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    work: str = "tokens"  # what the job is counted in: tokens, samples


def assembled(
    job: Job,
    market: Market,
    limits: Limits,
    engine: Engine,
    found: Exploration,
    preface: Preface,
    today: date | None = None,
    explained: bool = True,
) -> Plan:
    """Return the plan that a search found: points with intervals and what binds them, or relaxations.

    Explained, also what is not certain, why rivals lost, and which inputs change a winner.
    """
    day = today or datetime.now(UTC).date()
    empty = Plan(
        summary=preface.summary,
        carbon_kind=limits.carbon,
        counts=search_counts(found, limits),
        assumptions=preface.assumptions,
        notes=preface.notes,
        partial=found.unseen > 0,
    )
    if not found.feasible:
        return replace(
            empty,
            reason=infeasible_text(found, limits) or emptied_text(job, market, limits, engine),
            relaxations=relaxed(found, limits),
        )
    decision = Decision(job, market, limits, engine, found.candidates, found.front, work=preface.work)
    least = labelled_rows(found.candidates.points, found.front, decision.axes)
    passed = {label: better for label, row in least.items() if (better := simpler_layout(decision, row)) is not None}
    rows = recommended(decision, least, passed)
    points = [_point(decision, label, row, least[label], passed.get(label), day) for label, row in rows.items()]
    made = replace(
        empty,
        points=tuple(points),
        frontier=summaries(market, found.candidates, found.front),
        premium_of_cleanest=cleanest_premium(points),
        notes=(*preface.notes, *premium_text(points, limits.carbon)),
    )
    return _explained(made, decision, least, rows) if explained else made


def _explained(made: Plan, decision: Decision, least: Mapping[str, int], rows: Mapping[str, int]) -> Plan:
    """Return a plan with what is not certain, why rivals lost, and which inputs change a winner."""
    columns = {label: COLUMN[label] for label in rows if label in COLUMN}
    compared = [other for label, column in columns.items() for other in contenders(decision, rows[label], column)]
    decision.sample([*rows.values(), *compared])
    changed, inputs = shifts(decision, least, nearest_rivals(decision, least))
    unsure = {label: ties(decision, rows[label], column) for label, column in columns.items()}
    return replace(
        made,
        points=tuple(replace(point, ties=unsure.get(point.label, ())) for point in made.points),
        rivals=rivals_of(decision, rows, columns),
        sensitivity=changed,
        inputs_moved=inputs,
        order={OBJECTIVES[axis]: order_groups(decision, rows, axis) for axis in decision.axes},
    )


def nearest_rivals(decision: Decision, least: Mapping[str, int]) -> list[int]:
    """Return the closest rivals of every point: the best of another accelerator and of another stack."""
    found = []
    for label, row in least.items():
        if label in COLUMN:
            some = [one.row for one in losers(decision, label, row, COLUMN[label])]
            found += [*some[:1], *(one for one in some[1:] if decision.accelerator(one) == decision.accelerator(row))]
    return found


def recommended(decision: Decision, least: Mapping[str, int], passed: Mapping[str, Preferred]) -> dict[str, int]:
    """Return the row of each label once simpler layouts replace exact optima; they join the candidates."""
    rows = dict(least)
    for label, better in passed.items():
        rows[label] = decision.candidates.count
        decision.candidates = joined_candidates([decision.candidates, better.candidates])
    return rows


def _point(decision: Decision, label: str, row: int, least: int, passed: Preferred | None, day: date) -> Point:
    candidates, market, carbon = decision.candidates, decision.market, decision.limits.carbon
    made = configuration_of_row(decision.job, market, decision.engine, candidates, row)
    figures = objective_intervals(made, decision.engine, carbon)
    point = point_of(made, figures, label, day)
    share = point.memory_bytes.high / point.memory_limit_bytes
    held = Held(label, tuple(figure.high for figure in figures), share, made.prediction.time)
    column = COLUMN.get(label)
    return replace(
        point,
        bound_by=binds(held, candidates, least, decision.limits, market),
        preferred_over=preference(decision, row, least, column, passed) if passed else None,
    )


def infeasible_text(found: Exploration, limits: Limits) -> str:
    """Return why nothing is feasible; empty where there is no layout at all."""
    tally = found.tally
    if found.unseen:
        return f"interrupted before anything feasible was found: {found.unseen:,} candidates were not looked at"
    if found.candidates.count:
        return failing_limits_text(found.candidates, limits)
    if not tally.considered:
        return ""
    if tally.nearest_text:
        return f"no layout fits in memory; {tally.nearest_text}"
    return "every candidate that fits in memory has an unknown time or price"


def emptied_text(job: Job, market: Market, limits: Limits, engine: Engine) -> str:
    """Return why there is no layout to choose: nobody sells so many, which settings leave none, or nothing suits."""
    if not any(counts_of(market, limits)):
        return "; ".join(_unsold_texts(market, limits))
    none = "no number of devices on offer has a valid layout of this model and batch"
    names = emptying_settings(Search.of(job, market, limits, engine))
    asked = [degree_list_text(name, limits.layout[name]) for name in names]
    if not asked:
        return none
    ways = names[0] if len(names) == 1 else "some of them"
    return f"{none} with the job's layout {', '.join(asked)}; leave out {ways}, or allow other values"


def _unsold_texts(market: Market, limits: Limits) -> list[str]:
    """Return, for each chip of a market that sells none of the numbers asked for, why."""
    texts = []
    for index, chip in enumerate(market.hardware):
        deals = [deal for deal in market.deals if deal.hardware == index]
        count = limits.counts.get(chip.accelerator, limits.devices)
        wanted = limits.layout.get("devices", (limits.max_devices,)) if count is None else (count,)
        texts += [unsold_number_text(chip.accelerator, one, deals) for one in wanted]
    return texts


def relaxed(found: Exploration, limits: Limits) -> tuple[Relaxation, ...]:
    """Return the smallest relaxations of the limits; none where no limit is to blame."""
    return relaxations(found.candidates, limits) if found.candidates.count and not found.unseen else ()


def search_counts(found: Exploration, limits: Limits) -> Counts:
    """Return how many candidates went where."""
    tally = found.tally
    return Counts(
        considered=tally.considered,
        out_of_memory=tally.out_of_memory,
        dominated=tally.dominated,
        bounded=tally.bounded,
        predicted=tally.predicted,
        offered=found.candidates.count,
        within_limits=int(within_limits(found.candidates.points, bounds_of(limits)).sum()),
        frontier=int(found.front.size),
        unseen=found.unseen,
    )
