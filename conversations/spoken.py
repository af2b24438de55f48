"""Turns of calls: asked and answered aloud, while the chat beside them goes on by turns of its own.

They live in the web process that the voice service asks.  There is no job that would take one up again:
nobody waits on the line for a process that died.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import transaction
from django.utils import timezone

from bots.database import commit_quickly
from bots.events import JSONDict
from conversations import handoffs, turns, users
from conversations.errors import Superseded
from conversations.models import Conversation, Handoff, Message, Turn
from conversations.screening import handoff_word

log = structlog.get_logger(__name__)

LOST_AFTER: Final = timedelta(minutes=15)  # no model may take so long for an answer that is spoken


class Silent(Exception):
    """The robot has nothing to say: people have the conversation, or it is disabled."""


def begin(
    conversation_id: int, *, question: str, whisper: str, ids: tuple[str, str], extra: JSONDict
) -> Turn:
    """A turn that thinks about what the user asked, or what an operator whispered to the robot.

    `ids` are those of the question's and the answer's message, the same whoever tells of them first.
    Raises Silent.
    """
    with transaction.atomic():
        conversation = turns.lock(conversation_id)
        robot = conversation.robot
        if conversation.owner != Conversation.Owner.ROBOT:
            raise Silent("people have the conversation")
        if not (robot.enabled and robot.account.enabled):
            raise Silent("the robot is disabled")
        now = timezone.now()
        turn = Turn.objects.create(
            conversation=conversation,
            is_spoken=True,
            whisper=whisper,
            state=Turn.State.THINKING,
            epoch=conversation.epoch,
            attempt=1,
            tier=users.tier_of(conversation),
            queued_at=now,
            started_at=now,
        )
        answer = uttered(conversation, Message.Sender.ROBOT, ids[1], extra, turn=turn, at=now)
        answer.state = Message.State.STREAMING
        asked = uttered(conversation, Message.Sender.USER, ids[0], extra, turn=turn, at=now, text=question)
        turn.questions = [asked] if question else []
        keep([*turn.questions, answer], changing=["turn"])
        word = handoff_word(turn)
        if word:
            handoffs.begin(conversation, Handoff.Cause.WORDS)
            finish(turn, Turn.State.HANDED_OFF, error=f"the user asked for people: {word}")
        else:
            commit_quickly()  # before a model is asked its call is stored, by a commit that waits
    if word:
        raise Silent("the user asked for people")
    return turn


def uttered(
    conversation: Conversation,
    sender: Message.Sender,
    id_: str,
    extra: JSONDict,
    *,
    at: datetime,
    text: str = "",
    turn: Turn | None = None,
) -> Message:
    """What was said in a call, not saved yet."""
    is_user = sender == Message.Sender.USER
    return Message(
        conversation=conversation,
        turn=turn,
        sender=sender,
        sender_id=conversation.peer_id if is_user else conversation.robot.user_id,
        kind=Message.Kind.CALL,
        text=text,
        # Chats owe answers to what they have received; this was answered aloud.
        state=Message.State.RECORDED if is_user else Message.State.DELIVERED,
        vendor_message_id=id_,
        extra=extra,
        happened_at=at,
    )


def keep(messages: Sequence[Message], *, changing: Sequence[str]) -> None:
    """Store messages; of those that are there already, only these fields change."""
    Message.objects.bulk_create(
        messages,
        update_conflicts=True,
        unique_fields=["conversation", "vendor_message_id"],
        update_fields=changing,
    )


def finish(turn: Turn, state: Turn.State, *, said: str = "", error: str = "") -> None:
    """Settle a turn, with what was said of its reply."""
    with transaction.atomic():
        running = Turn.objects.select_for_update(no_key=True).filter(pk=turn.pk, state__in=Turn.RUNNING)
        if not running.exists():
            raise Superseded
        answer = turn.messages.filter(sender=Message.Sender.ROBOT, state=Message.State.STREAMING)
        if said:
            answer.update(text=said, state=Message.State.DELIVERED)
        else:
            answer.filter(text="").delete()
        turns.end(turn, state, error)


def hand_over(turn: Turn, reason: str) -> None:
    """Give the conversation to people, with nothing said.  Raises Superseded."""
    with transaction.atomic():
        turns.hand_over(turn, Handoff.Cause.RULE)
        finish(turn, Turn.State.HANDED_OFF, error=reason)


def end_lost() -> None:
    """End the turns whose process died."""
    lost = Turn.objects.filter(
        is_spoken=True, state__in=Turn.RUNNING, started_at__lt=timezone.now() - LOST_AFTER
    )
    for turn in lost.select_related("conversation__robot__account"):
        log.warning("spoken turn lost", turn=turn.pk)
        finish(turn, Turn.State.FAILED, error="the process that answered is gone")
