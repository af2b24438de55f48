"""`work`: the traps of the job queue, with real workers."""

from __future__ import annotations

import signal
from typing import Any

from tests.support.jobs import CROWD
from tests.support.processes import Installation, Process, eventually

HEARTBEAT = "SELECT last_heartbeat FROM procrastinate_workers"


def test_many_blocking_jobs_run_at_once_on_few_connections(installation: Installation) -> None:
    installation.defer("meet", "met", times=CROWD)  # each waits for all the others

    installation.start("work", f"--concurrency={CROWD}", DATABASE_POOL_SIZE="3")

    eventually(lambda: len(installation.marked("met")) == CROWD)


def test_the_next_job_of_a_lock_starts_without_waiting_for_a_poll(installation: Installation) -> None:
    installation.start("work")
    eventually(lambda: has_worker(installation))

    installation.defer("note", "one by one", times=10, lock="conversation")

    # procrastinate's own polling would take 45 seconds.
    eventually(lambda: len(installation.marked("one by one")) == 10, within_s=15)


def test_a_failed_job_goes_back_although_another_waits_under_its_queueing_lock(
    installation: Installation,
) -> None:
    installation.start("work", "--concurrency=1")
    options: dict[str, Any] = {"lock": "conversation", "queueing_lock": "conversation"}
    installation.defer("hold_then_fail_once", "first", **options)
    eventually(lambda: installation.marked("first.started"))
    installation.defer("note", "second", **options)

    installation.release("first")

    eventually(lambda: installation.jobs() == [])
    assert (len(installation.marked("first.started")), len(installation.marked("second"))) == (2, 1)


def test_a_job_deferred_by_a_job_commits_with_it(installation: Installation) -> None:
    installation.defer("defer_and_fail", "never")
    installation.start("work")

    eventually(lambda: ("never", "failed") in installation.jobs())

    assert installation.jobs() == [("never", "failed")]
    assert not installation.marked("never")


def test_a_draining_worker_keeps_its_job(installation: Installation) -> None:
    """Without a heartbeat its job would be run a second time by another worker."""
    worker = start_holding(installation, "reply")
    worker.signal(signal.SIGTERM)
    eventually(lambda: "draining" in worker.output)
    at_first = installation.query(HEARTBEAT)

    eventually(lambda: installation.query(HEARTBEAT) > at_first)

    installation.release("reply")
    assert worker.wait() == 0
    assert installation.marked("reply.done")


def test_a_job_that_does_not_stop_is_left_behind(installation: Installation) -> None:
    worker = installation.start("work", DRAIN_S="0")
    installation.defer("ignore_the_end", "stubborn")
    eventually(lambda: installation.marked("stubborn.started"))

    worker.signal(signal.SIGTERM)

    assert worker.wait() == 1
    assert installation.jobs() == [("stubborn", "doing")]  # found stalled by the next worker
    assert "another worker takes them over" in worker.output


def has_worker(installation: Installation) -> bool:
    return bool(installation.query("SELECT FROM procrastinate_workers"))


def start_holding(installation: Installation, name: str) -> Process:
    worker = installation.start("work")
    installation.defer("hold", name)
    eventually(lambda: installation.marked(f"{name}.started"))
    return worker
