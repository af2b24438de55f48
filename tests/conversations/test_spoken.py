"""What is said in calls, beside the chat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from bots.events import JSONDict
from bots.models import Robot
from conversations import ownership, spoken
from conversations.models import Conversation, Message, Turn
from tests.conversations.conftest import Hear
from tests.support.factories import make_conversation, make_turn

pytestmark = pytest.mark.django_db(transaction=True)

HEARD_AT = datetime.fromtimestamp(1_790_000_060, UTC)  # when `hear` has Alice write
ARCHIVED: JSONDict = {"is_archived": True}


def utter(conversation: Conversation, text: str, *, extra: JSONDict, at: datetime = HEARD_AT) -> None:
    said = spoken.uttered(conversation, Message.Sender.USER, f"call:{text}", extra, at=at, text=text)
    spoken.keep([said], changing=["text"])


@pytest.mark.parametrize(
    "extra, seconds, is_stored",
    [(ARCHIVED, 5, False), (ARCHIVED, 3600, True), ({}, 5, True)],
    ids=["written by the vendor too", "an hour earlier", "the vendor writes nothing"],
)
def test_what_the_vendor_writes_of_a_call_into_the_chat_is_not_doubled(
    robot: Robot, hear: Hear, extra: JSONDict, seconds: int, is_stored: bool
) -> None:
    conversation = make_conversation(robot, peer_id="alice")
    utter(conversation, "hello", extra=extra, at=HEARD_AT - timedelta(seconds=seconds))

    hear("hello")

    assert conversation.messages.filter(kind=Message.Kind.TEXT).exists() is is_stored
    assert conversation.turns.exists() is is_stored


def test_a_change_of_hands_ends_spoken_turns_too(robot: Robot) -> None:
    conversation = make_conversation(robot)
    make_turn(conversation, Turn.State.THINKING)
    make_turn(conversation, Turn.State.THINKING, is_spoken=True)

    ownership.take_over(conversation, by="desk")

    assert set(conversation.turns.values_list("ending", flat=True)) == {Turn.State.TAKEN_OVER}


def test_words_of_a_call_stand_where_they_were_said(robot: Robot) -> None:
    conversation, now = make_conversation(robot), timezone.now()
    utter(conversation, "second", extra={}, at=now)
    utter(conversation, "first", extra={}, at=now - timedelta(seconds=9))

    said = sorted(conversation.messages.all(), key=lambda message: message.place)

    assert [message.text for message in said] == ["first", "second"]
