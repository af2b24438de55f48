from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from audit.models import Entry
from bots.models import Robot
from conversations import ownership
from conversations.console import masking
from conversations.console.rights import create_groups
from conversations.models import Message
from tests.support.factories import make_conversation, say

pytestmark = pytest.mark.django_db

PHONE = "13800138000"


def entries() -> list[tuple[str, str, str]]:
    return list(Entry.objects.order_by("id").values_list("who", "deed", "what"))


def desk(name: str, group: str) -> Client:
    create_groups()
    user = User.objects.create_user(name)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


def test_who_takes_over_and_hands_back_is_recorded(robot: Robot) -> None:
    conversation = make_conversation(robot)
    olive = User.objects.create_user("olive")
    peter = User.objects.create_user("peter")

    ownership.take_over(conversation, operator=olive)
    ownership.take_over(conversation, operator=peter)  # who is told that olive has it
    ownership.assign(conversation, operator=peter, by="susan")
    ownership.hand_back(conversation, by="peter")

    place = f"conversation {conversation.public_id}"
    assert entries() == [
        ("olive", "took_over", place),
        ("susan", "assigned", place),
        ("peter", "handed_back", place),
    ]


def test_viewers_see_no_personal_data_and_others_are_recorded(robot: Robot) -> None:
    conversation = make_conversation(robot)
    say(conversation, f"Call me: {PHONE}")
    viewer, operator = desk("vera", "viewer"), desk("olive", "operator")
    addresses = ["/console/", f"/console/{conversation.public_id}/"]

    assert not [each for each in addresses if PHONE in viewer.get(each).content.decode()]
    assert "138****8000" in viewer.get(addresses[1]).content.decode()
    assert entries() == []

    assert PHONE in operator.get(addresses[1]).content.decode()
    assert entries() == [("olive", "read", f"conversation {conversation.public_id}")]


@pytest.mark.parametrize(
    "state, text, shown",
    [
        (Message.State.STREAMING, "Call 1380013", "Call "),
        (Message.State.STREAMING, f"Call {PHONE}, please", "Call 138****8000, "),  # please@…
        (Message.State.STREAMING, f"Call {PHONE}, please! ", "Call 138****8000, please! "),
        (Message.State.DELIVERED, "Room 1380013", "Room 1380013"),
        (Message.State.STREAMING, "", ""),
    ],
)
def test_growing_numbers_are_not_shown_before_they_are_whole(state: str, text: str, shown: str) -> None:
    event = {"type": "message", "text": text, "state": state}

    assert masking.masked(event)["text"] == shown
