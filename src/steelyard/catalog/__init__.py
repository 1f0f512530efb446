"""Facts with their sources: accelerators, systems, offers, sites, models, and fitted efficiencies.

catalog = load()                       one object, each table read when first asked for
catalog.accelerator("H100")            a name or alias → a row, or UnknownName with the nearest
machine(catalog.system("p5.48xlarge"), "bf16")   a row → numbers in SI
"""

from steelyard.catalog.load import Catalog, load
from steelyard.catalog.peaks import peak_spread
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
    lacking_peak_text,
    machine,
    offer,
    site,
    stack,
    stack_rows,
    stacks,
    step_shift_row,
    supports,
    unrated,
    unrated_machine,
)
from steelyard.catalog.widths import (
    accelerator_log_sd,
    calibrated_log_sd,
    kind_log_sd,
    open_log_sds,
    outside_transformer_engine,
    pair_log_sd,
    shift_log_sd,
    stack_evidence,
    step_spread,
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
    "accelerator_log_sd",
    "calibrated_log_sd",
    "embodied",
    "kernels",
    "kernels_rows",
    "kind_log_sd",
    "lacking_peak_text",
    "load",
    "machine",
    "offer",
    "open_log_sds",
    "outside_transformer_engine",
    "pair_log_sd",
    "peak_spread",
    "preferred",
    "shift_log_sd",
    "site",
    "stack",
    "stack_evidence",
    "stack_rows",
    "stacks",
    "step_shift_row",
    "step_spread",
    "supports",
    "unrated",
    "unrated_machine",
]
