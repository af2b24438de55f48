"""The job tables: what procrastinate leaves to us so that no job is lost and none is slow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from django.db import connection
from procrastinate import App

log = structlog.get_logger(__name__)

HEARTBEAT_S: Final = 2.0
STALE_S: Final = 6.0  # without a heartbeat a worker counts as dead: three in a row are missing
FORGOTTEN_S: Final = 60.0  # a dead worker's row is deleted
HOPELESS_ATTEMPTS: Final = 30  # a job that takes its worker down each time is not run for ever

BACKLOG: Final = 1000  # waiting jobs
STATISTICS_AGE_S: Final = 60.0  # how old statistics may be while there is a backlog

TABLES: Final = (
    "procrastinate_jobs",
    "procrastinate_events",
    "procrastinate_workers",
    "procrastinate_periodic_defers",
)
ANALYZE: Final = f"ANALYZE (SKIP_LOCKED) {', '.join(TABLES)}"

# Each job goes back only if it is still in the hands it was seen in: of several rescuers one acts, and
# none takes a job from a worker that has it by now.  A job's queueing lock stays behind, for a later
# job may wait under it, and no two can; order is kept by `lock` and `id`.
PUT_BACK: Final = """
UPDATE procrastinate_jobs AS job SET
    status = (CASE
        WHEN abort_requested THEN 'aborted' WHEN attempts >= %(hopeless)s THEN 'failed' ELSE 'todo'
    END)::procrastinate_job_status,
    attempts = attempts + 1, scheduled_at = now(), abort_requested = false, queueing_lock = NULL
FROM unnest(%(jobs)s::bigint[], %(workers)s::bigint[]) AS seen (job_id, worker_id)
WHERE job.id = seen.job_id AND job.status = 'doing' AND job.worker_id IS NOT DISTINCT FROM seen.worker_id
RETURNING job.id, job.task_name, job.status::text, job.attempts
"""
IN_HAND: Final = "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = %(worker)s"
DROP_QUEUEING_LOCK: Final = "UPDATE procrastinate_jobs SET queueing_lock = NULL WHERE id = %(job)s"
# By hand.  The queueing lock stays behind for the same reason as above.
RUN_AGAIN: Final = """
UPDATE procrastinate_jobs SET status = 'todo', attempts = 0, scheduled_at = now(), queueing_lock = NULL,
       worker_id = NULL, abort_requested = false
 WHERE id = ANY(%(jobs)s) AND status = 'failed' RETURNING id
"""
CANCEL: Final = """
UPDATE procrastinate_jobs SET status = 'cancelled' WHERE id = ANY(%(jobs)s) AND status = 'todo' RETURNING id
"""
HAS_BACKLOG_WITHOUT_STATISTICS: Final = """
SELECT (SELECT count(*) FROM (
    SELECT FROM procrastinate_jobs WHERE status = 'todo' LIMIT %(backlog)s
) AS waiting) = %(backlog)s AND EXISTS (
    SELECT FROM pg_stat_user_tables WHERE relid = 'procrastinate_jobs'::regclass
    AND coalesce(greatest(last_analyze, last_autoanalyze), '-infinity')
        < now() - make_interval(secs => %(age)s)
) AS is_due
"""


def analyze() -> None:
    """Tell the planner about the tables.  Without statistics a worker fetches ten times fewer jobs."""
    with connection.cursor() as cursor:
        if set(TABLES) <= set(connection.introspection.table_names(cursor)):
            cursor.execute(ANALYZE)


def run_again(job_ids: Sequence[int]) -> list[int]:
    """Put failed jobs back into the queue, with all their patience; → those that had failed."""
    return change(RUN_AGAIN, job_ids)


def cancel(job_ids: Sequence[int]) -> list[int]:
    """Take waiting jobs out of the queue; → those that waited."""
    return change(CANCEL, job_ids)


def change(statement: str, job_ids: Sequence[int]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"jobs": list(job_ids)})
        return [job_id for (job_id,) in cursor.fetchall()]


async def analyze_backlog(app: App) -> bool:
    """Analyze if a backlog has built up before autovacuum came by; whether that was so."""
    row = await app.connector.execute_query_one_async(
        HAS_BACKLOG_WITHOUT_STATISTICS, backlog=BACKLOG, age=STATISTICS_AGE_S
    )
    if row["is_due"]:
        await app.connector.execute_query_async(ANALYZE)
        log.info("analyzed the job tables for a backlog")
    return bool(row["is_due"])


async def rescue_stalled(app: App) -> None:
    """Put back what dead workers had in hand.  Any number of workers may do so at once."""
    stalled = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALE_S)
    await put_back(app, {job.id: job.worker_id for job in stalled if job.id is not None})
    await app.job_manager.prune_stalled_workers(FORGOTTEN_S)


@dataclass
class Dropped:
    """Jobs that a living worker has in hand by the table but not in fact.

    That comes of a connection lost while a job's end was being written down.
    """

    app: App
    worker_id: int
    suspects: frozenset[int] = frozenset()

    async def put_back(self, running: Iterable[int]) -> None:
        """Put back what was missing at the last look too: at the first it may be about to start."""
        rows = await self.app.connector.execute_query_all_async(IN_HAND, worker=self.worker_id)
        missing = frozenset(row["id"] for row in rows) - frozenset(running)
        await put_back(self.app, dict.fromkeys(missing & self.suspects, self.worker_id))
        self.suspects = missing


async def drop_queueing_lock(app: App, job_id: int | None) -> None:
    await app.connector.execute_query_async(DROP_QUEUEING_LOCK, job=job_id)


async def put_back(app: App, holders: Mapping[int, int | None]) -> None:
    """Give jobs, by id with the worker that was seen to hold each, back to the queue."""
    if not holders:
        return
    rows: list[dict[str, Any]] = await app.connector.execute_query_all_async(
        PUT_BACK, jobs=list(holders), workers=list(holders.values()), hopeless=HOPELESS_ATTEMPTS
    )
    for row in rows:
        log.warning("took a job over", job=row["id"], task=row["task_name"], status=row["status"])
