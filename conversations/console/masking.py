"""What viewers see of personal data, and of users' ids: nothing.  Operators do, and it is recorded that they
read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final

from django.contrib.auth.models import User
from django.core.cache import cache

from audit.models import Entry
from audit.recording import record
from bots.safety import personal
from conversations.announcing import Event
from conversations.console import rights
from conversations.models import Conversation, Message

GROWING: Final = (Message.State.STREAMING, Message.State.SENDING)
ONCE_IN_S: Final = 3600  # that somebody reads the same list, which is drawn anew all the time, is recorded


def masked(event: Event) -> Event:
    told: Event = {key: covered(event[key]) for key in ("name", "error", "instruction") if key in event}
    if "text" in event:
        told["text"] = covered(event["text"], is_growing=event.get("state") in GROWING)
    if event.get("sender") == Message.Sender.USER:
        told["sender_id"] = covered_id(event["sender_id"])
    return event | told


def covered_id(user_id: str) -> str:
    """As much of an id as tells two users apart, mostly."""
    ends = min(2, len(user_id) // 4)
    return f"{user_id[:ends]}***{user_id[len(user_id) - ends :]}"


def covered(text: str, *, is_growing: bool = False) -> str:
    """The text with its personal data made unreadable; what may only be the beginning of some is left out."""
    whole = text[: personal.unfinished_from(text)] if is_growing and text else text
    return personal.mask(whole)


def cover_for(user: rights.Visitor) -> Callable[[str], str]:
    """What is done to a text before this user sees it."""
    return (lambda text: text) if rights.may_read_personal(user) else covered


def name_for(user: rights.Visitor) -> Callable[[Conversation], str]:
    """How this user sees with whom a conversation is.  A group's id is nobody's."""
    is_open = rights.may_read_personal(user)

    def name(conversation: Conversation) -> str:
        is_shown = is_open or conversation.kind == Conversation.Kind.GROUP
        return conversation.peer_id if is_shown else covered_id(conversation.peer_id)

    return name


def note_list(user: rights.Visitor, what: str, texts: Iterable[str], details: str = "") -> None:
    """Record that the user was shown personal data in a list: the same one now and then, not per row."""
    if not (rights.may_read_personal(user) and any(personal.find(text) for text in texts)):
        return
    key = sha256(f"{user.pk} {what} {details}".encode()).hexdigest()
    if cache.add(f"read:{key}", value=True, timeout=ONCE_IN_S):
        record(user.get_username(), Entry.Deed.READ, what, details)


def read(events: list[Event], conversation: Conversation, user: User) -> list[Event]:
    """The events as the user may see them; that personal data was read is recorded."""
    if not rights.may_read_personal(user):
        return [masked(event) for event in events]
    if any(personal.find(event["text"]) for event in events if "text" in event):
        record(user.get_username(), Entry.Deed.READ, f"conversation {conversation.public_id}")
    return events
