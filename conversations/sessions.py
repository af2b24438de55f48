"""What apps do for their users by REST: open a chat, speak in it, say how content the user was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from bots.clients import vendor_for
from bots.events import Address, MessageReceived, Text
from bots.models import Robot, Tier
from bots.vendors.base import Login
from conversations import ratings, receiving, users
from conversations.models import Conversation, Message, Rating, Session, new_public_id

OWN_IDS: str = "api:"  # before the ids of messages that no vendor has given one


def open_chat(
    *, robot: Robot, user_id: str, tier: Tier | None = None, metadata: dict[str, Any] | None = None
) -> tuple[Session, bool]:
    """The user's open chat with the robot; whether it is new.  What is given is set on an open one too."""
    with transaction.atomic():
        conversation, _ = Conversation.objects.get_or_create(
            robot=robot, kind=Conversation.Kind.PEER, peer_id=user_id
        )
        session, is_new = Session.objects.get_or_create(
            conversation=conversation, kind=Session.Kind.CHAT, state=Session.State.OPEN
        )
        if tier is not None:
            users.set_tier(account=robot.account, user_id=user_id, tier=tier)
        if metadata is not None:
            session.metadata = metadata
            session.save(update_fields=["metadata"])
    return session, is_new


def login(session: Session) -> Login:
    """What the user's client SDK needs.  Raises VendorError; may ask the vendor."""
    conversation = session.conversation
    return vendor_for(conversation.robot.account).login(conversation.peer_id)


def end(session: Session) -> None:
    """End the session.  The conversation goes on wherever else the user writes.  Repeatable."""
    open_sessions = Session.objects.filter(pk=session.pk, state=Session.State.OPEN)
    open_sessions.update(state=Session.State.ENDED, ended_at=timezone.now())
    session.refresh_from_db(fields=["state", "ended_at"])


def say(session: Session, text: str) -> Message:
    """Let the user say it, by the same door as what vendors bring: stored, and answered.

    Raises VendorError where the vendor, which has to know the user, cannot be told.
    """
    conversation = session.conversation
    if not session.is_admitted:
        vendor_for(conversation.robot.account).admit(conversation.peer_id)
        session.is_admitted = True
        session.save(update_fields=["is_admitted"])
    vendor_message_id = OWN_IDS + new_public_id()
    now = datetime.now(UTC)
    event = MessageReceived(
        event_id=vendor_message_id,
        happened_at=now,
        raw={},
        robot_id=conversation.robot.user_id,
        conversation=Address(kind="peer", id=conversation.peer_id),
        sender_id=conversation.peer_id,
        content=Text(text=text),
        vendor_message_id=vendor_message_id,
    )
    receiving.take_in(conversation.robot.account, event)
    return conversation.messages.get(vendor_message_id=vendor_message_id)


def rate(session: Session, *, score: int, comment: str = "") -> Rating:
    with transaction.atomic():
        return ratings.record(session.conversation, score=score, comment=comment, session=session)
