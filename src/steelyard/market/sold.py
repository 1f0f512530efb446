"""What an offer that is named sells, and where: what beside it contradicts it is refused."""

from steelyard.catalog import OfferRow, load
from steelyard.errors import BadInput, UnknownName


def system_sold(offer: str, device: str) -> str:
    """Return the system that an offer sells, which must be of the accelerator that is asked for."""
    row, wanted = offer_named(offer), load().system(device).accelerator
    if row.accelerator != wanted:
        raise BadInput(
            f"--offer {row.id} sells {row.accelerator}, but --on asks for {wanted}; give --on {row.accelerator}:8"
        )
    return row.system


def check_site(offer: str, site: str) -> None:
    """Refuse a site beside an offer that is sold at another; BadInput names both ways out."""
    if not (offer and site):
        return
    row, asked = offer_named(offer), load().site(site).id
    if row.site != asked:
        where = f"at {row.site}" if row.site else f"by {row.provider}, which does not say where"
        raise BadInput(f"--offer {row.id} is sold {where}, but --site asks for {asked}; leave out one of the two")


def offer_named(name: str) -> OfferRow:
    """Return the offer of a name, in any case of letters; `UnknownName` with the nearest."""
    rows = {row.id.lower(): row for row in load().offers}
    if name.lower() not in rows:
        raise UnknownName("offer", name, [row.id for row in load().offers])
    return rows[name.lower()]
