"""How calls end, whoever ends them: in the database first, then at the service, which may be told late."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from agents import jobs, rounds
from agents.models import Call
from conversations.models import Session

# Codes of `AgentInstanceDeleted` (/aiagent-server/callbacks/receiving-callback): 0 is by our own call.
REASONS: Final[dict[int, Call.Reason]] = {0: Call.Reason.APP, 1202: Call.Reason.IDLE}
RETRY: Final = timedelta(seconds=5)  # whoever ends a call sees to it at once; then a job does


def begin(call: Call, reason: Call.Reason, *, graceful_s: int = 0) -> bool:
    """Let the call be ending, and its session ended; whether there is anything left to do at the service."""
    now = timezone.now()
    with transaction.atomic():
        calls = Call.objects.select_for_update(no_key=True).filter(pk=call.pk)
        call.refresh_from_db(from_queryset=calls)
        if call.state == Call.State.QUEUED:
            finish(call, reason)
        elif call.state in (Call.State.STARTING, Call.State.RUNNING):
            call.state, call.end_reason = Call.State.ENDING, reason
            call.close_at = now + timedelta(seconds=graceful_s) + RETRY
            call.save(update_fields=["state", "end_reason", "close_at"])
            end_session(call, now)
            jobs.defer_closing(call, at=call.close_at)
    return call.state == Call.State.ENDING


def hang_up_unknown(call: Call, *, error: str) -> None:
    """The service was not heard: it may have an instance, which has to be found and ended."""
    Call.objects.filter(pk=call.pk).update(error=error)
    begin(call, Call.Reason.REFUSED)


def finish(
    call: Call, reason: Call.Reason, *, code: str = "", error: str = "", at: datetime | None = None
) -> None:
    """The service has no instance for the call: its place is free.  Repeatable; the first reason counts."""
    with transaction.atomic():
        calls = Call.objects.select_for_update(no_key=True).filter(pk=call.pk)
        call.refresh_from_db(from_queryset=calls)
        if call.state == Call.State.ENDED:
            return
        call.state = Call.State.ENDED
        call.ended_at = at or timezone.now()
        call.end_reason = call.end_reason or reason
        call.end_code, call.error, call.status = code or call.end_code, error or call.error, ""
        call.save(update_fields=["state", "ended_at", "end_reason", "end_code", "error", "status"])
        rounds.end_answer(call)
        end_session(call, call.ended_at)
        if Call.objects.filter(account=call.account_id, state=Call.State.QUEUED).exists():
            jobs.defer_starting([call.account_id])


def end_session(call: Call, at: datetime) -> None:
    unended = Session.objects.filter(pk=call.session_id).exclude(state=Session.State.ENDED)
    unended.update(state=Session.State.ENDED, ended_at=at)


def note_ended(call: Call, *, code: int, at: datetime) -> None:
    """The service says that it has ended the instance."""
    finish(call, REASONS.get(code, Call.Reason.VENDOR), code=str(code), at=at)
