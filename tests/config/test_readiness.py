from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from config import readiness
from tests.support.processes import Installation

type Database = psycopg.Connection[Any]


@pytest.fixture
def database(installation: Installation) -> Iterator[Database]:
    with installation.connect() as connection:
        yield connection


@pytest.fixture(autouse=True)
def without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "SECOND_LOOK_S", 0)


def add_job(database: Database, *, age_s: float, **columns: Any) -> None:
    """A job that was queued so many seconds ago."""
    values = {"queue_name": "q", "task_name": "t", **columns}
    names, places = ", ".join(values), ", ".join("%s" for _ in values)
    database.execute(f"INSERT INTO procrastinate_jobs ({names}) VALUES ({places})", list(values.values()))
    database.execute("UPDATE procrastinate_events SET at = now() - make_interval(secs => %s)", [age_s])


def test_a_fresh_heartbeat_is_a_worker(database: Database) -> None:
    database.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")

    assert readiness.missing_workers(database) is None


def test_a_stale_heartbeat_is_none(database: Database) -> None:
    database.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '7 s')")

    assert readiness.missing_workers(database) == "none has been heard of for 6 s"


@pytest.mark.parametrize("age_s", [0, readiness.STUCK_S - 5])
def test_a_queue_that_moves_can_serve(database: Database, age_s: float) -> None:
    add_job(database, age_s=age_s)

    assert readiness.stuck_queue(database) is None


def test_a_job_that_nobody_takes_means_that_the_queue_is_stuck(database: Database) -> None:
    add_job(database, age_s=90)

    assert readiness.stuck_queue(database) == "a job that could run has been waiting for 90 s"


@pytest.mark.parametrize(
    "columns",
    [
        {"lock": "running"},
        {"scheduled_at": "2999-01-01T00:00:00Z"},
        {"status": "failed"},
    ],
)
def test_a_job_that_could_not_run_does_not_count(database: Database, columns: dict[str, Any]) -> None:
    add_job(database, age_s=0, lock="running", status="doing")
    add_job(database, age_s=90, **columns)

    assert readiness.stuck_queue(database) is None


def test_a_job_behind_one_that_waits_for_its_retry_does_not_count(database: Database) -> None:
    add_job(database, age_s=90, lock="conversation", scheduled_at="2999-01-01T00:00:00Z")
    add_job(database, age_s=90, lock="conversation")

    assert readiness.stuck_queue(database) is None


def test_a_job_taken_between_two_looks_does_not_count(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_job(database, age_s=90)
    take = "UPDATE procrastinate_jobs SET status = 'doing'"
    monkeypatch.setattr("time.sleep", lambda _: database.execute(take))

    assert readiness.stuck_queue(database) is None


def test_a_database_that_cannot_be_reached_is_told_without_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = {"host": "db.invalid", "password": "s3cret"}
    monkeypatch.setattr("config.readiness.connection.get_connection_params", lambda: place)

    assert readiness.report() == {"database": "does not answer (OperationalError)"}
