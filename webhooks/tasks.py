"""Background work of webhooks besides delivering, which the courier does."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from bots.retries import RetryByError
from conversations import retention
from webhooks.models import Delivery


@app.periodic(cron="47 * * * *")
@app.task(name="webhooks.forget_old", queueing_lock="webhooks.forget_old", retry=RetryByError())
def forget_old(timestamp: int) -> None:
    """Delete deliveries that are too old, those that nobody took too."""
    if settings.KEEP_DELIVERIES_DAYS:
        before = timezone.now() - timedelta(days=settings.KEEP_DELIVERIES_DAYS)
        retention.forget(Delivery.objects.all(), "happened_at", before)
