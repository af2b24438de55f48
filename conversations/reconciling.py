"""What was missed is read from the vendors' histories, and goes the way of everything that users say.

A request is a row.  An account's requests are worked on one at a time and at the account's pace; what a
conversation's history tells is stored in one transaction, together with the end of its requests.  So a
worker may die anywhere, and to read a conversation twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import batched, chain, islice
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet, Window
from django.db.models.functions import Lag
from django.utils import timezone

from bots import draining, pace
from bots.clients import vendor_for
from bots.database import release_connection
from bots.errors import VendorError
from bots.events import MessageReceived, MessageSent, Said
from bots.models import VendorAccount
from bots.vendors import VENDORS, vendor_class
from conversations import mentions, storing
from conversations.delivering import address_of, pause
from conversations.models import Conversation, Message, Reconciliation

log = structlog.get_logger(__name__)

MOST_CALLS: Final = 50  # of the vendor's API for one conversation
REQUESTS_AT_ONCE: Final = 1000
FAILURES_IN_A_ROW: Final = 3  # then the vendor is down, and the job waits
GAP_SETTLED: Final = timedelta(seconds=90)  # longer than vendors repeat callbacks, which is a minute at most
GAP_FRESH: Final = timedelta(minutes=2)  # each minute's look overlaps with the one before
GIVE_UP_AFTER: Final = timedelta(days=1)  # vendors keep histories for some days only


def window() -> timedelta:
    """How far back messages are looked for."""
    return timedelta(days=settings.RECONCILE_DAYS)


def request(conversations: QuerySet[Conversation], *, since: datetime) -> set[int]:
    """Have these conversations read anew, the most active first; → the accounts that need a job for it.

    For use inside a transaction.
    """
    return queue((pk, account_id, since) for pk, account_id in able(conversations))


def able(conversations: QuerySet[Conversation]) -> Iterator[tuple[int, int]]:
    """Those that can be read, each with its account."""
    enabled = conversations.filter(robot__enabled=True, robot__account__enabled=True)
    rows = enabled.order_by("-last_message_at").values_list("pk", "robot__account_id")
    return rows.iterator()


def queue(wanted: Iterable[tuple[int, int, datetime]]) -> set[int]:
    """Store requests, given as conversation, account and time; → the accounts."""
    accounts: set[int] = set()
    for some in batched(wanted, REQUESTS_AT_ONCE):
        Reconciliation.objects.bulk_create(
            Reconciliation(conversation_id=pk, account_id=account_id, since=since)
            for pk, account_id, since in some
        )
        accounts.update(account_id for _, account_id, _ in some)
    return accounts


def request_active(*, since: datetime) -> set[int]:
    """Likewise all conversations in which something was said in the time before."""
    return request(Conversation.objects.filter(last_message_at__gte=since - window()), since=since)


def request_gaps(*, now: datetime) -> set[int]:
    """Likewise those conversations in which a number was left out lately, where the vendor counts messages.

    Late callbacks have closed a gap by then.  One that stays open, as a message of somebody else's in the
    robot's name leaves it, is looked into once or twice.
    """
    counting = [name for name in VENDORS if vendor_class(name).numbers_messages]
    active = Conversation.objects.filter(
        kind=Conversation.Kind.PEER,
        robot__account__vendor__in=counting,
        last_message_at__gte=now - GAP_SETTLED - GAP_FRESH,
    )
    in_order: dict[str, Any] = {"partition_by": F("conversation_id"), "order_by": "order"}
    numbered = Message.objects.filter(
        conversation__in=active, order__gt=0, created_at__gte=now - window()
    ).annotate(
        step=F("order") - Window(Lag("order"), **in_order),
        before=Window(Lag("happened_at"), **in_order),
    )
    gaps = numbered.filter(step__gt=1).values_list("conversation_id", "before", "created_at")
    fresh = {
        conversation_id: before - GAP_SETTLED
        for conversation_id, before, created_at in gaps
        if now - GAP_SETTLED - GAP_FRESH <= created_at < now - GAP_SETTLED
    }
    found = able(Conversation.objects.filter(pk__in=fresh)) if fresh else ()
    return queue((pk, account_id, fresh[pk]) for pk, account_id in found)


def reconcile(account_id: int) -> None:
    """Read all conversations of the account that are to be read.  Blocks.

    Raises VendorError when the vendor does not answer time and again; the requests stay.
    """
    failures = 0
    while conversation := next_conversation(account_id):
        draining.stop_if_told()
        try:
            reconcile_one(conversation)
        except VendorError as error:
            failures += 1
            if failures == FAILURES_IN_A_ROW:
                raise
            pause(error.retry_after or 0)
        else:
            failures = 0


def next_conversation(account_id: int) -> Conversation | None:
    waiting = Reconciliation.objects.filter(account=account_id).order_by("due_at", "id")
    first = waiting.select_related("conversation__robot__account").first()
    return first.conversation if first else None


def reconcile_one(conversation: Conversation) -> None:
    """Raises VendorError where another try makes sense."""
    requests = list(conversation.reconciliations.all())
    rows = Reconciliation.objects.filter(pk__in=[request.pk for request in requests])
    rows.update(due_at=timezone.now())  # whatever happens: the next try comes after all others
    said: list[Said] = []
    try:
        said = read(conversation, since=min(request.since for request in requests))
    except VendorError as error:
        log.warning("history not read", conversation=conversation.public_id, error=str(error))
        if not error.permanent:
            raise
    with transaction.atomic():
        keep(conversation, said)
        rows.delete()


def give_up_old() -> None:
    """Drop what could not be done for long."""
    old = Reconciliation.objects.filter(requested_at__lt=timezone.now() - GIVE_UP_AFTER)
    count, _ = old.delete()
    if count:
        log.error("reconciliations given up", count=count)


def read(conversation: Conversation, *, since: datetime) -> list[Said]:
    """What the vendor has of the conversation; of a very long one, the part that it tells first."""
    account = conversation.robot.account

    def wait_for_slot() -> None:
        pause(pace.reserve_slot(account, VendorAccount.Call.HISTORY))
        release_connection()

    pages = vendor_for(account).history(
        robot_id=conversation.robot.user_id,
        conversation=address_of(conversation),
        since=since,
        before_call=wait_for_slot,
    )
    return list(chain.from_iterable(islice(pages, MOST_CALLS)))


def keep(conversation: Conversation, said: Sequence[Said]) -> None:
    """Store what is new in a history: what is due gets a turn, what is too late is recorded only."""
    account = conversation.robot.account
    answered_until = oldest_due(conversation, said)
    missed = [(account, event) for event in missed_in(conversation, said)]
    due = [each for each in missed if each[1].happened_at >= answered_until]
    late = [each for each in missed if each[1].happened_at < answered_until]
    if missed:
        log.info("missed messages found", conversation=conversation.public_id, due=len(due), late=len(late))
        storing.store([], mentions.settle(due), mentions.settle(late))
    if sent := [(account, event) for event in said if isinstance(event, MessageSent)]:
        storing.confirm(sent)


def missed_in(conversation: Conversation, said: Sequence[Said]) -> list[MessageReceived]:
    received = [event for event in said if isinstance(event, MessageReceived)]
    ids = [event.vendor_message_id for event in received]
    known = conversation.messages.filter(vendor_message_id__in=ids)
    new = set(ids) - set(known.values_list("vendor_message_id", flat=True))
    return [event for event in received if event.vendor_message_id in new]


def oldest_due(conversation: Conversation, said: Sequence[Said]) -> datetime:
    """From when on a missed message is answered.

    Answers of ours that this database does not know were given before it was set back to an older state:
    nothing from before them is answered again.
    """
    answers = {event.key: event.happened_at for event in said if isinstance(event, MessageSent) and event.key}
    known = conversation.messages.filter(key__in=answers).values_list("key", flat=True)
    forgotten = [answers[key] for key in answers.keys() - set(known)]
    return max([timezone.now() - timedelta(seconds=conversation.robot.max_age_s), *forgotten])
