"""Put one wrong formula at a time in the place of a right one, and count those that the tests of its room notice.

A room's tests (its folder, its doctests, the laws of every formula) are collected once; for each mutant a fork swaps
the code of one function and runs the tests that call it, quickest first, until one fails. What survives stands with its
reason in `tolerated.csv`; a survivor that does not, and a line there that no longer holds, fail.
"""

import argparse
import csv
import io
import sys
from pathlib import Path

from mutants.forks import examined
from mutants.operators import Mutant

ROOMS = ("strategies", "workload", "layout", "step", "run", "energy", "carbon", "money")
TOLERATED = Path(__file__).with_name("tolerated.csv")


def tolerated() -> dict[tuple[str, str, str], str]:
    with TOLERATED.open(encoding="utf-8", newline="") as file:
        return {(row["place"], row["before"], row["after"]): row["reason"] for row in csv.DictReader(file)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mutants", description=__doc__)
    parser.add_argument("rooms", nargs="*", help=f"or functions of them, as in step.time; default: {' '.join(ROOMS)}")
    parser.add_argument("--sample", type=int, default=0, help="mutants of a room, always the same; 0: all")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    reasons, wrong = tolerated(), False
    for room in asked.rooms or ROOMS:
        killed = examined(room, asked.sample, asked.jobs)
        alive = [mutant for mutant, test in killed.items() if not test]
        unexplained = [mutant for mutant in alive if not reasons.get(mutant.key)]
        stale = set() if asked.sample else stale_lines(room, reasons, alive)
        print(
            f"{room}: {len(killed) - len(alive)} of {len(killed)} killed ({1 - len(alive) / len(killed):.1%}), "
            f"{len(alive) - len(unexplained)} tolerated, {len(unexplained)} unexplained",
            flush=True,
        )
        for mutant in unexplained:
            print("  survives:", line_of(mutant.key))
        for key in sorted(stale):
            print("  no longer survives, take it out of tolerated.csv:", line_of(key))
        wrong |= bool(unexplained or stale)
    return int(wrong)


def stale_lines(room: str, reasons: dict[tuple[str, str, str], str], alive: list[Mutant]) -> set[tuple[str, str, str]]:
    return {key for key in reasons if f"{key[0]}.".startswith(f"{room}.")} - {mutant.key for mutant in alive}


def line_of(key: tuple[str, str, str]) -> str:
    """Return the key as a line of `tolerated.csv`, its reason left out."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(key)
    return line.getvalue()


if __name__ == "__main__":
    sys.exit(main())
