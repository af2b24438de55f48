from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from procrastinate import App, PsycopgConnector
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job

from config import jobs
from config.worker import leave_queueing_lock
from tests.support.processes import Installation

ANALYZED = "SELECT relname FROM pg_stat_user_tables WHERE last_analyze IS NOT NULL"


def with_app[T](installation: Installation, act: Callable[[App], Awaitable[T]], *, times: int = 1) -> list[T]:
    """The results of doing something so many times at once, as so many workers would."""

    async def run() -> list[T]:
        connector = PsycopgConnector(conninfo=installation.database_url, min_size=times)
        async with App(connector=connector).open_async() as app:
            return await asyncio.gather(*(act(app) for _ in range(times)))

    return asyncio.run(run())


def add_worker(installation: Installation, *, silent_s: float = 0) -> int:
    """The id of a worker whose last heartbeat is so many seconds old."""
    sql = (
        "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => %s))"
        " RETURNING id"
    )
    return installation.query(sql, silent_s)[0][0]


def add_job(installation: Installation, **columns: Any) -> int:
    values: dict[str, Any] = {"queue_name": "default", "task_name": "t", "status": "doing", **columns}
    names, places = ", ".join(values), ", ".join("%s" for _ in values)
    sql = f"INSERT INTO procrastinate_jobs ({names}) VALUES ({places}) RETURNING id"
    return installation.query(sql, *values.values())[0][0]


def job(installation: Installation, column: str) -> Any:
    """That column of the first job."""
    return installation.query(f"SELECT {column} FROM procrastinate_jobs ORDER BY id")[0][0]


def test_a_dead_workers_job_is_put_back_once_by_many_rescuers(installation: Installation) -> None:
    add_job(installation, worker_id=add_worker(installation, silent_s=jobs.STALE_S + 1))

    with_app(installation, jobs.rescue_stalled, times=8)

    assert (job(installation, "status"), job(installation, "attempts")) == ("todo", 1)


def test_a_living_workers_job_is_left_alone(installation: Installation) -> None:
    add_job(installation, worker_id=add_worker(installation, silent_s=jobs.STALE_S - 2))

    with_app(installation, jobs.rescue_stalled)

    assert job(installation, "status") == "doing"


def test_a_job_that_changed_hands_since_it_was_seen_is_left_alone(installation: Installation) -> None:
    dead, living = add_worker(installation, silent_s=60), add_worker(installation)
    job_id = add_job(installation, worker_id=living)

    with_app(installation, lambda app: jobs.put_back(app, {job_id: dead}))

    assert (job(installation, "status"), job(installation, "worker_id")) == ("doing", living)


def test_a_job_whose_worker_has_left_is_put_back(installation: Installation) -> None:
    add_job(installation, worker_id=None)

    with_app(installation, jobs.rescue_stalled)

    assert job(installation, "status") == "todo"


def test_a_job_is_put_back_although_another_waits_under_its_queueing_lock(installation: Installation) -> None:
    add_job(installation, worker_id=None, queueing_lock="conversation")
    add_job(installation, status="todo", queueing_lock="conversation")

    with_app(installation, jobs.rescue_stalled)

    assert job(installation, "status") == "todo"


@pytest.mark.parametrize(
    "columns,status",
    [
        ({"attempts": jobs.HOPELESS_ATTEMPTS}, "failed"),
        ({"abort_requested": True}, "aborted"),
    ],
)
def test_a_hopeless_or_unwanted_job_does_not_go_back(
    installation: Installation, columns: dict[str, Any], status: str
) -> None:
    add_job(installation, worker_id=None, **columns)

    with_app(installation, jobs.rescue_stalled)

    assert job(installation, "status") == status


def test_long_dead_workers_are_forgotten(installation: Installation) -> None:
    add_worker(installation, silent_s=jobs.FORGOTTEN_S + 1)
    recent = add_worker(installation, silent_s=jobs.STALE_S + 1)

    with_app(installation, jobs.rescue_stalled)

    assert installation.query("SELECT id FROM procrastinate_workers") == [(recent,)]


def test_a_job_that_its_worker_dropped_is_put_back_at_the_second_look(installation: Installation) -> None:
    worker = add_worker(installation)
    dropped = add_job(installation, worker_id=worker)
    running = add_job(installation, worker_id=worker)

    async def look_twice(app: App) -> list[str]:
        hands = jobs.Dropped(app, worker)
        seen = []
        for _ in range(2):
            await hands.put_back([running])
            seen.append(job(installation, "status"))
        return seen

    assert with_app(installation, look_twice) == [["doing", "todo"]]
    assert installation.query("SELECT id FROM procrastinate_jobs WHERE status = 'todo'") == [(dropped,)]


def test_a_failing_job_leaves_its_queueing_lock(installation: Installation) -> None:
    job_id = add_job(installation, queueing_lock="conversation")

    async def fail() -> None:
        raise ValueError("expected")

    async def run(app: App) -> None:
        described = Job(
            id=job_id, queue="default", task_name="t", lock=None, queueing_lock="conversation", task_kwargs={}
        )
        context = JobContext(app=app, job=described, start_timestamp=0, abort_reason=lambda: None)
        with pytest.raises(ValueError, match="expected"):
            await leave_queueing_lock(fail, context, None)  # type: ignore[arg-type]

    with_app(installation, run)

    assert job(installation, "queueing_lock") is None


def test_a_backlog_is_analyzed_once(installation: Installation) -> None:
    for_backlog = "INSERT INTO procrastinate_jobs (queue_name, task_name) SELECT 'q', 't' FROM"
    installation.query(f"{for_backlog} generate_series(1, %s) RETURNING id", jobs.BACKLOG)

    outcomes = [with_app(installation, jobs.analyze_backlog) for _ in range(2)]

    assert outcomes == [[True], [False]]
    assert set(jobs.TABLES) <= {name for (name,) in installation.query(ANALYZED)}


def test_a_short_queue_is_not_analyzed(installation: Installation) -> None:
    add_job(installation, status="todo")

    assert with_app(installation, jobs.analyze_backlog) == [False]


def test_migrating_analyzes_the_job_tables(installation: Installation) -> None:
    installation.run("migrate", "--verbosity=0")

    assert set(jobs.TABLES) <= {name for (name,) in installation.query(ANALYZED)}
