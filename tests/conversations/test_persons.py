from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bots.models import Robot, Tier
from conversations import persons, searching
from conversations.models import (
    Callback,
    Conversation,
    EndUser,
    Fold,
    Handoff,
    Message,
    Note,
    Rating,
    Session,
    Spend,
    Turn,
)
from tests.support.factories import make_call, make_callback, make_conversation, make_spend, make_turn, say
from tests.support.standin import callback_body

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(robot: Robot) -> Robot:
    """Alice and Bob each have a chat, and both wrote in the club."""
    tier = Tier.objects.create(slug="vip")
    for name in ("alice", "bob"):
        chat = make_conversation(robot, name)
        turn = make_turn(chat, reply="Hello.")
        make_call(turn)
        say(chat, f"I am {name}", turn=turn)
        Handoff.objects.create(conversation=chat, cause=Handoff.Cause.WORDS)
        Note.objects.create(conversation=chat, written_by="olive", text=f"{name} is patient")
        session = Session.objects.create(conversation=chat)
        Rating.objects.create(conversation=chat, session=session, score=5, comment=f"{name} is happy")
        make_spend(robot, name=name)
        make_callback(robot.account, name, body=callback_body("Hello", sender=name).decode())
        EndUser.objects.create(account=robot.account, user_id=name, tier=tier)
    club = make_conversation(robot, "club", kind=Conversation.Kind.GROUP)
    for name in ("alice", "bob"):
        say(club, f"{name} in the club", sender_id=name)
    searching.catch_up()
    Fold.objects.create(conversation=club, until=1, messages=1, tokens=1, summary="alice spoke")
    return robot


def everything() -> str:
    """All rows that tell of people."""
    kinds: list[Any] = [
        Callback,
        Conversation,
        EndUser,
        Fold,
        Handoff,
        Message,
        Note,
        Rating,
        Session,
        Spend,
        Turn,
    ]
    return json.dumps([list(kind.objects.values()) for kind in kinds], default=str)


def test_the_export_has_all_of_one_person_and_nothing_of_others(
    world: Robot, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("export_person", world.account.slug, "alice")

    told = capsys.readouterr().out
    data = json.loads(told)
    assert "bob" not in told
    assert data["tier"] == "vip"
    assert [each["text"] for each in data["conversations"][0]["messages"]] == ["I am alice"]
    assert [(each["group"], each["text"]) for each in data["said_in_groups"]] == [
        ("club", "alice in the club")
    ]
    assert data["conversations"][0]["handoffs"][0]["cause"] == "words"
    assert data["conversations"][0]["notes"][0]["text"] == "alice is patient"
    assert data["ratings"][0]["comment"] == "alice is happy"
    assert len(data["callbacks"]) == len(data["sessions"]) == len(data["spending"]) == 1


def test_of_someone_erased_nothing_is_left(world: Robot, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("erase_person", world.account.slug, "alice", "--yes")

    assert capsys.readouterr().out.splitlines() == [
        "conversations: 1",
        "messages: 1",
        "said in groups: 1",
        "callbacks: 1",
        "spending: 1",
        "tier: 1",
    ]
    assert "alice" not in everything()
    assert everything().count("bob") >= 7


def test_what_was_said_in_groups_is_not_taken_for_missed(world: Robot) -> None:
    before = Message.objects.filter(conversation__kind="group").count()

    persons.erase(world.account, "alice")

    assert Message.objects.filter(conversation__kind="group").count() == before


def test_a_longer_id_is_somebody_else(world: Robot) -> None:
    make_callback(world.account, "d9", body=callback_body("Hello", sender="alice2").decode())

    persons.erase(world.account, "alice")

    assert set(Callback.objects.values_list("delivery_id", flat=True)) == {"bob", "d9"}


def test_to_erase_twice_changes_nothing(world: Robot) -> None:
    persons.erase(world.account, "alice")

    assert set(persons.erase(world.account, "alice").values()) == {0}


def test_without_yes_nothing_is_erased(world: Robot) -> None:
    with pytest.raises(CommandError, match="--yes"):
        call_command("erase_person", world.account.slug, "alice")

    assert "I am alice" in everything()


def test_an_account_that_does_not_exist_is_an_error(world: Robot) -> None:
    with pytest.raises(CommandError, match="there is no account nobody"):
        call_command("export_person", "nobody", "alice")
