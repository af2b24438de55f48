"""What failed is done again because a person says so, once, however often they say it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from bots.errors import VendorRefused
from bots.models import LanguageModel, Robot
from conversations import operating, ownership, relaying, repeating, turns
from conversations.models import Conversation, Message, Turn
from tests.conversations.conftest import Hear
from tests.support.factories import make_conversation, make_turn, say
from tests.support.standin import Cloud

pytestmark = pytest.mark.django_db(transaction=True)  # frames leave in a thread of their own


def repeat(turn: Turn) -> bool:
    return repeating.repeat(Turn.objects.get(pk=turn.pk), by="susan")


@pytest.fixture
def refused(hear: Hear, cloud: Cloud) -> Turn:
    """A turn whose answer the cloud would not take."""
    Robot.objects.update(reply_mode=Robot.ReplyMode.WHOLE)
    cloud.trouble.append((True, VendorRefused("no such user", party="standin")))
    conversation = hear("Hello")
    turns.answer(conversation.pk)
    turn = Turn.objects.get()
    assert (turn.state, turn.reply, cloud.shown()) == ("failed", "You said: Hello", [])
    return turn


@pytest.fixture
def unanswered(hear: Hear, model: LanguageModel) -> Turn:
    """A turn to which no model had an answer."""
    LanguageModel.objects.update(enabled=False)
    turns.answer(hear("Hello").pk)
    LanguageModel.objects.update(enabled=True)
    return Turn.objects.get()


def test_a_reply_that_was_not_taken_is_delivered_without_asking_a_model(refused: Turn, cloud: Cloud) -> None:
    assert repeat(refused)
    turns.answer(refused.conversation_id)

    assert cloud.shown() == ["You said: Hello"]
    refused.refresh_from_db()
    assert (refused.state, refused.error, refused.calls.count()) == ("done", "", 1)
    assert not repeat(refused)
    assert Turn.objects.count() == 1


def test_to_repeat_twice_at_once_is_to_repeat_once(refused: Turn, cloud: Cloud) -> None:
    assert repeat(refused)
    assert not repeat(refused)
    for _ in range(2):
        turns.answer(refused.conversation_id)

    assert cloud.shown() == ["You said: Hello"]


def test_its_robots_message_is_repeated_with_the_reply(refused: Turn, cloud: Cloud) -> None:
    message = refused.messages.get(sender=Message.Sender.ROBOT)
    assert message.state == Message.State.FAILED

    assert repeating.deliver_again(message, by="susan")
    turns.answer(refused.conversation_id)

    assert cloud.shown() == ["You said: Hello"]
    message.refresh_from_db()
    assert (message.state, message.error) == ("delivered", "")
    assert not repeating.deliver_again(message, by="susan")


def test_a_question_that_got_no_answer_is_asked_again(unanswered: Turn, cloud: Cloud) -> None:
    assert unanswered.state == "failed"
    assert repeat(unanswered)
    assert not repeat(unanswered)

    turns.answer(unanswered.conversation_id)

    assert cloud.shown() == ["Sorry.", "You said: Hello"]
    unanswered.refresh_from_db()
    assert unanswered.error.endswith("; asked again by susan")
    assert list(Turn.objects.order_by("pk").values_list("state", flat=True)) == ["failed", "done"]


def test_a_conversation_that_people_have_is_left_to_them(unanswered: Turn) -> None:
    ownership.take_over(unanswered.conversation, by="desk")

    assert not repeat(unanswered)


def test_what_went_well_is_not_repeated(hear: Hear, cloud: Cloud) -> None:
    turns.answer(hear("Hello").pk)

    assert not repeat(Turn.objects.get())
    assert not repeating.deliver_again(Message.objects.get(sender="robot"), by="susan")
    assert cloud.shown() == ["You said: Hello"]


def test_a_reply_waits_until_no_other_runs(refused: Turn) -> None:
    make_turn(refused.conversation, Turn.State.THINKING)

    assert not repeat(refused)


def test_an_operators_message_is_sent_again(robot: Robot, cloud: Cloud) -> None:
    conversation = make_conversation(robot)
    ownership.take_over(conversation, by="desk")
    message = operating.say(conversation, "I see to it.", by="desk")
    cloud.trouble.append((True, VendorRefused("no such user", party="standin")))
    relaying.deliver(message.pk)
    message.refresh_from_db()
    assert message.state == Message.State.FAILED

    assert repeating.deliver_again(message, by="susan")
    assert not repeating.deliver_again(message, by="susan")
    relaying.deliver(message.pk)

    assert cloud.shown() == ["I see to it."]


def test_users_messages_are_not_ours_to_deliver(robot: Robot) -> None:
    message = say(make_conversation(robot), "Hello", state=Message.State.FAILED)

    assert not repeating.deliver_again(message, by="susan")


def page(obj: Any, name: str) -> str:
    return reverse(f"admin:conversations_{obj._meta.model_name}_{name}", args=[obj.pk])


def test_a_turn_is_repeated_by_a_button_and_noted(admin_client: Client, unanswered: Turn) -> None:
    assert page(unanswered, "repeat") in admin_client.get(page(unanswered, "change")).text

    for expected in (
        "1 is done again.",
        "1 has not failed, was repeated already, or its robot may not speak now.",
    ):
        response = admin_client.post(page(unanswered, "repeat"), follow=True)
        assert expected in [str(message) for message in response.context["messages"]]

    assert [(entry.change_message, entry.object_id) for entry in LogEntry.objects.all()] == [
        ("repeated", str(unanswered.pk))
    ]


def test_selected_deliveries_are_repeated(admin_client: Client, refused: Turn, cloud: Cloud) -> None:
    messages = list(Message.objects.values_list("pk", flat=True))  # the question too
    sent = {"action": "repeat_selected", "_selected_action": messages}

    response = admin_client.post(reverse("admin:conversations_message_changelist"), sent, follow=True)

    told = [str(message) for message in response.context["messages"]]
    assert told[0] == "1 is done again."
    turns.answer(Conversation.objects.get().pk)
    assert cloud.shown() == ["You said: Hello"]


def test_repeating_needs_a_right_and_a_post(client: Client, unanswered: Turn) -> None:
    user = User.objects.create_user("carol", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)

    assert page(unanswered, "repeat") not in client.get(page(unanswered, "change")).text
    assert client.post(page(unanswered, "repeat")).status_code == 403
    assert client.get(page(unanswered, "repeat")).status_code == 405
