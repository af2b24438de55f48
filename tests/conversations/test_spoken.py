"""What is said in calls, beside the chat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from bots.events import JSONDict
from bots.models import Robot, Tier
from conversations import ownership, spoken
from conversations.models import Conversation, Handoff, Message, Turn
from conversations.users import set_tier
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


def test_a_rule_that_hands_over_leaves_it_to_who_took_over_meanwhile(robot: Robot) -> None:
    conversation = make_conversation(robot)
    turn = spoken.begin(conversation.pk, question="Hello", whisper="", ids=("asked", "answered"), extra={})
    ownership.take_over(conversation, by="desk")

    spoken.hand_over(turn, Handoff.Cause.RULE, "by the rule of the route")

    turn.refresh_from_db()
    assert (turn.state, turn.error) == (Turn.State.TAKEN_OVER, "")
    assert conversation.handoffs.get().cause == Handoff.Cause.DESK


def test_a_turn_begins_with_the_users_own_tier(robot: Robot) -> None:
    default, own = (Tier.objects.create(slug=slug) for slug in ("free", "vip"))
    Robot.objects.update(default_tier=default)
    set_tier(account=robot.account, user_id="alice", tier=own)

    turns = [
        spoken.begin(make_conversation(robot, peer).pk, question="", whisper="", ids=("1", "2"), extra={})
        for peer in ("alice", "bob")
    ]

    assert [turn.tier for turn in turns] == [own, default]


def test_what_was_asked_is_the_message_that_a_callback_told_of_before(robot: Robot) -> None:
    conversation = make_conversation(robot)
    utter(conversation, "hello", extra={})

    turn = spoken.begin(
        conversation.pk, question="Hello!", whisper="", ids=("call:hello", "answered"), extra={}
    )

    told = conversation.messages.get(sender=Message.Sender.USER)
    assert (told.pk, told.text, told.turn) == (turn.questions[0].pk, "hello", turn)


def test_nothing_begins_in_a_conversation_that_was_erased(db: None) -> None:
    with pytest.raises(Conversation.DoesNotExist):
        spoken.begin(0, question="Hello", whisper="", ids=("asked", "answered"), extra={})


def test_words_of_a_call_stand_where_they_were_said(robot: Robot) -> None:
    conversation, now = make_conversation(robot), timezone.now()
    utter(conversation, "second", extra={}, at=now)
    utter(conversation, "first", extra={}, at=now - timedelta(seconds=9))

    said = sorted(conversation.messages.all(), key=lambda message: message.place)

    assert [message.text for message in said] == ["first", "second"]
