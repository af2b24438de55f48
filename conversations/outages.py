"""A time in which nobody took callbacks is noticed, and what was missed in it looked for.

Web processes say every second that they are there.  Whoever finds that nobody has said so for a while
was not the only one to be away: then the histories of all active conversations are read.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from conversations import reconciling, tasks
from conversations.models import Conversation, Heartbeat

log = structlog.get_logger(__name__)

BEAT_S: Final = 1.0
OUTAGE: Final = timedelta(seconds=3)  # vendors wait two for an answer; not all ask again
RESTART: Final = timedelta(seconds=1.5)  # a process that starts and finds no other lets no beat pass
# Callbacks that were under way when it began, and clocks that differ.
MARGIN: Final = timedelta(minutes=2)


def beat(*, pause: timedelta = OUTAGE) -> None:
    """Say that callbacks can be taken.  If nobody has said so for this long, have what was missed looked for.

    The row's lock and the database's clock decide: of several processes that start at once, one finds the
    outage.
    """
    with transaction.atomic():
        if not Heartbeat.objects.update(previous_at=F("seen_at"), seen_at=Now()):
            Heartbeat.objects.bulk_create([Heartbeat(pk=1)], ignore_conflicts=True)
            return
        heartbeat = Heartbeat.objects.get()
        if heartbeat.seen_at - heartbeat.previous_at >= pause:
            look_back(began_at=heartbeat.previous_at, ended_at=heartbeat.seen_at)


def look_back(*, began_at: datetime, ended_at: datetime) -> None:
    log.warning("nobody took callbacks", since=began_at.isoformat(), until=ended_at.isoformat())
    # A web process that drains takes no more callbacks, though it is still there.
    since = began_at - MARGIN - timedelta(seconds=settings.DRAIN_S)
    tasks.reconcile_active.defer(since=since.isoformat())


def reconcile(conversations: QuerySet[Conversation], *, since: datetime | None = None) -> int:
    """Have these conversations read anew at their vendors, in the background; → how many that are.

    Without `since`, as far back as the settings say.
    """
    since = since or timezone.now() - reconciling.window()
    with transaction.atomic():
        count = conversations.filter(robot__enabled=True, robot__account__enabled=True).count()
        tasks.defer_reconciling(reconciling.request(conversations, since=since))
    return count


class Heart:
    """Beats in a thread of its own, from `start` to `stop`."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._is_well = True

    def start(self) -> None:
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        self._beat(RESTART)
        while not self._stop.wait(BEAT_S):
            self._beat(OUTAGE)

    def _beat(self, pause: timedelta) -> None:
        """Without the database no callback can be taken: then it is silent, and says so once."""
        try:
            beat(pause=pause)
            self._is_well = True
        except DatabaseError:
            if self._is_well:
                log.warning("no heartbeat", exc_info=True)
            self._is_well = False
        finally:
            connection.close()
