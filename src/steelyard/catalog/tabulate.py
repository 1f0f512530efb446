"""From rows of the catalog to the tables that the rooms compute with: numbers alone, in SI, NaN where unknown."""

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from statistics import geometric_mean, median

from steelyard import tables
from steelyard.catalog.hosts.drives import drives_of
from steelyard.catalog.hosts.memory import host_memory_bytes
from steelyard.catalog.load import Catalog, load
from steelyard.catalog.local.step_shift import ANYWHERE, STEP_SHIFT, narrowed_log_sd, pair_name
from steelyard.catalog.schema import Accelerator, Fitted, OfferRow, SiteRow, System
from steelyard.errors import BadCatalog, BadInput, UnknownName
from steelyard.units import GB_BYTES, HOUR_S
from steelyard.vocabulary import CO2E_KINDS, FULL_PRECISIONS

_ANY = "any"


def supports(accelerator: Accelerator, precision: str) -> bool:
    """Return whether the accelerator has a dense peak at this precision in the catalog.

    >>> supports(load().accelerator("V100"), "bf16"), supports(load().accelerator("V100"), "fp16")
    (False, True)
    """
    return not math.isnan(accelerator.peak(precision))


def machine(system: System, precision: str, catalog: Catalog | None = None) -> tables.Machine:
    """Return the numbers of one system at a precision; BadInput where the chip lacks the precision.

    `fp32` means true 32-bit products; pass `tf32` for what PyTorch calls fp32 on Ampere and later. Under fp32 and tf32
    the 16-bit peak is that of the precision itself, since attention then runs at it too.

    >>> p5 = machine(load().system("p5.48xlarge"), "bf16")
    >>> p5.peak_flop_per_s, p5.domain_devices, p5.link_bytes_per_s, p5.nic_bytes_per_s
    (989000000000000.0, 8.0, 450000000000.0, 50000000000.0)
    """
    catalog = catalog or load()
    if lacking := lacking_peak_text(catalog.accelerator(system.accelerator), precision):
        raise BadInput(lacking)
    return unrated_machine(system, precision, catalog)


def lacking_peak_text(accelerator: Accelerator, precision: str) -> str:
    """Return that no peak of a chip at a precision is known, and what else to name; empty where it is known.

    >>> lacking_peak_text(load().accelerator("V100"), "bf16")
    'V100-32GB-SXM2 has no dense bf16 peak in the catalog; name a precision it has: fp16, fp32'
    """
    if supports(accelerator, precision):
        return ""
    named = [one for one in accelerator.precisions if supports(accelerator, one)]
    way = f"name a precision it has: {', '.join(named)}" if named else "no other is known either"
    return f"{accelerator.id} has no dense {precision} peak in the catalog; {way}"


def unrated(accelerator: Accelerator, precision: str, catalog: Catalog) -> bool:
    """Return whether a chip multiplies at a precision as its family does, but no source says how fast.

    >>> [unrated(load().accelerator(name), "bf16", load()) for name in ("L20", "L40S", "V100")]
    [True, False, False]
    """
    family = (row for row in catalog.accelerators.values() if row.family == accelerator.family)
    return not supports(accelerator, precision) and any(supports(row, precision) for row in family)


def unrated_machine(system: System, precision: str, catalog: Catalog) -> tables.Machine:
    """Return the numbers of one system where its peak may be unknown (NaN): what fits in memory asks no speed.

    >>> found = unrated_machine(load().system("L20"), "bf16", load())
    >>> found.peak_flop_per_s, round(found.memory_bytes / 2**30, 2)
    (nan, 44.39)
    """
    accelerator = catalog.accelerator(system.accelerator)
    peak = accelerator.peak(precision)
    facts, drives = accelerator.facts, drives_of(system.id, catalog.folder)
    return tables.Machine(
        peak_flop_per_s=peak,
        peak16_flop_per_s=peak if precision in FULL_PRECISIONS else _peak16(accelerator, peak),
        memory_bytes=accelerator.memory_bytes,
        context_bytes=facts.value("context"),
        memory_bytes_per_s=facts.value("memory_bandwidth"),
        domain_devices=float(system.domain_devices),
        node_devices=float(system.node_devices),
        link_bytes_per_s=_link(system, accelerator, catalog),
        nic_bytes_per_s=system.nic_gb_per_s * GB_BYTES / system.node_devices,
        host_bytes_per_s=_host(accelerator, catalog),
        host_memory_bytes=host_memory_bytes(system.id, catalog),
        nvme_bytes=drives.capacity_bytes,
        nvme_read_bytes_per_s=drives.read_bytes_per_s,
        nvme_write_bytes_per_s=drives.write_bytes_per_s,
        tdp_w=accelerator.tdp_w,
        idle_w=facts.value("idle_power"),
        host_w=system.host_w / system.devices,
        embodied_kgco2e=embodied(accelerator, catalog),
    )


