"""What viewers see of personal data: nothing.  Operators do, and it is recorded that they read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.contrib.auth.models import User

from audit.models import Entry
from audit.recording import record
from bots.safety import personal
from conversations.announcing import Event
from conversations.console import rights
from conversations.models import Conversation, Message

GROWING: Final = (Message.State.STREAMING, Message.State.SENDING)


def masked(event: Event) -> Event:
    if "text" not in event:
        return event
    shown = {"text": covered(event["text"], is_growing=event.get("state") in GROWING)}
    return event | shown | ({"name": covered(event["name"])} if "name" in event else {})


def covered(text: str, *, is_growing: bool = False) -> str:
    """The text with its personal data made unreadable; what may only be the beginning of some is left out."""
    whole = text[: personal.unfinished_from(text)] if is_growing and text else text
    return personal.mask(whole)


def cover_for(user: rights.Visitor) -> Callable[[str], str]:
    """What is done to a text before this user sees it."""
    return (lambda text: text) if rights.may_read_personal(user) else covered


def read(events: list[Event], conversation: Conversation, user: User) -> list[Event]:
    """The events as the user may see them; that personal data was read is recorded."""
    if not rights.may_read_personal(user):
        return [masked(event) for event in events]
    if any(personal.find(event["text"]) for event in events if "text" in event):
        record(user.get_username(), Entry.Deed.READ, f"conversation {conversation.public_id}")
    return events
