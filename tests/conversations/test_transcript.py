from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from bots import vendors
from bots.models import Robot
from conversations.models import Callback, Conversation, Message, Turn
from conversations.transcript import PAGE_MESSAGES, link_of, masked, messages_of, read, timings
from tests.support import factories
from tests.support.factories import START, make_callback, make_conversation, make_turn, say

pytestmark = pytest.mark.django_db
ROBOT = Message.Sender.ROBOT


@pytest.fixture
def conversation(monkeypatch: pytest.MonkeyPatch) -> Conversation:
    monkeypatch.setitem(vendors.VENDORS, "paper", factories.VENDORS["paper"])
    route = factories.make_route()
    return make_conversation(factories.make_robot(factories.make_account(), route))


def texts(conversation: Conversation, **options: Any) -> list[str]:
    return [line.message.text for line in read(conversation, **options).lines]


def test_a_reply_stands_behind_its_questions(conversation: Conversation) -> None:
    turn = make_turn(conversation, started_at=START)
    say(conversation, "How are you?", minute=2, turn=turn)
    say(conversation, "Fine.", minute=1, turn=turn, sender=ROBOT)
    assert texts(conversation) == ["How are you?", "Fine."]


def test_long_conversations_are_read_page_by_page(conversation: Conversation) -> None:
    messages = [say(conversation, str(number)) for number in range(PAGE_MESSAGES + 10)]
    newest = read(conversation)
    assert texts(conversation) == [message.text for message in messages[10:]]
    assert newest.earlier == messages[10].pk
    assert texts(conversation, before=newest.earlier) == [str(number) for number in range(10)]
    assert read(conversation, before=newest.earlier).earlier is None


def test_a_turn_is_told_beside_the_first_message_of_its_reply(conversation: Conversation) -> None:
    turn = make_turn(conversation, started_at=START)
    for text, sender in [("a", Message.Sender.USER), ("b", Message.Sender.USER), ("c", ROBOT), ("d", ROBOT)]:
        say(conversation, text, turn=turn, sender=sender)
    assert [line.turn for line in read(conversation).lines] == [None, None, turn, None]


def test_a_turn_without_a_reply_is_told_beside_the_question(conversation: Conversation) -> None:
    turn = make_turn(conversation, Turn.State.FAILED, started_at=START)
    say(conversation, "a", turn=turn)
    assert [line.turn for line in read(conversation).lines] == [turn]


def test_a_turn_that_waits_is_told_at_the_end(conversation: Conversation) -> None:
    turn = make_turn(conversation, Turn.State.WAITING)
    message = say(conversation, "Hello?")
    assert read(conversation).unseen_turns == [turn]
    assert read(conversation, before=message.pk).unseen_turns == []


def test_each_day_begins_once(conversation: Conversation) -> None:
    for minute in (0, 1, 24 * 60, 24 * 60 + 1):
        message = say(conversation, str(minute), minute=minute)
        Message.objects.filter(pk=message.pk).update(created_at=message.happened_at)
    days = [line.day for line in read(conversation).lines]
    assert days == [START.date(), None, START.date() + timedelta(days=1), None]


def test_timings_are_those_that_are_over() -> None:
    turn = Turn(
        queued_at=START, started_at=START + timedelta(seconds=2), ended_at=START + timedelta(seconds=5)
    )
    assert timings(turn) == [("waited", 2.0), ("in all", 5.0)]


@pytest.mark.parametrize(
    "url, link",
    [
        ("https://cos.example/a.jpg?sign=1#x", "https://cos.example/a.jpg?sign=1#x"),
        ("javascript:alert(1)", ""),
        ("//cos.example/a", ""),
        (["https://x"], ""),
        (None, ""),
    ],
)
def test_only_web_addresses_become_links(url: Any, link: str) -> None:
    assert link_of(Message(extra={"url": url})) == link


def test_a_callback_leads_to_its_messages(conversation: Conversation) -> None:
    robot: Robot = conversation.robot
    said = say(conversation, "Hello", vendor_message_id="m1")
    say(conversation, "Again", vendor_message_id="m2")
    body = {
        "kind": "message",
        "id": "d1",
        "to": robot.user_id,
        "from": "alice",
        "text": "Hello",
        "message_id": "m1",
    }
    callback = make_callback(robot.account, body=json.dumps(body))
    assert messages_of(callback) == [said]


def test_a_callback_that_was_not_read_leads_nowhere(conversation: Conversation) -> None:
    callback = make_callback(conversation.robot.account, body="{", state=Callback.State.UNREAD)
    assert messages_of(callback) == []


def test_what_was_masked_is_told_by_kind_and_number() -> None:
    findings = [
        {
            "side": "input",
            "deed": "masked",
            "kind": "personal_data",
            "source": "phone",
            "rule": "",
            "count": 2,
        },
        {
            "side": "output",
            "deed": "blocked",
            "kind": "word",
            "source": "block_words",
            "rule": "x",
            "count": 1,
        },
    ]
    assert masked(Turn(screening=findings)) == ["question: phone numbers × 2"]
    assert masked(Turn()) == []