def site(row: SiteRow) -> tables.Site:
    """Return the numbers of a site; a kind of carbon that nobody publishes for it is NaN, never another kind.

    >>> finland = site(load().site("gcp/europe-north1"))
    >>> bool(finland.location_net_kg_per_j < finland.location_gross_kg_per_j), finland.marginal_kg_per_j
    (True, nan)
    """
    value = row.facts.value
    return tables.Site(
        pue=value("pue"),
        **{f"{kind}_kg_per_j": value(kind) for kind in CO2E_KINDS},
        water_onsite_m3_per_j=value("water_onsite"),
        water_offsite_m3_per_j=value("water_offsite"),
    )


def offer(row: OfferRow, purchase: str) -> tables.Offer:
    """Return the price of one device-second; NaN where the provider does not sell it so.

    >>> round(offer(load().offers_of(["H100"], ["aws/us-east-1"])[0], "on-demand").usd_per_device_s * 3600, 2)
    6.88
    """
    price = row.prices.get(purchase)
    return tables.Offer.rent(math.nan if price is None else price.usd_per_hour / row.devices / HOUR_S)


def kernels_rows(accelerator: Accelerator, precision: str, catalog: Catalog | None = None) -> dict[str, Fitted]:
    """Return the fitted row behind each field of `tables.Kernels`: of the chip, else its family, else of any chip.

    A family without a run in the fit of steps has no evidence of its own: it is no faster than its vendor's others, and
    its attention no better than its products (`_unproven`).
    """
    catalog = catalog or load()
    entities = (accelerator.id, f"family:{accelerator.family}", _ANY)
    found = _fitted("kernels", tables.Kernels, catalog.kernels, entities, precision)
    row = found["time_scale"]
    timed = (f"family:{accelerator.family}", _ANY, row.quantity) in catalog.kernels
    return found if timed or (row.entity != _ANY and row.rows) else _unproven(found, accelerator, catalog)


def _unproven(found: dict[str, Fitted], accelerator: Accelerator, catalog: Catalog) -> dict[str, Fitted]:
    """Return the rows of a chip of whose family no run is in the fit.

    Its steps take as long, over what its kernels say, as those of its vendor's other families, if that is longer than
    those of any. Where its products were timed and attention was not, that reaches the share of them that it reaches on
    chips timed at both; and where it was timed on no chip of the vendor, kernels that are not written for a generation,
    but ported, keep the geometric mean of what they keep on those generations of which that is known.
    """
    known, made = catalog.kernels, dict(found)
    families = {row.family for row in catalog.accelerators.values() if row.vendor == accelerator.vendor}
    steps = [known[key] for one in families if (key := (f"family:{one}", _ANY, "time_scale")) in known]
    logs = sum(row.rows * math.log(row.value) for row in steps) / max(1, sum(row.rows for row in steps))
    if logs > 0:
        row = found["time_scale"]
        made["time_scale"] = replace(row, value=row.value * math.exp(logs), note=f"as others of {accelerator.vendor}")
    if found["attention_efficiency"].entity != _ANY or found["gemm_efficiency"].entity == _ANY:
        return made
    row, share = found["attention_efficiency"], found["gemm_efficiency"].value * _attention_share(catalog)
    made["attention_efficiency"] = replace(row, value=min(row.value, share), note="the share of its products")
    if not any((f"family:{one}", _ANY, "attention_efficiency") in known for one in families):
        ports = [row.value for (entity, _, name), row in known.items() if name == "attention_legacy" and entity != _ANY]
        made["attention_legacy"] = replace(found["attention_legacy"], value=geometric_mean(ports), note="ported")
    return made


def _attention_share(catalog: Catalog) -> float:
    """Return attention's efficiency over that of products: the median of the chips on which both were timed."""
    names = [entity for entity, _, name in catalog.kernels if name == "attention_efficiency" and ":" not in entity]
    pairs = [
        [catalog.kernels.get((one, _ANY, f"{kind}_efficiency")) for kind in ("attention", "gemm")] for one in names
    ]
    return median([a.value / b.value for a, b in pairs if a and b and a.entity != _ANY])


def kernels(accelerator: Accelerator, precision: str, catalog: Catalog | None = None) -> tables.Kernels:
    """Return the calibrated kernel figures of an accelerator at a precision."""
    rows = kernels_rows(accelerator, precision, catalog)
    return tables.Kernels(**{name: row.value for name, row in rows.items()})


