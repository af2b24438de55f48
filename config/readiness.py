"""What Parley needs in order to serve, and whether it is there.

Each check returns None, or in a few words what is wrong: for everyone, so without names and addresses.
None asks a query that grows with the tables.
"""

from __future__ import annotations

import time
from typing import Any, Final

import psycopg
import structlog
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from config.jobs import STALE_S

log = structlog.get_logger(__name__)

ANSWER_S: Final = 2  # a database that needs longer for a row cannot serve
STUCK_S: Final = 30.0  # workers take a job within milliseconds unless all their places are taken
SECOND_LOOK_S: Final = 0.3  # three rounds of a worker's polling

type Problem = str | None
type Report = dict[str, Problem]

FRESH_WORKERS: Final = """
SELECT count(*) FROM procrastinate_workers
WHERE last_heartbeat >= now() - make_interval(secs => %s)
"""

# The job that a worker takes next, as procrastinate_fetch_job chooses it but among the first thousand
# only, and the seconds since something last happened to it.
NEXT_JOB: Final = """
WITH first AS (
    SELECT id, lock, priority, scheduled_at FROM procrastinate_jobs
    WHERE status = 'todo' ORDER BY priority DESC, id LIMIT 1000
), placed AS (
    SELECT *, row_number() OVER (
        PARTITION BY lock, CASE WHEN lock IS NULL THEN id END ORDER BY priority DESC, id
    ) AS place FROM first
)
SELECT id, extract(epoch FROM now() - (SELECT max(at) FROM procrastinate_events WHERE job_id = placed.id))
FROM placed
WHERE place = 1 AND (scheduled_at IS NULL OR scheduled_at <= now())
AND NOT EXISTS (SELECT FROM procrastinate_jobs running WHERE status = 'doing' AND running.lock = placed.lock)
ORDER BY id LIMIT 1
"""

_is_migrated = False  # and stays so while this process, with its code, lives


def report() -> Report:
    """The parts and their problems.  What stands on a part that has one is left out."""
    parts: Report = {}
    try:
        with connect() as database:
            parts["database"] = None
            parts["migrations"] = missing_migrations()
            if parts["migrations"] is None:
                parts["workers"] = missing_workers(database)
                parts["queue"] = stuck_queue(database)
    except (psycopg.Error, Error) as error:
        log.warning("the database does not serve", error=str(error))
        parts["database"] = f"does not answer ({type(error).__name__})"
    return parts


def schema_problem() -> Problem:
    """What keeps jobs from being worked on: no database, or not all of its tables."""
    try:
        connect().close()
        problem = missing_migrations()
        connection.close()
    except (psycopg.Error, Error) as error:
        return str(error).splitlines()[0]
    return problem and f"migrations: {problem}"


def connect() -> psycopg.Connection[Any]:
    """A connection of our own: one from the pool may be dead, or minutes in coming."""
    params = {**connection.get_connection_params(), "connect_timeout": ANSWER_S, "autocommit": True}
    database: psycopg.Connection[Any] = psycopg.connect(**params)
    database.execute(f"SET statement_timeout = '{ANSWER_S}s'")
    return database


def missing_migrations() -> Problem:
    global _is_migrated
    if not _is_migrated:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if plan:
            return f"{len(plan)} not applied; run `manage.py migrate`"
        _is_migrated = True
    return None


def missing_workers(database: psycopg.Connection[Any]) -> Problem:
    count = database.execute(FRESH_WORKERS, [STALE_S]).fetchone()
    return None if count and count[0] else f"none has been heard of for {STALE_S:g} s"


def stuck_queue(database: psycopg.Connection[Any]) -> Problem:
    first_look = database.execute(NEXT_JOB).fetchone()
    if first_look is None or first_look[1] < STUCK_S:
        return None
    # It may have waited for its lock all the time and be free only now: then a worker takes it at once.
    time.sleep(SECOND_LOOK_S)
    second_look = database.execute(NEXT_JOB).fetchone()
    if second_look is None or second_look[0] != first_look[0]:
        return None
    return f"a job that could run has been waiting for {second_look[1]:.0f} s"
