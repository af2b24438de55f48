"""procrastinate's worker, made fit: jobs on many threads, taken over from the dead, drained in time."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from procrastinate import App, PsycopgConnector
from procrastinate.contrib.django import app as django_app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException
from procrastinate.job_context import JobContext
from procrastinate.middleware import AsyncCallNext
from procrastinate.worker import Worker

from alerts.watcher import Watcher
from bots import draining
from bots.database import release_connection
from config import jobs, readiness
from conversations import wakeups
from metrics.keeping import KeepingThread
from webhooks.courier import Courier

log = structlog.get_logger(__name__)

# A finished job wakes nobody, so the next one of its lock is found by asking.  Costs 1 % of a core.
POLLING_S: Final = 0.1
TENDING_S: Final = 1.0
STOP_S: Final = 3.0  # from the end of the drain until jobs that do not stop are left to another worker

# The default executor runs the jobs, and asyncio's own look-ups of host names, which must not wait for them.
SPARE_THREADS: Final = 4

# For fetching and finishing jobs; each takes a millisecond.  Jobs use Django's pool.
MIN_CONNECTIONS: Final = 1
MAX_CONNECTIONS: Final = 4


def work(*, concurrency: int) -> bool:
    """Run jobs until told to stop; whether that is why it ended.  Blocks."""
    wait_for_database()
    gc.freeze()  # what was imported stays: no need to look through it again and again
    side_work = (KeepingThread(), Watcher(), Courier())
    for each in side_work:
        each.start()
    try:
        return asyncio.run(_work(concurrency))
    finally:
        for each in reversed(side_work):
            each.stop()


def wait_for_database() -> None:
    """Another process applies the migrations; until then there is nothing to work on."""
    problem = None
    while found := readiness.schema_problem():
        if found != problem:
            log.warning("waiting for the database", problem=found)
            problem = found
        time.sleep(1)


async def _work(concurrency: int) -> bool:
    executor = ThreadPoolExecutor(concurrency + SPARE_THREADS, thread_name_prefix="job")
    asyncio.get_running_loop().set_default_executor(executor)
    # Not one of the worker's side tasks, which end before its jobs do.
    listener = asyncio.create_task(wakeups.listen(connector_params()), name="listen for wakeups")
    async with app_for_worker().open_async() as app:
        worker = JobWorker(app, concurrency=concurrency, drain_s=settings.DRAIN_S)
        worker.listen_to_signals()
        await worker.run()
    listener.cancel()
    return worker.was_told_to_stop


def app_for_worker() -> App:
    """The same tasks over connections of their own.

    Not `replace_connector`: it would also take Django's connection from `defer` in a running task, and
    a job would no longer commit with its cause.
    """
    django_app.perform_import_paths()
    connector = PsycopgConnector(
        kwargs=connector_params(), min_size=MIN_CONNECTIONS, max_size=MAX_CONNECTIONS
    )
    return django_app.with_connector(connector)


class JobWorker(Worker):
    """Overrides two private steps of procrastinate's worker, its side tasks and its shutdown: nothing
    public comes between them and the running jobs."""

    def __init__(self, app: App, *, concurrency: int, drain_s: float) -> None:
        super().__init__(
            app,
            concurrency=concurrency,
            fetch_job_polling_interval=POLLING_S,
            update_heartbeat_interval=jobs.HEARTBEAT_S,
            stalled_worker_timeout=jobs.FORGOTTEN_S,
            shutdown_graceful_timeout=drain_s,
            delete_jobs="successful",  # the failed ones stay for the admin
            install_signal_handlers=False,
            task_middleware=app.worker_defaults.get("task_middleware"),
            worker_middleware=[leave_queueing_lock],
        )
        self.drain_s = drain_s
        self.was_told_to_stop = False

    def listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)

    def _on_signal(self) -> None:
        if self.was_told_to_stop:
            self._give_up()
        self.was_told_to_stop = True
        self.stop()

    def _give_up(self) -> None:
        """A thread cannot be stopped from outside; the process can."""
        log.warning("ended in the middle of jobs; another worker takes them over", jobs=self._job_ids())
        os._exit(1)

    def _job_ids(self) -> list[int]:
        return [context.job.id for context in self._running_jobs.values() if context.job.id is not None]

    def _start_side_tasks(self) -> list[asyncio.Task[Any]]:
        return [*super()._start_side_tasks(), asyncio.create_task(self._tend(), name="tend")]

    async def _tend(self) -> None:
        assert self.worker_id is not None
        dropped = jobs.Dropped(self.app, self.worker_id)
        while True:
            await asyncio.sleep(TENDING_S)
            try:
                await jobs.rescue_stalled(self.app)
                await dropped.put_back(self._job_ids())
                await jobs.analyze_backlog(self.app)
                # Periodic tasks are deferred on this thread, and nobody else gives its connection back.
                await sync_to_async(release_connection)()
            except ConnectorException:  # two rescuers may be each other's deadlock
                log.warning("could not tend the queue", exc_info=True)

    async def _shutdown(self, side_tasks: list[asyncio.Task[Any]]) -> None:
        log.info("draining", jobs=self._job_ids())
        loop = asyncio.get_running_loop()
        loop.call_later(self.drain_s, draining.must_stop.set)
        loop.call_later(self.drain_s + STOP_S, self._give_up)
        # The heartbeat is one of the side tasks, which end first.  Without it the running jobs would be
        # taken for a dead worker's and run a second time.
        heartbeat = asyncio.create_task(self._update_heartbeat(), name="heartbeat while draining")
        try:
            await super()._shutdown(side_tasks)
        finally:
            heartbeat.cancel()


async def leave_queueing_lock(call_next: AsyncCallNext, context: JobContext, worker: Worker) -> Any:
    """A failed job that is to run again goes back to the queue without its queueing lock: a later job may
    wait under it by now, and then procrastinate could not put this one back."""
    try:
        return await call_next()
    except BaseException:
        if context.job.queueing_lock is not None:
            await jobs.drop_queueing_lock(context.app, context.job.id)
        raise
