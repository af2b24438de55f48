from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from django.db import OperationalError
from procrastinate.exceptions import JobAborted
from procrastinate.jobs import Job

from bots.draining import WorkerStopping
from bots.errors import ModelTooSlow, VendorBusy, VendorRefused, VendorUnreachable
from bots.retries import BUG_ATTEMPTS, PATIENCE_S, RetryByError


def retry_in_s(error: BaseException, *, attempts: int = 0, patience_s: float = PATIENCE_S) -> int | None:
    """Seconds until the job runs again; None if it does not."""
    job = Job(
        id=1, queue="q", task_name="t", lock=None, queueing_lock=None, task_kwargs={}, attempts=attempts
    )
    decision = RetryByError(patience_s=patience_s).get_retry_decision(exception=error, job=job)
    if decision is None:
        return None
    return round((decision.retry_at - datetime.now(UTC)).total_seconds()) if decision.retry_at else 0


@pytest.mark.parametrize("error", [WorkerStopping(), JobAborted(), asyncio.CancelledError()])
def test_an_interrupted_job_runs_again_at_once_however_often(error: BaseException) -> None:
    assert retry_in_s(error, attempts=100) == 0


@pytest.mark.parametrize("error", [VendorUnreachable(), ModelTooSlow(), OperationalError()])
def test_an_outage_is_waited_out_longer_each_time(error: Exception) -> None:
    assert [retry_in_s(error, attempts=attempts) for attempts in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_an_outage_is_given_up_when_patience_is_over() -> None:
    waits = [retry_in_s(VendorUnreachable(), attempts=attempts, patience_s=7) for attempts in range(5)]

    assert waits == [1, 2, 4, None, None]


def test_a_vendor_that_names_a_time_is_not_asked_before() -> None:
    assert retry_in_s(VendorBusy(retry_after=90)) == 90
    assert retry_in_s(VendorBusy(retry_after=1), attempts=5) == 32


def test_what_would_fail_again_is_not_repeated() -> None:
    assert retry_in_s(VendorRefused()) is None


def test_a_bug_gets_few_chances() -> None:
    waits = [retry_in_s(KeyError("x"), attempts=attempts) for attempts in range(BUG_ATTEMPTS + 1)]

    assert waits == [1, 2, 4, None]


def test_the_interpreters_end_is_no_reason_to_run_again() -> None:
    assert retry_in_s(SystemExit()) is None
