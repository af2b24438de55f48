from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.utils import timezone
from procrastinate.contrib.django import app

from metrics.models import Hour

HOURS_KEPT: Final = timedelta(days=32)  # the front page goes back a month


@app.periodic(cron="27 * * * *")
@app.task(name="metrics.forget_hours", queueing_lock="metrics.forget_hours")
def forget_hours(timestamp: int) -> None:
    """Forget the hours that no page shows any more: those of one hour, unless a run was missed."""
    Hour.objects.filter(hour__lt=timezone.now() - HOURS_KEPT).delete()
