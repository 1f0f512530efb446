"""Work shared with forked helpers: NumPy on blocks that fit the cache returns to the interpreter too often for threads.

Two threads that judge blocks of 16,384 rows wait for the interpreter's lock longer than they compute; two processes
take half the time of one (docs/search.md). A forked helper has everything already and sends back only what it found.
"""

import os
import pickle
import select
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

if sys.platform == "linux":
    import fcntl

Item = TypeVar("Item")
Made = TypeVar("Made")

CHUNK = 1 << 20
"""Bytes that a pipe holds, where the system lets one ask for so many: a helper need not wait to be heard."""

LENGTH = 8
"""Bytes of a message's length before it."""


def on_processes(work: Callable[[Item], Made], items: Sequence[Item], workers: int) -> Generator[tuple[int, Made]]:
    """Yield the place and the result of every item, as they are done, on so many processes.

    Where forking is not safe (another thread runs, or the system is not Linux) this process does it all. What a helper
    fails to return, this process does too, so that an error is raised here. Helpers take the first items: sorted with
    the longest first, the least is left to this process, which has work to do afterwards.

    >>> sorted(on_processes(abs, [-3, 1, -2], workers=1))
    [(0, 3), (1, 1), (2, 2)]
    """
    workers = min(workers, len(items)) if can_fork() else 1
    helpers = [_Helper(work, items, range(first, len(items), workers)) for first in range(workers - 1)]
    done = set()
    try:
        for place in range(max(workers - 1, 0), len(items), max(workers, 1)):
            yield place, work(items[place])
            done.add(place)
            for helper in helpers:
                for found in helper.heard(wait=False):
                    done.add(found[0])
                    yield found
        for helper in helpers:
            for found in helper.heard(wait=True):
                done.add(found[0])
                yield found
        for place in sorted(set(range(len(items))) - done):
            yield place, work(items[place])
    finally:
        for helper in helpers:
            helper.dismiss()


def cores() -> int:
    """Return how many processes help."""
    return max(1, min(8, len(os.sched_getaffinity(0)))) if sys.platform == "linux" else 1


def can_fork() -> bool:
    """Return whether a copy of this process may go on: nothing else runs in it that could hold a lock."""
    return sys.platform == "linux" and threading.active_count() == 1


class _Helper(Generic[Item, Made]):
    """A forked copy of this process that works on some items and writes what it made into a pipe."""

    def __init__(self, work: Callable[[Item], Made], items: Sequence[Item], places: Sequence[int]) -> None:
        self.pipe, end = os.pipe()
        self.text = bytearray()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads of OpenBLAS, which the helper does not call
            self.process = os.fork()
        if self.process == 0:
            _help(work, items, places, end)
        os.close(end)
        if sys.platform == "linux":
            with suppress(OSError):
                fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, CHUNK)

    def heard(self, wait: bool) -> Iterator[tuple[int, Made]]:
        """Yield what has come; with `wait`, until the helper has ended."""
        while wait or select.select([self.pipe], [], [], 0)[0]:
            some = os.read(self.pipe, CHUNK)
            self.text += some
            yield from self._messages()
            if not some:
                return

    def dismiss(self) -> None:
        """End the helper, whatever it does."""
        os.close(self.pipe)
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)

    def _messages(self) -> Iterator[tuple[int, Made]]:
        while len(self.text) >= LENGTH:
            end = LENGTH + int.from_bytes(self.text[:LENGTH], "little")
            if len(self.text) < end:
                return
            yield pickle.loads(self.text[LENGTH:end])  # noqa: S301  # of this program's own copy
            del self.text[:end]


def _help(work: Callable[[Item], Made], items: Sequence[Item], places: Sequence[int], end: int) -> None:
    """Do some items and leave, without a trace: nothing of the copied process may be flushed or cleaned up twice."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the process that was asked
        with os.fdopen(end, "wb", buffering=0) as pipe:
            for place in places:
                made = pickle.dumps((place, work(items[place])), pickle.HIGHEST_PROTOCOL)
                message = memoryview(len(made).to_bytes(LENGTH, "little") + made)
                while message:
                    message = message[pipe.write(message) :]
    finally:
        os._exit(0)
