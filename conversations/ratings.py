"""How content users were: said by the app, or by the user in answer to the question."""

from __future__ import annotations

import re
from typing import Final

from django.db import transaction
from django.utils import timezone

from conversations import needs, telling
from conversations.desks import desk_of
from conversations.models import Conversation, Message, Rating, Session, Turn
from metrics.families import RATINGS

LOW: Final = 2  # a person should look at a conversation that was rated so, or worse
SCORE: Final = re.compile(r"([1-5１-５])\s*(?:分|星|stars?|/\s*5)?\s*[.!。！]?", re.IGNORECASE)


def record(
    conversation: Conversation, *, score: int, comment: str = "", session: Session | None = None
) -> Rating:
    rating = Rating.objects.create(conversation=conversation, session=session, score=score, comment=comment)
    if score <= LOW:
        needs.note(conversation, Conversation.Need.LOW_RATING)
    transaction.on_commit(lambda: RATINGS.labels(str(score)).inc())
    return rating


def ask(conversation: Conversation) -> None:
    """Have the user asked.  For use inside a transaction."""
    telling.tell(conversation, desk_of(conversation.robot).rating_question)
    conversation.rating_asked_at = timezone.now()
    conversation.save(update_fields=["rating_asked_at"])


def score_in(turn: Turn) -> int | None:
    """What the user gave who was asked, if the turn's questions are nothing but that."""
    texts = turn.messages.filter(sender=Message.Sender.USER).values_list("text", flat=True)
    found = SCORE.fullmatch("\n".join(texts).strip())
    return int(found[1]) if found else None


def take(conversation: Conversation, score: int) -> str:
    """Record the user's answer; what to say to it.  The conversation is as resolved as before."""
    record(conversation, score=score)
    conversation.resolved_at = timezone.now()
    conversation.rating_asked_at = None
    conversation.save(update_fields=["resolved_at", "rating_asked_at"])
    return desk_of(conversation.robot).rating_thanks


def forget_question(conversation: Conversation) -> None:
    """The user spoke of something else: a number that comes later is no rating."""
    if conversation.rating_asked_at:
        conversation.rating_asked_at = None
        conversation.save(update_fields=["rating_asked_at"])
