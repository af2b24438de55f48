"""A callback becomes messages and a waiting turn: one transaction, acknowledged only after its commit.

Everything works on lists, because what arrives while a commit is under way is committed together with
the next (`inbox.py`).  A repeat changes nothing: a turn is queued where a message was new and none is
waiting.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, NamedTuple

import structlog
from django.db import connection, transaction
from django.utils import timezone

from bots.clients import vendor_for
from bots.errors import CallbackMalformed
from bots.events import Content, Event, Ignored, MessageReceived
from bots.models import Robot, VendorAccount
from bots.text import clean_json
from bots.vendors.base import IncomingCallback, Vendor
from conversations import bulk, tasks
from conversations.models import Callback, Conversation, Message, Turn

log = structlog.get_logger(__name__)

# What is worth keeping of a request; everything else may hold secrets of a proxy on the way.
KEPT_HEADERS: Final = ("content-type", "user-agent")
SIGNATURE_PARAMETERS: Final = ("sign", "signature", "usersig", "token")

# PostgreSQL checks foreign keys by plans that it keeps as long as the connection lives.  One from a time
# when the table of jobs was all but empty would read it from end to end for each job of a later burst.
NO_TABLE_SCANS: Final = "SET LOCAL enable_seqscan = off"

type RobotKey = tuple[int, str]  # account, the robot's user id at the vendor


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
    """Store callbacks and all that follows from them: all or nothing."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(NO_TABLE_SCANS)
        bulk.insert(
            Callback,
            [vars(arrival.callback) for arrival in arrivals],
            on_conflict="DO NOTHING",
            returning="id",
        )
        record([(arrival.account, event) for arrival in arrivals for event in arrival.events])


def read_again(callback: Callback) -> None:
    """Read a stored callback once more, as after a reader was mended."""
    vendor = vendor_for(callback.account)
    events, callback.state, callback.error = read_events(vendor, as_it_came(callback))
    with transaction.atomic():
        callback.save(update_fields=["state", "error"])
        record([(callback.account, event) for event in events])


def as_it_came(callback: Callback) -> IncomingCallback:
    """The stored callback as it came, without its signature."""
    return IncomingCallback(
        query=callback.query,
        headers=callback.headers,
        body=callback.body.encode(),
        received_at=callback.received_at,
    )


def record(heard: Iterable[tuple[VendorAccount, Event]]) -> None:
    """Put messages into their conversations and queue the turns that will answer them."""
    spoken = [(account, event) for account, event in heard if isinstance(event, MessageReceived)]
    robots = _robots_among(spoken)
    addressed = [
        (robot, event)
        for account, event in spoken
        # A robot that writes to a robot would never end.
        if (robot := robots.get((account.pk, event.robot_id))) and (account.pk, event.sender_id) not in robots
    ]
    if not addressed:
        return
    conversations = _conversations_of(addressed)
    new = bulk.insert(
        Message,
        [_message(conversations[_place(robot, event)].id, event) for robot, event in addressed],
        on_conflict="DO NOTHING",
        returning="conversation_id",
    )
    answered = {conversation.id for conversation in conversations.values() if conversation.is_answered}
    queue_turns(answered.intersection(conversation_id for (conversation_id,) in new))


def is_for_robot(arrival: Arrival) -> bool:
    """Whether a user wrote to one of our robots."""
    spoken = [(arrival.account, event) for event in arrival.events if isinstance(event, MessageReceived)]
    robots = _robots_among(spoken)
    return any((account.pk, event.robot_id) in robots for account, event in spoken)


def queue_turns(conversation_ids: Collection[int]) -> None:
    """Make sure that a turn waits in each conversation, with a job to run it."""
    if not conversation_ids:
        return
    queued = bulk.insert(
        Turn,
        [{"conversation_id": conversation_id} for conversation_id in conversation_ids],
        on_conflict="DO NOTHING",  # one is waiting
        returning="conversation_id",
    )
    tasks.defer_answers([conversation_id for (conversation_id,) in queued])


type Place = tuple[int, str, str]  # robot, kind of address, the vendor's id of the address


class Found(NamedTuple):
    """A conversation that something was said in."""

    id: int
    is_answered: bool  # by the robot, that is


def _place(robot: Robot, event: MessageReceived) -> Place:
    return robot.pk, event.conversation.kind, event.conversation.id


def _robots_among(spoken: Iterable[tuple[VendorAccount, MessageReceived]]) -> dict[RobotKey, Robot]:
    """The robots that these events name, as addressee or as sender."""
    accounts = {account.pk for account, _ in spoken}
    user_ids = {user_id for _, event in spoken for user_id in (event.robot_id, event.sender_id)}
    if not user_ids:
        return {}
    robots = (
        Robot.objects.filter(account__in=accounts, user_id__in=user_ids)
        .only("account_id", "user_id", "enabled")
        .order_by()
    )
    return {(robot.account_id, robot.user_id): robot for robot in robots}


def _conversations_of(addressed: Iterable[tuple[Robot, MessageReceived]]) -> dict[Place, Found]:
    """The conversations of these messages, made where missing, their rows locked until the commit.

    The lock keeps a turn from being taken, and another batch from queueing one, meanwhile.  All
    batches lock in the same order, so they cannot block one another for good.
    """
    now = timezone.now()
    enabled = {robot.pk for robot, _ in addressed if robot.enabled}
    rows = bulk.insert(
        Conversation,
        [
            {"robot_id": robot_id, "kind": kind, "peer_id": peer_id, "last_message_at": now}
            for robot_id, kind, peer_id in sorted({_place(robot, event) for robot, event in addressed})
        ],
        on_conflict="(robot_id, kind, peer_id) DO UPDATE SET last_message_at = excluded.last_message_at",
        returning="robot_id, kind, peer_id, id, owner",
    )
    return {
        (robot_id, kind, peer_id): Found(
            id=conversation_id, is_answered=owner == Conversation.Owner.ROBOT and robot_id in enabled
        )
        for robot_id, kind, peer_id, conversation_id, owner in rows
    }


def _message(conversation_id: int, event: MessageReceived) -> dict[str, object]:
    return {
        "conversation_id": conversation_id,
        "sender": Message.Sender.USER,
        "sender_id": event.sender_id,
        "kind": event.content.kind,
        "text": event.content.text,
        "extra": _extra(event.content),
        "state": Message.State.RECEIVED,
        "vendor_message_id": event.vendor_message_id,
        "happened_at": event.happened_at,
        "order": event.order,
    }


def _extra(content: Content) -> dict[str, object]:
    """What a content has besides its text."""
    return {
        name: value for name, value in asdict(content).items() if name != "text" and value not in (None, "")
    }
