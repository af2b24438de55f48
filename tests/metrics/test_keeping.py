from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest
from pytest_django import DjangoAssertNumQueries

from metrics import keeping
from metrics.families import CALLBACKS, MAX_EVENTS, OTHER, count_callback
from metrics.keeping import Keeper, Totals
from metrics.models import Hour, Total

pytestmark = pytest.mark.django_db


class Process:
    """One that counts by itself, as web processes and workers do."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.keeper = Keeper(self.registry)
        self.turns = Counter("turns", "Turns.", ["robot"], registry=self.registry)
        self.waits = Histogram("wait_seconds", "Waits.", buckets=(1, 20), registry=self.registry)


def shown(process: Process) -> str:
    return generate_latest(Totals(process.registry)).decode()


def test_the_counts_of_all_processes_are_added() -> None:
    one, other = Process(), Process()
    one.turns.labels("ada").inc(2)
    other.turns.labels("ada").inc(3)
    other.turns.labels("bea").inc()

    one.keeper.keep()
    other.keeper.keep()

    assert 'turns_total{robot="ada"} 5.0\nturns_total{robot="bea"} 1.0\n' in shown(one)


def test_what_was_added_is_not_added_again() -> None:
    process = Process()
    process.turns.labels("ada").inc()
    process.keeper.keep()
    process.turns.labels("ada").inc()
    process.keeper.keep()

    process.keeper.keep()

    assert Total.objects.get(name="turns_total").value == 2


def test_what_was_added_counts_for_the_hour_but_for_buckets() -> None:
    process = Process()
    process.turns.labels("ada").inc()
    process.waits.observe(0.5)
    process.keeper.keep()
    process.turns.labels("ada").inc()
    process.keeper.keep()

    hours = Hour.objects.order_by("name").values_list("name", "value")
    assert list(hours) == [("turns_total", 2), ("wait_seconds_count", 1), ("wait_seconds_sum", 0.5)]


def test_a_process_that_starts_again_counts_on() -> None:
    for _ in range(2):
        process = Process()
        process.turns.labels("ada").inc()
        process.keeper.keep()

    assert Total.objects.get(name="turns_total").value == 2


def test_a_histogram_is_whole_and_in_order() -> None:
    one, other = Process(), Process()
    one.waits.observe(0.5)
    other.waits.observe(15)

    one.keeper.keep()
    other.keeper.keep()

    lines = [line for line in shown(one).splitlines() if line.startswith("wait_seconds")]
    assert lines == [
        'wait_seconds_bucket{le="1.0"} 1.0',
        'wait_seconds_bucket{le="20.0"} 2.0',
        'wait_seconds_bucket{le="+Inf"} 2.0',
        "wait_seconds_count 2.0",
        "wait_seconds_sum 15.5",
    ]


def test_what_could_not_be_added_is_added_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process()
    process.turns.labels("ada").inc()

    def fail(values: Any) -> None:
        raise DatabaseError("not now")

    with monkeypatch.context() as broken:
        broken.setattr(keeping, "add", fail)
        with pytest.raises(DatabaseError):
            process.keeper.keep()
    process.keeper.keep()

    assert Total.objects.get(name="turns_total").value == 1


def test_to_count_asks_nothing_and_to_keep_asks_once(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    process = Process()

    with django_assert_num_queries(0):
        process.turns.labels("ada").inc()
    with django_assert_num_queries(1):
        process.keeper.keep()
    with django_assert_num_queries(0):
        process.keeper.keep()


def test_events_that_somebody_makes_up_are_counted_as_one() -> None:
    for number in range(MAX_EVENTS + 5):
        count_callback("flooded", f"event-{number}", "read")

    assert CALLBACKS.labels("flooded", "event-0", "read")._value.get() == 1
    assert CALLBACKS.labels("flooded", OTHER, "read")._value.get() == 5
