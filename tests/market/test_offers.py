"""Offers that a job allows: names, denials and countries, each checked for names of nothing."""

import pytest

from steelyard import catalog as facts
from steelyard.errors import BadInput, UnknownName
from steelyard.job import read_job
from steelyard.market.build import market_of
from steelyard.market.offers import allowed_offers


def rows(**given):
    return allowed_offers(read_job("llama-3-8b", tokens="20B", **given), facts.load())


def test_what_is_denied_is_not_offered_and_nothing_else_is_lost():
    every = rows()
    left = rows(deny_accelerators="H100*,L4", deny_providers="vast", deny_regions="aws/us-*")
    unwanted = [
        row
        for row in every
        if row.accelerator.startswith("H100")
        or row.accelerator == "L4"
        or row.provider == "vast"
        or row.place.startswith("aws/us-")
    ]
    assert unwanted
    assert left == tuple(row for row in every if row not in unwanted)


@pytest.mark.parametrize(("word", "inside", "outside"), [("EU", "SE", "NO"), ("EEA", "NO", "US"), ("UK", "GB", "FR")])
def test_residency_keeps_only_known_sites_in_the_countries(word, inside, outside):
    sites = facts.load().sites
    places = {sites[row.site].country for row in rows(residency=word)}
    assert inside in places
    assert outside not in places
    assert all(row.site for row in rows(residency=word))
    assert any(not row.site for row in rows())


@pytest.mark.parametrize(
    ("given", "error", "part"),
    [
        ({"residency": "Germania"}, UnknownName, "country 'Germania'"),
        ({"deny_accelerators": "H1000"}, UnknownName, "H100"),
        ({"deny_accelerators": "Z9*"}, UnknownName, "accelerator"),
        ({"deny_providers": "awz"}, UnknownName, "aws"),
        ({"deny_regions": "mars/*"}, UnknownName, "region"),
        ({"accelerators": "H100", "deny_accelerators": "H100*"}, BadInput, "both in accelerators and in deny_"),
        ({"providers": "aws", "deny_providers": "aws"}, BadInput, "from aws once aws are denied"),
        ({"providers": "vast", "residency": "EU"}, BadInput, "from vast inside EU"),
    ],
)
def test_a_name_of_nothing_is_one_clear_error(given, error, part):
    with pytest.raises(error, match=part):
        market_of(read_job("llama-3-8b", tokens="20B", **given), facts.load())
