"""How a run is operated when nobody says otherwise: failures, restarts, checkpoints, each from published runs."""

from dataclasses import fields

from steelyard import tables
from steelyard.catalog.load import Catalog, load
from steelyard.catalog.schema import Fitted
from steelyard.errors import BadCatalog, UnknownName
from steelyard.vocabulary import PURCHASES

_ANY = "any"


def policy_rows(purchase: str, catalog: Catalog | None = None) -> dict[str, Fitted]:
    """Return the row behind each field of `tables.Policy`: of the purchase, else of any.

    >>> policy_rows("on-demand")["failures_per_device_s"].rows
    5
    """
    if purchase not in PURCHASES:
        raise UnknownName("purchase", purchase, PURCHASES)
    rows = (catalog or load()).policies
    found = {}
    for field in fields(tables.Policy):
        row = rows.get((purchase, field.name), rows.get((_ANY, field.name)))
        if row is None:
            raise BadCatalog(f"policy.csv has no {field.name} for {purchase}; add a row '{_ANY}' with its source")
        found[field.name] = row
    return found


def policy(purchase: str, catalog: Catalog | None = None) -> tables.Policy:
    """Return how a run is operated when it is bought this way.

    >>> policy("on-demand").preemptions_per_node_s, policy("spot").preemptions_per_node_s
    (0.0, 2.96e-08)
    >>> policy("spott")
    Traceback (most recent call last):
    steelyard.errors.UnknownName: unknown purchase 'spott'; nearest: spot
    """
    return tables.Policy(**{name: row.value for name, row in policy_rows(purchase, catalog).items()})
