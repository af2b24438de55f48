"""Background work of voice: each task loads by id and calls a service."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from agents import calls, jobs, operating, registering, sweeping
from agents.models import AgentTemplate, Call, CallEvent
from bots.retries import RetryByError
from conversations import retention
from conversations.models import Message

CLOSING_PATIENCE_S = 30.0  # then the sweep queues it anew
CHECKING_PATIENCE_S = 0.0


@app.task(name=jobs.REGISTER, retry=RetryByError())
def register_template(template_id: int) -> None:
    known = AgentTemplate.objects.able().select_related("account", "robot__default_tier", "model")
    template = known.filter(pk=template_id).first()
    if template is not None:
        registering.register(template)


@app.periodic(cron="*/10 * * * *")
@app.task(name="agents.mend_drift", queueing_lock="agents.mend_drift", retry=RetryByError())
def mend_drift(timestamp: int) -> None:
    """Find what was changed at the voice service behind our back; register what was never, or is outdated."""
    registering.mend_drift()
    jobs.defer_registrations(registering.unregistered(registering.able_templates()))


@app.task(name=jobs.START, retry=RetryByError())
def start_queued(account_id: int) -> None:
    calls.start_queued(account_id)


@app.task(name=jobs.CLOSE, retry=RetryByError(patience_s=CLOSING_PATIENCE_S))
def close_call(call_id: int) -> None:
    if call := find(call_id):
        calls.close(call)


@app.task(name=jobs.CHECK, retry=RetryByError(patience_s=CHECKING_PATIENCE_S))
def check_call(call_id: int) -> None:
    if call := find(call_id):
        sweeping.check(call)


@app.periodic(cron="* * * * * */15")
@app.task(name="agents.sweep", queueing_lock="agents.sweep", retry=RetryByError())
def sweep(timestamp: int) -> None:
    sweeping.sweep()


@app.task(name=jobs.SPEAK, retry=RetryByError())
def speak(call_id: int, message_id: int, is_first: bool) -> None:
    if call := find(call_id):
        operating.speak(call, Message.objects.get(pk=message_id), is_first=is_first)


@app.task(name=jobs.MIND_OWNER, retry=RetryByError())
def mind_owner(call_id: int) -> None:
    if call := find(call_id):
        operating.mind_owner(call)


@app.periodic(cron="47 * * * *")
@app.task(name="agents.forget_events", queueing_lock="agents.forget_events", retry=RetryByError())
def forget_events(timestamp: int) -> None:
    """Delete callbacks that are kept for so long only."""
    if settings.KEEP_CALLBACKS_DAYS:
        before = timezone.now() - timedelta(days=settings.KEEP_CALLBACKS_DAYS)
        retention.forget(CallEvent.objects.all(), "received_at", before)


def find(call_id: int) -> Call | None:
    return Call.objects.select_related(*calls.RELATED).filter(pk=call_id).first()
