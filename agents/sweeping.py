"""Looking after calls, so that no instance outlives what it was for, and no place is lost.

Web processes and workers may die at any line, and the service may forget an instance or tell us nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from agents import ending, jobs
from agents.aiagent import service_of
from agents.errors import InstanceGone
from agents.models import Call

log = structlog.get_logger(__name__)

# Longer than whoever starts a call may take: a pace's wait, and each of two calls (`aiagent.TIMEOUT_S`).
STARTED_WITHIN: Final = timedelta(seconds=30)
CHECKED_EVERY: Final = timedelta(seconds=30)
CLOSED_EVERY: Final = timedelta(seconds=15)
PATIENCE: Final = timedelta(minutes=5)  # of who waits for a place


def sweep() -> None:
    """Queue a job for each call that needs one.  Asks nobody."""
    now = timezone.now()
    calls = Call.objects.exclude(state=Call.State.ENDED).select_related("session")
    for call in calls.filter(state=Call.State.QUEUED, created_at__lt=now - PATIENCE):
        ending.finish(call, Call.Reason.NO_CAPACITY)
    for call in calls.filter(state=Call.State.STARTING, leased_at__lt=now - STARTED_WITHIN):
        log.warning("a call was not started to the end", call=call.pk)
        ending.begin(call, Call.Reason.LOST)
    for call in taken(calls.filter(state=Call.State.ENDING, close_at__lt=now), close_at=now + CLOSED_EVERY):
        jobs.defer_closing(call, at=now)
    unchecked = Q(checked_at=None) | Q(checked_at__lt=now - CHECKED_EVERY)
    for call in taken(calls.filter(unchecked, state=Call.State.RUNNING), checked_at=now):
        jobs.defer_check(call)
    waiting = calls.filter(state=Call.State.QUEUED)
    jobs.defer_starting(set(waiting.values_list("account_id", flat=True)))


def taken(calls: QuerySet[Call], **changes: object) -> list[Call]:
    """The calls, with what keeps the next sweep from taking them too."""
    found = list(calls)
    Call.objects.filter(pk__in=[call.pk for call in found]).update(**changes)
    return found


def check(call: Call) -> None:
    """Ask the service whether it has the call's instance still.  Raises VendorError."""
    if call.state != Call.State.RUNNING:
        return
    try:
        status = service_of(call.account).status(call.instance_id).upper()
    except InstanceGone as error:
        ending.finish(call, Call.Reason.LOST, code=error.code)
        return
    known = Call.objects.filter(pk=call.pk, state=Call.State.RUNNING)
    known.update(checked_at=timezone.now(), status=status if status in Call.Status.values else F("status"))
