from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from audit.models import Entry
from bots.models import Robot
from conversations import ownership
from conversations.console import masking
from conversations.models import Message
from tests.support.factories import make_conversation, say
from tests.support.staff import logged_in, make_staff

pytestmark = pytest.mark.django_db

PHONE = "13800138000"


@pytest.fixture(autouse=True)
def nothing_read() -> None:
    cache.clear()


def entries() -> list[tuple[str, str, str]]:
    return list(Entry.objects.order_by("id").values_list("who", "deed", "what"))


def desk(name: str, group: str) -> Client:
    return logged_in(make_staff(name, group))


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
    assert ("olive", "read", f"conversation {conversation.public_id}") in entries()


def test_viewers_see_no_ids_of_users_nor_spell_them_out(robot: Robot) -> None:
    conversation = make_conversation(robot, "alice-2024-x")
    say(conversation, f"Call me: {PHONE}", sender_id="alice-2024-x")
    viewer, operator = desk("vera", "viewer"), desk("olive", "operator")
    place = f"/console/{conversation.public_id}/"
    addresses = [
        "/console/",
        "/console/?q=call",
        place,
        f"{place}user/",
        f"{place}messages/?before=999999999",
    ]

    for address in addresses:
        page = viewer.get(address).content.decode()
        assert "alice-2024-x" not in page
        assert "al***-x" in page
    assert all("alice-2024-x" in operator.get(address).content.decode() for address in addresses)

    def found(client: Client, query: str) -> tuple[int, int]:
        context = client.get(f"/console/?q={query}").context
        return len(context["page"].rows), len(context["found"].hits)

    assert found(operator, "alice-2") == found(viewer, "alice-2024-x") == (1, 0)
    assert found(operator, "13800") == found(viewer, "call") == (0, 1)
    assert found(viewer, "alice-2") == found(viewer, "13800") == found(viewer, "call+13800") == (0, 0)


def test_that_lists_of_personal_data_are_read_is_recorded_once(robot: Robot) -> None:
    for number in range(3):
        say(make_conversation(robot, f"user{number}"), f"Call me: {PHONE}")
    viewer, operator = desk("vera", "viewer"), desk("olive", "operator")

    for client in (viewer, operator, operator):
        client.get("/console/list/")
        client.get("/console/list/?q=call")

    assert entries() == [("olive", "read", "list of conversations"), ("olive", "read", "search")]
    assert Entry.objects.get(what="search").details == "call"


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
