"""Work shared with forked helpers: all of it is done once, whatever happens to a helper."""

import os
import signal
import sys
import threading
from contextlib import closing

import pytest

from steelyard.search.forked import can_fork, on_processes

forks = pytest.mark.skipif(sys.platform != "linux", reason="helpers are forked on Linux only")


@pytest.mark.parametrize("workers", [1, 2, 3, 9])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_every_item_is_done_once(workers, count):
    found = list(on_processes(lambda item: item * item, list(range(count)), workers))
    assert sorted(found) == [(place, place * place) for place in range(count)]


@forks
def test_helpers_do_their_part():
    here = os.getpid()
    makers = dict(on_processes(lambda _: os.getpid(), list(range(6)), 2))
    assert [makers[place] == here for place in range(6)] == [False, True] * 3


@forks
def test_results_larger_than_a_pipe_arrive():
    found = dict(on_processes(lambda item: bytes([item]) * (3 << 20), list(range(5)), 3))
    assert {place: (len(made), made[0]) for place, made in found.items()} == {k: (3 << 20, k) for k in range(5)}


@forks
def test_what_a_helper_loses_is_done_here():
    here = os.getpid()

    def work(item):
        if os.getpid() != here and item > 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    assert sorted(on_processes(work, list(range(8)), 2)) == [(place, place) for place in range(8)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_helper_is_raised_here(workers):
    def work(item):
        return 1 / (item - 3)

    with pytest.raises(ZeroDivisionError):
        list(on_processes(work, list(range(6)), workers))


@forks
def test_left_early_no_helper_is_left_behind():
    with closing(on_processes(lambda item: item, list(range(1000)), 2)) as done:
        next(done)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@forks
def test_beside_another_thread_nothing_is_forked():
    here, stop = os.getpid(), threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    try:
        assert not can_fork()
        assert {made for _, made in on_processes(lambda _: os.getpid(), list(range(4)), 2)} == {here}
    finally:
        stop.set()
        other.join()
    assert can_fork()
