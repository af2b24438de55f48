"""What is looked after from time to time.  `settings.PROCRASTINATE_IMPORT_PATHS` tells workers of it."""

from __future__ import annotations

from django.utils import timezone
from procrastinate.contrib.django import app

from bots.retries import RetryByError
from conversations import closing, deadlines


@app.periodic(cron="* * * * *")
@app.task(
    name="conversations.enforce_deadlines",
    queueing_lock="conversations.enforce_deadlines",
    retry=RetryByError(),
)
def enforce_deadlines(timestamp: int) -> None:
    """Give users back to their robots whom people leave waiting."""
    deadlines.enforce(timezone.now())


@app.periodic(cron="*/10 * * * *")
@app.task(
    name="conversations.resolve_quiet", queueing_lock="conversations.resolve_quiet", retry=RetryByError()
)
def resolve_quiet(timestamp: int) -> None:
    """Resolve what has gone quiet."""
    closing.resolve_quiet(timezone.now())
