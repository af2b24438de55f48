"""What is kept for so long only: callbacks as they came, and, if wanted, what was said.

Deleted are a thousand rows at a time, each thousand in a transaction of its own, so that nobody waits for it.
Rows are stored in the order of time: the oldest have the lowest ids, and no index over times is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import models, transaction

from bots import draining
from conversations.models import Callback, Fold, Message, Turn

log = structlog.get_logger(__name__)

BATCH: Final = 1000


def forget_old(now: datetime) -> dict[str, int]:
    """Delete what is older than the settings want to keep; → how many of each kind."""
    counts: dict[str, int] = {}
    if settings.KEEP_CALLBACKS_DAYS:
        before = now - timedelta(days=settings.KEEP_CALLBACKS_DAYS)
        counts["callbacks"] = forget(Callback.objects.all(), "received_at", before)
    if settings.KEEP_MESSAGES_DAYS:
        # What is gone here and still within reach at the vendors would be found there, and stored again.
        days = max(settings.KEEP_MESSAGES_DAYS, settings.RECONCILE_DAYS + 1)
        before = now - timedelta(days=days)
        counts["messages"] = forget_messages(before)
        counts["summaries"] = forget(Fold.objects.all(), "created_at", before)
    log.info("old rows deleted", **counts)
    return counts


def forget(rows: models.QuerySet[Any], field: str, before: datetime) -> int:
    count = 0
    for ids in old_batches(rows, field, before):
        rows.filter(pk__in=ids).delete()
        count += len(ids)
    return count


def forget_messages(before: datetime) -> int:
    """Turns stay, with what they took and cost, but without what was said in them."""
    count = 0
    for ids in old_batches(Message.objects.all(), "created_at", before):
        with transaction.atomic():
            Turn.objects.filter(messages__in=ids).update(reply="")
            Message.objects.filter(pk__in=ids).delete()
        count += len(ids)
    return count


def old_batches(rows: models.QuerySet[Any], field: str, before: datetime) -> Iterator[list[int]]:
    """Ids of old rows.  Whoever asks for more has deleted these.  Raises WorkerStopping."""
    while ids := [pk for pk, at in rows.order_by("pk").values_list("pk", field)[:BATCH] if at < before]:
        yield ids
        draining.stop_if_told()
