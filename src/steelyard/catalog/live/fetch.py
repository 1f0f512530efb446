"""One way onto the network: https only, with timeouts, a few tries, and no secret in any message."""

import gzip
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from steelyard.errors import SteelyardError

TIMEOUT_S = 30.0
TRIES = 3
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 60.0
_MOST_BYTES = 512 * 2**20
"""Of a reply that is read whole; a list that is streamed may be longer."""

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Replies after which another try may help."""


class Unreachable(SteelyardError):
    """A live source that did not answer, refused, or answered what cannot be read."""


class Response(Protocol):
    """What an opener returns: `http.client.HTTPResponse`, or a recording."""

    status: int

    @property
    def headers(self) -> Any:
        """Mapping of the reply's headers."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""

    def close(self) -> None:
        """Let go of the connection."""


Opener = Callable[[str, Mapping[str, str], float], Response]
"""Opens an address with headers and a timeout: a reply of any status, or OSError."""


def over_https(url: str, headers: Mapping[str, str], timeout_s: float) -> Response:
    """Open an address for real."""
    from urllib.error import HTTPError  # noqa: PLC0415  # the network is not imported by planning
    from urllib.request import Request, urlopen  # noqa: PLC0415

    try:
        response: Response = urlopen(Request(url, headers=dict(headers)), timeout=timeout_s)  # noqa: S310  # `Fetch` checks it
    except HTTPError as error:
        return error  # type: ignore[return-value]  # a reply, with a status that is not good
    return response


@dataclass(frozen=True, slots=True)
class Fetch:
    """Reads addresses; a source that fails for good is `Unreachable`."""

    opener: Opener = over_https
    wait: Callable[[float], None] = time.sleep
    timeout_s: float = TIMEOUT_S
    tries: int = TRIES

    def json(self, url: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """Return the object that an address answers with."""
        body = self.bytes(url, query, headers)
        try:
            return json.loads(body, parse_constant=_no_number)
        except ValueError as error:
            raise Unreachable(f"{_plain(url)} answered what is no JSON: {body[:60]!r}") from error

    def bytes(
        self, url: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Return the whole reply."""
        with closing(self._open(url, query, headers)) as response:
            try:
                body = response.read(_MOST_BYTES + 1)
                if response.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
            except (OSError, EOFError) as error:
                raise Unreachable(f"{_plain(url)} broke off: {error}") from error
        if len(body) > _MOST_BYTES:
            raise Unreachable(f"{_plain(url)} answered more than {_MOST_BYTES / 2**20:.0f} MiB")
        return body

    def lines(self, url: str) -> Iterator[str]:
        """Yield the lines of a long list as they arrive; one that breaks off is an error, never a shorter list."""
        with closing(self._open(url, None, None)) as response:
            raw: Any = _Raw(response)
            stream = gzip.GzipFile(fileobj=raw) if response.headers.get("Content-Encoding") == "gzip" else raw
            due = response.headers.get("Content-Length")
            try:
                yield from io.TextIOWrapper(io.BufferedReader(stream, 2**16), "utf-8", newline="")
            except (OSError, EOFError) as error:
                raise Unreachable(f"{_plain(url)} broke off: {error}") from error
            if due is not None and raw.count != int(due):
                raise Unreachable(f"{_plain(url)} broke off after {raw.count} of {due} bytes")

    def _open(self, url: str, query: Mapping[str, str] | None, headers: Mapping[str, str] | None) -> Response:
        if urlsplit(url).scheme != "https":
            raise Unreachable(f"{_plain(url)} is not https; nothing was asked")
        whole = f"{url}{'&' if '?' in url else '?'}{urlencode(query)}" if query else url
        sent = {"User-Agent": "steelyard", "Accept-Encoding": "gzip", **(headers or {})}
        wait_s, problem = FIRST_WAIT_S, ""
        for turn in range(self.tries):
            if turn:
                self.wait(min(wait_s, LONGEST_WAIT_S))
                wait_s *= 2
            try:
                response = self.opener(whole, sent, self.timeout_s)
            except OSError as error:  # name not resolved, refused, reset, timed out
                problem = f"did not answer ({getattr(error, 'reason', None) or error})"
                continue
            if response.status < 300:
                return response
            problem = f"answered {response.status}"
            asked = str(response.headers.get("Retry-After") or "")
            response.close()
            if response.status not in RETRIED_STATUSES:
                break
            wait_s = max(wait_s, float(asked) if asked.isdigit() else 0.0)
        raise Unreachable(f"{_plain(url)} {problem}{_hint(problem)}")


class _Raw(io.RawIOBase):
    """A reply as a raw stream that counts its bytes."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response, self.count = response, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        piece = self.response.read(len(buffer))
        buffer[: len(piece)] = piece
        self.count += len(piece)
        return len(piece)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _plain(url: str) -> str:
    """Return an address without its query, which may hold a key.

    >>> _plain("https://api.example.org/v1/rows?api_key=secret")
    'https://api.example.org/v1/rows'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _hint(problem: str) -> str:
    return "; is the token right, and does its plan allow this?" if problem in {"answered 401", "answered 403"} else ""
