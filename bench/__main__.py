"""`python -m bench [callbacks] [replies] [screening]`: prints one table."""

from __future__ import annotations

import argparse
import sys

from bench import callbacks, replies, screening, stage
from bench.table import lay_out

MEASUREMENTS = {"callbacks": callbacks.measure, "replies": replies.measure, "screening": screening.measure}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"of {', '.join(MEASUREMENTS)}; default: all"
    )
    names = parser.parse_args().names or list(MEASUREMENTS)
    if unknown := set(names) - set(MEASUREMENTS):
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    stage.set_up()
    rows = []
    for name in names:
        print(f"measuring {name} …", file=sys.stderr)
        rows += MEASUREMENTS[name]()
    print(lay_out(rows))


if __name__ == "__main__":
    main()
