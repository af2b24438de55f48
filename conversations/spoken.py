"""Turns of calls: asked and answered aloud, while the chat beside them goes on by turns of its own.

They live in the web process that the voice service asks.  There is no job that would take one up again:
nobody waits on the line for a process that died.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import structlog
from django.db import connection, transaction
from django.utils import timezone

from bots.database import execute_quickly, insert, model_of, rows_of
from bots.events import JSONDict
from bots.known import REVISION, known_at
from bots.robots import load_robot
from conversations import turns, users
from conversations.errors import Superseded
from conversations.models import Conversation, Handoff, Message, Turn
from conversations.screening import handoff_word
from conversations.storing import NEW_PUBLIC_ID

log = structlog.get_logger(__name__)

LOST_AFTER: Final = timedelta(minutes=15)  # no model may take so long for an answer that is spoken

# Every question of a call begins with it.  The conversation's row is locked first: nobody takes it over
# meanwhile.  Nothing of it needs to wait for the disk, as its model call will (`calls.put_on_disk`).
BEGIN: Final = f"""
WITH conversation AS MATERIALIZED (
    SELECT * FROM conversations_conversation WHERE id = %(conversation)s FOR NO KEY UPDATE
), able AS (
    SELECT conversation.*, robot.user_id AS robot_user_id,
           coalesce({users.TIER}, robot.default_tier_id) AS tier_id
      FROM conversation
      JOIN bots_robot AS robot ON robot.id = conversation.robot_id AND robot.enabled
      JOIN bots_vendoraccount AS account ON account.id = robot.account_id AND account.enabled
     WHERE conversation.owner = 'robot'
), turn AS (
    {{insert_turn}} FROM able RETURNING id, tier_id
), said AS (
    {{insert_messages}}
      FROM able CROSS JOIN turn CROSS JOIN LATERAL (VALUES
          -- Chats owe answers to what they have received; this is answered aloud.
          (1, 'user', able.peer_id, %(question)s, 'recorded', %(asked)s),
          (2, 'robot', able.robot_user_id, '', 'streaming', %(answered)s)
      ) AS said (place, sender, sender_id, text, state, vendor_message_id)
     WHERE said.place = 2 OR %(question)s <> ''
     ORDER BY said.place
    -- The vendor's callbacks may have been first to tell of them.
    ON CONFLICT (conversation_id, vendor_message_id) DO UPDATE SET turn_id = excluded.turn_id
    RETURNING id, sender
)
SELECT conversation.*, {REVISION} AS revision, turn.id AS turn_id, turn.tier_id,
       (SELECT id FROM said WHERE sender = 'user') AS question_id
  FROM conversation LEFT JOIN turn ON true
"""  # noqa: S608


class Silent(Exception):
    """The robot has nothing to say: people have the conversation, or it is disabled."""


def begin(
    conversation_id: int, *, question: str, whisper: str, ids: tuple[str, str], extra: JSONDict
) -> Turn:
    """A turn that thinks about what the user asked, or what an operator whispered to the robot.

    `ids` are those of the question's and the answer's message, the same whoever tells of them first.
    Raises Silent.
    """
    now = timezone.now()
    parameters = {"conversation": conversation_id, "whisper": whisper, "now": now}
    said = {"question": question, "asked": ids[0], "answered": ids[1], "extra": json.dumps(extra)}
    with connection.cursor() as cursor:
        execute_quickly(cursor, statement(), {**parameters, **said})
        begun = rows_of(cursor)
    if not begun:
        raise Conversation.DoesNotExist(f"conversation {conversation_id} is gone")
    turn = begun_turn(begun[0], whisper=whisper, at=now)
    asked = uttered(turn.conversation, Message.Sender.USER, ids[0], extra, turn=turn, at=now, text=question)
    asked.pk = begun[0]["question_id"]
    turn.questions = [asked] if question else []
    if word := handoff_word(turn):
        hand_over(turn, Handoff.Cause.WORDS, f"the user asked for people: {word}")
        raise Silent("the user asked for people")
    return turn


def begun_turn(row: Mapping[str, Any], *, whisper: str, at: datetime) -> Turn:
    """The turn of which BEGIN tells.  Raises Silent where there is none."""
    conversation = model_of(Conversation, row)
    if row["turn_id"] is None:
        is_ours = conversation.owner == Conversation.Owner.ROBOT
        raise Silent("the robot is disabled" if is_ours else "people have the conversation")
    known = known_at(conversation.revision)
    conversation.robot = known.get(load_robot, conversation.robot_id)
    return Turn(
        pk=row["turn_id"],
        conversation=conversation,
        is_spoken=True,
        whisper=whisper,
        state=Turn.State.THINKING,
        epoch=conversation.epoch,
        attempt=1,
        tier=known.get(users.load_tier, row["tier_id"]) if row["tier_id"] else None,
        queued_at=at,
        started_at=at,
    )


@cache
def statement() -> str:
    place = {"conversation_id": "able.id", "turn_id": "turn.id"}
    return BEGIN.format(
        insert_turn=insert(
            Turn,
            conversation_id="id",
            is_spoken="true",
            whisper="%(whisper)s",
            state="'thinking'",
            epoch="epoch",
            attempt="1",
            tier_id="tier_id",
            queued_at="%(now)s",
            started_at="%(now)s",
        ),
        insert_messages=insert(
            Message,
            **place,
            public_id=NEW_PUBLIC_ID,
            sender="sender",
            sender_id="sender_id",
            kind="'call'",
            text="text",
            extra="%(extra)s::jsonb",
            state="state",
            vendor_message_id="vendor_message_id",
            happened_at="%(now)s",
            created_at="%(now)s",
        ),
    )


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


def hand_over(turn: Turn, cause: Handoff.Cause, reason: str) -> None:
    """Give the conversation to people, with nothing said, unless it changed hands meanwhile."""
    state = Turn.State.HANDED_OFF
    with transaction.atomic():
        try:
            turns.hand_over(turn, cause)
        except Superseded:
            state, reason = ending_of(turn)
        finish(turn, state, error=reason)


def ending_of(turn: Turn) -> tuple[Turn.State, str]:
    """How a turn ends that may not go on: called off from here, or hung up upon by the voice service."""
    turn.refresh_from_db(fields=["ending"])
    if turn.ending:
        return Turn.State(turn.ending), ""
    return Turn.State.STOPPED, "the voice service hung up"


def end_lost() -> None:
    """End the turns whose process died."""
    lost = Turn.objects.filter(
        is_spoken=True, state__in=Turn.RUNNING, started_at__lt=timezone.now() - LOST_AFTER
    )
    for turn in lost.select_related("conversation__robot__account"):
        log.warning("spoken turn lost", turn=turn.pk)
        finish(turn, Turn.State.FAILED, error="the process that answered is gone")
