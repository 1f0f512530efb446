"""What a publication says twice: restated figures, other rows of a table, lines and their sum, names and numbers."""

import math
import re
from collections.abc import Collection, Iterator

from steelyard.claims.accounts.account import ROUNDING_SLACK
from steelyard.claims.checks.relations import count_times_hours
from steelyard.claims.checks.slips import COPIED, SCOPE, SLIP_TOTALS
from steelyard.claims.checks.suspects import row_like
from steelyard.claims.context import ClaimContext
from steelyard.claims.findings import CONTRADICTION, DOUBT, NOTE, SILENT, AuditFactor, Check
from steelyard.claims.quantity_text import quantity_text
from steelyard.claims.reading.claim import Claim, ClaimRow
from steelyard.claims.reading.printed import PrintedNumber
from steelyard.units import HOUR_S, KWH_J

RESTATED, PRINTED, NEIGHBOURS, SUM = "restated", "printed", "neighbours", "sum"

APART = 3.0
"""Factor between rows of one table, for each device-hour or device, beyond which one of them is odd."""

UNLIKE = 1.3
"""Factor in work between two runs beyond which equal totals are no coincidence."""

PER = (
    ("co2e", "device_time"),
    ("energy", "device_time"),
    ("throughput", "count"),
    ("samples_per_second", "count"),
    ("money", "device_time"),
)
_SHOWN = {"wall": HOUR_S, "device_time": HOUR_S, "energy": KWH_J, "intensity": 1 / KWH_J, "net_intensity": 1 / KWH_J}


def repeat_checks(context: ClaimContext, located: Collection[str]) -> Iterator[Check]:
    """Yield what is compared within one publication; `located` are the numbers already found wrong."""
    claim = context.claim
    yield from _restated(context)
    yield from _neighbours(claim)
    yield from _copied(claim, context, located)
    yield from _sums(claim)
    yield from _scopes(claim)


def _restated(context: ClaimContext) -> Iterator[Check]:
    """Yield each figure printed twice; a slip of the pen is a note, two different figures are a contradiction."""
    claim, ratios = context.claim, list[float]()
    for name, other in claim.restated.items():
        own = context.numbers.get(name) or (count_times_hours(claim) if name == "device_time" else None)
        if own is None:
            continue
        if not own.value or not other.value:
            yield _zero_twice(name, own.value, other.value)
            continue
        ratio = own.value / other.value
        text = f"{quantity_text(name, own.value)} here, {quantity_text(name, other.value)} there: x{ratio:.4g}"
        finding = f"{name.replace('_', ' ')} is printed twice: {text}"
        pen = slip_of_the_pen(other, own.value / _unit(name, other))
        if not pen and abs(math.log(ratio)) <= math.log1p(ROUNDING_SLACK + own.rounding + other.rounding):
            yield Check(RESTATED, fired=False, arithmetic=text, exact=True)
            continue
        if pen:
            yield Check(PRINTED, True, text, NOTE, f"{finding}; {pen}")  # positional as in the class
            continue
        yield from _twice(
            claim, name, ratio, other.value, finding, counted=any(abs(ratio / one - 1) < UNROUND for one in ratios)
        )
        ratios.append(ratio)


def _zero_twice(name: str, here: float, there: float) -> Check:
    """Return the check of a figure that is printed twice, once or twice as 0."""
    apart = here != there
    text = f"{quantity_text(name, here)} here, {quantity_text(name, there)} there"
    finding = f"{name.replace('_', ' ')} is printed twice: {text}" if apart else ""
    settle = f"which of the two is the {name.replace('_', ' ')} of this run" if apart else ""
    return Check(RESTATED, apart, text, CONTRADICTION, finding, settle=settle, exact=True)


def _twice(claim: Claim, name: str, ratio: float, value: float, finding: str, *, counted: bool) -> Iterator[Check]:
    """Yield two different figures for one quantity, and whether the other one belongs to other rows or scopes."""
    rows = _sum_of_rows(claim, name, value)
    far = name in {"device_time", "wall", "co2e", "energy"} and max(ratio, 1 / ratio) > APART
    kind = COPIED if rows else SCOPE if far else ""
    factor = None if counted else AuditFactor(kind or name, "Accounting", ratio, note=finding)
    settle = f"which of the two is the {name.replace('_', ' ')} of this run"
    yield Check(RESTATED, True, finding, CONTRADICTION, f"{finding}{rows}", factor, settle)
    if kind and not counted:
        yield Check(kind, True, f"{finding}{rows}", CONTRADICTION)


