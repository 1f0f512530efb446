"""Full predictions a second on one core, a cold plan, and `--help`, with what they are relative to."""

import argparse
from collections.abc import Callable

from benchmarks import cold, plans, predictions, published

PARTS: dict[str, Callable[[], list[str]]] = {
    "predictions": predictions.lines,
    "cold": cold.lines,
    "plans": plans.lines,
    "published": published.lines,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which to run; default: all")
    for name in parser.parse_args().parts or PARTS:
        print(name)
        for line in PARTS[name]():
            print(f"  {line}")


if __name__ == "__main__":
    main()
