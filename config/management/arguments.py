"""Types of command-line arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def whole_number(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    wanted = (
        f"a whole number from {lowest} to {highest}" if highest else f"a whole number of {lowest} or more"
    )

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit():
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        number = int(text)
        if number < lowest or (highest is not None and number > highest):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return number

    return parse
