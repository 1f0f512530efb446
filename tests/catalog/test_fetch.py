"""The one way onto the network: tries, waits, limits, and no secret in a message."""

import gzip
from urllib.error import URLError

import pytest
from tests.catalog.live import Network, Reply

from steelyard.catalog.live.fetch import Fetch, Unreachable

URL = "https://prices.example.org/list"


def turns(*answers: object) -> Network:
    left = list(answers)
    return Network({"": lambda _url: left.pop(0)})


def test_it_tries_again_after_what_may_pass_and_waits_longer_each_time() -> None:
    network = turns(503, TimeoutError("timed out"), {"rows": 1})
    assert network.fetch.json(URL) == {"rows": 1}
    assert network.waits == [2.0, 4.0]


def test_it_waits_as_long_as_it_is_told_but_not_for_ever() -> None:
    network = turns(Reply(b"", 429, Retry_After="7"), Reply(b"", 429, Retry_After="86400"), {"rows": 1})
    network.fetch.json(URL)
    assert network.waits == [7.0, 60.0]


def test_it_gives_up() -> None:
    network = turns(500, 502, 503, 504)
    with pytest.raises(Unreachable, match=r"prices\.example\.org/list answered 503"):
        network.fetch.json(URL)
    assert len(network.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    network = turns(status)
    with pytest.raises(Unreachable, match=str(status)):
        network.fetch.json(URL, {"api_key": "hush"})
    assert len(network.asked) == 1
    assert network.replies[0].closed


def test_no_message_holds_the_query() -> None:
    network = turns(*[URLError("no such host")] * 3)
    with pytest.raises(Unreachable) as error:
        network.fetch.json(URL, {"api_key": "hush"})
    assert "hush" in network.asked[0][0]
    assert "hush" not in str(error.value)
    assert "no such host" in str(error.value)


def test_only_https() -> None:
    with pytest.raises(Unreachable, match="not https"):
        Fetch(opener=Network({})).json("http://prices.example.org/list")
    with pytest.raises(Unreachable, match="not https"):
        Fetch(opener=Network({})).json("file:///etc/passwd")


def test_packed_replies_are_unpacked() -> None:
    network = turns(Reply(gzip.compress(b'{"rows": 2}'), Content_Encoding="gzip"))
    assert network.fetch.json(URL) == {"rows": 2}


def test_what_is_no_json_says_so() -> None:
    with pytest.raises(Unreachable, match="no JSON"):
        turns(b"<html>maintenance</html>").fetch.json(URL)


@pytest.mark.parametrize("packed", [False, True])
def test_a_long_list_is_read_line_by_line(packed: bool) -> None:
    body = "".join(f"row {k}\n" for k in range(10_000)).encode()
    sent = gzip.compress(body) if packed else body
    headers = {"Content_Length": str(len(sent))} | ({"Content_Encoding": "gzip"} if packed else {})
    network = turns(Reply(sent, **headers))
    lines = network.fetch.lines(URL)
    assert next(lines) == "row 0\n"
    assert sum(1 for _ in lines) == 9_999
    assert network.replies[0].closed


@pytest.mark.parametrize("packed", [False, True])
def test_a_list_that_breaks_off_is_an_error_and_not_a_shorter_list(packed: bool) -> None:
    body = b"row\n" * 10_000
    sent = gzip.compress(body) if packed else body
    headers = {"Content_Length": str(len(sent))} | ({"Content_Encoding": "gzip"} if packed else {})
    network = turns(Reply(sent[: len(sent) // 2], **headers))
    with pytest.raises(Unreachable, match="broke off"):
        list(network.fetch.lines(URL))
