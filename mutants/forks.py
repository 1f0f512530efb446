"""Collect a room's tests once, then try each mutant in a fork of its own."""

import importlib
import io
import os
import pickle
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

import steelyard
from mutants.operators import Mutant, mutants
from mutants.siblings import function_at

PACKAGE = Path(steelyard.__file__).parent
ROOT = Path(__file__).parents[1]
LAWS = "tests/house/test_formulas.py"
CONCERNED: dict[str, tuple[str, ...]] = {
    "step": ("tests/strategies",)
}  # tests of other folders that state something of a room
PATIENCE = 5.0  # times the seconds that the tests take on right formulas
SLOWEST_S = 6.0  # of the processor: what takes longer is not run for each mutant
EXAMPLES = 25  # of a property that names no number of its own


@dataclass
class Examination:
    """A pytest plugin that, instead of running the tests once, runs them once for each mutant."""

    room: str
    function: str  # of the room; empty: all
    sample: int
    jobs: int
    killed: dict[Mutant, str] = field(default_factory=dict)  # by the test that noticed; "": survived
    failures: list[str] = field(default_factory=list)  # tests that fail on right formulas

    def pytest_sessionstart(self) -> None:
        from hypothesis import Phase, settings  # noqa: PLC0415  # pytest wants to rewrite it first

        phases = [Phase.explicit, Phase.generate]
        settings.register_profile(
            "mutants", max_examples=EXAMPLES, deadline=None, derandomize=True, phases=phases, database=None
        )
        settings.load_profile("mutants")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        tried = self.mutants()
        with tempfile.TemporaryDirectory() as folder:
            calls = self.baseline(session.items, {place(mutant) for mutant in tried}, Path(folder, "calls"))
            running: dict[int, tuple[Mutant, Path]] = {}
            for number, mutant in enumerate(tried):
                if len(running) == self.jobs:
                    self.reap(running)
                says = Path(folder, str(number))
                items = sorted(
                    (seconds, index) for index, (seconds, called) in calls.items() if place(mutant) in called
                )
                running[fork(lambda m=mutant, i=items, s=says: attempt(session.items, m, i, s))] = mutant, says
                if number % 100 == 0:
                    print(f"{self.room}: {number} of {len(tried)}", file=sys.__stderr__, flush=True)
            while running:
                self.reap(running)
        return True

    def mutants(self) -> list[Mutant]:
        files = sorted((PACKAGE / self.room).rglob("*.py"))
        names = [".".join(("steelyard", *file.relative_to(PACKAGE).with_suffix("").parts)) for file in files]
        every = [
            mutant
            for name, file in zip(names, files, strict=True)
            for mutant in mutants(name.removesuffix(".__init__"), file)
        ]
        every = [mutant for mutant in every if self.function in {"", mutant.place}]
        every.sort(key=lambda mutant: mutant.draw)
        return every[: self.sample] if self.sample else every

    def baseline(self, items: list[pytest.Item], wanted: set[Any], says: Path) -> dict[int, tuple[float, set[Any]]]:
        """Run all tests on right formulas, in a fork so that nothing is cached: their seconds and what they call."""
        os.waitpid(fork(lambda: says.write_bytes(pickle.dumps(measured(items, wanted)))), 0)
        calls, self.failures = pickle.loads(says.read_bytes())  # noqa: S301  # written two lines above
        return calls

    def reap(self, running: dict[int, tuple[Mutant, Path]]) -> None:
        pid, status = os.wait()
        mutant, says = running.pop(pid)
        noticed = says.read_text() if says.exists() else ""
        self.killed[mutant] = noticed or ("time" if status else "")


def examined(room: str, sample: int, jobs: int) -> dict[Mutant, str]:
    """Return a room's mutants, each with the test that notices it, or nothing."""
    room, _, function = room.partition(".")
    examination = Examination(room, function, sample, jobs)
    paths = [f"tests/{room}", f"src/steelyard/{room}", LAWS, *CONCERNED.get(room, ())]
    os.chdir(ROOT)
    out, sys.stdout = sys.stdout, (said := io.StringIO())
    try:
        ended = pytest.main([*paths, "-q", "-p", "no:cacheprovider"], plugins=[examination])
    finally:
        sys.stdout = out
    if examination.failures or not examination.killed or ended == pytest.ExitCode.INTERNAL_ERROR:
        raise SystemExit(f"{room}: tests fail without a mutant: {', '.join(examination.failures)}\n{said.getvalue()}")
    return examination.killed


def place(mutant: Mutant) -> tuple[str, str]:
    """Return what a test must call to notice a mutant; a module's number may be read by any test."""
    return ("", "") if not isinstance(mutant.made, CodeType) else (mutant.made.co_filename, mutant.place)


def fork(work: Any) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    finally:
        os._exit(0)


def measured(items: list[pytest.Item], wanted: set[Any]) -> tuple[dict[int, tuple[float, set[Any]]], list[str]]:
    calls, failures = {}, []
    for index, item in enumerate(items):
        called = {("", "")}

        def profile(frame: FrameType, event: str, _: Any, called: set[Any] = called) -> None:
            if event == "call" and (key := (frame.f_code.co_filename, frame.f_code.co_qualname)) in wanted:
                called.add(key)

        start = time.process_time()
        sys.setprofile(profile)
        try:
            passed = passes(item, items[index + 1] if index + 1 < len(items) else None)
        finally:
            sys.setprofile(None)
        if (spent := time.process_time() - start) < SLOWEST_S:
            calls[index] = spent, called
        if not passed:
            failures.append(item.nodeid)
    return calls, failures


def attempt(items: list[pytest.Item], mutant: Mutant, order: list[tuple[float, int]], says: Path) -> None:
    signal.setitimer(signal.ITIMER_PROF, 10 + PATIENCE * sum(seconds for seconds, _ in order))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    install(mutant)
    chosen = [items[index] for _, index in order]
    for item, following in zip(chosen, [*chosen[1:], None], strict=True):
        if not passes(item, following):
            says.write_text(item.nodeid)
            return


def passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))


def overwritten(right: Any, wrong: Any) -> bool:
    """Change the rows of a table where they differ, so that whatever holds them sees it; False where none can be."""
    if is_dataclass(right) and type(right) is type(wrong):
        held = [(one.name, getattr(right, one.name), getattr(wrong, one.name)) for one in fields(right)]
        for name, old, new in held:
            if not callable(new) and old != new and not overwritten(old, new):
                object.__setattr__(right, name, new)
        return True
    if isinstance(right, tuple | list) and len(right) == len(wrong):
        changed = [overwritten(old, new) for old, new in zip(right, wrong, strict=True)]  # all of them, not the first
        return any(changed)
    if isinstance(right, dict) and isinstance(wrong, dict):
        right.clear()
        right.update(wrong)
        return True
    return False


def install(mutant: Mutant) -> None:
    module = importlib.import_module(mutant.module)
    if not isinstance(mutant.made, CodeType):
        right = getattr(module, mutant.place)
        if overwritten(right, mutant.made):
            return
        for name, other in list(sys.modules.items()):
            if name.startswith("steelyard") and getattr(other, mutant.place, None) is right:
                setattr(other, mutant.place, mutant.made)
        return
    function_at(mutant.module, mutant.place).__code__ = mutant.made
