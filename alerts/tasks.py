from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.utils import timezone
from procrastinate.contrib.django import app

from alerts import telling
from alerts.models import Alert, Notification, Silence
from bots.retries import RetryByError

KEPT: Final = timedelta(days=90)  # of what is over


@app.task(name="alerts.send", retry=RetryByError(patience_s=telling.PATIENCE.total_seconds()))
def send(notification_id: int) -> None:
    telling.send(notification_id)


@app.periodic(cron="47 * * * *")
@app.task(name="alerts.forget_old", queueing_lock="alerts.forget_old", retry=RetryByError())
def forget_old(timestamp: int) -> None:
    """Forget what was over long ago."""
    old = timezone.now() - KEPT
    Alert.objects.filter(closed_at__lt=old).delete()
    Notification.objects.filter(created_at__lt=old, alerts=None).delete()
    Silence.objects.filter(until__lt=old).delete()


def defer_sending(notification: Notification) -> None:
    """Queue a job, in the transaction that is under way.

    By a lock of the channel: an end is not told before its beginning.
    """
    send.configure(lock=f"channel:{notification.channel_id}").defer(notification_id=notification.pk)
