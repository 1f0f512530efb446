"""What a publication says twice: restated figures, other rows of a table, lines and their sum, names and numbers."""

import math
import re
from collections.abc import Collection, Iterator

from steelyard.claims.accounts.account import SLACK
from steelyard.claims.checks.slips import COPIED, CORES, SCOPE, TDP, TOTALS
from steelyard.claims.checks.suspects import row_like
from steelyard.claims.context import Facts
from steelyard.claims.findings import CONTRADICTION, DOUBT, NOTE, SILENT, Check, Factor
from steelyard.claims.quantity_text import say
from steelyard.claims.reading.claim import Claim, Row
from steelyard.claims.reading.hardware import cores_of
from steelyard.claims.reading.printed import Stated
from steelyard.units import HOUR_S, KWH_J

RESTATED, PRINTED, NEIGHBOURS, SUM = "restated", "printed", "neighbours", "sum"

APART = 3.0
"""Factor between rows of one table, for each device-hour or device, beyond which one of them is odd."""

UNLIKE = 1.3
"""Factor in work between two runs beyond which equal totals are no coincidence."""

PER = (("co2e", "device_time"), ("energy", "device_time"), ("throughput", "count"), ("money", "device_time"))
_SHOWN = {"wall": HOUR_S, "device_time": HOUR_S, "energy": KWH_J, "intensity": 1 / KWH_J, "net_intensity": 1 / KWH_J}


def checks(facts: Facts, located: Collection[str]) -> Iterator[Check]:
    """Yield what is compared within one publication; `located` are the numbers already found wrong."""
    claim = facts.claim
    yield from _restated(facts)
    yield from _neighbours(claim)
    yield from _copied(claim, facts, located)
    yield from _sums(claim)
    yield from _scopes(claim)
    yield from _tdp(facts)
    yield from _cores(claim)


def _restated(facts: Facts) -> Iterator[Check]:
    """Yield each figure printed twice; a slip of the pen is a note, two different figures are a contradiction."""
    claim, told = facts.claim, list[float]()
    for name, other in claim.restated.items():
        own = facts.numbers.get(name) or _product(claim, name)
        if own is None or not own.value or not other.value:
            continue
        ratio = own.value / other.value
        text = f"{say(name, own.value)} here, {say(name, other.value)} there: x{ratio:.4g}"
        words = f"{name.replace('_', ' ')} is printed twice: {text}"
        pen = slip_of_the_pen(other, own.value / _unit(name, other))
        if not pen and abs(math.log(ratio)) <= math.log1p(SLACK + own.rounding + other.rounding):
            yield Check(RESTATED, fired=False, arithmetic=text, exact=True)
            continue
        if pen:
            yield Check(PRINTED, True, text, NOTE, f"{words}; {pen}")  # positional as in the class
            continue
        yield from _twice(
            claim, name, ratio, other.value, words, again=any(abs(ratio / one - 1) < UNROUND for one in told)
        )
        told.append(ratio)


def _twice(claim: Claim, name: str, ratio: float, value: float, words: str, *, again: bool) -> Iterator[Check]:
    """Yield two different figures for one quantity, and whether the other one belongs to other rows or scopes."""
    rows = _sum_of_rows(claim, name, value)
    far = name in {"device_time", "wall", "co2e", "energy"} and max(ratio, 1 / ratio) > APART
    kind = COPIED if rows else SCOPE if far else ""
    factor = None if again else Factor(kind or name, "Accounting", ratio, note=words)
    settle = f"which of the two is the {name.replace('_', ' ')} of this run"
    yield Check(RESTATED, True, words, CONTRADICTION, f"{words}{rows}", factor, settle)
    if kind and not again:
        yield Check(kind, True, f"{words}{rows}", CONTRADICTION)


UNROUND = 0.03
"""Two ratios of one publication within it are one and the same difference."""


def _product(claim: Claim, name: str) -> Stated | None:
    """Return device-hours from count and hours where they are not stated."""
    count, wall = claim.numbers.get("count"), claim.numbers.get("wall")
    if name == "device_time" and count and wall:
        return Stated(count.value * wall.value, count.rounding + wall.rounding, f"{count.text} x {wall.text}")
    return None


