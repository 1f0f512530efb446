"""What `plan`, `estimate` and `explain` share: a pinned configuration, and the catalog rows behind a point."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from steelyard.vocabulary import CO2E_KINDS

if TYPE_CHECKING:
    from steelyard.catalog import OfferRow
    from steelyard.job import JobSpec
    from steelyard.planner import Point
    from steelyard.report.cite import Used

PIN_OPTIONS = (
    ("--on", "DEVICES", "Accelerator or system, and how many: H100:64, p5.48xlarge:8."),
    ("--layout", "DEGREES", "Parallel layout: tp=2,pp=1,dp=32,mbs=2,zero=1; what is left out is filled in."),
    ("--site", "NAME", "Where it runs: aws/us-east-1, gcp/europe-north1, country/FR."),
    ("--offer", "NAME", "What is bought: aws/us-east-1/p5.48xlarge. Default: the cheapest that fits the options."),
)


def pinned(job: str, carbon: str, pin: dict[str, str | None], given: dict[str, Any]) -> "tuple[JobSpec, Point]":
    """Return the job and the one configuration that the options pin."""
    from steelyard import planner
    from steelyard.cli.options import read
    from steelyard.job import literals

    if pin["offer"]:
        given |= {"regions": place_of(pin["offer"])}
    spec = read(job, given)
    if not pin["on"]:
        message = "give --on: an accelerator or system and how many, such as --on H100:64"
        raise click.UsageError(message)
    (name, count), *more = literals.parse_accelerators(pin["on"])
    if more:
        message = f"--on takes one accelerator or system, not {pin['on']!r}; such as --on H100:64"
        raise click.UsageError(message)
    name = sold(pin["offer"], name) if pin["offer"] else name
    return spec, planner.estimate(spec, name, count, pin["layout"] or "", pin["site"] or "", carbon)


def place_of(offer: str) -> str:
    """Return where an offer is sold: `provider/region`."""
    return _offer(offer).place


def sold(offer: str, device: str) -> str:
    """Return the system that an offer sells, which must be of the accelerator that is asked for."""
    from steelyard.catalog import load
    from steelyard.errors import BadInput

    row, wanted = _offer(offer), load().system(device).accelerator
    if row.accelerator != wanted:
        message = f"--offer {row.id} sells {row.accelerator}, but --on asks for {wanted}; give --on {row.accelerator}:8"
        raise BadInput(message)
    return row.system


def rows_of(point: "Point", spec: "JobSpec") -> "list[Used]":
    """Return the catalog rows behind a point."""
    from steelyard.catalog import load
    from steelyard.market.build import matrix_precision
    from steelyard.report.cite import Choice, Used, used

    deal, published = point.deal, spec.model.published
    choice = Choice(
        accelerator=point.hardware.accelerator,
        precision=matrix_precision(spec.precision, load()),
        system=point.system,
        stack=point.stack.name,
        offer=deal.offer if deal else "",
        purchase=deal.purchase if deal else "",
        site=point.site.name,
        tariffs=deal.tariffs if deal else (),
    )
    shape = Used("model", spec.model.name, "shape", "", published.source or "as given", published.checked)
    return [shape, *used(load(), choice)]


def described(point: "Point") -> dict[str, Any]:
    """Return a point as a mapping, with energy at every boundary and CO2e of every kind."""
    from steelyard.formatting.encode import plain
    from steelyard.planner import point_mapping
    from steelyard.units import KWH_J

    energy, carbon = point.prediction.energy, point.prediction.carbon
    beside = {
        "energy_accelerator_kwh": energy.accelerator_j / KWH_J,
        "energy_it_kwh": energy.it_j / KWH_J,
        **{f"co2e_{name.removesuffix('_kgco2e')}_kg": getattr(carbon, name) for name in CARBON_FIELDS},
        "water_m3": carbon.water_m3,
    }
    made: dict[str, Any] = plain(point_mapping(point) | beside)
    return made


def trained(spec: "JobSpec") -> dict[str, Any]:
    """Return what is trained as a mapping: the model with its parameters, the tokens with their FLOPs."""
    from steelyard.job import job_table

    job = job_table(spec)
    adapted = spec.task in {"lora", "qlora"}  # the FLOPs of a step there are not those of training every parameter
    flop = float(job.workload.model_flop) * float(spec.tokens) / float(spec.sequence_tokens)
    return {
        "model": spec.model.name,
        "task": spec.task,
        "precision": spec.precision,
        "parameters": float(job.workload.params),
        "active_parameters": float(job.workload.active_params),
        "tokens": float(spec.tokens),
        "flop": None if adapted else flop,
    }


CARBON_FIELDS = (*(f"{kind}_kgco2e" for kind in CO2E_KINDS), "embodied_kgco2e")


def sources_of(points: "Iterable[Point]", spec: "JobSpec") -> "list[dict[str, str]]":
    """Return the sources of exactly the rows behind these points."""
    from steelyard.catalog import load
    from steelyard.report.cite import cited

    rows = [row for point in points for row in rows_of(point, spec)]
    return [
        {"id": row.id, "what": row.what, "locator": row.locator, "version": row.version, "checked": row.checked}
        for row in cited(load(), rows)
    ]


def _offer(name: str) -> "OfferRow":
    from steelyard.catalog import load
    from steelyard.errors import UnknownName

    rows = {row.id.lower(): row for row in load().offers}
    if name.lower() not in rows:
        raise UnknownName("offer", name, [row.id for row in load().offers])
    return rows[name.lower()]
