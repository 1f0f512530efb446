"""A site beside an offer that is sold at another is no site of it: refused with both ways out."""

import pytest

import steelyard
from steelyard.catalog import load
from steelyard.errors import BadInput

JOB = {"model": "llama-3.2-1b", "tokens": "10M"}
OFFER = "aws/us-east-1/p5.48xlarge"


@pytest.mark.parametrize("site", ["gcp/europe-north1", "country/FR"])
@pytest.mark.parametrize("ask", [steelyard.estimate, steelyard.explain, steelyard.where])
def test_another_site_than_the_offers_is_refused(site: str, ask: object) -> None:
    with pytest.raises(BadInput, match="leave out one of the two"):
        ask(JOB, on="H100:8", site=site, offer=OFFER)  # type: ignore[operator]


def test_the_offers_own_site_is_no_contradiction() -> None:
    row = next(row for row in load().offers if row.id == OFFER)
    beside, alone = (steelyard.estimate(JOB, "H100:8", offer=OFFER, **more) for more in ({"site": row.site}, {}))
    assert beside.cost_usd.value == alone.cost_usd.value
    assert beside.site == alone.site
