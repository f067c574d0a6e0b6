"""`python -m tests.chaos --seconds 60 --seed 7 [--machine]`: chaos by hand; a table at the end."""

from __future__ import annotations

import argparse
import sys

from tests.chaos.chaos import SIZES, unleash
from tests.chaos.worlds import embedded_world, machine_world


def main() -> int:
    """The exit status: 0 when all was as expected."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--seed", type=int, default=7, help="which faults (default 7)")
    parser.add_argument("--machine", action="store_true", help="as the service of a system's PID 1")
    arguments = parser.parse_args()
    opened = machine_world if arguments.machine else embedded_world
    with opened(dict(SIZES)) as world:
        report = unleash(world, seconds=arguments.seconds, seed=arguments.seed, say=_say)
    print("\n" + "\n".join(report.lines()), flush=True)
    return 1 if report.wrong else 0


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
