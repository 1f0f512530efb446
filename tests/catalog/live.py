"""A stand-in for the network: replies from files, failures on demand, and a record of what was asked."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

from steelyard.catalog.live.fetch import Fetch

REPLIES = Path(__file__).parent / "replies"


class Reply:
    """What an opener returns."""

    def __init__(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.status, self.stream, self.closed = status, io.BytesIO(body), False
        self.headers = Message()
        for name, value in headers.items():
            self.headers[name.replace("_", "-")] = value

    def read(self, size: int = -1, /) -> bytes:
        return self.stream.read(size)

    def close(self) -> None:
        self.closed = True


@dataclass
class Network:
    """Answers by the first pattern that is part of the address."""

    answers: Mapping[str, Any]  # bytes, an object (JSON), a status, an OSError, or a function of the address
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    def __call__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> Reply:
        self.asked.append((url, headers))
        assert 0 < timeout_s <= 60
        found = next((answer for part, answer in self.answers.items() if part in url), 404)
        reply = self.made(found, url)
        self.replies.append(reply)
        return reply

    def made(self, answer: Any, url: str) -> Reply:
        if isinstance(answer, Reply):
            return answer
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            return self.made(answer(url), url)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            return Reply(b"", answer)
        return Reply(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    @property
    def fetch(self) -> Fetch:
        return Fetch(opener=self, wait=self.waits.append)


def recorded(name: str) -> bytes:
    return (REPLIES / name).read_bytes()


def zipped(*names: str) -> bytes:
    """A catalog of gpuhunt with these providers."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name.removeprefix("gpuhunt_"), recorded(name))
    return out.getvalue()
