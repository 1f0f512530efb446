"""What a claim says of its devices: their rated power for their draw, their cores for their number."""

import math
from collections.abc import Iterator

from steelyard.claims.checks.relations import count_times_hours, includes_pue
from steelyard.claims.checks.slips import CORES, TDP
from steelyard.claims.context import ClaimContext
from steelyard.claims.findings import CONTRADICTION, DOUBT, NOTE, SILENT, AuditFactor, Check
from steelyard.claims.reading.claim import Claim
from steelyard.claims.reading.hardware import cores_per_device
from steelyard.claims.reading.printed import PrintedNumber


def device_checks(context: ClaimContext) -> Iterator[Check]:
    """Yield what the catalog says of the devices that a claim names: rated watts, cores and dies."""
    yield from _rated_power(context)
    yield from _cores(context.claim)


def _rated_power(context: ClaimContext) -> Iterator[Check]:
    """Yield watts equal to the rated power, unless they are stated as rated."""
    claim, accelerator = context.claim, context.accelerator
    if accelerator is None or math.isnan(accelerator.tdp_w):
        return
    power, device_s = (
        claim.numbers.get("power"),
        claim.value("device_time") or (count_times_hours(claim) or _NONE).value,
    )
    energy, pue = claim.value("energy"), claim.value("pue") or 1.0
    if power is not None:
        values = [power.value]
    elif energy and device_s:
        values = [energy / device_s / pue] if includes_pue(claim) else [energy / device_s, energy / device_s / pue]
    else:
        return
    same = any(abs(value / accelerator.tdp_w - 1) < 0.004 for value in values)
    fired = same and claim.power_kind not in {"tdp", "assumed"}
    text = f"{values[-1]:.4g} W a device; {accelerator.id} is rated at {accelerator.tdp_w:.0f} W"
    text += " and said to be so: an upper bound" if same and not fired else ""
    weight = (DOUBT if claim.power_kind == "measured" else NOTE) if fired else SILENT
    finding = f"{text}: the rated power stands for the mean draw; device draws were 0.6 to 0.9 of it where metered"
    yield Check(TDP, fired, text, weight, finding if fired else "",
                AuditFactor("power", "Machine", _over(context), note="rated over predicted draw") if fired else None,
                "the mean power of one device, metered" if fired else "")  # fmt: skip


_NONE = PrintedNumber(0.0, 0.0, "")


def _over(context: ClaimContext) -> float:
    """Return the rated power over the mean draw that the predictor expects of a busy device."""
    from steelyard.catalog import kernels_rows  # noqa: PLC0415  # only here, and only when fired

    assert context.accelerator is not None  # noqa: S101
    return (
        1.0
        / kernels_rows(context.accelerator, context.accelerator.precisions[0], context.catalog)["compute_power"].value
    )


def _cores(claim: Claim) -> Iterator[Check]:
    """Yield a count of devices that is the count of cores in the hardware's own name."""
    gear, count = claim.hardware, claim.value("count")
    if gear is None or gear.devices is None or count is None:
        return
    wrong = not math.isclose(count, gear.devices, rel_tol=1e-9)
    per = cores_per_device(gear.accelerator)
    text = f"{gear.text}: {gear.devices:g} devices{f', {gear.cores:g} cores' if gear.cores else ''}; counted {count:g}"
    if wrong:
        ratio = count / gear.devices
        cores = gear.cores is not None and math.isclose(count, gear.cores)
        finding = f"{text}{f': {per:g} cores are one device' if cores else ''}"
        yield Check(CORES, True, text, CONTRADICTION, finding,
                    AuditFactor("count", "Machine", ratio, note=text), "the number of devices")  # fmt: skip
