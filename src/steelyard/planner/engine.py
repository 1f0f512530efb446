"""What judges candidates outside of tests, and the limits that a job sets them."""

from collections.abc import Mapping

from steelyard import catalog as facts
from steelyard import pipeline
from steelyard.job import JobSpec, job_table
from steelyard.search.engine import Engine, Limits

ENGINE = Engine(pipeline.predict, pipeline.peak, pipeline.floor, pipeline.host, pipeline.drives)


def limits_of(spec: JobSpec, most: int) -> Limits:
    """Return what a plan of this job must respect."""
    return Limits(
        deadline_s=None if spec.deadline_s is None else float(spec.deadline_s),
        budget_usd=None if spec.budget_usd is None else float(spec.budget_usd),
        energy_max_j=None if spec.energy_max_j is None else float(spec.energy_max_j),
        co2e_max_kg=None if spec.co2e_max_kg is None else float(spec.co2e_max_kg),
        devices=spec.devices,
        max_devices=spec.max_devices or most,
        counts={facts.load().accelerator(name).id: count for name, count in spec.accelerators if count is not None},
        layout=asked_layout(spec),
        axes=spec.axes,
    )


def asked_layout(spec: JobSpec) -> Mapping[str, tuple[int, ...]]:
    """Return what a job allows of its layout; of experts that its model lacks nothing is asked (`etp: 1`)."""
    if "etp" not in spec.layout or job_table(spec).workload.divisible.experts:
        return spec.layout
    return {name: values for name, values in spec.layout.items() if name != "etp"}
