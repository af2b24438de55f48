"""The times in which people have a conversation.  For whoever holds the conversation's row locked."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils import timezone

from conversations.models import Conversation, Handoff


def current(conversation: Conversation) -> Handoff | None:
    """The one that is open; None while the conversation is its robot's."""
    return conversation.handoffs.filter(ended_at=None).select_related("operator").first()


def begin(conversation: Conversation, cause: Handoff.Cause) -> Handoff:
    """Give the conversation to people, whoever of them will take it."""
    conversation.give_to(Conversation.Owner.OPERATOR)
    return Handoff.objects.create(conversation=conversation, cause=cause)


def take(handoff: Handoff, *, operator: User | None, name: str) -> bool:
    """Let one of them have it; whether nobody had it yet."""
    free = Handoff.objects.filter(pk=handoff.pk, taken_at=None)
    return bool(free.update(operator=operator, taken_by=name, taken_at=timezone.now()))


def end(conversation: Conversation, *, name: str) -> None:
    """Give the conversation back to its robot."""
    conversation.give_to(Conversation.Owner.ROBOT)
    conversation.handoffs.filter(ended_at=None).update(ended_at=timezone.now(), returned_by=name)