def _sum_of_rows(claim: Claim, name: str, value: float) -> str:
    rows = [row.value(name) for row in claim.beside]
    total = sum(one for one in rows if one)
    if len(rows) > 1 and total and abs(total / value - 1) < SLACK:
        return f"; {say(name, value)} is the sum of {', '.join(row.name for row in claim.beside if row.value(name))}"
    same = [row.name for row in claim.beside if row.value(name) and abs((row.value(name) or 0) / value - 1) < SLACK / 2]
    return f"; {say(name, value)} is the figure of {same[0]}" if same else ""


def _unit(name: str, other: Stated) -> float:
    """Return what one of the printed unit is in SI, from the print and its value."""
    digits = _digits(other.text)
    return other.value / float(digits) if digits and float(digits) else _SHOWN.get(name, 1.0)


def _digits(text: str) -> str:
    found = re.search(r"\d[\d,]*(?:\.\d+)?", text)
    return found[0].replace(",", "") if found else ""


def slip_of_the_pen(printed: Stated, computed: float) -> str:
    """Return how a print differs from what it should be by one digit or two that change places; empty: otherwise.

    >>> from steelyard.claims.reading.printed import intensity, stated
    >>> slip_of_the_pen(stated("117,780", "device_time"), 117480.0)
    '117780 and 117480 differ in one digit'
    >>> slip_of_the_pen(intensity("0.423 kg/kWh"), 0.43273), slip_of_the_pen(stated("85.7 MWh", "energy"), 85.33)
    ('0.423 and 0.433 differ in one digit', '')
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


def between(claim: Claim, against: Claim) -> Iterator[Check]:
    """Yield what two accounts say of each other: the same work on the other's hardware, and the scope."""
    told = against.same_work_on
    own = claim.numbers.get("device_time") or _product(claim, "device_time")
    shared = [name for name in claim.work if name in against.work]
    if told is not None and (printed := told.numbers.get("device_time")) and own and shared:
        work = math.prod(claim.work[name].value / against.work[name].value for name in shared)
        computed = own.value / work
        pen = slip_of_the_pen(printed, computed / HOUR_S)
        apart = abs(printed.value / computed - 1) > printed.rounding + 1e-4
        text = f"{say('device_time', own.value)} / {work:.5g} = {say('device_time', computed)}; printed {printed.text}"
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
    own = Row(claim.title, claim.scope, claim.numbers, claim.hardware)
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
        text = f"{total} for each {unit} is x{ratio:.4g} that of {names}"
        yield Check(NEIGHBOURS, odd, text, DOUBT, f"{text}: rows of one table" if odd else "",
                    Factor(total, "Accounting", ratio, note=text) if odd else None,
                    f"the {total.replace('_', ' ')} of this row as logged" if odd else "")  # fmt: skip


def _per(row: Row, total: str, part: str) -> float | None:
    above, below = row.value(total), row.value(part)
    return above / below if above and below else None


def _alike(row: Row, own: Row) -> bool:
    return row.hardware is None or own.hardware is None or row.hardware.id == own.hardware.id


def _copied(claim: Claim, facts: Facts, located: Collection[str]) -> Iterator[Check]:
    """Yield totals equal to those of a row whose work is another, where nothing else has named them yet."""
    for name in TOTALS:
        if name not in claim.numbers or name in located or not (same := row_like(facts, name)):
            continue
        row = next((one for one in claim.beside if one.name == same), None)
        unlike = _unlike(claim, row) if row is not None else "a sum"
        if unlike:
            text = f"{name} {say(name, claim.value(name))} is that of {same}, whose {unlike}"
            yield Check(COPIED, True, text, DOUBT, f"{text} are others", None, f"the {name} of this run")


def _unlike(claim: Claim, row: Row) -> str:
    """Return what sets the work of two rows apart; empty: nothing that is stated."""
    for name in ("device_time", "active_parameters", "parameters", "tokens", "energy"):
        ours, theirs = claim.value(name), row.value(name)
        if ours and theirs and max(ours / theirs, theirs / ours) > UNLIKE:
            return name.replace("_", " ")
    return ""


