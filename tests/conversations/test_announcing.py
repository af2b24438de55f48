"""What consoles are told of, pinned: the keys and types of each event, and that no change is missed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from bots.models import LanguageModel, Robot
from conversations import announcing, closing, ownership, ratings
from conversations.announcing import Reader
from conversations.models import Conversation, Handoff, Message, Note, Standing, Turn
from tests.support.factories import make_conversation, make_turn, say

DOCS = Path(__file__).parents[2] / "docs" / "console.md"

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGE = {
    "type": str,
    "id": int,
    "public_id": str,
    "change": int,
    "turn": int | None,
    "sender": str,
    "sender_id": str,
    "kind": str,
    "text": str,
    "link": str,
    "name": str,
    "state": str,
    "error": str,
    "is_edited": bool,
    "at": str,
    "place": list,
}
NOTE = {
    "type": str,
    "id": int,
    "change": int,
    "written_by": str,
    "text": str,
    "at": str,
    "place": list,
}
TURN = {
    "type": str,
    "id": int,
    "change": int,
    "state": str,
    "model": str,
    "tokens": dict,
    "cost": dict,
    "seconds": dict,
    "error": str,
}
HANDOFF = {
    "type": str,
    "id": int,
    "change": int,
    "cause": str,
    "operator": int | None,
    "taken_by": str,
    "returned_by": str,
    "instruction": str,
    "began_at": str,
    "is_open": bool,
    "is_taken": bool,
}

CONVERSATION = {
    "type": str,
    "id": int,
    "change": int,
    "is_resolved": bool,
    "tags": list,
    "rating": int | None,
}


@pytest.fixture
def conversation(robot: Robot) -> Conversation:
    return make_conversation(robot)


@pytest.fixture
def reader() -> Reader:
    return Reader(last=announcing.newest_change())


def kinds(reader: Reader, now: float = 0.0) -> list[str]:
    return [change.kind for change in reader.read(now)]


def fits(event: dict[str, Any], schema: dict[str, Any]) -> bool:
    return event.keys() == schema.keys() and all(isinstance(event[key], schema[key]) for key in schema)


def test_events_keep_to_their_schema(conversation: Conversation, model: LanguageModel) -> None:
    turn = make_turn(conversation, model=model)
    message = say(conversation, "hello", turn=turn)
    ownership.take_over(conversation, by="desk")

    assert fits(announcing.message_changed(message), MESSAGE)
    assert fits(announcing.message_changed(say(conversation, "unanswered")), MESSAGE)
    turn.refresh_from_db()
    told = announcing.turn_changed(turn)
    assert fits(told, TURN)
    assert told["tokens"].keys() == {"input", "cached_input", "output", "is_estimated"}
    assert told["cost"].keys() == {"amount", "currency"}
    assert told["seconds"].keys() == {"waited", "first_token", "first_words", "in_all"}
    assert fits(announcing.handoff_changed(Handoff.objects.get()), HANDOFF)
    note = Note.objects.create(conversation=conversation, written_by="olive", text="careful")
    assert fits(announcing.note_changed(note), NOTE)
    closing.tag(conversation, ["refund"])
    assert fits(announcing.conversation_changed(Standing.objects.get()), CONVERSATION)


@pytest.mark.parametrize(
    "name, schema",
    [
        ("message", MESSAGE),
        ("turn", TURN),
        ("handoff", HANDOFF),
        ("note", NOTE),
        ("conversation", CONVERSATION),
    ],
)
def test_events_are_documented(name: str, schema: dict[str, Any]) -> None:
    section = DOCS.read_text().partition(f"### `{name}`\n")[2].partition("\n###")[0]

    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(schema)


def test_every_change_is_read_once(conversation: Conversation, reader: Reader) -> None:
    message = say(conversation, "hello")
    make_turn(conversation)
    assert kinds(reader) == ["message", "turn"]
    assert kinds(reader) == []

    Message.objects.filter(pk=message.pk).update(text="hello!")  # by a statement that knows of no numbers
    ownership.take_over(conversation, by="desk")

    assert kinds(reader) == ["message", "handoff"]


def test_how_a_conversation_stands_is_told(conversation: Conversation, robot: Robot) -> None:
    olive = User.objects.create_user("olive")
    reader = Reader(last=announcing.newest_change())

    def told() -> Any:
        changes = [change for change in reader.read(0.0) if change.kind == "conversation"]
        [event] = announcing.events_of(changes)[conversation.pk]
        return event["is_resolved"], event["tags"], event["rating"]

    closing.resolve(conversation, operator=olive)
    assert told() == (True, [], None)
    closing.tag(conversation, ["vip", "refund"])
    assert told() == (True, ["refund", "vip"], None)
    closing.tag(conversation, ["vip"])
    assert told() == (True, ["vip"], None)
    ratings.record(conversation, score=1)
    ratings.record(conversation, score=4)
    assert told() == (True, ["vip"], 4)
    Conversation.objects.filter(pk=conversation.pk).update(resolved_at=None)
    assert told() == (False, ["vip"], 4)

    Conversation.objects.filter(pk=conversation.pk).update(last_message_at=timezone.now())
    assert reader.read(0.0) == []


def test_a_tagged_conversation_can_be_deleted(conversation: Conversation) -> None:
    closing.tag(conversation, ["vip"])

    conversation.delete()

    assert not Standing.objects.exists()


def test_what_commits_late_is_not_missed(conversation: Conversation, reader: Reader) -> None:
    slow, fast = say(conversation, "slow"), say(conversation, "fast")
    reader.read(0.0)
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("UPDATE conversations_message SET text = 'late' WHERE id = %s", [slow.pk])
        Message.objects.filter(pk=fast.pk).update(text="early")
        [early] = reader.read(0.0)
        before = reader.cursor
        assert before < early.number - 1
        other.commit()

    [late] = reader.read(0.2)

    assert (early.pk, late.pk) == (fast.pk, slow.pk)
    assert late.number < early.number
    assert reader.cursor == early.number


def test_what_never_commits_is_not_waited_for(conversation: Conversation, reader: Reader) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('conversations_change')")
    say(conversation, "hello")
    reader.read(0.0)
    assert reader.cursor < announcing.newest_change()

    reader.read(announcing.PATIENCE_S + 1)

    assert reader.cursor == announcing.newest_change()


def test_to_look_takes_one_query(
    conversation: Conversation, reader: Reader, django_assert_num_queries: Any
) -> None:
    say(conversation, "hello")
    make_turn(conversation)

    with django_assert_num_queries(1):
        reader.read(0.0)


def test_what_was_missed_is_told_by_number(conversation: Conversation) -> None:
    first = say(conversation, "first")
    say(conversation, "second")
    cursor = announcing.newest_change()
    Message.objects.filter(pk=first.pk).update(state=Message.State.RECALLED)
    make_turn(conversation, Turn.State.WAITING)

    events = announcing.events_since(conversation.pk, cursor)

    assert [event["type"] for event in events] == ["message", "turn"]
    assert (events[0]["id"], events[0]["state"]) == (first.pk, "recalled")
