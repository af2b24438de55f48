"""What webhooks tell, an object for each kind of subject.  The shapes are pinned: apps read them.

When something happens is noticed by triggers (`webhooks/migrations`): whoever changes a row, by the ORM or
by a statement of its own, has thereby queued the event, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.core.exceptions import ObjectDoesNotExist

from conversations.api.serializers import ConversationOut, MessageOut
from conversations.api.views import messages_of
from conversations.models import Conversation, Handoff, Rating, Session, Turn

type JSONDict = dict[str, Any]


class SubjectGone(Exception):
    """What an event is about was deleted before it could be told."""


def body_of(
    *, event_id: str, event: str, happened_at: Any, conversation_id: int, subject_id: int
) -> JSONDict:
    """What a webhook is sent: the subject as it is now.  Raises SubjectGone."""
    try:
        conversation = Conversation.objects.select_related("robot__account").get(pk=conversation_id)
        data = SUBJECTS[event.partition(".")[0]](conversation, subject_id)
    except ObjectDoesNotExist:
        raise SubjectGone from None
    return {
        "id": event_id,
        "type": event,
        "created_at": happened_at,
        "conversation": ConversationOut(conversation).data,
        "data": data,
    }


def message(conversation: Conversation, pk: int) -> JSONDict:
    found = messages_of(conversation).get(pk=pk)
    return dict(MessageOut(found).data)


def turn(conversation: Conversation, pk: int) -> JSONDict:
    found = Turn.objects.select_related("model").get(pk=pk)
    return {
        "id": str(found.pk),
        "state": found.state,
        "model": found.model.slug if found.model else None,
        "tokens": {
            "input": found.input_tokens,
            "cached_input": found.cached_input_tokens,
            "output": found.output_tokens,
        },
        "cost": {"amount": float(found.cost), "currency": found.currency},
        "queued_at": found.queued_at,
        "started_at": found.started_at,
        "ended_at": found.ended_at,
    }


def handoff(conversation: Conversation, pk: int) -> JSONDict:
    found = Handoff.objects.get(pk=pk)
    return {
        "id": str(found.pk),
        "cause": found.cause,
        "taken_by": found.taken_by,
        "returned_by": found.returned_by,
        "began_at": found.began_at,
        "taken_at": found.taken_at,
        "ended_at": found.ended_at,
    }


def call(conversation: Conversation, pk: int) -> JSONDict:
    found = Session.objects.get(pk=pk)
    return {
        "id": found.public_id,
        "state": found.state,
        "metadata": found.metadata,
        "created_at": found.created_at,
        "ended_at": found.ended_at,
    }


def rating(conversation: Conversation, pk: int) -> JSONDict:
    found = Rating.objects.select_related("session").get(pk=pk)
    return {
        "session": found.session.public_id if found.session else None,
        "score": found.score,
        "comment": found.comment,
        "created_at": found.created_at,
    }


SUBJECTS: Final[dict[str, Callable[[Conversation, int], JSONDict]]] = {
    "message": message,
    "turn": turn,
    "handoff": handoff,
    "call": call,
    "rating": rating,
}
