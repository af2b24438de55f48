"""When a failed job runs again: the error knows whether that can help, and the strategy decides.

Every task says `@app.task(retry=RetryByError())`; one that does not fails when its worker stops.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import structlog
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.exceptions import JobAborted
from procrastinate.jobs import Job

from bots.draining import WorkerStopping
from bots.errors import RemoteError

log = structlog.get_logger(__name__)

FIRST_WAIT_S: Final = 1.0  # doubled with each attempt
LONGEST_WAIT_S: Final = 60.0
PATIENCE_S: Final = 600.0  # an outage of ten minutes is waited out; people have left after that
BUG_ATTEMPTS: Final = 3  # for errors that nobody foresaw: a race may pass, a bug does not

INTERRUPTIONS: Final = (WorkerStopping, JobAborted, asyncio.CancelledError)
OUTAGES: Final = (RemoteError, OperationalError, InterfaceError)


class RetryByError(BaseRetryStrategy):
    """An interrupted job runs again at once, one that met an outage when that may be over.

    The job keeps its lock meanwhile, so that later jobs of the same lock stay behind it.
    """

    def __init__(self, *, patience_s: float = PATIENCE_S) -> None:
        self.patience_s = patience_s  # an outage is given up after waits of this much together

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        decision = self._decide(exception, job.attempts)
        if decision is not None:
            is_bug = not isinstance(exception, INTERRUPTIONS + OUTAGES)
            log.warning(
                "a job runs again",
                job=job.id,
                task=job.task_name,
                attempts=job.attempts + 1,
                not_before=decision.retry_at and decision.retry_at.isoformat(timespec="seconds"),
                reason=str(exception) or type(exception).__name__,
                exc_info=exception if is_bug else None,
            )
        return decision

    def _decide(self, error: BaseException, attempts: int) -> RetryDecision | None:
        if isinstance(error, INTERRUPTIONS):
            return RetryDecision()
        if isinstance(error, OUTAGES):
            return self._after_outage(error, attempts)
        if isinstance(error, Exception) and attempts < BUG_ATTEMPTS:
            return again_in(wait_s(attempts))
        return None

    def _after_outage(self, error: Exception, attempts: int) -> RetryDecision | None:
        waited_s = sum(wait_s(attempt) for attempt in range(attempts))
        if getattr(error, "permanent", False) or waited_s >= self.patience_s:
            return None
        asked_s = getattr(error, "retry_after", None) or 0.0
        return again_in(max(wait_s(attempts), asked_s))


def again_in(seconds: float) -> RetryDecision:
    return RetryDecision(retry_at=timezone.now() + timedelta(seconds=seconds))


def wait_s(attempts: int) -> float:
    """Seconds to wait after so many failures before the one at hand."""
    return float(min(FIRST_WAIT_S * 2 ** min(attempts, 16), LONGEST_WAIT_S))
