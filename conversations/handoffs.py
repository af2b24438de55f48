"""The times in which people have a conversation.  For whoever holds the conversation's row locked."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.dispatch import Signal
from django.utils import timezone

from conversations import needs
from conversations.models import Conversation, Handoff

# A conversation has passed to people, or back: for apps above this one, within the transaction.
changed_hands = Signal()  # `conversation`


def current(conversation: Conversation) -> Handoff | None:
    """The one that is open; None while the conversation is its robot's."""
    return conversation.handoffs.filter(ended_at=None).select_related("operator", "conversation").first()


def begin(conversation: Conversation, cause: Handoff.Cause) -> Handoff:
    """Give the conversation to people, whoever of them will take it."""
    needs.note(conversation, Conversation.Need.PERSON)
    conversation.give_to(Conversation.Owner.OPERATOR)
    handoff = Handoff.objects.create(conversation=conversation, cause=cause)
    changed_hands.send(Conversation, conversation=conversation)
    return handoff


def take(handoff: Handoff, *, operator: User | None, name: str) -> bool:
    """Let one of them have it; whether nobody had it yet."""
    free = Handoff.objects.filter(pk=handoff.pk, taken_at=None)
    is_taken = bool(free.update(operator=operator, taken_by=name, taken_at=timezone.now()))
    if is_taken:
        needs.settle(handoff.conversation)
    return is_taken


def give(handoff: Handoff, operator: User) -> None:
    """Let this operator have it, whoever had it before."""
    Handoff.objects.filter(pk=handoff.pk).update(
        operator=operator,
        taken_by=operator.get_username(),
        taken_at=Coalesce("taken_at", timezone.now()),
    )
    needs.settle(handoff.conversation)


def held_by(operator: User) -> QuerySet[Handoff]:
    """What the operator has now."""
    return Handoff.objects.filter(ended_at=None, operator=operator)


def waiting() -> QuerySet[Handoff]:
    """Those that nobody has taken, in the order in which they began."""
    return Handoff.objects.filter(ended_at=None, taken_at=None).order_by("began_at", "id")


def end(conversation: Conversation, *, name: str, instruction: str = "") -> None:
    """Give the conversation back to its robot, which is told the instruction from now on."""
    needs.settle(conversation)
    conversation.instruction = instruction
    conversation.save(update_fields=["instruction"])
    conversation.give_to(Conversation.Owner.ROBOT)
    conversation.handoffs.filter(ended_at=None).update(
        ended_at=timezone.now(), returned_by=name, instruction=instruction
    )
    changed_hands.send(Conversation, conversation=conversation)