UNROUND = 0.03
"""Two ratios of one publication within it are one and the same difference."""


def _sum_of_rows(claim: Claim, name: str, value: float) -> str:
    rows = [row.value(name) for row in claim.beside]
    total = sum(one for one in rows if one)
    if len(rows) > 1 and total and abs(total / value - 1) < ROUNDING_SLACK:
        added = ", ".join(row.name for row in claim.beside if row.value(name))
        return f"; {quantity_text(name, value)} is the sum of {added}"
    same = [
        row.name
        for row in claim.beside
        if row.value(name) and abs((row.value(name) or 0) / value - 1) < ROUNDING_SLACK / 2
    ]
    return f"; {quantity_text(name, value)} is the figure of {same[0]}" if same else ""


def _unit(name: str, other: PrintedNumber) -> float:
    """Return what one of the printed unit is in SI, from the print and its value."""
    digits = _digits(other.text)
    return other.value / float(digits) if digits and float(digits) else _SHOWN.get(name, 1.0)


def _digits(text: str) -> str:
    found = re.search(r"\d[\d,]*(?:\.\d+)?", text)
    return found[0].replace(",", "") if found else ""


def slip_of_the_pen(printed: PrintedNumber, computed: float) -> str:
    """Return how a print differs from what it should be by one digit or two that change places; empty: otherwise.

    >>> from steelyard.claims.reading.printed import parse_intensity, parse_quantity
    >>> slip_of_the_pen(parse_quantity("117,780", "device_time"), 117480.0)
    '117780 and 117480 differ in one digit'
    >>> slip_of_the_pen(parse_intensity("0.423 kg/kWh"), 0.43273)
    '0.423 and 0.433 differ in one digit'
    >>> slip_of_the_pen(parse_quantity("85.7 MWh", "energy"), 85.33)
    ''
    """
    written = _digits(printed.text)
    decimals = len(written.partition(".")[2])
    should = f"{computed:.{decimals}f}"
    if len(should) != len(written) or should == written:
        return ""
    unlike = [place for place, pair in enumerate(zip(written, should, strict=True)) if pair[0] != pair[1]]
    if len(unlike) == 1 and unlike[0] < len(written) - 1:
        return f"{written} and {should} differ in one digit"
    if len(unlike) == 2 and unlike[1] - unlike[0] <= 2 and written[unlike[0]] == should[unlike[1]]:
        return f"{written} and {should} differ by two digits that changed places"
    return ""


def cross_checks(claim: Claim, against: Claim) -> Iterator[Check]:
    """Yield what two accounts say of each other: the same work on the other's hardware, and the scope."""
    other = against.same_work_on
    own = claim.numbers.get("device_time") or count_times_hours(claim)
    shared = [name for name in claim.work if name in against.work]
    if other is not None and (printed := other.numbers.get("device_time")) and own and shared:
        work = math.prod(claim.work[name].value / against.work[name].value for name in shared)
        computed = own.value / work
        pen = slip_of_the_pen(printed, computed / HOUR_S)
        apart = abs(printed.value / computed - 1) > printed.rounding + 1e-4
        mine, same = (quantity_text("device_time", seconds) for seconds in (own.value, computed))
        text = f"{mine} / {work:.5g} = {same}; printed {printed.text}"
        finding = f"device-hours of the same work: {text}{f': {pen}' if pen else ''}" if apart else ""
        yield Check(PRINTED, apart, text, NOTE if pen else DOUBT, finding, exact=True)
    if claim.scope and against.scope:
        unlike = claim.scope != against.scope
        text = f"{claim.scope} against {against.scope}"
        finding = f"the claim is of {claim.scope}, the account it is held against of {against.scope}" if unlike else ""
        yield Check(SCOPE, unlike, text, DOUBT if unlike else SILENT, finding,
                    settle=f"how much of the total is {claim.scope}" if unlike else "")  # fmt: skip


