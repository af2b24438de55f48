"""The table that a run prints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    figure: str
    goal: str = ""


HEAD = Row("measured", "figure", "goal")


def lay_out(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    cells = [(row.what, row.figure, row.goal) for row in (HEAD, *rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def judged(goal: str, *, is_met: bool) -> str:
    return f"{goal}: {'met' if is_met else 'MISSED'}"


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not pass."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
