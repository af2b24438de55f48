from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from bots.errors import VendorRefused
from conversations import handoffs, ownership, relaying, turns
from conversations.models import Conversation, Handoff, Message
from tests.conversations.conftest import Hear
from tests.support.standin import Cloud

pytestmark = pytest.mark.django_db(transaction=True)  # frames leave in a thread of their own


def address_of(conversation: Conversation, what: str) -> str:
    return f"/api/v1/conversations/{conversation.public_id}/{what}"


def test_who_takes_over_answers_as_the_robot(desk: APIClient, hear: Hear, cloud: Cloud) -> None:
    conversation = hear("Help!")

    taken = desk.post(address_of(conversation, "take_over"))
    said = desk.post(address_of(conversation, "messages"), {"text": "I am here."})
    relaying.deliver(Message.objects.get(sender="operator").pk)
    turns.answer(conversation.pk)

    assert (taken.json()["state"], said.status_code) == ("operator", 202)
    assert cloud.shown() == ["I am here."]
    assert Message.objects.get(sender="operator").state == Message.State.DELIVERED


def test_what_operators_say_is_sent_once(desk: APIClient, hear: Hear, cloud: Cloud) -> None:
    conversation = hear("Help!")
    desk.post(address_of(conversation, "take_over"))
    desk.post(address_of(conversation, "messages"), {"text": "I am here."})
    message = Message.objects.get(sender="operator")

    relaying.deliver(message.pk)
    relaying.deliver(message.pk)

    assert cloud.calls.count("send") == 1


def test_what_the_vendor_refuses_is_marked_so(desk: APIClient, hear: Hear, cloud: Cloud) -> None:
    conversation = hear("Help!")
    desk.post(address_of(conversation, "take_over"))
    desk.post(address_of(conversation, "messages"), {"text": "I am here."})
    cloud.trouble.append((True, VendorRefused("not a friend", party="standin")))

    relaying.deliver(Message.objects.get(sender="operator").pk)

    message = Message.objects.get(sender="operator")
    assert (message.state, "not a friend" in message.error) == (Message.State.FAILED, True)


def test_nobody_speaks_for_a_robot_that_has_not_been_taken_over(desk: APIClient, hear: Hear) -> None:
    response = desk.post(address_of(hear("Help!"), "messages"), {"text": "I am here."})

    assert (response.status_code, response.json()["error"]["code"]) == (409, "not_taken_over")


@pytest.mark.parametrize("move", ["take_over", "messages", "hand_back"])
def test_what_an_operator_has_is_theirs(desk: APIClient, hear: Hear, move: str) -> None:
    conversation = hear("Help!")
    olive = User.objects.create_user("olive")
    ownership.take_over(conversation, operator=olive)

    response = desk.post(address_of(conversation, move), {"text": "I am here."})

    assert (response.status_code, response.json()["error"]["code"]) == (409, "taken_by_operator")
    assert Handoff.objects.get(ended_at=None).operator == olive
    assert not Message.objects.filter(sender="operator").exists()


def test_a_desk_may_take_over_twice_and_answer_who_waits(desk: APIClient, hear: Hear) -> None:
    conversation = hear("Help!")
    handoffs.begin(conversation, Handoff.Cause.WORDS)

    said = desk.post(address_of(conversation, "messages"), {"text": "I am here."})

    assert said.status_code == 202
    assert Handoff.objects.get().taken_by == "desk"
    assert desk.post(address_of(conversation, "take_over")).status_code == 200


def test_a_text_that_fits_no_message_is_refused(desk: APIClient, hear: Hear) -> None:
    conversation = hear("Help!")
    desk.post(address_of(conversation, "take_over"))

    response = desk.post(address_of(conversation, "messages"), {"text": "long " * 1000})

    assert (response.status_code, list(response.json()["error"]["fields"])) == (400, ["text"])


def test_the_robot_answers_again_after_hand_back(desk: APIClient, hear: Hear, cloud: Cloud) -> None:
    conversation = hear("Help!")
    desk.post(address_of(conversation, "take_over"))

    given_back = desk.post(address_of(conversation, "hand_back"))
    turns.answer(conversation.pk)

    assert given_back.json()["state"] == "robot"
    assert cloud.shown() == ["You said: Help!"]
