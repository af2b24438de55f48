from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import DataError

from bots.models import Robot
from conversations import bulk
from conversations.models import Conversation, Message

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, 12, 30, 0, 123456, tzinfo=UTC)
NOTHING = "DO NOTHING"


@pytest.fixture
def conversation(robot: Robot) -> Conversation:
    return Conversation.objects.create(robot=robot, peer_id="alice")


def row(conversation: Conversation, **values: object) -> dict[str, object]:
    return {
        "conversation_id": conversation.pk,
        "sender": "user",
        "state": "received",
        "happened_at": NOW,
    } | values


def test_values_arrive_as_they_are(conversation: Conversation) -> None:
    said = "Quote \" ' backslash \\ percent %s, 你好 🙂,\nnew line"
    extra = {"width": 3, "url": None, "more": ["é"]}

    bulk.insert(Message, [row(conversation, text=said, extra=extra)], on_conflict=NOTHING, returning="id")

    message = Message.objects.get()
    assert (message.text, message.extra, message.happened_at) == (said, extra, NOW)


def test_what_a_row_leaves_out_gets_the_models_default(conversation: Conversation) -> None:
    rows = [row(conversation), row(conversation)]

    bulk.insert(Message, rows, on_conflict=NOTHING, returning="id")

    one, other = Message.objects.all()
    assert (one.kind, one.extra, one.turn, one.vendor_message_id) == ("text", {}, None, None)
    assert len({one.public_id, other.public_id}) == 2


def test_only_rows_that_were_written_are_returned(conversation: Conversation) -> None:
    rows = [row(conversation, vendor_message_id="1", text=text) for text in ("first", "repeat")]

    written = bulk.insert(Message, rows, on_conflict=NOTHING, returning="text")

    assert written == [("first",)]


def test_text_that_is_too_long_is_refused_rather_than_cut(conversation: Conversation) -> None:
    with pytest.raises(DataError):
        bulk.insert(Message, [row(conversation, sender_id="x" * 65)], on_conflict=NOTHING, returning="id")
