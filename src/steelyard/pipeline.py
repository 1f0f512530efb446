"""The composition: the only module that knows all rooms."""

from steelyard.carbon import carbon
from steelyard.energy import energy
from steelyard.money import money
from steelyard.run import draw
from steelyard.step import memory, time
from steelyard.tables import Job, Kernels, Layout, Machine, Offer, Policy, Prediction, Site, Stack
from steelyard.workload import workload


def predict(
    job: Job,
    layout: Layout,
    machine: Machine,
    kernels: Kernels,
    stack: Stack,
    policy: Policy,
    site: Site,
    offer: Offer,
) -> Prediction:
    """Return time, memory, draw, energy, carbon and money of one candidate, or of as many as the tables hold."""
    step = time(job, workload(job), layout, machine, kernels, stack)
    peak = memory(job, layout, machine, stack)
    drawn = draw(job, step, peak, layout, machine, kernels, policy)
    used = energy(drawn, site)
    return Prediction(
        time=step,
        memory=peak,
        draw=drawn,
        energy=used,
        carbon=carbon(drawn, used, site, machine, policy),
        money=money(drawn, used, offer),
    )