def _sums(claim: Claim) -> Iterator[Check]:
    """Yield the lines of a total beside it."""
    for name in TOTALS:
        lines = [row.numbers[name] for row in claim.parts if name in row.numbers]
        whole = claim.numbers.get(name)
        if whole is None or len(lines) < 2:
            continue
        total = sum(one.value for one in lines)
        loose = sum(one.value * one.rounding for one in lines) / total + whole.rounding + SLACK
        off = abs(whole.value / total - 1) > loose
        text = (
            f"{' + '.join(say(name, one.value) for one in lines)} = {say(name, total)}; stated {say(name, whole.value)}"
        )
        factor = Factor(name, "Accounting", whole.value / total, note="over its lines") if off else None
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
        wide = bool(others) and whole > inside * (1 + 2 * SLACK)
        text = f"{say(name, whole)} stated as {claim.scope}; its lines of that scope are {say(name, inside)}"
        yield Check(SCOPE, wide, text, CONTRADICTION if inside else DOUBT,
                    f"{text}; the rest is {', '.join(others)}" if wide else "",
                    Factor(SCOPE, "Accounting", whole / inside, note=text) if wide and inside else None)  # fmt: skip


def _tdp(facts: Facts) -> Iterator[Check]:
    """Yield watts equal to the rated power, unless they are stated as rated."""
    claim, chip = facts.claim, facts.chip
    if chip is None or math.isnan(chip.tdp_w):
        return
    power, device_s = (
        claim.numbers.get("power"),
        claim.value("device_time") or (_product(claim, "device_time") or _NONE).value,
    )
    energy, pue = claim.value("energy"), claim.value("pue") or 1.0
    if power is not None:
        values = [power.value]
    elif energy and device_s:
        values = [energy / device_s, energy / device_s / pue]
    else:
        return
    same = any(abs(value / chip.tdp_w - 1) < 0.004 for value in values)
    fired = same and claim.power_kind not in {"tdp", "assumed"}
    text = f"{values[-1]:.4g} W a device; {chip.id} is rated at {chip.tdp_w:.0f} W"
    text += " and said to be so: an upper bound" if same and not fired else ""
    weight = (DOUBT if claim.power_kind == "measured" else NOTE) if fired else SILENT
    finding = f"{text}: the rated power stands for the mean draw; device draws were 0.6 to 0.9 of it where metered"
    yield Check(TDP, fired, text, weight, finding if fired else "",
                Factor("power", "Machine", _over(facts), note="rated over predicted draw") if fired else None,
                "the mean power of one device, metered" if fired else "")  # fmt: skip


_NONE = Stated(0.0, 0.0, "")


def _over(facts: Facts) -> float:
    """Return the rated power over the mean draw that the predictor expects of a busy device."""
    from steelyard.catalog import kernels_rows  # noqa: PLC0415  # only here, and only when fired

    assert facts.chip is not None  # noqa: S101
    return 1.0 / kernels_rows(facts.chip, facts.chip.precisions[0], facts.catalog)["compute_power"].value


def _cores(claim: Claim) -> Iterator[Check]:
    """Yield a count of devices that is the count of cores in the hardware's own name."""
    gear, count = claim.hardware, claim.value("count")
    if gear is None or gear.devices is None or count is None:
        return
    wrong = not math.isclose(count, gear.devices, rel_tol=1e-9)
    per = cores_of(gear.chip)
    text = f"{gear.text}: {gear.devices:g} devices{f', {gear.cores:g} cores' if gear.cores else ''}; counted {count:g}"
    if wrong:
        ratio = count / gear.devices
        cores = gear.cores is not None and math.isclose(count, gear.cores)
        finding = f"{text}{f': {per:g} cores are one device' if cores else ''}"
        yield Check(CORES, True, text, CONTRADICTION, finding,
                    Factor("count", "Machine", ratio, note=text), "the number of devices")  # fmt: skip
