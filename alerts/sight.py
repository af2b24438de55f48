"""What one look around sees: the figures of any window, at one moment.

Counters only ever grow, so two readings of them tell what was counted in between: by that, an evaluation
every few seconds takes a scan of a few hundred totals, and no counting anywhere takes longer for it.  Beyond
an hour back the hourly sums are exact enough.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from alerts.models import Reading
from metrics.figures import Figures, Sample

READ_EVERY: Final = timedelta(seconds=10)
LONGEST_BY_READINGS: Final = timedelta(hours=1)
KEPT: Final = LONGEST_BY_READINGS + timedelta(minutes=5)

NAMES: Final = [
    "parley_callbacks_total",
    "parley_callback_seconds_bucket",
    "parley_turns_total",
    "parley_first_token_seconds_bucket",
    "parley_model_calls_total",
    "parley_vendor_calls_total",
]
# Which event a callback told of makes no difference here, and there are many.
READ: Final = """
SELECT name, labels - 'event' AS labels, sum(value) FROM metrics_total
 WHERE name = ANY(%(names)s) GROUP BY 1, 2
"""

type Values = list[list[Any]]


class Sight:
    """One look around."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._values = read()
        self._windows: dict[timedelta, Figures] = {}

    def within(self, window: timedelta) -> Figures:
        """What was counted in the time before now."""
        if window not in self._windows:
            self._windows[window] = self._figures(window)
        return self._windows[window]

    def _figures(self, window: timedelta) -> Figures:
        begin = self.now - window
        if window > LONGEST_BY_READINGS:
            return Figures.since(begin.replace(minute=0, second=0, microsecond=0))
        readings = Reading.objects.order_by("-at")
        # A younger Parley has none that is as old: then the window is as long as it has been watched.
        first = readings.filter(at__lte=begin).first() or readings.last()
        return Figures(grown(self._values, first.values)) if first else Figures([])

    def keep(self) -> None:
        """Store what is read now, for later looks, and forget what is too old for those."""
        if not Reading.objects.filter(at__gt=self.now - READ_EVERY).exists():
            Reading.objects.create(at=self.now, values=self._values)
            Reading.objects.filter(at__lt=self.now - KEPT).delete()


def read() -> Values:
    with connection.cursor() as cursor:
        cursor.execute(READ, {"names": NAMES})
        return [[name, json.loads(labels), value] for name, labels, value in cursor.fetchall()]


def grown(values: Values, before: Values) -> list[Sample]:
    """By how much each sample has grown; those that have not are left out."""
    old = {key_of(name, labels): value for name, labels, value in before}
    new = ((name, labels, value - old.get(key_of(name, labels), 0.0)) for name, labels, value in values)
    return [Sample.of(*each) for each in new if each[2]]


def key_of(name: str, labels: dict[str, str]) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())
