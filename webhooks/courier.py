"""Takes events to webhooks: each at least once, those of a conversation in the order in which they happened.

Every worker has a courier.  It claims what is due by putting it off: if the worker dies, another courier
finds it due again.  An address that fails rests for a while, and is then tried with one event.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from bots.database import release_connection
from bots.posting import NoAnswer, Parcel, exchange, status_in_words
from bots.text import clean_text
from bots.theme import moment
from webhooks import events
from webhooks.models import Delivery, Webhook

log = structlog.get_logger(__name__)

LOOK_S: Final = 0.5
AT_ONCE: Final = 20  # by one worker
TIMEOUT_S: Final = 10.0  # for an app's answer
LEASE: Final = timedelta(seconds=30)  # whoever has not come back by then is dead
ATTEMPTS: Final = 15  # over about a day; then the events behind it go on without it
LONGEST_WAIT: Final = timedelta(hours=3)
LONGEST_REST: Final = timedelta(minutes=5)
HOPELESS: Final = timedelta(days=3)  # an address that has failed for so long is disabled
LONGEST_NOTE: Final = 500  # characters of an answer that are kept

State = Delivery.State


class Courier:
    """A thread that looks for what is due, and others that deliver it, from `start` to `stop`."""

    def __init__(self) -> None:
        self._is_told_to_stop = threading.Event()
        self._has_news = threading.Event()  # a delivery has ended: the next of its conversation may be due
        self._busy = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Lets what is under way end."""
        self._is_told_to_stop.set()
        self._has_news.set()
        self._thread.join(TIMEOUT_S)

    def _run(self) -> None:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="courier") as pool:
            while not self._is_told_to_stop.is_set():
                self._has_news.clear()
                self._look(pool)
                self._has_news.wait(LOOK_S)

    def _look(self, pool: ThreadPoolExecutor) -> None:
        try:
            claimed = claim(timezone.now(), at_most=AT_ONCE - self._busy)
        except DatabaseError as error:
            log.warning("webhooks were not looked after; they are soon", error=str(error))
            claimed = []
        finally:
            release_connection()
        for delivery in claimed:
            self._count(1)
            pool.submit(self._deliver, delivery)

    def _deliver(self, delivery: Delivery) -> None:
        try:
            deliver(delivery)
        except Exception:
            log.exception("a webhook delivery went wrong; it is tried again", delivery=delivery.pk)
        finally:
            release_connection()
            self._count(-1)
            self._has_news.set()

    def _count(self, change: int) -> None:
        with self._lock:
            self._busy += change


def claim(now: datetime, *, at_most: int) -> list[Delivery]:
    """What is due, for whoever asks to deliver and for nobody else until LEASE is over."""
    waiting = Delivery.objects.filter(state=State.WAITING, due_at__lte=now)
    if at_most <= 0 or not waiting.exists():  # as most of the time, which is asked at little cost
        return []
    with transaction.atomic():
        due = Delivery.objects.due(now).select_related("webhook", "conversation")
        claimed = list(
            one_for_each_that_fails(due.select_for_update(skip_locked=True, of=("self",))[:at_most])
        )
        Delivery.objects.filter(pk__in=[each.pk for each in claimed]).update(
            attempts=F("attempts") + 1, due_at=now + LEASE
        )
    for delivery in claimed:
        delivery.attempts += 1
    return claimed


def one_for_each_that_fails(due: Iterable[Delivery]) -> Iterator[Delivery]:
    """What is due, but one delivery only to an address that failed when it was last asked."""
    probed: set[int] = set()
    for delivery in due:
        if delivery.webhook.failures == 0:
            yield delivery
        elif delivery.webhook_id not in probed:
            probed.add(delivery.webhook_id)
            yield delivery


def deliver(delivery: Delivery) -> None:
    """Send what was claimed, and note what came of it.  Blocks."""
    try:
        body = delivery.body or write_body(delivery)
    except events.SubjectGone:
        note(delivery, state=State.FAILED, error="what it was about has been deleted")
        return
    release_connection()
    asked_at = timezone.now()
    status, problem = send(delivery, body.encode())
    if problem:
        note_failure(delivery, status, problem, asked_at=asked_at)
    else:
        note_success(delivery, status)


def write_body(delivery: Delivery) -> str:
    """What is sent, now and whenever it has to be sent again."""
    body = events.body_of(
        event_id=delivery.event_id,
        event=delivery.event,
        happened_at=delivery.happened_at,
        conversation_id=delivery.conversation_id,
        subject_id=delivery.subject_id,
    )
    text = json.dumps(body, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"))
    Delivery.objects.filter(pk=delivery.pk).update(body=text)
    return text


def send(delivery: Delivery, body: bytes) -> tuple[int | None, str]:
    """The status of the answer, and what is wrong with it; "" if nothing is."""
    webhook = delivery.webhook
    headers = {"X-Parley-Event": delivery.event, "X-Parley-Delivery": delivery.event_id}
    try:
        status, answer = exchange(Parcel(webhook.url, webhook.secret, body, TIMEOUT_S, headers))
    except NoAnswer as error:
        return None, str(error)
    if 200 <= status < 300:
        return status, ""
    return status, f"{status_in_words(status)}: {clean_text(answer)[:LONGEST_NOTE]}".rstrip(": ")


def note_success(delivery: Delivery, status: int | None) -> None:
    note(delivery, state=State.DELIVERED, status=status, error="", delivered_at=timezone.now())
    if delivery.webhook.failing_since:
        Webhook.objects.filter(pk=delivery.webhook_id).update(failures=0, failing_since=None)


def note_failure(delivery: Delivery, status: int | None, problem: str, *, asked_at: datetime) -> None:
    now = timezone.now()
    if delivery.attempts >= ATTEMPTS:
        note(delivery, state=State.FAILED, status=status, error=problem)
    else:
        note(delivery, due_at=now + wait_after(delivery.attempts), status=status, error=problem)
    webhook = delivery.webhook
    # Of those that failed at once, the first lets it rest.
    awake = Webhook.objects.filter(pk=webhook.pk, rests_until__lte=asked_at)
    awake.update(
        failures=F("failures") + 1,
        failing_since=Coalesce("failing_since", now),
        rests_until=now + rest_after(webhook.failures + 1),
    )
    if webhook.failing_since and webhook.failing_since < now - HOPELESS:
        disable(webhook, problem)


def note(delivery: Delivery, **outcome: Any) -> None:
    """Unless somebody else has claimed it meanwhile, who knows better."""
    Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts).update(**outcome)


def disable(webhook: Webhook, problem: str) -> None:
    """What waits for it stays, for the day on which an admin enables it again."""
    since = moment(webhook.failing_since) if webhook.failing_since else ""
    reason = f"It has failed since {since}, last with: {problem}"
    if Webhook.objects.filter(pk=webhook.pk, enabled=True).update(enabled=False, disabled_because=reason):
        log.error("a webhook was disabled", webhook=webhook.name, problem=problem)


def wait_after(attempts: int) -> timedelta:
    """5 s, 15 s, 45 s, … before the next attempt with the same event."""
    return min(timedelta(seconds=5 * 3 ** (attempts - 1)), LONGEST_WAIT)


def rest_after(failures: int) -> timedelta:
    """1 s, 2 s, 4 s, … before an address is asked again."""
    return min(timedelta(seconds=2 ** min(failures - 1, 10)), LONGEST_REST)


def send_again(deliveries: QuerySet[Delivery]) -> int:
    """Have events sent again as they were; → how many.  Those that wait are sent at once."""
    return deliveries.update(state=State.WAITING, due_at=timezone.now(), attempts=0, delivered_at=None)
