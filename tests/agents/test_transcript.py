"""What was said in a call, checked against what its agent remembers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents import rounds, transcript
from agents.models import Call
from conversations import spoken
from conversations.models import Message
from tests.support.factories import say
from tests.support.standin import Cloud
from tests.support.voices import make_call, make_voice

pytestmark = pytest.mark.django_db


@pytest.fixture
def call(paper_cloud: Cloud) -> Call:
    return make_call(make_voice(), started_at=timezone.now())


def heard(call: Call, *lines: str) -> None:
    """Callbacks have told of these, of the user and the robot in turn."""
    for number, text in enumerate(lines):
        sender = Message.Sender.ROBOT if number % 2 else Message.Sender.USER
        at = timezone.now() + timedelta(seconds=number)
        extra = rounds.extra_of(call, str(number))
        spoken.keep([spoken.uttered(call.conversation, sender, f"{number}", extra, at=at, text=text)],
                    changing=["text"])  # fmt: skip


def remembered(*lines: str) -> list[dict[str, Any]]:
    """The same as the agent tells it."""
    roles = ("user", "assistant")
    return [{"Role": roles[number % 2], "Content": text} for number, text in enumerate(lines)]


def said(call: Call) -> list[str]:
    return [message.text for message in transcript.said_in(call)]


def test_what_is_known_is_not_stored_again(call: Call) -> None:
    heard(call, "How are you?", "Fine. And you?")

    assert transcript.add_missing(call, remembered("How are you?", "Fine.And you?")) == 0


def test_what_no_callback_told_of_is_stored_in_its_place(call: Call) -> None:
    heard(call, "one", "two", "five", "six")

    assert transcript.add_missing(call, remembered("one", "two", "three", "four", "five", "six")) == 2
    assert said(call) == ["one", "two", "three", "four", "five", "six"]
    assert transcript.add_missing(call, remembered("one", "two", "three", "four", "five", "six")) == 0


def test_an_interrupted_answer_is_the_same_answer(call: Call) -> None:
    heard(call, "tell me a story", "Once upon")

    assert transcript.add_missing(call, remembered("tell me a story", "Once upon a time there was.")) == 0


def test_the_chat_that_the_agent_began_with_is_no_part_of_the_call(call: Call) -> None:
    say(call.conversation, "hello", state=Message.State.RECORDED)
    say(call.conversation, "hi there", sender=Message.Sender.ROBOT, state=Message.State.DELIVERED)
    Message.objects.update(created_at=call.created_at - timedelta(hours=1))

    assert transcript.add_missing(call, remembered("hello", "hi there", "bye", "bye bye")) == 2
    assert said(call) == ["bye", "bye bye"]


def test_without_any_callback_all_is_found(call: Call) -> None:
    assert transcript.add_missing(call, [*remembered("one", "two"), {"Role": "user"}, {"Content": ""}]) == 2
    kinds = {message.kind for message in call.conversation.messages.all()}
    assert (said(call), kinds) == (["one", "two"], {Message.Kind.CALL})
