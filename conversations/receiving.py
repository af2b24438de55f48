"""A callback becomes messages and a waiting turn: one transaction, acknowledged only after its commit.

Everything works on lists, because what arrives while a commit is under way is committed together with
the next (`inbox.py`).  A repeat changes nothing: a turn is queued where a message was new and none is
waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog
from django.db import transaction

from bots.clients import vendor_for
from bots.errors import CallbackMalformed
from bots.events import Event, Ignored, Interrupted, MessageReceived, MessageSent, Typing
from bots.models import Robot, VendorAccount
from bots.text import clean_json
from bots.vendors.base import IncomingCallback, Vendor
from conversations import gossip, mentions, ownership, storing
from conversations.models import Callback, Conversation

log = structlog.get_logger(__name__)

# What is worth keeping of a request; everything else may hold secrets of a proxy on the way.
KEPT_HEADERS: Final = ("content-type", "user-agent")
SIGNATURE_PARAMETERS: Final = ("sign", "signature", "usersig", "token")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A callback that was accepted at the door, and what it says."""

    account: VendorAccount
    callback: Callback  # not saved yet
    events: Sequence[Event]


def open_callback(account: VendorAccount, incoming: IncomingCallback) -> Arrival:
    """Check a callback and read it.  Raises CallbackError for one that is not this account's."""
    vendor = vendor_for(account)
    vendor.check(incoming)
    events, state, note = read_events(vendor, incoming)
    callback = Callback(
        account_id=account.pk,
        delivery_id=vendor.delivery_id(incoming),
        event=vendor.event_name(incoming),
        received_at=incoming.received_at,
        query=clean_json(
            {name: text for name, text in incoming.query.items() if name.lower() not in SIGNATURE_PARAMETERS}
        ),
        headers={name: incoming.headers[name] for name in KEPT_HEADERS if name in incoming.headers},
        body=incoming.body.decode(errors="replace"),
        state=state,
        error=note,
    )
    return Arrival(account, callback, events)


def read_events(vendor: Vendor, incoming: IncomingCallback) -> tuple[list[Event], Callback.State, str]:
    """What the callback says, how far it was understood, and why not further.

    A bug in a reader must lose nothing, so whatever it raises is kept with the callback, which can
    be read again once the reader is mended.
    """
    try:
        events = vendor.read(incoming)
    except CallbackMalformed as error:
        return [], Callback.State.UNREAD, str(error)
    except Exception as error:
        log.exception("callback could not be read", vendor=vendor.name)
        return [], Callback.State.UNREAD, f"{type(error).__name__}: {error}"
    reasons = [event.reason for event in events if isinstance(event, Ignored)]
    if len(reasons) == len(events):
        return events, Callback.State.IGNORED, "; ".join(reasons)
    return events, Callback.State.READ, ""


def unreadable(arrival: Arrival, error: Exception) -> Arrival:
    """The same callback without what it says: only the fact that it came, and why it was not read."""
    arrival.callback.state = Callback.State.UNREAD
    arrival.callback.error = str(error)
    return replace(arrival, events=())


def store(arrivals: Sequence[Arrival]) -> None:
    """Store callbacks and all that follows from them: all or nothing.

    Interrupts come first, each by itself: to do one again after a crash changes nothing, and no batch holds
    one conversation while it waits for another.
    """
    for arrival in arrivals:
        if any(isinstance(event, Interrupted) for event in arrival.events):
            _interrupt(arrival)
    _keep(
        [arrival.callback for arrival in arrivals],
        [(arrival.account, event) for arrival in arrivals for event in arrival.events],
    )


def take_in(account: VendorAccount, event: MessageReceived) -> None:
    """Store what a user said by another way than a callback, and all that follows from it."""
    _keep([], [(account, event)])


def read_again(callback: Callback) -> None:
    """Read a stored callback once more, as after a reader was mended.  An interrupt has no effect then: the
    answer that it was for has ended."""
    vendor = vendor_for(callback.account)
    events, callback.state, callback.error = read_events(vendor, as_it_came(callback))
    with transaction.atomic():
        callback.save(update_fields=["state", "error"])
        _keep([], [(callback.account, event) for event in events])


def as_it_came(callback: Callback) -> IncomingCallback:
    """The stored callback as it came, without its signature."""
    return IncomingCallback(
        query=callback.query,
        headers=callback.headers,
        body=callback.body.encode(),
        received_at=callback.received_at,
    )


def is_for_robot(arrival: Arrival) -> bool:
    """Whether a user wrote to one of our robots."""
    heard = [event for event in arrival.events if isinstance(event, MessageReceived)]
    written_to = {event.robot_id for event in heard if event.robot_id}
    return Robot.objects.filter(account=arrival.account, user_id__in=written_to).exists()


def _interrupt(arrival: Arrival) -> None:
    """A repeat is passed over: it would stop the next answer."""
    delivery = Callback.objects.filter(account=arrival.account, delivery_id=arrival.callback.delivery_id)
    if delivery.exists():
        return
    for event in arrival.events:
        if isinstance(event, Interrupted):
            conversation = Conversation.objects.filter(
                robot__account=arrival.account,
                robot__user_id=event.robot_id,
                kind=event.conversation.kind,
                peer_id=event.conversation.id,
            ).first()
            if conversation:
                ownership.interrupt(conversation, vendor_message_id=event.vendor_message_id)


def _keep(callbacks: Sequence[Callback], events: Sequence[tuple[VendorAccount, Event]]) -> None:
    heard = [(account, event) for account, event in events if isinstance(event, MessageReceived)]
    echoes = [(account, event) for account, event in events if isinstance(event, MessageSent)]
    writing = [(account, event) for account, event in events if isinstance(event, Typing)]
    with transaction.atomic():
        storing.store(callbacks, mentions.settle(heard))
        if echoes:
            storing.confirm(echoes)
        if writing:
            gossip.tell_of_users(writing)
