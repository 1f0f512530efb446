"""The closed lists of words that several packages share: ways to buy, kinds of CO2e, precisions.

Nothing is imported here, so the command line can offer these words before anything else is read.
"""

ON_DEMAND, SPOT, RESERVED, OWNED = "on-demand", "spot", "reserved", "own"
"""Ways to buy: by the hour, by the hour until somebody else needs it, for a term, machines of one's own."""

TERM_YEARS = {f"{RESERVED}-1y": 1, f"{RESERVED}-3y": 3}
"""Terms that are sold, in years."""

RENTED = (ON_DEMAND, SPOT, *TERM_YEARS)
PURCHASES = (*RENTED, OWNED)

LOCATION_GROSS, LOCATION_NET, MARKET, MARGINAL = "location_gross", "location_net", "market", "marginal"
CO2E_KINDS = (LOCATION_GROSS, LOCATION_NET, MARKET, MARGINAL)
"""Kinds of operational CO2e, alternatives that are never added: fields of `tables.Carbon` and `tables.Site` by prefix.

Source: GHG Protocol Scope 2 Guidance (location-based and market-based); location-based net subtracts hourly matched
clean energy (Google, 24/7 carbon-free energy); marginal is what one more joule causes.
"""

FULL_PRECISIONS = ("fp32", "tf32")
PRECISIONS = (*FULL_PRECISIONS, "fp16", "bf16", "fp8", "fp4")
"""Formats of the operands of a matrix product, the widest first; a job's own precisions are in `precisions.csv`."""

POINT_LABELS = ("cheapest", "fastest", "leanest", "cleanest", "balanced")
ESTIMATE_LABEL = "estimate"  # of a configuration that was pinned, not found by a plan
"""Points of a frontier that have a name: the least money, time, energy, CO2e, and the best at all of them together."""

LANGUAGE, IMAGE_TRANSFORMER, ROWS = "language", "image-transformer", "rows"
TRAINED_KINDS = (LANGUAGE, IMAGE_TRANSFORMER, ROWS)
"""What a stack can train: transformers on text, transformers on images, and anything else, described by rows."""

ADAPTER_TASKS = ("lora", "qlora")
"""Tasks that train adapters beside a frozen model, the second beside a quantised one."""


def hyphenated(word: str) -> str:
    """Return a word as people type it.

    >>> hyphenated("location_gross")
    'location-gross'
    """
    return word.replace("_", "-")


FITS, MAY_NOT_FIT, DOES_NOT_FIT = "fits", "may not fit", "does not fit"
"""What is said of a need for memory that has an interval: its upper end is within, its ends lie on both sides of what
there is, its lower end is beyond."""