def stacks(catalog: Catalog | None = None) -> tuple[str, ...]:
    """Return the names of the software stacks: documented, fitted, or a user's own by calibration."""
    catalog = catalog or load()
    return tuple(sorted({*catalog.stack_files, *(entity for entity, _, _ in catalog.stacks)} - {_ANY}))


def stack_rows(
    name: str, catalog: Catalog | None = None, precision: str = _ANY, accelerator: str = ""
) -> dict[str, Fitted]:
    """Return the fitted row behind each field of `tables.Stack`: of the stack (at a precision), else of any stack.

    Where steps of one's own were measured (`local.step_shift`) its `time_scale` is shifted, and surer: most on the
    accelerator that they were measured on.
    """
    catalog = catalog or load()
    known = stacks(catalog)
    if name not in known and name != _ANY:
        raise UnknownName("stack", name, known)
    found = _fitted("stacks", tables.Stack, catalog.stacks, (name, _ANY), precision)
    own = step_shift_row(name, accelerator, catalog)
    if own is not None:
        found["time_scale"] = _shifted(found["time_scale"], own)
    return found


def stack(name: str, catalog: Catalog | None = None, precision: str = _ANY, accelerator: str = "") -> tables.Stack:
    """Return the calibrated figures of a software stack, at a precision where it stores states otherwise.

    See `stack_rows` for the accelerator.
    """
    rows = stack_rows(name, catalog, precision, accelerator)
    return tables.Stack(**{field: row.value for field, row in rows.items()})


def step_shift_row(stack_name: str, accelerator: str, catalog: Catalog) -> Fitted | None:
    """Return what steps of one's own set for a stack on an accelerator; None where no step was measured of anything.

    Where none was measured of this pair, it is what steps of other pairs tell of it.

    >>> step_shift_row("fsdp2", "H100-80GB-SXM", load()) is None
    True
    """
    known = catalog.local.steps
    names = (pair_name(stack_name, accelerator), ANYWHERE)
    return next((known[key] for name in names if (key := (name, _ANY, STEP_SHIFT)) in known), None)


def _shifted(row: Fitted, own: Fitted) -> Fitted:
    """Return the residual factor of a stack on a chip by measured steps: shifted, and as sure as they make it."""
    return replace(
        own,
        quantity=row.quantity,
        value=row.value * own.value,
        log_sd=float(narrowed_log_sd(row.log_sd, own.log_sd)),
    )


def _peak16(accelerator: Accelerator, peak: float) -> float:
    """Return the 16-bit peak: bf16, else fp16, else (no 16-bit matrix unit on record) the job's own."""
    found = accelerator.peak("bf16")
    found = accelerator.peak("fp16") if math.isnan(found) else found
    return peak if math.isnan(found) else found


def _host(accelerator: Accelerator, catalog: Catalog) -> float:
    """Return the rate between a device and host memory: its own link to the CPU, else its PCIe slot."""
    own = accelerator.facts.value("host_bandwidth")
    if not math.isnan(own):
        return own
    bus = accelerator.facts.fact("pcie_generation")
    return math.nan if bus is None else catalog.buses[f"pcie/{bus.value:g}"].value("bandwidth_x16")


def _link(system: System, accelerator: Accelerator, catalog: Catalog) -> float:
    """Return the rate of one device into the fast domain: the system's own figure, PCIe's, or the chip's."""
    if not math.isnan(system.link_gb_per_s):
        return system.link_gb_per_s * GB_BYTES
    return _host(accelerator, catalog) if system.topology == "pcie" else accelerator.facts.value("link_bandwidth")


def embodied(accelerator: Accelerator, catalog: Catalog) -> float:
    """Return the embodied carbon of a device with its share of the server.

    A figure for both together comes first; else the device's own plus the server's share; else it is unknown.
    """
    facts = catalog.embodied.get(accelerator.id)
    if facts is None:
        return math.nan
    together = facts.value("device_and_server")
    server = catalog.embodied.get(f"server/{accelerator.family}")
    if not math.isnan(together) or server is None:
        return together
    return facts.value("device") + server.value("server_share")


def _fitted(
    table: str, kind: type, rows: Mapping[tuple[str, str, str], Fitted], entities: tuple[str, ...], precision: str
) -> dict[str, Fitted]:
    found = {}
    for name in (field.name for field in fields(kind)):
        keys = ((entity, width, name) for entity in entities for width in (precision, _ANY))
        row = next((rows[key] for key in keys if key in rows), None)
        if row is None:
            raise BadCatalog(
                f"{table}.csv has no {name} for {', '.join(entities)} at {precision}; run the fit, or add a row 'any'"
            )
        found[name] = row
    return found