def _neighbours(claim: Claim) -> Iterator[Check]:
    """Yield the claim's totals for each device-hour or device beside those of other rows on the same hardware."""
    own = ClaimRow(claim.title, claim.scope, claim.numbers, claim.hardware)
    for total, part in PER:
        mine = _per(own, total, part)
        others = [(row, one) for row in claim.beside if (one := _per(row, total, part)) and _alike(row, own)]
        if mine is None or not others:
            continue
        values = sorted(one for _, one in others)
        middle = math.sqrt(values[(len(values) - 1) // 2] * values[len(values) // 2])
        ratio = mine / middle
        odd = max(ratio, 1 / ratio) > APART
        unit = "device-hour" if part == "device_time" else "device"
        names = ", ".join(row.name for row, _ in others[:3])
        text = f"{total.replace('_', ' ')} for each {unit} is x{ratio:.4g} that of {names}"
        yield Check(NEIGHBOURS, odd, text, DOUBT, f"{text}: rows of one table" if odd else "",
                    AuditFactor(total, "Accounting", ratio, note=text) if odd else None,
                    f"the {total.replace('_', ' ')} of this row as logged" if odd else "")  # fmt: skip


def _per(row: ClaimRow, total: str, part: str) -> float | None:
    above, below = row.value(total), row.value(part)
    return above / below if above and below else None


def _alike(row: ClaimRow, other: ClaimRow) -> bool:
    return row.hardware is None or other.hardware is None or row.hardware.id == other.hardware.id


def _copied(claim: Claim, context: ClaimContext, located: Collection[str]) -> Iterator[Check]:
    """Yield totals equal to those of a row whose work is another, where nothing else has named them yet."""
    for name in SLIP_TOTALS:
        if name not in claim.numbers or name in located or not (same := row_like(context, name)):
            continue
        row = next((one for one in claim.beside if one.name == same), None)
        unlike = _unlike(claim, row) if row is not None else "a sum"
        if unlike:
            text = f"{name} {quantity_text(name, claim.value(name))} is that of {same}, whose {unlike}"
            yield Check(COPIED, True, text, DOUBT, f"{text} are others", None, f"the {name} of this run")


def _unlike(claim: Claim, row: ClaimRow) -> str:
    """Return what sets the work of two rows apart; empty: nothing that is stated."""
    for name in ("device_time", "active_parameters", "parameters", "tokens", "samples", "energy"):
        ours, theirs = claim.value(name), row.value(name)
        if ours and theirs and max(ours / theirs, theirs / ours) > UNLIKE:
            return name.replace("_", " ")
    return ""


def _sums(claim: Claim) -> Iterator[Check]:
    """Yield the lines of a total beside it."""
    for name in SLIP_TOTALS:
        lines = [row.numbers[name] for row in claim.parts if name in row.numbers]
        whole = claim.numbers.get(name)
        if whole is None or len(lines) < 2:
            continue
        total = sum(one.value for one in lines)
        loose = sum(one.value * one.rounding for one in lines) + total * (whole.rounding + ROUNDING_SLACK)
        off = abs(whole.value - total) > loose
        added = " + ".join(quantity_text(name, one.value) for one in lines)
        text = f"{added} = {quantity_text(name, total)}; stated {quantity_text(name, whole.value)}"
        both = whole.value > 0 and total > 0  # of a 0 there is no ratio
        factor = AuditFactor(name, "Accounting", whole.value / total, note="over its lines") if off and both else None
        finding = f"{name}: the lines do not add up: {text}" if off else ""
        settle = f"the lines of the {name}" if off else ""
        yield Check(SUM, off, text, CONTRADICTION, finding, factor, settle, exact=True)


def _scopes(claim: Claim) -> Iterator[Check]:
    """Yield a total whose lines are of other scopes than the one it is said to be of."""
    for name in ("co2e", "energy", "device_time", "money", "water"):
        lines = [(row.scope, row.value(name) or 0.0) for row in claim.parts if row.scope and row.value(name)]
        inside = sum(value for scope, value in lines if scope == claim.scope)
        whole = claim.value(name)
        if not claim.scope or not lines or not whole or claim.scope == "life-cycle":
            continue
        others = sorted({scope for scope, _ in lines if scope != claim.scope})
        wide = bool(others) and whole > inside * (1 + 2 * ROUNDING_SLACK)
        text = f"{quantity_text(name, whole)} stated as {claim.scope}; "
        text += f"its lines of that scope are {quantity_text(name, inside)}"
        yield Check(
            SCOPE,
            wide,
            text,
            CONTRADICTION if inside else DOUBT,
            f"{text}; the rest is {', '.join(others)}" if wide else "",
            AuditFactor(SCOPE, "Accounting", whole / inside, note=text) if wide and inside else None,
        )
