"""Facts with their sources: accelerators, systems, offers, sites, models, and fitted efficiencies.

catalog = load()                       one object, each table read when first asked for
catalog.accelerator("H100")            a name or alias → a row, or UnknownName with the nearest
machine(catalog.system("p5.48xlarge"), "bf16")   a row → numbers in SI
"""

from steelyard.catalog.load import Catalog, load
from steelyard.catalog.schema import (
    Accelerator,
    Fact,
    Facts,
    Fitted,
    Interruption,
    OfferRow,
    Price,
    SiteRow,
    Source,
    System,
    preferred,
)
from steelyard.catalog.tabulate import (
    embodied,
    kernels,
    kernels_rows,
    kind_log_sd,
    machine,
    offer,
    site,
    stack,
    stack_rows,
    stacks,
    step_shift_row,
    supports,
)

__all__ = [
    "Accelerator",
    "Catalog",
    "Fact",
    "Facts",
    "Fitted",
    "Interruption",
    "OfferRow",
    "Price",
    "SiteRow",
    "Source",
    "System",
    "embodied",
    "kernels",
    "kernels_rows",
    "kind_log_sd",
    "load",
    "machine",
    "offer",
    "preferred",
    "site",
    "stack",
    "stack_rows",
    "stacks",
    "step_shift_row",
    "supports",
]
