"""Totals over all processes: each adds what it has counted since the last time, by one statement, which adds
it to the current hour's too.

Rows are not of processes but of samples.  So workers need no port to be asked at, on whatever machine; a
process that ended still counts; counters do not fall when one starts again; and there are as many rows as
there are samples, however long Parley runs.  A process that is killed takes along what it counted in its
last FLUSH_S seconds.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

import structlog
from django.db import DatabaseError, connection
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from metrics.families import REGISTRY
from metrics.models import Total

log = structlog.get_logger(__name__)

FLUSH_S: Final = 2.0
LEAVING_S: Final = 2.0  # how long the end of a process may wait for its last counts

type Key = tuple[str, str]  # a sample's name, and its labels as JSON
type Values = dict[Key, float]

# All processes lock rows in the same order.  No commit waits for the disk: a crash of the database may cost
# what was counted in the last instant.
ADD: Final = """
SET LOCAL synchronous_commit = off;
WITH grown AS (
    SELECT * FROM unnest(%(names)s::text[], %(labels)s::jsonb[], %(values)s::float8[])
                  AS grown (name, labels, value)
), total AS (
    INSERT INTO metrics_total AS total (name, labels, value)
    SELECT name, labels, value FROM grown ORDER BY name, labels
        ON CONFLICT (name, labels) DO UPDATE SET value = total.value + excluded.value
)
INSERT INTO metrics_hour AS hourly (hour, name, labels, value)
SELECT date_trunc('hour', now(), 'UTC'), name, labels, value FROM grown
 WHERE value <> 0 AND NOT labels ? 'le' ORDER BY name, labels  -- nobody looks at an hour's buckets
    ON CONFLICT (hour, name, labels) DO UPDATE SET value = hourly.value + excluded.value
"""


class Keeper:
    """Adds what a registry counts to the totals.  Threads share it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._kept: Values = {}

    def keep(self) -> None:
        """Add what was counted since the last time.  What cannot be added now is added the next time."""
        with self._lock:
            counted = values_of(self._registry)
            grown = {
                key: value - self._kept.get(key, 0.0)
                for key, value in counted.items()
                if value != self._kept.get(key)
            }
            if grown:
                add(grown)
            self._kept = counted


def values_of(registry: CollectorRegistry) -> Values:
    return {
        (sample.name, json.dumps(sample.labels, sort_keys=True)): sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


def add(values: Mapping[Key, float]) -> None:
    parameters: dict[str, Any] = {
        "names": [name for name, _ in values],
        "labels": [labels for _, labels in values],
        "values": list(values.values()),
    }
    with connection.cursor() as cursor:
        cursor.execute(ADD, parameters)


class Totals(Collector):
    """A registry's metrics, with the values of all processes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        totals = list(Total.objects.all())
        for own in self._registry.collect():
            names = {own.name + suffix for suffix in ("_total", "_bucket", "_count", "_sum")}
            metric = Metric(own.name, own.documentation, own.type)
            for total in sorted((each for each in totals if each.name in names), key=place_of):
                metric.add_sample(total.name, total.labels, total.value)
            yield metric


def place_of(total: Total) -> tuple[list[tuple[str, str]], str, float]:
    """Histograms are shown one after another, their buckets from the smallest."""
    labels = sorted((name, value) for name, value in total.labels.items() if name != "le")
    return labels, total.name, float(total.labels.get("le", 0))


keeper: Final = Keeper(REGISTRY)


class KeepingThread:
    """Keeps what this process counts, from `start` to `stop`."""

    def __init__(self, keeper: Keeper = keeper) -> None:
        self._keeper = keeper
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Keeps what has come since the last time, too."""
        self._stop.set()
        self._thread.join(LEAVING_S)

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_S):
            self._keep()
        self._keep()

    def _keep(self) -> None:
        try:
            self._keeper.keep()
        except DatabaseError as error:
            log.warning("metrics not kept; they are tried again", error=str(error))
        finally:
            connection.close()


def exposition(*collectors: Collector) -> bytes:
    """The totals and what the collectors add, in Prometheus' text format."""
    registry = CollectorRegistry()
    for collector in (Totals(REGISTRY), *collectors):
        registry.register(collector)
    return generate_latest(registry)
