"""Background work of conversations: each task loads by id and calls a service."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import CharField, Exists, OuterRef, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from bots.retries import RetryByError
from conversations import (
    attachments,
    calls,
    reconciling,
    relaying,
    retention,
    searching,
    spoken,
    summaries,
    turns,
    usage,
)
from conversations.api import idempotency
from conversations.models import Reconciliation, Turn
from conversations.storing import ANSWER_TASK, LOCK_PREFIX
from conversations.telling import DELIVERY

RECONCILING_LOCK_PREFIX: Final = "reconcile:"
STRANDED_AFTER: Final = timedelta(minutes=1)  # the job of a waiting turn has started long before


@app.task(name=ANSWER_TASK, retry=RetryByError(patience_s=2 * turns.DELIVERY_AGE.total_seconds()))
def answer(conversation_id: int) -> None:
    turns.answer(conversation_id)


@app.task(name=summaries.TASK, retry=RetryByError())
def summarise(turn_id: int) -> None:
    summaries.summarise(turn_id)


@app.task(name=DELIVERY, retry=RetryByError(patience_s=2 * turns.DELIVERY_AGE.total_seconds()))
def deliver(message_id: int) -> None:
    relaying.deliver(message_id)


@app.periodic(cron="17 * * * *")
@app.task(
    name="conversations.forget_requests", queueing_lock="conversations.forget_requests", retry=RetryByError()
)
def forget_requests(timestamp: int) -> None:
    """Forget the idempotency keys of yesterday."""
    idempotency.forget_old()


@app.periodic(cron="37 * * * *")
@app.task(name="conversations.forget_old", queueing_lock="conversations.forget_old", retry=RetryByError())
def forget_old(timestamp: int) -> None:
    """Delete what is kept for so long only."""
    retention.forget_old(timezone.now())
    attachments.sweep(timezone.now())


@app.periodic(cron="*/10 * * * *")
@app.task(name="conversations.sum_up_usage", queueing_lock="conversations.sum_up_usage", retry=RetryByError())
def sum_up_usage(timestamp: int) -> None:
    """Let `/usage` find sums of what was used up to now."""
    usage.sum_up(timezone.now())


@app.periodic(cron="* * * * *")
@app.task(
    name="conversations.index_messages", queueing_lock="conversations.index_messages", retry=RetryByError()
)
def index_messages(timestamp: int) -> None:
    """Let the console's search find what was said since the last time."""
    searching.catch_up()


@app.periodic(cron="* * * * *")
@app.task(name="conversations.rescue_turns", queueing_lock="conversations.rescue_turns", retry=RetryByError())
def rescue_turns(timestamp: int) -> None:
    """Queue a job again for turns whose job was given up; close what nobody works at any more."""
    spoken.end_lost()
    calls.close_lost(calls.abandoned())
    lock = Concat(Value(LOCK_PREFIX), Cast(OuterRef("conversation_id"), CharField()))
    jobs = ProcrastinateJob.objects.filter(lock=lock, status__in=["todo", "doing"])
    stranded = Turn.objects.filter(
        ~Exists(jobs),
        is_spoken=False,
        state__in=[Turn.State.WAITING, *Turn.RUNNING],
        queued_at__lt=timezone.now() - STRANDED_AFTER,
    )
    defer_answers(set(stranded.values_list("conversation_id", flat=True)))


@app.task(name="conversations.reconcile", retry=RetryByError())
def reconcile(account_id: int) -> None:
    reconciling.reconcile(account_id)


@app.task(name="conversations.reconcile_active", retry=RetryByError())
def reconcile_active(since: str) -> None:
    with transaction.atomic():
        defer_reconciling(reconciling.request_active(since=datetime.fromisoformat(since)))


@app.periodic(cron="* * * * *")
@app.task(
    name="conversations.reconcile_gaps", queueing_lock="conversations.reconcile_gaps", retry=RetryByError()
)
def reconcile_gaps(timestamp: int) -> None:
    """Have what was missed between two messages looked for, where the vendor counts them."""
    with transaction.atomic():
        defer_reconciling(reconciling.request_gaps(now=timezone.now()))


@app.periodic(cron="* * * * *")
@app.task(
    name="conversations.rescue_reconciling",
    queueing_lock="conversations.rescue_reconciling",
    retry=RetryByError(),
)
def rescue_reconciling(timestamp: int) -> None:
    """Queue a job again for accounts whose job was given up."""
    reconciling.give_up_old()
    account = Cast(OuterRef("account_id"), CharField())
    lock = Concat(Value(RECONCILING_LOCK_PREFIX), account)
    jobs = ProcrastinateJob.objects.filter(lock=lock, status__in=["todo", "doing"])
    left = Reconciliation.objects.filter(
        ~Exists(jobs), requested_at__lt=timezone.now() - STRANDED_AFTER
    ).values_list("account_id", flat=True)
    defer_reconciling(set(left))


def defer_reconciling(account_ids: Iterable[int]) -> None:
    """Queue a job for each account, in the transaction that is under way."""
    for account_id in account_ids:
        # One job of an account runs at a time; one too many finds nothing to do.
        reconcile.configure(lock=f"{RECONCILING_LOCK_PREFIX}{account_id}").defer(account_id=account_id)


def defer_answers(conversation_ids: Iterable[int]) -> None:
    """Queue a job for each conversation, in the transaction that is under way."""
    jobs = [
        # One job of a conversation runs at a time.
        answer.configure(lock=f"{LOCK_PREFIX}{pk}").make_new_job(conversation_id=pk)
        for pk in conversation_ids
    ]
    if jobs:
        app.job_manager.batch_defer_jobs(jobs=jobs)
