"""`python -m bench [callbacks] [replies] [console] [growth] [screening] [brain] [sessions]`: prints one
table.

`replies` measures one vendor after the other, `replies-zego` one alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import Final

from bench import brain, callbacks, console, growth, replies, screening, sessions, stage
from bench.clouds import CLOUDS
from bench.table import Row, lay_out

MEASUREMENTS: Final[dict[str, Callable[[], list[Row]]]] = {
    "callbacks": callbacks.measure,
    **{f"replies-{name}": partial(replies.measure, cloud) for name, cloud in CLOUDS.items()},
    "console": console.measure,
    "growth": growth.measure,
    "screening": screening.measure,
    "brain": brain.measure,
    "sessions": sessions.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"of {', '.join(MEASUREMENTS)}, or replies; default: all"
    )
    names = parser.parse_args().names or list(MEASUREMENTS)
    if unknown := [name for name in names if not named(name)]:
        parser.error(f"there is no measurement {', '.join(unknown)}")
    stage.set_up()
    rows = []
    for name in dict.fromkeys(each for given in names for each in named(given)):
        print(f"measuring {name} …", file=sys.stderr)
        rows += MEASUREMENTS[name]()
    print(lay_out(rows))


def named(name: str) -> list[str]:
    """The measurement of that name, or those of that kind."""
    return [each for each in MEASUREMENTS if each == name or each.startswith(f"{name}-")]


if __name__ == "__main__":
    main()
