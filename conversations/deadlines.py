"""How long people may leave users waiting: whoever waits longer is the robot's again, and told so."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Greatest

from conversations import ownership, telling
from conversations.desks import desk_of
from conversations.models import Handoff, Message

TIME_OUT: Final = "time-out"  # by whose name such a handoff ends

SAID: Final = Message.objects.filter(conversation=OuterRef("conversation"))
LAST_ANSWER: Final = SAID.filter(sender=Message.Sender.OPERATOR).order_by("-id").values("id")[:1]
FIRST_UNANSWERED: Final = (
    SAID.filter(sender=Message.Sender.USER, turn=None, is_overheard=False, id__gt=OuterRef("last_answer"))
    .order_by("id")
    .values("created_at")[:1]
)


def enforce(now: datetime) -> int:
    """Hand back what has waited too long, wherever a desk says how long that is; how many."""
    desks = ("conversation__robot__own_desk", "conversation__robot__account__desk")
    overdue = [handoff for handoff in waiting().select_related(*desks) if is_overdue(handoff, now)]
    return sum(hand_back(handoff, now) for handoff in overdue)


def waiting() -> QuerySet[Handoff]:
    """Open handoffs, each with the time since when its user waits for an answer; None: for nothing."""
    unanswered = Handoff.objects.annotate(last_answer=Coalesce(Subquery(LAST_ANSWER), 0)).annotate(
        unanswered_since=Subquery(FIRST_UNANSWERED)
    )
    return unanswered.filter(ended_at=None).annotate(since=Greatest("taken_at", "unanswered_since"))


def is_overdue(handoff: Handoff, now: datetime) -> bool:
    desk = desk_of(handoff.conversation.robot)
    if handoff.taken_at is None:
        return is_over(handoff.began_at, desk.take_within_min, now)
    waits = handoff.unanswered_since is not None  # type: ignore[attr-defined]  # annotated
    return waits and is_over(handoff.since, desk.answer_within_min, now)  # type: ignore[attr-defined]


def is_over(since: datetime, minutes: int | None, now: datetime) -> bool:
    return minutes is not None and now - since > timedelta(minutes=minutes)


def hand_back(handoff: Handoff, now: datetime) -> bool:
    """Whether it was still overdue once nobody else could change it."""
    conversation = handoff.conversation
    with transaction.atomic():
        ownership.lock(conversation)
        current = waiting().filter(pk=handoff.pk).first()
        if current is None or not is_overdue(current, now):
            return False
        telling.tell(conversation, desk_of(conversation.robot).timeout_reply)
        return ownership.hand_back(conversation, by=TIME_OUT)
